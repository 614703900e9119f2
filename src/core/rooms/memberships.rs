//! What is recorded of users and rooms: who is in one wherever and whenever it connects, and to whom one is denied.

use crate::types::{Namespace, Room, UserId, WallMs};
use std::collections::{BTreeMap, BTreeSet};
use thiserror::Error;

/// What is recorded of a user and a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The user's sockets are in.
    Member {
        /// When that ends; `None`: when it is taken back.
        until: Option<WallMs>,
    },
    /// They are not, whatever credentials grant.
    Denied,
}

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// The room.
    pub room: Room,
    /// The namespace it is about; `None`: all that have no record of their own.
    pub namespace: Option<Namespace>,
    /// What is recorded.
    pub standing: Standing,
}

/// A change of what is recorded of a user and a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MembershipChange {
    /// The user.
    pub user: UserId,
    /// The room.
    pub room: Room,
    /// The namespace it is about; `None`: all that have no record of their own.
    pub namespace: Option<Namespace>,
    /// Whether the records of single namespaces go as well; only if it is about all.
    pub is_whole: bool,
    /// What is recorded from now on; `None`: nothing.
    pub standing: Option<Standing>,
}

/// What is recorded of a user, as far as a socket in one namespace goes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecordedRooms {
    /// Rooms it is in.
    pub members: Vec<Room>,
    /// Rooms it must not be in.
    pub denied: Vec<Room>,
}

/// How much may be recorded.
#[derive(Debug, Clone, Copy)]
pub struct MembershipLimits {
    /// Rooms of one user.
    pub per_user: usize,
    /// Records in all.
    pub total: usize,
}

/// Why a change is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum MembershipFlaw {
    /// The user has records of so many rooms.
    #[error(
        "the user has records of {max} rooms, and `limits.memberships_per_user` allows no more"
    )]
    UserFull {
        /// Rooms allowed.
        max: usize,
    },
    /// There are so many records.
    #[error("there are {max} memberships, and `limits.memberships` allows no more")]
    Full {
        /// Records allowed.
        max: usize,
    },
    /// The user is a member in all namespaces, and is to be taken out in one.
    #[error(
        "the membership is of all namespaces: take it back without `namespace`, or deny the room in this one"
    )]
    Everywhere,
}

/// All records, by user.
#[derive(Debug, Default)]
pub struct Memberships {
    users: BTreeMap<UserId, BTreeMap<Room, RoomRecord>>,
    /// Records in all.
    count: usize,
    /// Those that end, in the order of their ends.
    ends: BTreeSet<(WallMs, UserId, Room, Option<Namespace>)>,
    /// Users of whom something is recorded, by room; `None` if nobody asks.
    by_room: Option<BTreeMap<Room, BTreeSet<UserId>>>,
}

/// What is recorded of a user and a room, in all namespaces and in each.
#[derive(Debug, Default, PartialEq, Eq)]
struct RoomRecord {
    everywhere: Option<Standing>,
    /// One namespace is the rule, two are rare.
    own: Vec<(Namespace, Standing)>,
}

impl RecordedRooms {
    /// Nothing is recorded.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty() && self.denied.is_empty()
    }
}

impl Standing {
    fn end(self) -> Option<WallMs> {
        match self {
            Self::Member { until } => until,
            Self::Denied => None,
        }
    }

    fn is_member(self) -> bool {
        matches!(self, Self::Member { .. })
    }

    fn at(self, now: WallMs) -> Option<Self> {
        self.end().is_none_or(|end| now < end).then_some(self)
    }
}

impl Memberships {
    /// There are none, and [`Memberships::members`] can be asked.
    pub fn by_room() -> Self {
        Self { by_room: Some(BTreeMap::new()), ..Self::default() }
    }

    /// Users who have a membership of one of `rooms` at the time `now`, as far as a socket in `namespace` goes: each once, and
    /// not more than `max` and one.
    pub fn members(
        &self,
        rooms: &[Room],
        namespace: &Namespace,
        now: WallMs,
        max: usize,
    ) -> BTreeSet<UserId> {
        let mut members = BTreeSet::new();
        for room in rooms {
            let users = self.by_room.as_ref().and_then(|it| it.get(room)).into_iter().flatten();
            let record = |user: &UserId| self.users.get(user)?.get(room)?.of(namespace, now);
            let is_member = |user: &&UserId| record(user).is_some_and(Standing::is_member);
            let left = (max + 1).saturating_sub(members.len());
            members.extend(users.filter(is_member).take(left).cloned());
        }
        members
    }

