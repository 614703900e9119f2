//! What a node is asked to do, and the names of what it has asked.

use crate::core::cluster::incarnation::{Epoch, Incarnation};
use crate::types::UserId;
use bytes::Bytes;
use std::sync::Arc;

/// Names an event of this node, until it is known what became of it. They count up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct EventId(pub u64);

/// Commands of one lane go one after the other; lanes do not wait for each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lane {
    /// Attach, batches, one's own earlier life.
    Write,
    /// The log.
    Read,
    /// The others, and what is due.
    Watch,
}

impl Lane {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Write, Self::Read, Self::Watch];

    pub(super) fn index(self) -> usize {
        match self {
            Self::Write => 0,
            Self::Read => 1,
            Self::Watch => 2,
        }
    }
}

/// Names a command that was sent, so that its answer is known for what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket {
    /// The connection.
    pub link: u64,
    /// Of which lane it is.
    pub lane: Lane,
    pub(super) number: u64,
}

/// Names a question that was asked of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogQuestion {
    /// The connection.
    pub link: u64,
    pub(super) attached: u64,
}

/// What a node has to do, or may rely on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeEffect {
    /// The session of a user who is here.
    Session {
        /// Who.
        user: UserId,
        /// Its number.
        session: u64,
    },
    /// The event is in the log.
    Taken {
        /// Which one.
        event: EventId,
        /// Under this number.
        number: u64,
        /// The names of the other nodes that were there then: those that come later do not hear it.
        others: Arc<[Arc<str>]>,
    },
    /// It was not known in time whether the event is in the log. One that waits for its number is handed out here now,
    /// without one; others have what they got, and the answer names the other nodes as missing.
    Degraded {
        /// Which one.
        event: EventId,
    },
    /// Whether the event is in the log will not be known; if it is, it comes by the log.
    Unknown {
        /// Which one.
        event: EventId,
    },
    /// An event comes by the log.
    Heard {
        /// Its number.
        number: u64,
        /// Who put it there.
        from: Incarnation,
        /// Which event of this node it is, if that is remembered; `None`: it is another's.
        own: Option<EventId>,
        /// Whether it came by the log before, which lost it: sockets that were here then have it.
        is_repeat: bool,
        /// What was put there.
        event: Bytes,
    },
    /// Another node tells this one something.
    Told {
        /// Who.
        from: Incarnation,
        /// What.
        message: Bytes,
    },
    /// From this number on, what was handed out without one stands before it.
    Marked {
        /// The number of the marker.
        number: u64,
    },
    /// Some of the log was cut off before this node had read it.
    MissedSome,
    /// All up to this number was said: the log was read so far.
    ReadTo(u64),
    /// A new epoch: sessions that began before it are not recovered.
    NewEpoch {
        /// Its name.
        epoch: Epoch,
        /// What comes by the log from now on stands behind this number, which may be lower than what came before: that was
        /// lost since.
        read_to: u64,
    },
    /// The node has left: it may stop.
    Left,
    /// This node slept: sockets that say something now are there.
    Verify,
}
