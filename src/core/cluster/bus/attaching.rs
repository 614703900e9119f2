//! What is attached to sockets of other nodes.

use crate::types::SocketId;
use serde::{Deserialize, Serialize};

/// Data for a socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SocketPatch {
    /// The bytes of its id.
    pub socket: [u8; SocketId::BYTES],
    /// A JSON Merge Patch, which was looked at.
    pub patch: String,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SocketPatched {
    /// The socket is not on that node.
    NotHere,
    /// It is.
    Attached {
        /// The bytes of its id, which may be another by now.
        socket: [u8; SocketId::BYTES],
        /// What is attached now, a JSON object.
        attached: String,
    },
    /// So many bytes would be attached, which is too much.
    TooLarge(usize),
}