    /// Whether a change may be made at the time `now`.
    pub fn check(
        &self,
        change: &MembershipChange,
        limits: MembershipLimits,
        now: WallMs,
    ) -> Result<(), MembershipFlaw> {
        let MembershipLimits { per_user, total } = limits;
        let rooms = self.users.get(&change.user);
        let record = rooms.and_then(|it| it.get(&change.room));
        if change.standing.is_none() {
            let is_member =
                record.and_then(|it| it.everywhere?.at(now)).is_some_and(Standing::is_member);
            let is_everywhere = change.namespace.is_some() && is_member;
            return if is_everywhere { Err(MembershipFlaw::Everywhere) } else { Ok(()) };
        }
        if record.is_none() && per_user <= rooms.map_or(0, BTreeMap::len) {
            return Err(MembershipFlaw::UserFull { max: per_user });
        }
        let replaced = record.map_or(0, |it| match &change.namespace {
            None => it.count(),
            Some(namespace) => usize::from(it.own(namespace).is_some()),
        });
        if total <= self.count.saturating_sub(replaced) {
            return Err(MembershipFlaw::Full { max: total });
        }
        Ok(())
    }

    /// Makes a change.
    pub fn apply(&mut self, change: MembershipChange) {
        let MembershipChange { user, room, namespace, is_whole, standing } = change;
        let rooms = self.users.entry(user.clone()).or_default();
        let record = rooms.entry(room.clone()).or_default();
        let before = record.count();
        let replaced = record.replace(namespace.as_ref(), is_whole, standing);
        let after = record.count();
        if after == 0 {
            rooms.remove(&room);
        }
        if let Some(by_room) = &mut self.by_room {
            if after == 0 {
                leave(by_room, &room, &user);
            } else if before == 0 {
                by_room.entry(room.clone()).or_default().insert(user.clone());
            }
        }
        if rooms.is_empty() {
            self.users.remove(&user);
        }
        self.count = self.count + after - before;
        for (namespace, old) in replaced {
            if let Some(end) = old.end() {
                self.ends.remove(&(end, user.clone(), room.clone(), namespace));
            }
        }
        if let Some(end) = standing.and_then(Standing::end) {
            self.ends.insert((end, user, room, namespace));
        }
    }

    /// What is recorded of a user at the time `now`, as far as a socket in `namespace` goes.
    pub fn of(&self, user: &UserId, namespace: &Namespace, now: WallMs) -> RecordedRooms {
        let mut recorded = RecordedRooms::default();
        for (room, record) in self.users.get(user).into_iter().flatten() {
            match record.of(namespace, now) {
                Some(Standing::Member { .. }) => recorded.members.push(room.clone()),
                Some(Standing::Denied) => recorded.denied.push(room.clone()),
                None => {}
            }
        }
        recorded
    }

    /// All that is recorded of a user at the time `now`, in the order of rooms and namespaces.
    pub fn list(&self, user: &UserId, now: WallMs) -> Vec<Membership> {
        let mut list = Vec::new();
        for (room, record) in self.users.get(user).into_iter().flatten() {
            let mut add = |namespace: Option<&Namespace>, standing: Standing| {
                let namespace = namespace.cloned();
                list.extend(standing.at(now).map(|standing| Membership {
                    room: room.clone(),
                    namespace,
                    standing,
                }));
            };
            if let Some(standing) = record.everywhere {
                add(None, standing);
            }
            let mut own: Vec<_> = record.own.iter().collect();
            own.sort_unstable_by_key(|(namespace, _)| namespace);
            for (namespace, standing) in own {
                add(Some(namespace), *standing);
            }
        }
        list
    }

