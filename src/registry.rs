//! The sockets of this node by namespace, room and id.
//!
//! The engine's own rooms are not used: events do not go through the engine, and a second index would have to agree
//! with this one. Not every room has an entry: the room of a user is what presence says of that user
//! (the module `presence`), and for the room of a socket there is the index by id. So a connection costs no room of its
//! own.

mod listing;
mod socket;

pub use listing::RoomEntry;
pub use socket::{Socket, SocketParts};

use crate::core::emit::audience::Addressee as _;
use crate::core::rooms::{RoomChange, SocketRooms};
use crate::types::{Grants, Namespace, Room, SocketId};
use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use indexmap::IndexMap;
use smallvec::{SmallVec, smallvec};
use std::hash::Hash;
use std::sync::Arc;

/// Sockets of one user, or of one id; a second one is rare, a third rarer.
pub type FewSockets = SmallVec<[Arc<Socket>; 2]>;

/// Sockets of one room or namespace, at one moment.
pub type ManySockets = Arc<[Arc<Socket>]>;

/// The sockets of this node by namespace, room and id. Cheap to clone; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    index: Arc<SocketIndex>,
}

#[derive(Debug, Default)]
struct SocketIndex {
    /// All sockets of each namespace.
    everyone: DashMap<Namespace, RoomMembers>,
    /// Granted rooms with at least one socket, by namespace and name.
    granted: DashMap<(Namespace, Room), RoomMembers>,
    /// Sockets by their own ids and by those of the connections whose session they have recovered. Several may have
    /// one id, while the older ones are about to go.
    by_id: DashMap<SocketId, SmallVec<[Arc<Socket>; 1]>>,
}

/// The sockets of one room: dense to iterate, O(1) to leave.
#[derive(Debug, Default)]
struct RoomMembers {
    sockets: IndexMap<SocketId, Arc<Socket>>,
    /// The same as one piece, for emits; forgotten when a socket comes or goes. An emit to thousands would otherwise
    /// touch each of them once more, only to make a list.
    list: Option<ManySockets>,
}

impl RoomMembers {
    fn insert(&mut self, socket: &Arc<Socket>) {
        self.list = None;
        self.sockets.insert(socket.id, Arc::clone(socket));
    }

    fn remove(&mut self, socket: &Socket) {
        self.list = None;
        self.sockets.swap_remove(&socket.id);
    }

    fn list(&mut self) -> ManySockets {
        let list: ManySockets = self.sockets.values().cloned().collect();
        self.list = (1 < list.len()).then(|| Arc::clone(&list));
        list
    }
}

impl Registry {
    /// Puts a socket into its namespace and all its rooms.
    pub fn join(&self, socket: &Arc<Socket>) {
        let SocketIndex { everyone, granted, by_id } = &*self.index;
        everyone.entry(socket.namespace.clone()).or_default().insert(socket);
        for id in socket.ids() {
            match by_id.entry(id) {
                Entry::Vacant(entry) => drop(entry.insert(smallvec![Arc::clone(socket)])),
                Entry::Occupied(mut entry) => entry.get_mut().push(Arc::clone(socket)),
            }
        }
        for room in &*socket.granted_rooms() {
            granted.entry((socket.namespace.clone(), room.clone())).or_default().insert(socket);
        }
        socket.set_joined(true);
    }

    /// Takes a socket out of its namespace and all its rooms.
    pub fn leave(&self, socket: &Socket) {
        let SocketIndex { everyone, granted, by_id } = &*self.index;
        socket.set_joined(false);
        remove_from(everyone, socket.namespace.clone(), socket);
        for id in socket.ids() {
            let Entry::Occupied(mut entry) = by_id.entry(id) else { continue };
            entry.get_mut().retain(|it| it.id != socket.id);
            if entry.get().is_empty() {
                entry.remove();
            }
        }
        for room in &*socket.granted_rooms() {
            remove_from(granted, (socket.namespace.clone(), room.clone()), socket);
        }
    }

    /// A later credential grants a socket something else: from now on it is in the rooms of that, and of those of the credential
    /// before in no other. In a room that both grant it is all the time. `position` is where the log of recovery stands.
    pub fn regrant(&self, socket: &Arc<Socket>, grants: Grants, position: u64) {
        let (rooms, grants) = (Arc::clone(&grants.rooms), Arc::new(grants));
        socket.set_grants(Arc::clone(&grants));
        let may_join = |room: &Room| grants.may_join(room);
        self.change_rooms(socket, |own| own.regrant(rooms, position, may_join));
    }

