//! The acks of messages: waited for, and remembered.

use super::{Messages, UndeliveredReport};
use crate::clock::Clock;
use crate::cluster::InboxesError;
use crate::config::MessagesConfig;
use crate::connection::ReceivedAck;
use crate::core::emit::acks::AckSummary;
use crate::core::memory::message_status::{MessageStatusLimits, MessageStatuses};
use crate::hooks::NotTold;
use crate::realtime::emitter::{AckBudget, AckShare, Emitted, OtherCounts, PendingAcks};
use crate::realtime::inboxes::{InboxError, in_time};
use crate::tasks::{Running, TaskLost};
use crate::types::{UserId, WallMs};
use bytes::Bytes;
use parking_lot::Mutex;
use std::sync::Arc;

/// Bytes that one socket takes in what is remembered, beside its user and what it said.
const SOCKET_BYTES: usize = 128;

/// What the sockets of an emit said, and who said nothing.
pub type AckOutcome = Arc<AckSummary<ReceivedAck>>;

/// What is remembered of a message that asked for acks.
#[derive(Debug, Clone)]
pub struct AckStatus {
    /// When it was emitted.
    pub at: WallMs,
    /// Sockets it was for, and of these, those whose connection took it: on this node.
    pub here: (usize, usize),
    /// The same on other nodes.
    pub others: OtherCounts,
    /// How the wait for acks ended; `None` while it goes on.
    pub outcome: Option<AckOutcome>,
}

/// The messages that asked for acks not too long ago, and the room for what acks of requests under way say.
#[derive(Debug)]
pub struct AckHistory {
    known: Mutex<MessageStatuses<AckStatus>>,
    budget: AckBudget,
    clock: Clock,
}

/// Acks that are waited for. Whoever drops it does not wait any more; the server does.
#[derive(Debug)]
pub struct AwaitedAcks(Running<AcksEnded>);

/// The wait for acks is over; the backend is being told of who did not ack, if that was asked for.
#[derive(Debug)]
struct AcksEnded {
    outcome: AckOutcome,
    told: Option<Running<Result<(), NotTold>>>,
}

impl AwaitedAcks {
    /// Waits until the wait is over, and the backend is told of who did not ack if that was asked for. A disk that
    /// takes nothing is an error after a while; the hooks wait for it.
    pub async fn end(self) -> Result<AckOutcome, InboxError> {
        let AcksEnded { outcome, told } = self.0.result().await?;
        if let Some(told) = told {
            in_time(async { told.result().await?.map_err(InboxError::from) }).await?;
        }
        Ok(outcome)
    }
}

impl AckStatus {
    /// Sockets it was for, and sockets whose connection took it.
    pub fn counts(&self) -> (usize, usize) {
        let (matched, sent) = self.here;
        self.others.with(matched, sent)
    }
}

impl AckHistory {
    /// Nothing is known yet.
    pub fn new(config: &MessagesConfig, clock: Clock) -> Self {
        let MessagesConfig { keep, entries_max, bytes_max, ack_bytes_max, .. } = *config;
        let limits = MessageStatusLimits { keep, entries_max, bytes_max };
        let budget = AckBudget::new(ack_bytes_max);
        Self { known: Mutex::new(MessageStatuses::new(limits)), budget, clock }
    }

    /// The room of one request.
    pub(super) fn share(&self) -> Arc<AckShare> {
        self.budget.share()
    }

    /// What is remembered of the emit with this id.
    pub(super) fn status(&self, id: &str) -> Option<AckStatus> {
        self.known.lock().get(id, self.clock.now()).cloned()
    }

    /// Sockets that acked the emit with this id; `None` if that is not known, or not yet.
    pub(super) fn acked(&self, id: &str) -> Option<usize> {
        Some(self.status(id)?.outcome?.acks.len())
    }

    /// Takes a user out of what is remembered.
    pub(super) fn erase(&self, user: &UserId) {
        self.known.lock().erase(|status| {
            let outcome = status.outcome.take();
            status.outcome = outcome.map(|it| without(&it, user).map_or(it, Arc::new));
            status.outcome.as_ref().map_or(SOCKET_BYTES, |it| bytes(it))
        });
    }

    fn begin(&self, emitted: &Emitted) {
        let Emitted { id, matched, sent, others, users: _, missing: _ } = emitted;
        let (at, here, others) = (self.clock.wall(), (*matched, *sent), others.clone());
        let status = AckStatus { at, here, others, outcome: None };
        self.known.lock().begin(id, status, SOCKET_BYTES, self.clock.now());
    }

    fn end(&self, id: &str, outcome: &AckOutcome) {
        self.known.lock().update(id, bytes(outcome), |status| {
            status.outcome = Some(Arc::clone(outcome));
        });
    }
}

impl Messages {
    pub(super) fn wait_for_acks(
        &self,
        emitted: &Emitted,
        asking: PendingAcks,
        report: Option<Arc<UndeliveredReport>>,
        share: Arc<AckShare>,
    ) -> AwaitedAcks {
        self.acks.begin(emitted);
        let (acks, id) = (Arc::clone(&self.acks), emitted.id.clone());
        let (undelivered, tasks) = (Arc::clone(&self.undelivered), self.tasks.clone());
        AwaitedAcks(self.tasks.run_to_end("messages.acks", async move {
            let outcome = Arc::new(asking.end(&share).await);
            acks.end(&id, &outcome);
            let told = report.map(|report| {
                let outcome = Arc::clone(&outcome);
                let tell = async move { undelivered.tell(report.no_ack(&outcome)).await };
                tasks.run_to_end("messages.undelivered", tell)
            });
            AcksEnded { outcome, told }
        }))
    }
}

impl From<TaskLost> for InboxError {
    fn from(_: TaskLost) -> Self {
        Self::Closed
    }
}

impl From<NotTold> for InboxError {
    fn from(error: NotTold) -> Self {
        match error {
            NotTold::Closed(_) => Self::Closed,
            NotTold::Away(_) => Self::Cluster(InboxesError::Away),
        }
    }
}

/// The same without a user; `None` if it does not name the user.
fn without(outcome: &AckSummary<ReceivedAck>, user: &UserId) -> Option<AckSummary<ReceivedAck>> {
    let AckSummary { is_met, acks, missing, absent } = outcome;
    let mut named = acks.iter().map(|it| &it.user).chain(missing.iter().map(|it| &it.user));
    if !named.any(|it| it == user) && !absent.contains(user) {
        return None;
    }
    Some(AckSummary {
        is_met: *is_met,
        acks: acks.iter().filter(|it| it.user != *user).cloned().collect(),
        missing: missing.iter().filter(|it| it.user != *user).cloned().collect(),
        absent: absent.iter().filter(|it| *it != user).cloned().collect(),
    })
}

/// About as many bytes as it takes.
fn bytes(outcome: &AckSummary<ReceivedAck>) -> usize {
    let acks = outcome.acks.iter().map(|it| {
        let said = it.answer.as_ref().ok();
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
