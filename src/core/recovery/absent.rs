//! Who is away, by every name that an event may be for.

use super::Member;
use crate::types::{Room, RoomKind, SocketId, Target, UserId};
use std::collections::HashMap;
use std::hash::Hash;

/// The members of the sessions whose clients are away, counted by name: quick to ask about at every emit.
#[derive(Debug, Default)]
pub(super) struct Absent {
    members: usize,
    users: Counts<UserId>,
    rooms: Counts<Room>,
    ids: Counts<SocketId>,
}

type Counts<K> = HashMap<K, usize>;

impl Absent {
    pub(super) fn add(&mut self, member: &Member) {
        let Member { user, rooms, ids, device: _ } = member;
        self.members += 1;
        add(&mut self.users, [user]);
        add(&mut self.rooms, rooms);
        add(&mut self.ids, ids);
    }

    pub(super) fn remove(&mut self, member: &Member) {
        let Member { user, rooms, ids, device: _ } = member;
        self.members = self.members.saturating_sub(1);
        remove(&mut self.users, [user]);
        remove(&mut self.rooms, rooms);
        remove(&mut self.ids, ids);
    }

    /// Whether one of them is in the target, whoever is left out of it.
    pub(super) fn is_any_in(&self, target: &Target) -> bool {
        if self.members == 0 {
            return false;
        }
        target.all
            || target.users.iter().any(|it| self.users.contains_key(it))
            || target.sockets.iter().any(|it| self.ids.contains_key(it))
            || target.rooms.iter().any(|it| self.is_any_in_room(it))
    }

    fn is_any_in_room(&self, room: &Room) -> bool {
        let is_there_by_name = match room.kind() {
            RoomKind::User(user) => self.users.contains_key(user),
            RoomKind::Socket(id) => self.ids.contains_key(&id),
            RoomKind::Granted => false,
        };
        is_there_by_name || self.rooms.contains_key(room)
    }
}

fn add<'a, K: Clone + Eq + Hash + 'a>(
    counts: &mut Counts<K>,
    keys: impl IntoIterator<Item = &'a K>,
) {
    for key in keys {
        if let Some(count) = counts.get_mut(key) {
            *count += 1;
        } else {
            counts.insert(key.clone(), 1);
        }
    }
}

fn remove<'a, K: Eq + Hash + 'a>(counts: &mut Counts<K>, keys: impl IntoIterator<Item = &'a K>) {
    for key in keys {
        if let Some(count) = counts.get_mut(key) {
            *count -= 1;
            if *count == 0 {
                counts.remove(key);
            }
        }
    }
}
