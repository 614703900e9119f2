//! Who is away, by every name that an event may be for.

use super::Member;
use super::by_name::{AudienceName, ByName};
use crate::types::{Room, RoomKind, Target};

/// The members of the sessions whose clients are away, counted by name: quick to ask about at every emit.
#[derive(Debug, Default)]
pub(super) struct Absent {
    members: usize,
    by_name: ByName<usize>,
}

impl Absent {
    pub(super) fn add(&mut self, member: &Member) {
        self.members += 1;
        for name in member.names() {
            self.by_name.change(name, |count| *count += 1);
        }
    }

    pub(super) fn remove(&mut self, member: &Member) {
        self.members = self.members.saturating_sub(1);
        for name in member.names() {
            self.by_name.change(name, |count| *count = count.saturating_sub(1));
        }
    }

    /// Whether one of them is in the target, whoever is left out of it.
    pub(super) fn is_any_in(&self, target: &Target) -> bool {
        if self.members == 0 {
            return false;
        }
        let Target { users, rooms, sockets, all } = target;
        let is_known = |name| self.by_name.get(name).is_some();
        *all || users.iter().any(|it| is_known(AudienceName::User(it)))
            || sockets.iter().any(|it| is_known(AudienceName::Socket(*it)))
            || rooms.iter().any(|it| self.is_any_in_room(it))
    }

    fn is_any_in_room(&self, room: &Room) -> bool {
        let is_there_by_name = match room.kind() {
            RoomKind::User(user) => self.by_name.user(user).is_some(),
            RoomKind::Socket(id) => self.by_name.get(AudienceName::Socket(id)).is_some(),
            RoomKind::Granted => false,
        };
        is_there_by_name || self.by_name.get(AudienceName::Room(room)).is_some()
    }
}
