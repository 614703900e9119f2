//! A message: an event, who it is for, and what its sender wants besides.

use super::acks::AckNeed;
use super::audience::Audience;
use crate::core::inbox::Keep;
use crate::types::{CollapseKey, EventName, ItemId, Payload, SourceName};
use std::sync::Arc;
use std::time::Duration;

/// An event, and what its sender wants besides.
#[derive(Debug)]
pub struct Message {
    /// The event and who it is for.
    pub emit: Emit,
    /// Whether and how it is put into inboxes.
    pub store: Option<StoreOptions>,
    /// Whether and how acks are waited for.
    pub acks: Option<AckOptions>,
    /// What happens with users whom it does not reach; only with users as targets.
    pub undelivered: WhenUndelivered,
}

/// An event and who it is for.
#[derive(Debug, Clone)]
pub struct Emit {
    /// Who it is for. Shared with whatever keeps the emit: the recovery log, the list of recent emits.
    pub audience: Arc<Audience>,
    /// Its name.
    pub event: EventName,
    /// Its arguments.
    pub payload: Payload,
    /// Whether it may be dropped for a client that is busy.
    pub volatile: bool,
    /// The source it came by: one of ingest, `events` (an answer of the backend), `clients`; `None`: the admin API.
    pub source: Option<SourceName>,
}

/// Which acks the sender waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AckOptions {
    /// Which acks are needed.
    pub need: AckNeed,
    /// How long they may take.
    pub timeout: Duration,
}

/// How an emit to users is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreOptions {
    /// For whom.
    pub keep: Keep,
    /// How long, at most `inbox.keep`, which it is if absent.
    pub ttl: Option<Duration>,
    /// Takes the place of unread items with the same key.
    pub collapse_key: Option<CollapseKey>,
    /// The sender's name for it: the same again is neither stored nor emitted.
    pub id: Option<ItemId>,
}

/// What happens with users whom a message does not reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenUndelivered {
    /// Nothing but what the answer says.
    Nothing,
    /// The backend is told by a hook.
    Hook,
}

impl Emit {
    /// Whether a client sends it to others.
    pub fn is_of_client(&self) -> bool {
        self.source.as_ref().is_some_and(|it| it.as_str() == SourceName::CLIENTS)
    }
}

impl Message {
    /// Whether it is but an event: nothing is stored, waited for or told besides.
    pub fn is_plain(&self) -> bool {
        let Self { emit: _, store, acks, undelivered } = self;
        store.is_none() && acks.is_none() && *undelivered == WhenUndelivered::Nothing
    }

    /// Whether it is answered only when the disk has taken something.
    pub fn waits_for_disk(&self) -> bool {
        self.store.is_some() || self.undelivered == WhenUndelivered::Hook
    }
}
