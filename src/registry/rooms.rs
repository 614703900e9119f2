//! Which sockets are in which room.
//!
//! The engine's own rooms are not used: events do not go through the engine, and a second index would have to agree
//! with this one. Nor has every room an entry: that of a user is what the user's entry says, and for that of a socket
//! there is the index by id, so a connection costs no room of its own.

use super::{Socket, Sockets, UserSockets};
use crate::core::emit::audience::Addressee as _;
use crate::types::{Namespace, Room, SocketId};
use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use indexmap::IndexMap;
use smallvec::{SmallVec, smallvec};
use std::hash::Hash;
use std::sync::Arc;

/// The rooms that have entries.
#[derive(Debug, Default)]
pub(super) struct Rooms {
    /// All sockets of each namespace.
    everyone: DashMap<Namespace, Members>,
    /// Granted rooms with at least one socket, by namespace and name.
    granted: DashMap<(Namespace, Room), Members>,
    /// Sockets by their own ids and by those of the connections whose session they have recovered. Several may have
    /// one id, while the older ones are about to go.
    by_id: DashMap<SocketId, SmallVec<[Arc<Socket>; 1]>>,
}

/// The sockets of one room: dense to iterate, O(1) to leave.
#[derive(Debug, Default)]
struct Members {
    sockets: IndexMap<SocketId, Arc<Socket>>,
    /// The same as one piece, for emits; forgotten when somebody comes or goes. An emit to thousands would else touch
    /// each of them once more, only to make a list.
    list: Option<Sockets>,
}

impl Members {
    fn insert(&mut self, socket: &Arc<Socket>) {
        self.list = None;
        self.sockets.insert(socket.id, Arc::clone(socket));
    }

    fn remove(&mut self, socket: &Socket) {
        self.list = None;
        self.sockets.swap_remove(&socket.id);
    }

    fn list(&mut self) -> Sockets {
        let list: Sockets = self.sockets.values().cloned().collect();
        self.list = (1 < list.len()).then(|| Arc::clone(&list));
        list
    }
}

impl Rooms {
    /// Puts a socket into all its rooms.
    pub(super) fn join(&self, socket: &Arc<Socket>) {
        self.everyone.entry(socket.namespace.clone()).or_default().insert(socket);
        for id in socket.ids() {
            match self.by_id.entry(id) {
                Entry::Vacant(entry) => drop(entry.insert(smallvec![Arc::clone(socket)])),
                Entry::Occupied(mut entry) => entry.get_mut().push(Arc::clone(socket)),
            }
        }
        for room in &socket.granted {
            let key = (socket.namespace.clone(), room.clone());
            self.granted.entry(key).or_default().insert(socket);
        }
        socket.set_joined(true);
    }

    /// Takes a socket out of all its rooms.
    pub(super) fn leave(&self, socket: &Socket) {
        socket.set_joined(false);
        remove_from(&self.everyone, socket.namespace.clone(), socket);
        for id in socket.ids() {
            let Entry::Occupied(mut entry) = self.by_id.entry(id) else { continue };
            entry.get_mut().retain(|it| it.id != socket.id);
            if entry.get().is_empty() {
                entry.remove();
            }
        }
        for room in &socket.granted {
            remove_from(&self.granted, (socket.namespace.clone(), room.clone()), socket);
        }
    }

    /// All sockets of a namespace.
    pub(super) fn everyone(&self, namespace: &Namespace) -> Sockets {
        list(&self.everyone, namespace)
    }

    /// The sockets that were granted a room.
    pub(super) fn granted(&self, namespace: &Namespace, room: &Room) -> Sockets {
        list(&self.granted, &(namespace.clone(), room.clone()))
    }

    /// The sockets that have or had this id.
    pub(super) fn known_as(&self, namespace: &Namespace, id: SocketId) -> UserSockets {
        let Some(known) = self.by_id.get(&id) else { return UserSockets::new() };
        known.iter().filter(|it| it.namespace == *namespace).cloned().collect()
    }

    /// Rooms with a name of their own or a socket's, and one for each namespace.
    pub(super) fn len(&self) -> usize {
        self.everyone.len() + self.granted.len() + self.by_id.len()
    }

    /// Calls `see` with each granted room and the number of sockets it was granted to, in no particular order.
    pub(super) fn for_each_granted(&self, mut see: impl FnMut(&Namespace, &Room, usize)) {
        for entry in &self.granted {
            let (namespace, room) = entry.key();
            see(namespace, room, entry.sockets.len());
        }
    }
}

fn remove_from<K: Eq + Hash>(rooms: &DashMap<K, Members>, key: K, socket: &Socket) {
    let Entry::Occupied(mut entry) = rooms.entry(key) else { return };
    entry.get_mut().remove(socket);
    if entry.get().sockets.is_empty() {
        entry.remove();
    }
}

fn list<K: Eq + Hash>(rooms: &DashMap<K, Members>, key: &K) -> Sockets {
    let known = rooms.get(key).and_then(|it| it.list.clone());
    known.unwrap_or_else(|| rooms.get_mut(key).map(|mut it| it.list()).unwrap_or_default())
}
