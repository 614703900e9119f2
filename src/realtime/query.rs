//! Who is here: answered from memory, without side effects.

use super::Realtime;
use super::sockets::NodeCounts;
use crate::connection::Transports;
use crate::core::page::Page;
use crate::core::presence::session::PresenceStatus;
use crate::presence::{StateFilter, UserEntry, UserStatus};
use crate::registry::{FewSockets, RoomEntry, Socket};
use crate::types::{Namespace, Room, SocketId, UserId};
use std::sync::Arc;

/// How many are here, with connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stats {
    /// Users, sockets, rooms.
    pub counts: NodeCounts,
    /// Connections, also those without a socket.
    pub connections: usize,
    /// How these reach their clients.
    pub transports: Transports,
}

impl Realtime {
    /// Users in order of their ids, after `after`.
    pub fn users(
        &self,
        after: Option<&UserId>,
        limit: usize,
        filter: StateFilter,
    ) -> Page<UserEntry> {
        self.sockets.presence.users(after, limit, filter)
    }

    /// What is known of the presence of these users, in the same order.
    pub async fn status(&self, users: &[UserId]) -> Vec<UserStatus> {
        self.sockets.presence.status(users).await
    }

    /// A user's status and sockets.
    pub fn user(&self, user: &UserId) -> (PresenceStatus, FewSockets) {
        self.sockets.user(user)
    }

    /// Granted rooms that begin with `prefix`, after `after`.
    pub fn rooms(
        &self,
        prefix: &str,
        after: Option<&(Namespace, Room)>,
        limit: usize,
    ) -> Page<RoomEntry> {
        self.sockets.rooms(prefix, after, limit)
    }

    /// The sockets in a room.
    pub fn room(&self, namespace: &Namespace, room: &Room) -> Vec<Arc<Socket>> {
        self.sockets.room(namespace, room).to_vec()
    }

    /// The sockets of a user in `namespace` that can be written to.
    pub(super) fn reachable(&self, user: &UserId, namespace: &Namespace) -> FewSockets {
        let (_, mut sockets) = self.sockets.user(user);
        sockets.retain(|it| it.namespace == *namespace && !it.connection.is_closed());
        sockets
    }

    /// The socket with this id.
    pub fn socket(&self, id: SocketId) -> Option<Arc<Socket>> {
        self.sockets.registry.socket(id, &self.namespaces)
    }

    /// How many are here.
    pub fn stats(&self) -> Stats {
        let connections = &self.connections;
        Stats {
            counts: self.sockets.counts(),
            connections: connections.len(),
            transports: connections.transports(),
        }
    }

    /// Whether the server is stopping.
    pub fn is_draining(&self) -> bool {
        self.connections.is_draining()
    }
}