    /// What takes back the memberships that have ended by `now`, at most `limit`.
    pub fn ended(&self, limit: usize, now: WallMs) -> Vec<MembershipChange> {
        let ended = self.ends.iter().take_while(|(end, ..)| *end <= now).take(limit);
        let change = |(_, user, room, namespace): &(_, UserId, Room, Option<Namespace>)| {
            let (user, room, namespace) = (user.clone(), room.clone(), namespace.clone());
            MembershipChange { user, room, namespace, is_whole: false, standing: None }
        };
        ended.map(change).collect()
    }

    /// When the next one ends.
    pub fn next_end(&self) -> Option<WallMs> {
        self.ends.first().map(|(end, ..)| *end)
    }

    /// Whether the record that a change is about has ended by `now`, and was not replaced meanwhile.
    pub fn has_ended(&self, change: &MembershipChange, now: WallMs) -> bool {
        let rooms = self.users.get(&change.user);
        let record = rooms.and_then(|it| it.get(&change.room));
        let standing = record.and_then(|it| match &change.namespace {
            None => it.everywhere,
            Some(namespace) => it.own(namespace),
        });
        standing.is_some_and(|it| it.at(now).is_none())
    }

    /// The namespaces of which a user and a room have records of their own.
    pub fn namespaces(&self, user: &UserId, room: &Room) -> Vec<Namespace> {
        let record = self.users.get(user).and_then(|it| it.get(room));
        record.into_iter().flat_map(|it| &it.own).map(|(own, _)| own.clone()).collect()
    }

    /// Users of whom something else is recorded there.
    pub fn differing(&self, other: &Self) -> Vec<UserId> {
        let is_other = |user: &&UserId| self.users.get(*user) != other.users.get(*user);
        let new = other.users.keys().filter(|it| !self.users.contains_key(*it));
        self.users.keys().chain(new).filter(is_other).cloned().collect()
    }

    /// Rooms and namespaces of all records of a user, over or not.
    pub fn records(&self, user: &UserId) -> Vec<(Room, Option<Namespace>)> {
        let all = self.list(user, WallMs(0)).into_iter();
        all.map(|it| (it.room, it.namespace)).collect()
    }

    /// Forgets a user.
    pub fn erase(&mut self, user: &UserId) {
        let rooms = self.users.remove(user).unwrap_or_default();
        if let Some(by_room) = &mut self.by_room {
            for room in rooms.keys() {
                leave(by_room, room, user);
            }
        }
        self.count -= rooms.values().map(RoomRecord::count).sum::<usize>();
        self.ends.retain(|(_, it, ..)| it != user);
    }

    /// Records in all.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Nothing is recorded of anybody.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

fn leave(by_room: &mut BTreeMap<Room, BTreeSet<UserId>>, room: &Room, user: &UserId) {
    let users = by_room.get_mut(room);
    if users.is_some_and(|users| users.remove(user) && users.is_empty()) {
        by_room.remove(room);
    }
}

impl RoomRecord {
    /// Records something else. Returns what was recorded instead.
    fn replace(
        &mut self,
        namespace: Option<&Namespace>,
        is_whole: bool,
        standing: Option<Standing>,
    ) -> Vec<(Option<Namespace>, Standing)> {
        let is_meant = |own: &Namespace| namespace.map_or(is_whole, |it| it == own);
        let mut replaced: Vec<_> = self
            .own
            .extract_if(.., |(own, _)| is_meant(own))
            .map(|(own, it)| (Some(own), it))
            .collect();
        match namespace {
            None => {
                let old = std::mem::replace(&mut self.everywhere, standing);
                replaced.extend(old.map(|it| (None, it)));
            }
            Some(namespace) => self.own.extend(standing.map(|it| (namespace.clone(), it))),
        }
        replaced
    }

    fn count(&self) -> usize {
        usize::from(self.everywhere.is_some()) + self.own.len()
    }

    fn own(&self, namespace: &Namespace) -> Option<Standing> {
        self.own.iter().find(|(own, _)| own == namespace).map(|(_, standing)| *standing)
    }

    fn of(&self, namespace: &Namespace, now: WallMs) -> Option<Standing> {
        let own = self.own(namespace).and_then(|it| it.at(now));
        own.or_else(|| self.everywhere.and_then(|it| it.at(now)))
    }
}

#[cfg(test)]
mod tests;
