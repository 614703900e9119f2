//! Something kept for each name that an emit may be for: of a user, a room, or a socket.

use crate::types::{Room, SocketId, UserId};
use std::collections::HashMap;
use std::hash::Hash;

/// A value for each name that has one. Those that are as they begin take no place.
#[derive(Debug)]
pub(super) struct ByName<V> {
    users: HashMap<UserId, V>,
    rooms: HashMap<Room, V>,
    sockets: HashMap<SocketId, V>,
}

/// A name that an emit may be for.
#[derive(Debug, Clone, Copy)]
pub(super) enum AudienceName<'a> {
    User(&'a UserId),
    Room(&'a Room),
    Socket(SocketId),
}

impl<V> Default for ByName<V> {
    fn default() -> Self {
        Self { users: HashMap::new(), rooms: HashMap::new(), sockets: HashMap::new() }
    }
}

impl<V: Default + PartialEq> ByName<V> {
    pub(super) fn get(&self, name: AudienceName<'_>) -> Option<&V> {
        match name {
            AudienceName::User(user) => self.user(user.as_str()),
            AudienceName::Room(room) => self.rooms.get(room),
            AudienceName::Socket(id) => self.sockets.get(&id),
        }
    }

    pub(super) fn user(&self, user: &str) -> Option<&V> {
        self.users.get(user)
    }

    pub(super) fn change(&mut self, name: AudienceName<'_>, change: impl FnOnce(&mut V)) {
        match name {
            AudienceName::User(user) => change_at(&mut self.users, user, change),
            AudienceName::Room(room) => change_at(&mut self.rooms, room, change),
            AudienceName::Socket(id) => change_at(&mut self.sockets, &id, change),
        }
    }
}

fn change_at<K: Clone + Eq + Hash, V: Default + PartialEq>(
    map: &mut HashMap<K, V>,
    key: &K,
    change: impl FnOnce(&mut V),
) {
    let Some(value) = map.get_mut(key) else {
        let mut value = V::default();
        change(&mut value);
        if value != V::default() {
            map.insert(key.clone(), value);
        }
        return;
    };
    change(value);
    if *value == V::default() {
        map.remove(key);
    }
}

#[cfg(test)]
impl<V> ByName<V> {
    pub(super) fn is_empty(&self) -> bool {
        self.users.is_empty() && self.rooms.is_empty() && self.sockets.is_empty()
    }
}
