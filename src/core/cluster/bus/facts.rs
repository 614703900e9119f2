//! What several of the words are made of: what is told of a socket, and what became of an emit for a user.

use crate::core::presence::session::PresenceStatus;
use crate::types::SocketId;
use serde::{Deserialize, Serialize};

/// Bytes of the length of a text, at most.
const LEN_BYTES: usize = 4;

/// What is told of a socket, wherever it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SocketFacts {
    /// The bytes of its id.
    pub id: [u8; SocketId::BYTES],
    /// Whose it is.
    pub user: String,
    /// What its client calls the tab or device it runs in.
    pub device: Option<String>,
    /// The ids of connections whose session it has recovered.
    pub earlier: Vec<[u8; SocketId::BYTES]>,
    /// Its namespace.
    pub namespace: String,
    /// The address of the client.
    pub address: String,
    /// The client's `User-Agent`.
    pub user_agent: Option<String>,
    /// How the connection reaches the client.
    pub transport: String,
    /// The rooms it is in.
    pub rooms: Vec<String>,
    /// When it was authenticated, in ms since 1970.
    pub connected_at: u64,
    /// Names the resume tokens of its client.
    pub family: Option<String>,
    /// When its credentials end, in ms since 1970.
    pub expires_at: Option<u64>,
    /// What authentication said of it besides, a JSON value.
    pub data: Option<String>,
    /// What is attached to it, a JSON object.
    pub attached: Option<String>,
}

impl SocketFacts {
    /// Its id.
    pub fn id(&self) -> SocketId {
        SocketId::from_bytes(self.id)
    }

    /// About as many bytes as it takes to tell this.
    pub fn bytes(&self) -> usize {
        let texts = [&self.device, &self.user_agent, &self.family, &self.data, &self.attached];
        let texts: usize = texts.into_iter().flatten().map(String::len).sum();
        let named = [&self.user, &self.namespace, &self.address, &self.transport];
        let named: usize =
            named.into_iter().chain(&self.rooms).map(|it| it.len() + LEN_BYTES).sum();
        size_of::<Self>() + texts + named + self.earlier.len() * SocketId::BYTES
    }
}

/// What became of an emit for one user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserEmitted {
    /// The user's status at that moment.
    pub status: PresenceStatus,
    /// Sockets of the user it was for.
    pub matched: usize,
    /// Sockets of the user whose connection took it.
    pub sent: usize,
}

impl UserEmitted {
    /// With what became of it on another node: the user is where it has a socket.
    pub fn add(&mut self, other: Self) {
        let Self { status, matched, sent } = other;
        self.matched += matched;
        self.sent += sent;
        self.status = match (self.status, status) {
            (PresenceStatus::Online(_), _) | (_, PresenceStatus::Offline) => self.status,
            (_, status) => status,
        };
    }
}