    /// Changes the rooms of a socket, in one step with the index, as far as the socket goes. Only while it is here, see
    /// [`Socket::while_here`].
    pub fn change_rooms(
        &self,
        socket: &Arc<Socket>,
        change: impl FnOnce(&mut SocketRooms) -> RoomChange,
    ) -> RoomChange {
        let done = socket.change_rooms(change);
        self.follow(socket, &done);
        done
    }

    /// Does in the index what was done to a socket. Only while it is here, see [`Socket::while_here`].
    pub fn follow(&self, socket: &Arc<Socket>, done: &RoomChange) {
        let granted = &self.index.granted;
        let key = |room: &Room| (socket.namespace.clone(), room.clone());
        for room in &done.entered {
            granted.entry(key(room)).or_default().insert(socket);
        }
        for room in &done.exited {
            remove_from(granted, key(room), socket);
        }
    }

    /// All sockets of a namespace, in no particular order.
    pub fn everyone(&self, namespace: &Namespace) -> ManySockets {
        list(&self.index.everyone, namespace)
    }

    /// The sockets that were put into a room, in no particular order.
    pub fn granted(&self, namespace: &Namespace, room: &Room) -> ManySockets {
        list(&self.index.granted, &(namespace.clone(), room.clone()))
    }

    /// The socket whose own id this is.
    pub fn socket_of(&self, id: SocketId) -> Option<Arc<Socket>> {
        self.index.by_id.get(&id)?.iter().find(|it| it.id == id).cloned()
    }

    /// The sockets of `namespace` that have this id, or that have recovered the session of the connection that had it.
    pub fn known_as(&self, namespace: &Namespace, id: SocketId) -> FewSockets {
        let Some(known) = self.index.by_id.get(&id) else { return FewSockets::new() };
        known.iter().filter(|it| it.namespace == *namespace).cloned().collect()
    }

    /// The newest of these: while there are several, the older ones are about to go.
    pub fn socket_in(&self, namespace: &Namespace, id: SocketId) -> Option<Arc<Socket>> {
        // How many recoveries ago a socket was called that; the more, the newer it is.
        let age = |socket: &Arc<Socket>| socket.ids().position(|it| it == id);
        self.known_as(namespace, id).into_iter().max_by_key(age)
    }

    /// The same in whichever of `namespaces` it is.
    pub fn socket(&self, id: SocketId, namespaces: &[Namespace]) -> Option<Arc<Socket>> {
        namespaces.iter().find_map(|namespace| self.socket_in(namespace, id))
    }

    /// How many rooms there are that were granted to a socket here.
    pub fn granted_count(&self) -> usize {
        self.index.granted.len()
    }

    /// How many rooms have an entry: one for each namespace, granted room, and id.
    pub fn room_count(&self) -> usize {
        let SocketIndex { everyone, granted, by_id } = &*self.index;
        everyone.len() + granted.len() + by_id.len()
    }
}

fn remove_from<K: Eq + Hash>(rooms: &DashMap<K, RoomMembers>, key: K, socket: &Socket) {
    let Entry::Occupied(mut entry) = rooms.entry(key) else { return };
    entry.get_mut().remove(socket);
    if entry.get().sockets.is_empty() {
        entry.remove();
    }
}

fn list<K: Eq + Hash>(rooms: &DashMap<K, RoomMembers>, key: &K) -> ManySockets {
    let known = rooms.get(key).and_then(|it| it.list.clone());
    known.unwrap_or_else(|| rooms.get_mut(key).map(|mut it| it.list()).unwrap_or_default())
}

/// What each socket has. The allocator has sizes for 256, 112 and 64 bytes, of which the counters of
/// an `Arc` take 16.
#[test]
#[cfg(target_pointer_width = "64")]
fn a_socket_is_small() {
    crate::core::memory::assert_size::<Socket>(240);
    crate::core::memory::assert_size::<Grants>(96);
    crate::core::memory::assert_size::<crate::core::auth::expiry::CredentialExpiry>(64);
}
