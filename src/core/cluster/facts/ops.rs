//! What the state is told of users and their sockets.

use crate::core::cluster::sockets::SocketOp;
use crate::types::{Reason, UserId, WallMs};
use std::sync::Arc;
use std::time::Duration;

/// How a user left this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UserDeparture {
    /// How long the user stays online without a socket.
    pub grace: Duration,
    /// Why the last socket was closed.
    pub reason: Reason,
    /// When.
    pub closed_at: WallMs,
}

/// One thing that the state is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FactOp {
    /// The user is here.
    Up {
        /// Who.
        user: UserId,
        /// The session that the node knows, where the state may have lost it.
        hint: Option<u64>,
        /// Whether the user was here all the time, as the state knew before it lost something.
        is_kept: bool,
    },
    /// What hooks say of the user of the next of these.
    Describe {
        /// What a socket of the user was granted, as members of a JSON object.
        granted: Arc<str>,
    },
    /// The user is not here any more.
    Down {
        /// Who.
        user: UserId,
        /// How the user left.
        departure: UserDeparture,
    },
    /// The user's sockets here are in other rooms than before.
    Place {
        /// Who.
        user: UserId,
        /// The rooms, as [`UserRooms::text`](crate::core::cluster::places::UserRooms::text) has them.
        rooms: Arc<str>,
    },
    /// A socket of the user is here, or not any more.
    Socket {
        /// Whose it is.
        user: UserId,
        /// What is said of it.
        op: SocketOp,
    },
    /// If the user lingers, that ends now.
    EndGrace {
        /// Who.
        user: UserId,
        /// Why.
        reason: Reason,
    },
    /// The user was here before the state was lost: unless it knows the user, the user lingers.
    Departed {
        /// Who.
        user: UserId,
        /// The session.
        session: u64,
        /// How the user left.
        departure: UserDeparture,
    },
}
