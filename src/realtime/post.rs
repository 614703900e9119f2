//! A message: an event, what its sender wants to be done besides, and what became of it.
//!
//! The wait for acks is a task of its own: it goes on when the sender does not wait any more, and its end is remembered
//! for whoever asks.

mod undelivered;

use super::Realtime;
use super::emit::{AskError, Asking, Emitted};
use super::inbox::{InboxError, STORE_WAIT, Stored, in_time};
use crate::core::delivery::outbox::NoHook;
use crate::core::emit::acks::Outcome;
use crate::core::emit::message::{Message, WhenUndelivered};
use crate::core::inbox::Placed;
use crate::core::protocol::ack_reader::HeardAck;
use crate::store::Closed;
use crate::types::{UserId, WallMs};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;
use thiserror::Error;
use tokio::sync::oneshot;
use undelivered::Report;

/// Bytes that one socket takes in what is remembered, beside its user and what it said.
const SOCKET_BYTES: usize = 128;

/// What the sockets of an emit said, and who said nothing.
pub type AckOutcome = Arc<Outcome<HeardAck>>;

/// A message that is on its way.
#[derive(Debug)]
pub struct Posted {
    /// What became of it live.
    pub emitted: Emitted,
    /// The users who have it in their inbox.
    pub stored: BTreeMap<UserId, Stored>,
    /// The acks, if they were asked for.
    pub acks: Option<AwaitedAcks>,
}

/// Acks that somebody waits for.
#[derive(Debug)]
pub struct AwaitedAcks(oneshot::Receiver<Result<AckOutcome, InboxError>>);

impl AwaitedAcks {
    /// Waits until the wait is over, and who did not ack is told to the backend if that was asked for.
    pub async fn end(self) -> Result<AckOutcome, InboxError> {
        self.0.await.unwrap_or(Err(InboxError::Closed))
    }
}

