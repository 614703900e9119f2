//! Lists of users and rooms, a page at a time and in order, however many there are.

use super::Registry;
use crate::core::presence::session::{Session, Status};
use crate::types::{Namespace, Room, UserId};
use std::collections::BTreeMap;

/// One page of a list in ascending order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The entries.
    pub items: Vec<T>,
    /// Whether there is more after the last one.
    pub has_more: bool,
}

/// A user in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserEntry {
    /// Who.
    pub user: UserId,
    /// Online or lingering; offline users are not listed.
    pub status: Status,
    /// The user's session.
    pub session: Session,
    /// The user's sockets.
    pub sockets: usize,
}

/// A room in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomEntry {
    /// Its namespace.
    pub namespace: Namespace,
    /// Its name.
    pub room: Room,
    /// Sockets in it.
    pub sockets: usize,
}

/// Which users a list is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StateFilter {
    /// Online and lingering ones.
    All,
    /// With at least one socket.
    Online,
    /// Without one, in their grace.
    Lingering,
}

/// How many are here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Users online or lingering.
    pub users: usize,
    /// Of these, lingering.
    pub lingering: usize,
    /// Sockets.
    pub sockets: usize,
    /// Rooms, with those that every socket has.
    pub rooms: usize,
    /// Reminders of graces that may have run out.
    pub deadlines: usize,
}

/// The smallest `limit` keys above a cursor, collected in one pass with memory for one page.
struct Smallest<K, V> {
    found: BTreeMap<K, V>,
    limit: usize,
    has_more: bool,
}

impl<K: Ord, V> Smallest<K, V> {
    fn new(limit: usize) -> Self {
        Self { found: BTreeMap::new(), limit, has_more: false }
    }

    fn offer(&mut self, key: K, value: V) {
        self.found.insert(key, value);
        if self.limit < self.found.len() {
            self.found.pop_last();
            self.has_more = true;
        }
    }
}

impl Registry {
    /// Users in order of their ids, after `after`.
    pub fn users(
        &self,
        after: Option<&UserId>,
        limit: usize,
        filter: StateFilter,
    ) -> Page<UserEntry> {
        let mut smallest = Smallest::new(limit);
        for entry in &self.inner.users {
            let status = entry.status();
            let session = match (status, filter) {
                (Status::Online(session), StateFilter::All | StateFilter::Online)
                | (Status::Lingering(session), StateFilter::All | StateFilter::Lingering) => {
                    session
                }
                (Status::Offline | Status::Online(_) | Status::Lingering(_), _) => continue,
            };
            let user = entry.key();
            if after.is_none_or(|after| after < user) {
                let sockets = entry.sockets().count();
                let listed = UserEntry { user: user.clone(), status, session, sockets };
                smallest.offer(user.clone(), listed);
            }
        }
        let items = smallest.found.into_values().collect();
        Page { items, has_more: smallest.has_more }
    }

    /// Granted rooms that begin with `prefix`, in order of namespace and name, after `after`.
    pub fn rooms(
        &self,
        prefix: &str,
        after: Option<&(Namespace, Room)>,
        limit: usize,
    ) -> Page<RoomEntry> {
        let mut smallest = Smallest::new(limit);
        self.inner.rooms.for_each_granted(|namespace, room, sockets| {
            let key = (namespace.clone(), room.clone());
            if room.as_str().starts_with(prefix) && after.is_none_or(|after| *after < key) {
                let implied = self.inner.implied(namespace, room);
                let more = implied.iter().filter(|it| !it.granted.contains(room)).count();
                smallest.offer(key, sockets + more);
            }
        });
        let item = |((namespace, room), sockets)| RoomEntry { namespace, room, sockets };
        let items = smallest.found.into_iter().map(item).collect();
        Page { items, has_more: smallest.has_more }
    }

    /// How many are here. Looks at every user.
    pub fn counts(&self) -> Counts {
        let deadlines = self.inner.deadlines.len();
        let mut counts = Counts { deadlines, ..Counts::default() };
        for entry in &self.inner.users {
            counts.users += 1;
            counts.sockets += entry.sockets().count();
            counts.lingering += usize::from(matches!(entry.status(), Status::Lingering(_)));
            // One room in each namespace where the user has a socket.
            let mut namespaces: Vec<_> = entry.sockets().map(|it| &it.namespace).collect();
            namespaces.sort_unstable();
            namespaces.dedup();
            counts.rooms += namespaces.len();
        }
        counts.rooms += self.inner.rooms.len();
        // A granted room may have the name of one that is there anyway. People come and go meanwhile.
        self.inner.rooms.for_each_granted(|namespace, room, _| {
            let is_there = !self.inner.implied(namespace, room).is_empty();
            counts.rooms = counts.rooms.saturating_sub(usize::from(is_there));
        });
        counts
    }
}
