//! Who is here: answered from memory, without side effects.

use super::Realtime;
use crate::connection::Transports;
use crate::core::presence::session::Status;
use crate::registry::{Counts, Page, RoomEntry, Socket, StateFilter, UserEntry, UserSockets};
use crate::types::{Namespace, Room, SocketId, UserId};
use std::sync::Arc;

/// How many are here, with connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stats {
    /// Users, sockets, rooms.
    pub counts: Counts,
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
        self.registry.users(after, limit, filter)
    }

    /// A user's status and sockets.
    pub fn user(&self, user: &UserId) -> (Status, UserSockets) {
        self.registry.user(user)
    }

    /// Granted rooms that begin with `prefix`, after `after`.
    pub fn rooms(
        &self,
        prefix: &str,
        after: Option<&(Namespace, Room)>,
        limit: usize,
    ) -> Page<RoomEntry> {
        self.registry.rooms(prefix, after, limit)
    }

    /// The sockets in a room.
    pub fn room(&self, namespace: &Namespace, room: &Room) -> Vec<Arc<Socket>> {
        self.registry.room(namespace, room).to_vec()
    }

    /// The sockets of a user in `namespace` that can be written to.
    pub(super) fn reachable(&self, user: &UserId, namespace: &Namespace) -> UserSockets {
        let (_, mut sockets) = self.registry.user(user);
        sockets.retain(|it| it.namespace == *namespace && !it.connection.is_closed());
        sockets
    }

    /// The socket with this id.
    pub fn socket(&self, id: SocketId) -> Option<Arc<Socket>> {
        self.registry.socket(id, &self.namespaces)
    }

    /// How many are here.
    pub fn stats(&self) -> Stats {
        let connections = &self.connections;
        Stats {
            counts: self.registry.counts(),
            connections: connections.len(),
            transports: connections.transports(),
        }
    }

    /// Whether the server is stopping.
    pub fn is_draining(&self) -> bool {
        self.connections.is_draining()
    }
}
