//! Who is here: answered from memory, without side effects.

use super::sockets::{NodeCounts, Sockets};
use crate::cluster::Unattached;
use crate::connection::{Connections, Transports};
use crate::core::page::Page;
use crate::core::presence::session::PresenceStatus;
use crate::presence::{StateFilter, UserEntry, UserStatus};
use crate::registry::{FewSockets, RoomEntry, Socket};
use crate::types::{Namespace, Room, SocketId, UserId};
use std::sync::Arc;

/// How many are here, with connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeStats {
    /// Users, sockets, rooms.
    pub counts: NodeCounts,
    /// Connections, also those without a socket.
    pub connections: usize,
    /// Of these, those whose clients have joined no namespace.
    pub homeless: usize,
    /// How these reach their clients.
    pub transports: Transports,
}

/// What is known of who is here.
#[derive(Debug)]
pub struct Directory {
    sockets: Sockets,
    connections: Connections,
    namespaces: Arc<[Namespace]>,
}

#[expect(clippy::unused_async, reason = "where there are many nodes, they are asked")]
impl Directory {
    /// Users in order of their ids, after `after`.
    pub async fn users(
        &self,
        after: Option<&UserId>,
        limit: usize,
        filter: StateFilter,
    ) -> Page<UserEntry> {
        self.sockets.presence.users(after, limit, filter)
    }

    /// What is known of the presence of these users, in the same order.
    pub async fn status(&self, users: &[UserId]) -> Result<Vec<UserStatus>, Unattached> {
        self.sockets.presence.status(users).await
    }

    /// A user's status, and its sockets on this node.
    pub async fn user(&self, user: &UserId) -> Result<(PresenceStatus, FewSockets), Unattached> {
        let [status] = self.status(std::slice::from_ref(user)).await?[..] else {
            return Err(Unattached);
        };
        Ok((status.status, self.sockets.user(user).1))
    }

    /// What the backend has attached to a user's session.
    pub async fn attached(&self, user: &UserId) -> Option<Arc<str>> {
        self.sockets.presence.attached(user)
    }

    /// Granted rooms that begin with `prefix`, after `after`.
    pub async fn rooms(
        &self,
        prefix: &str,
        after: Option<&(Namespace, Room)>,
        limit: usize,
    ) -> Page<RoomEntry> {
        self.sockets.rooms(prefix, after, limit)
    }

    /// The sockets in a room.
    pub async fn room(&self, namespace: &Namespace, room: &Room) -> Vec<Arc<Socket>> {
        self.sockets.room(namespace, room).to_vec()
    }

    /// The socket with this id.
    pub async fn socket(&self, id: SocketId) -> Option<Arc<Socket>> {
        self.sockets.registry.socket(id, &self.namespaces)
    }
}

impl Directory {
    /// Those of this node, in these namespaces.
    pub fn new(sockets: Sockets, connections: Connections, namespaces: Arc<[Namespace]>) -> Self {
        Self { sockets, connections, namespaces }
    }

    /// The namespaces that exist.
    pub fn namespaces(&self) -> &[Namespace] {
        &self.namespaces
    }

    /// How many are on this node.
    pub fn stats(&self) -> NodeStats {
        let (connections, transports) = (self.connections.len(), self.connections.transports());
        let homeless = self.connections.homeless();
        NodeStats { counts: self.sockets.counts(), connections, homeless, transports }
    }

    /// Whether the server is stopping.
    pub fn is_draining(&self) -> bool {
        self.connections.is_draining()
    }
}

#[cfg(test)]
mod tests;
