//! The words between a node and the place where all nodes keep the seats of users: how many connections each has.
//!
//! A seat has a name, and belongs to a node. The place counts those of nodes that are there, and no others.

use crate::types::UserId;
use std::sync::Arc;
use std::time::Duration;

/// The name of a seat, in all nodes.
pub type SeatName = Arc<str>;

/// What is asked of seats, or said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SeatQuestion {
    /// A connection wants one.
    Take(SeatClaim),
    /// These are free, each of its user.
    Free(Vec<(UserId, SeatName)>),
}

/// A connection wants a seat, or says that it has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeatClaim {
    /// Whose connection it is.
    pub user: UserId,
    /// The name of the seat. To ask twice for the same one is to ask once.
    pub seat: SeatName,
    /// The node that has the connection.
    pub node: Arc<str>,
    /// Since when it has the seat, as it was told; `None`: from now on.
    pub since: Option<u64>,
    /// How many seats the user may have.
    pub max: usize,
    /// Whose seat it may have if all are taken.
    pub room: SeatRoom,
    /// How long the seats of the user are kept if nothing more is said of any.
    pub kept_for: Duration,
    /// The mark of what its client has left behind, whose seat it may have in any case.
    pub replaces: Option<SeatMark>,
    /// Seats of which it was found out that they are free.
    pub free: Vec<SeatName>,
    /// What it is known by later, the device first. One with the same device may have the seat of this one.
    pub marks: Vec<SeatMark>,
}

/// What a seat is known by: a device, or a socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SeatMark {
    /// What a client calls its device.
    Device(Arc<str>),
    /// The public id of a socket.
    Socket(Arc<str>),
}

/// Whose seat a connection may have if all are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeatRoom {
    /// Only what its client has left behind, or what has the same device.
    ItsOwn,
    /// Besides, that of the oldest.
    Oldest,
    /// None: it has had one, and it is not sure that it still has.
    None,
}

/// The answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SeatReply {
    /// To [`SeatQuestion::Take`]: it has the seat.
    Taken {
        /// Since when.
        since: u64,
        /// It has those of what its client had left behind.
        replaced: Vec<SeatName>,
        /// It has those of others.
        evicted: Vec<SeatName>,
    },
    /// To the same: it has none.
    Full(Vec<TakenSeat>),
    /// To [`SeatQuestion::Free`].
    Freed,
}

/// A seat that a user has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenSeat {
    /// Its name.
    pub seat: SeatName,
    /// The node that has the connection.
    pub node: Arc<str>,
}
