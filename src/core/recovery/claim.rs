//! How a client comes back to its session, and what it gets.

use super::{Offset, Pid};
use crate::core::rooms::RoomMoves;
use crate::types::SocketId;
use bytes::Bytes;

/// A socket that comes with the name of an earlier session.
#[derive(Debug, Clone, Copy)]
pub struct SessionClaim<'a> {
    /// The session it says it had.
    pub pid: &'a Pid,
    /// The last offset it says it saw; a client that has seen no event has none.
    pub offset: Option<&'a str>,
}

/// A socket that becomes live.
#[derive(Debug)]
pub struct Newcomer<S> {
    /// The socket. What it is granted now counts for what is replayed.
    pub socket: S,
    /// Names its session if none is recovered.
    pub fresh: Pid,
}

/// What a socket gets when it becomes live.
#[derive(Debug)]
pub struct Attached<S> {
    /// The name of its session: the claimed one if it was recovered.
    pub pid: Pid,
    /// Whether the earlier session goes on.
    pub outcome: RecoveryOutcome,
    /// The ids of the connections that had the session before, the latest first; events for these are for it.
    pub earlier: Vec<SocketId>,
    /// The rooms that these have joined and left.
    pub moves: RoomMoves,
    /// What it missed, in order, each with its offset.
    pub missed: Vec<Bytes>,
    /// The number of the last of these; 0 if it missed nothing. It counts as addressed.
    pub last_missed: u64,
    /// Where the log stands: the offset of whatever the socket is sent now.
    pub head: Offset,
    /// The connection that had the session, if it is still there: it must be closed.
    pub replaced: Option<S>,
}

/// What became of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecoveryOutcome {
    /// There was none.
    New,
    /// The session goes on.
    Recovered,
    /// It does not; a new one has begun.
    Lost(Lost),
}

/// Why a session does not go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    /// No such session, nor a place in this log: it is of an earlier life of the process, or of another user.
    Unknown,
    /// No such session any more: away for longer than the window, forgotten as the longest absent of too many, or
    /// ended by a goodbye or a kick.
    Over,
    /// The place is none of this log.
    BadOffset,
    /// What came after the place is not kept any more.
    Truncated,
    /// It missed more bytes than its connection would bear.
    TooMuch,
    /// Where the nodes of a cluster agree could not be asked in time.
    Unavailable,
}

impl RecoveryOutcome {
    /// Whether the earlier session goes on.
    pub fn is_recovered(self) -> bool {
        self == Self::Recovered
    }
}

impl Lost {
    /// The stable name, for metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Over => "over",
            Self::BadOffset => "bad_offset",
            Self::Truncated => "truncated",
            Self::TooMuch => "too_much",
            Self::Unavailable => "unavailable",
        }
    }
}
