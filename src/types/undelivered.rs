//! The news that a message did not reach a user.

use super::{EventName, ItemId, ItemSeq, Namespace, Seq, UserId, WallMs};
use std::sync::Arc;

/// A message that did not reach one user: what is recorded, hooked and pulled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undelivered {
    /// The user whom it did not reach.
    pub user: UserId,
    /// Its place among the user's events: no other event of the user has the same.
    pub seq: Seq,
    /// When that was known, by the wall clock.
    pub at: WallMs,
    /// The id of the emit.
    pub message: Arc<str>,
    /// The namespace it was emitted in.
    pub namespace: Namespace,
    /// The name of the event.
    pub event: EventName,
    /// The arguments of the event, a JSON array; `None` if they are too large for a hook, or have buffers.
    pub args: Option<Arc<str>>,
    /// Why it did not reach the user.
    pub why: WhyUndelivered,
    /// The number of the user's sockets that it was for.
    pub matched: usize,
    /// The number and name of its item in the user's inbox, if it was stored.
    pub inbox: Option<(ItemSeq, ItemId)>,
}

/// Why a message did not reach a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhyUndelivered {
    /// The user had no socket in the namespace.
    Offline,
    /// None of the user's connections took it.
    NotSent,
    /// None of the user's sockets acked.
    NoAck,
}

impl Undelivered {
    /// The type of the hook.
    pub const HOOK_TYPE: &str = "message.undelivered";
}

impl WhyUndelivered {
    /// The name in the hook.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Offline => "offline",
            Self::NotSent => "not_sent",
            Self::NoAck => "no_ack",
        }
    }
}