/// Why a message was not sent.
#[derive(Debug, Error)]
pub enum PostError {
    /// It asks too many for acks.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// No hook can tell of users whom it does not reach.
    #[error(transparent)]
    NoHook(#[from] NoHook),
    /// The server is stopping. Some may have it already.
    #[error("the server is stopping")]
    Closed(#[from] Closed),
}

/// What is remembered of a message that asked for acks.
#[derive(Debug, Clone)]
pub struct AskedMessage {
    /// When it was emitted.
    pub at: WallMs,
    /// Sockets it was for.
    pub matched: usize,
    /// Sockets whose connection took it.
    pub sent: usize,
    /// How the wait for acks ended; `None` while it goes on.
    pub outcome: Option<AckOutcome>,
}

/// What is known of a message.
#[derive(Debug, Clone)]
pub struct MessageStatus {
    /// Its acks, if it asked for them not too long ago.
    pub asked: Option<AskedMessage>,
    /// Where it is or was in inboxes.
    pub placed: Vec<Placed>,
}

impl Realtime {
    /// Sends a message in one go, if it is but an event, and short work. Else nothing is done: [`Realtime::post`] it.
    pub fn post_at_once(&self, message: &Message) -> Option<Emitted> {
        message.is_plain().then(|| self.emit_at_once(&message.emit)).flatten()
    }

    /// Sends a message: into the inboxes first, then to who is here; then somebody waits for the acks.
    pub async fn post(&self, message: Message) -> Result<Posted, PostError> {
        let Message { emit, store, ask, undelivered } = message;
        if undelivered == WhenUndelivered::Hook {
            self.messages.outbox.check().await?;
        }
        let (emitted, stored, asking) = match (store, ask) {
            (None, None) => (self.emit(&emit).await, BTreeMap::new(), None),
            (None, Some(ask)) => {
                let (emitted, asking) = self.ask(&emit, ask).await?;
                (emitted, BTreeMap::new(), Some(asking))
            }
            (Some(options), ask) => {
                // Before anything is on disk: a refusal does nothing.
                ask.map_or(Ok(()), |_| self.may_ask(&emit))?;
                let kept = self.emit_kept(&emit, options, ask).await?;
                (kept.emitted, kept.stored, kept.asking)
            }
        };
        let report = (undelivered == WhenUndelivered::Hook)
            .then(|| Arc::new(Report::new(self, &emit, &emitted, &stored)));
        let acks = asking.map(|asking| self.wait_for_acks(&emitted, asking, report.clone()));
        if let Some(report) = report {
            report.offline().await?;
            if acks.is_none() {
                report.not_sent().await?;
            }
        }
        Ok(Posted { emitted, stored, acks })
    }

    /// What became of a message: `id` is that of the emit, or the name that its sender gave. `None`: nothing is known.
    pub async fn fate(&self, id: &str) -> Result<Option<MessageStatus>, InboxError> {
        let placed = in_time(self.inbox.inboxes.fate(id, self.inbox_time())).await?;
        // The sender's own name stands for one emit only if no other used it.
        let mut messages = placed.iter().map(|it| it.message.as_str());
        let own = messages.next().filter(|first| messages.all(|it| it == *first));
        let asked = self.ack_status(id).or_else(|| self.ack_status(own?));
        let is_known = asked.is_some() || !placed.is_empty();
        Ok(is_known.then_some(MessageStatus { asked, placed }))
    }

    /// What is remembered of an emit that asked for acks.
    pub fn ack_status(&self, id: &str) -> Option<AskedMessage> {
        self.messages.known.lock().get(id, self.clock.now()).cloned()
    }

    fn wait_for_acks(
        &self,
        emitted: &Emitted,
        asking: Asking,
        report: Option<Arc<Report>>,
    ) -> AwaitedAcks {
        let Emitted { id, matched, sent, .. } = emitted;
        let (id, at) = (id.clone(), self.clock.wall());
        let asked = AskedMessage { at, matched: *matched, sent: *sent, outcome: None };
        self.messages.known.lock().begin(&id, asked, SOCKET_BYTES, self.clock.now());
        let (done, outcome) = oneshot::channel();
        let messages = Arc::clone(&self.messages);
        self.messages.tasks.spawn_to_end("emit.acks", async move {
            let outcome = Arc::new(asking.end().await);
            messages.known.lock().update(&id, len(&outcome), |asked| {
                asked.outcome = Some(Arc::clone(&outcome));
            });
            let Some(report) = report else {
                // Nobody waits any more: it is remembered for whoever asks.
                drop(done.send(Ok(outcome)));
                return;
            };
            let silent = Arc::clone(&outcome);
            let told = report.no_ack(&silent);
            tokio::pin!(told);
            // Who waits for the answer does not wait for a disk that takes nothing; the hooks do.
            if let Ok(told) = tokio::time::timeout(STORE_WAIT, &mut told).await {
                drop(done.send(told.map(|()| outcome).map_err(Into::into)));
            } else {
                drop(done.send(Err(InboxError::Waiting)));
                // Fails only when the store is closed, which the log tells.
                let _closed = told.await;
            }
        });
        AwaitedAcks(outcome)
    }
}

/// About as many bytes as it takes.
fn len(outcome: &Outcome<HeardAck>) -> usize {
    let acks = outcome.acks.iter().map(|it| {
        let said = it.answer.as_ref();
        let buffers = said.map_or(0, |said| said.buffers.iter().map(Bytes::len).sum());
        SOCKET_BYTES
            + it.user.as_str().len()
            + said.map_or(0, |said| said.args.get().len())
            + buffers
    });
    let missing = outcome.missing.iter().map(|it| &it.user).chain(&outcome.absent);
    let missing = missing.map(|user| SOCKET_BYTES + user.as_str().len());
    SOCKET_BYTES + acks.sum::<usize>() + missing.sum::<usize>()
}
