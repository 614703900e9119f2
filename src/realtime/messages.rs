//! A message: an event, what its sender wants to be done besides, and what became of it.
//!
//! Once begun, a message is finished whether its sender waits or not: half of a large room must not go without it. So is
//! the wait for its acks, which is remembered for whoever asks later.

mod acks;
mod members;
mod reach;
mod storing;
mod undelivered;

pub use acks::{AckHistory, AckOutcome, AckStatus, AwaitedAcks};
pub use members::MembersByRoom;
pub use storing::StoredItem;
pub use undelivered::UndeliveredHooks;

use super::emitter::{
    AckShare, Emitted, Emitter, Emitting, NotAsked, OtherNodes, RecentEmit, TooManyRecipients,
};
use super::inboxes::{InboxError, LiveInboxes, PutError, STORE_WAIT};
use crate::cluster::{BusError, InboxesError, Unattached};
use crate::core::cluster::bus::past::FoundSocket;
use crate::core::delivery::outbox::NoHook;
use crate::core::emit::message::{AckOptions, Message, WhenUndelivered};
use crate::core::inbox::Placed;
use crate::hooks::NotTold;
use crate::store::{Closed, ReadError};
use crate::tasks::{TaskLost, Tasks};
use crate::types::UserId;
use std::collections::BTreeMap;
use std::sync::Arc;
use storing::EmitOutcome;
use thiserror::Error;
use undelivered::UndeliveredReport;

/// Sends messages, and knows what became of them.
#[derive(Debug)]
pub struct Messages {
    emitter: Arc<Emitter>,
    inboxes: Arc<LiveInboxes>,
    acks: Arc<AckHistory>,
    undelivered: Arc<UndeliveredHooks>,
    /// Who has a membership of which room.
    members: MembersByRoom,
    tasks: Tasks,
}

/// A message that was sent.
#[derive(Debug)]
pub struct SentMessage {
    /// What became of it live.
    pub emitted: Emitted,
    /// What becomes of it on other nodes. Whoever drops it does not wait for that.
    pub others: Option<OtherNodes>,
    /// The users who have it in their inbox.
    pub stored: BTreeMap<UserId, StoredItem>,
    /// What became of it for the users who have a membership of the rooms, if it was stored for these.
    pub members: Option<MemberCounts>,
    /// The acks, if they were asked for.
    pub acks: Option<AwaitedAcks>,
}

/// What became of a stored event for the users who have a membership of the rooms it was for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MemberCounts {
    /// How many they are, without those who are left out.
    pub users: usize,
    /// Of these, those who have it in their inbox since now.
    pub stored: usize,
    /// Of these, those who had it there before.
    pub duplicates: usize,
}

