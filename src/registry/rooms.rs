//! Which sockets are in which room.
//!
//! The engine's own rooms are not used: events do not go through the engine, and a second index would have to agree
//! with this one.

use super::{Socket, Sockets};
use crate::types::{Namespace, Room, SocketId};
use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use indexmap::IndexMap;
use std::sync::Arc;

/// All rooms with at least one socket, by namespace and name.
#[derive(Debug, Default)]
pub(super) struct Rooms {
    by_name: DashMap<(Namespace, Room), Members>,
}

/// The sockets of one room: dense to iterate, O(1) to leave.
#[derive(Debug)]
struct Members {
    kind: Kind,
    sockets: IndexMap<SocketId, Arc<Socket>>,
    /// The same as one piece, for emits; forgotten when somebody comes or goes. An emit to thousands would else touch
    /// each of them once more, only to make a list.
    list: Option<Sockets>,
}

/// How a room came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Every socket has it: its own, its user's, everyone's.
    Automatic,
    /// Somebody was granted it.
    Granted,
}

impl Rooms {
    /// Puts a socket into a room; twice is once.
    pub(super) fn join(&self, socket: &Arc<Socket>, room: &Room, kind: Kind) {
        let key = (socket.namespace.clone(), room.clone());
        let mut members = self.by_name.entry(key).or_insert_with(|| Members {
            kind,
            sockets: IndexMap::with_capacity(1),
            list: None,
        });
        members.list = None;
        members.sockets.insert(socket.id, Arc::clone(socket));
        socket.note_joined(room);
    }

    /// Takes a socket out of all its rooms.
    pub(super) fn leave_all(&self, socket: &Socket) {
        for room in socket.take_rooms() {
            let key = (socket.namespace.clone(), room);
            let Entry::Occupied(mut entry) = self.by_name.entry(key) else { continue };
            entry.get_mut().list = None;
            entry.get_mut().sockets.swap_remove(&socket.id);
            if entry.get().sockets.is_empty() {
                entry.remove();
            }
        }
    }

    /// The sockets in a room.
    pub(super) fn members(&self, namespace: &Namespace, room: &Room) -> Sockets {
        let key = (namespace.clone(), room.clone());
        let known = self.by_name.get(&key).and_then(|it| it.list.clone());
        known.unwrap_or_else(|| {
            let Some(mut members) = self.by_name.get_mut(&key) else { return Sockets::default() };
            let list: Sockets = members.sockets.values().cloned().collect();
            members.list = (1 < list.len()).then(|| Arc::clone(&list));
            list
        })
    }

    /// Rooms, all kinds together.
    pub(super) fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Calls `see` with each granted room and the number of its sockets, in no particular order.
    pub(super) fn for_each_granted(&self, mut see: impl FnMut(&Namespace, &Room, usize)) {
        for entry in &self.by_name {
            if entry.kind == Kind::Granted {
                let (namespace, room) = entry.key();
                see(namespace, room, entry.sockets.len());
            }
        }
    }
}