/// Why a message was not sent.
#[derive(Debug, Error)]
pub enum PostError {
    /// It asks too many for acks.
    #[error(transparent)]
    TooManyRecipients(#[from] TooManyRecipients),
    /// No hook can tell of users whom it does not reach.
    #[error(transparent)]
    NoHook(#[from] NoHook),
    /// It is to be stored for too many.
    #[error(
        "`store` goes to at most {max} users with a membership of the rooms, and there are more"
    )]
    TooManyMembers {
        /// Users allowed.
        max: usize,
    },
    /// Who has a membership of the rooms cannot be read.
    #[error(transparent)]
    Members(#[from] ReadError),
    /// The other nodes cannot be told. Nobody was sent it.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// It cannot be stored where all nodes keep inboxes, or nobody knows whether it is. Nobody was sent it that did not have it.
    #[error(transparent)]
    Inboxes(InboxesError),
    /// Hooks of users whom it did not reach may not be told, because the cluster cannot be reached. It was sent.
    #[error(transparent)]
    NotTold(Unattached),
    /// The disk takes nothing for the moment. The message waits for it, and may still go out.
    #[error("the disk takes nothing for the moment")]
    Waiting,
    /// The server is stopping. Some may have it already.
    #[error("the server is stopping")]
    Closed(#[from] Closed),
    /// The server failed. Some may have it already.
    #[error(transparent)]
    Lost(#[from] TaskLost),
}

/// What is known of a message.
#[derive(Debug, Clone)]
pub struct MessageStatus {
    /// Its acks, if it asked for them not too long ago.
    pub acks: Option<AckStatus>,
    /// Where it is or was in inboxes.
    pub placed: Vec<Placed>,
    /// The ids under which its acks may be known.
    pub ids: Vec<String>,
}

/// A remembered emit, and its acks.
#[derive(Debug, Clone)]
pub struct RecalledEmit {
    /// The emit.
    pub emit: Arc<RecentEmit>,
    /// Sockets that acked; `None` if it did not ask for acks, or waits for them, or they are forgotten.
    pub acked: Option<usize>,
}

impl From<NotAsked> for PostError {
    fn from(error: NotAsked) -> Self {
        match error {
            NotAsked::TooMany(error) => Self::TooManyRecipients(error),
            NotAsked::Bus(error) => Self::Bus(error),
        }
    }
}

impl From<NotTold> for PostError {
    fn from(error: NotTold) -> Self {
        match error {
            NotTold::Closed(closed) => Self::Closed(closed),
            NotTold::Away(away) => Self::NotTold(away),
        }
    }
}

impl From<PutError> for PostError {
    fn from(error: PutError) -> Self {
        match error {
            PutError::Closed(closed) => Self::Closed(closed),
            PutError::Cluster(error) => Self::Inboxes(error),
        }
    }
}

impl Messages {
    /// Messages run in `tasks`, to their end: a stop that ends these first loses none. `members` says who has a membership of
    /// which room.
    pub fn new(
        emitter: Arc<Emitter>,
        inboxes: Arc<LiveInboxes>,
        acks: AckHistory,
        undelivered: UndeliveredHooks,
        (members, tasks): (MembersByRoom, Tasks),
    ) -> Self {
        let (acks, undelivered) = (Arc::new(acks), Arc::new(undelivered));
        Self { emitter, inboxes, acks, undelivered, members, tasks }
    }

    /// Sends a message without waiting, if it is but an event, and short work. Else nothing is done:
    /// [`Messages::post`] it.
    pub fn post_at_once(&self, message: &Message) -> Option<Emitting> {
        message.is_plain().then(|| self.emitter.emit_at_once(&message.emit)).flatten()
    }

    /// What sends events.
    pub fn emitter(&self) -> &Arc<Emitter> {
        &self.emitter
    }

    /// Room for what the acks of one request say, however many messages it has. Whoever writes them down holds it until
    /// they are written.
    pub fn ack_share(&self) -> Arc<AckShare> {
        self.acks.share()
    }

    /// Sends a message that is a request of its own, as [`Messages::post_within`] does.
    pub async fn post(self: &Arc<Self>, message: Message) -> Result<SentMessage, PostError> {
        self.post_within(message, self.ack_share()).await
    }

    /// Sends a message: into the inboxes first, then to who is here; then its acks are waited for, and kept within
    /// `share`. Answers when all but the last is done, or when the disk takes nothing for too long.
    pub async fn post_within(
        self: &Arc<Self>,
        message: Message,
        share: Arc<AckShare>,
    ) -> Result<SentMessage, PostError> {
        if let Some(Emitting { emitted, others }) = self.post_at_once(&message) {
            let stored = BTreeMap::new();
            return Ok(SentMessage { emitted, others, stored, members: None, acks: None });
        }
        let waits_for_disk = message.waits_for_disk();
        let messages = Arc::clone(self);
        let sending = async move { messages.send(message, share).await };
        let posted = self.tasks.run_to_end("messages.post", sending).result();
        if !waits_for_disk {
            return posted.await?;
        }
        let in_time = tokio::time::timeout(STORE_WAIT, posted).await;
        in_time.unwrap_or(Ok(Err(PostError::Waiting)))?
    }

    async fn send(&self, message: Message, share: Arc<AckShare>) -> Result<SentMessage, PostError> {
        let Message { emit, store, acks: ask, undelivered } = message;
        let hooks = (undelivered == WhenUndelivered::Hook).then_some(&self.undelivered);
        if let Some(hooks) = hooks {
            hooks.check().await?;
        }
        let EmitOutcome { emitted, others, stored, members, asking } = match (store, ask) {
            (Some(options), ask) => self.store_and_emit(&emit, options, ask).await?,
            (None, ask) => {
                let recipients = match ask {
                    Some(ask) => Some(self.may_ask(&emit.audience, ask).await?),
                    None => None,
                };
                self.emit(Emitter::fresh_id(), &emit, recipients).await?
            }
        };
        let (emitted, others) = match hooks {
            // Whom it did not reach, all nodes have to say.
            Some(_) => (Emitting { emitted, others }.end().await, None),
            None => (emitted, others),
        };
        let report = match hooks {
            Some(hooks) => {
                let reached = self.without_left_out(&emit, &emitted).await;
                Some(Arc::new(hooks.report(&emit, &reached, &stored)))
            }
            None => None,
        };
        let acks = asking.map(|asking| self.wait_for_acks(&emitted, asking, report.clone(), share));
        if let Some(report) = report {
            self.undelivered.tell(report.offline()).await?;
            if acks.is_none() {
                self.undelivered.tell(report.not_sent()).await?;
            }
        }
        Ok(SentMessage { emitted, others, stored, members, acks })
    }

    /// What became of a message, as this node knows it: `id` is that of the emit, or the name that its sender gave.
    pub async fn status(&self, id: &str) -> Result<MessageStatus, InboxError> {
        let placed = self.inboxes.placed(id).await?;
        // The sender's own name stands for one emit only if no other used it.
        let mut messages = placed.iter().map(|it| it.message.as_str());
        let own = messages.next().filter(|first| messages.all(|it| it == *first));
        let ids: Vec<String> = [id].into_iter().chain(own).map(str::to_owned).collect();
        Ok(MessageStatus { acks: self.ack_status(&ids), placed, ids })
    }

    /// Takes a user out of what is remembered of messages. An emit that still waits for acks is remembered, with
    /// everybody it was for, when that wait is over: within a minute.
    pub fn erase(&self, user: &UserId) {
        self.emitter.erase(user);
        self.acks.erase(user);
    }

    /// What is remembered of the acks of an emit that asked for them, under the first of these ids that is known.
    pub fn ack_status(&self, ids: &[String]) -> Option<AckStatus> {
        ids.iter().find_map(|it| self.acks.status(it))
    }

    /// The last emits of this node, the newest first, at most `limit`; of a user, with the sockets it has, those that were for
    /// it: by its name, to everybody, or to a room or a socket that is the user's now.
    pub fn recent(&self, of: Option<(&UserId, &[FoundSocket])>, limit: usize) -> Vec<RecalledEmit> {
        let emits = self.emitter.recent();
        let is_wanted =
            |emit: &RecentEmit| of.is_none_or(|(user, sockets)| emit.is_for(user, sockets));
        let wanted = emits.into_iter().filter(|emit| is_wanted(emit)).take(limit);
        wanted.map(|emit| RecalledEmit { acked: self.acks.acked(&emit.id), emit }).collect()
    }
}

#[cfg(test)]
mod tests;
