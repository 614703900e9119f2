//! Watch lists against a naive model over random histories of comings, goings, grants and lists.

use super::{Sight, WatchBook, WatchBounds, WatchError, Whereabouts, look};
use crate::core::contacts::{ContactRule, Reach, Viewer};
use crate::types::{Room, SocketId, UserId};
use proptest::prelude::*;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet};

const BOUNDS: WatchBounds = WatchBounds { per_socket: 3, total: 5 };
const USERS: u8 = 4;
const SOCKETS: u8 = 3;
const ROOMS: u8 = 3;

fn user(n: u8) -> UserId {
    UserId::parse(&format!("u{n}")).unwrap()
}

fn room(n: u8) -> Room {
    Room::parse(&format!("r:{n}")).unwrap()
}

fn socket(n: u8) -> SocketId {
    SocketId::from_bytes([n; SocketId::BYTES])
}

/// A user that others watch.
#[derive(Debug, Clone, Default)]
struct Watched {
    is_online: bool,
    /// The rooms of its sockets in the namespace; `None` without one.
    rooms: Option<BTreeSet<u8>>,
    /// The rooms that it was in when it had a socket last, while it is online.
    last: BTreeSet<u8>,
}

/// A socket that watches: what its credentials say.
#[derive(Debug, Clone, Default)]
struct Viewing {
    rooms: BTreeSet<u8>,
    contacts: BTreeSet<u8>,
}

#[derive(Debug, Clone)]
enum Op {
    /// A user has a socket in these rooms.
    Up(u8, BTreeSet<u8>),
    /// Its last socket is gone, and presence waits for it.
    Away(u8),
    Offline(u8),
    Watch(u8, Vec<u8>),
    Unwatch(u8, Vec<u8>),
    Leave(u8),
    Erase(u8),
    /// A watcher's credentials say something else.
    Grant(u8, Viewing),
}

fn op() -> impl Strategy<Value = Op> {
    let users = || prop::collection::vec(0..USERS, 0..4);
    let rooms = || prop::collection::btree_set(0..ROOMS, 0..3);
    let contacts = prop::collection::btree_set(0..USERS, 0..2);
    let viewing = (rooms(), contacts).prop_map(|(rooms, contacts)| Viewing { rooms, contacts });
    prop_oneof![
        4 => (0..USERS, rooms()).prop_map(|(user, rooms)| Op::Up(user, rooms)),
        3 => (0..USERS).prop_map(Op::Away),
        2 => (0..USERS).prop_map(Op::Offline),
        4 => (0..SOCKETS, users()).prop_map(|(socket, users)| Op::Watch(socket, users)),
        1 => (0..SOCKETS, users()).prop_map(|(socket, users)| Op::Unwatch(socket, users)),
        1 => (0..SOCKETS).prop_map(Op::Leave),
        1 => (0..USERS).prop_map(Op::Erase),
        3 => (0..SOCKETS, viewing).prop_map(|(socket, viewing)| Op::Grant(socket, viewing)),
    ]
}

/// The book as a server uses it, and beside it plain lists of who watches whom and what each was told.
struct World {
    book: WatchBook<u8>,
    users: BTreeMap<u8, Watched>,
    viewings: BTreeMap<u8, Viewing>,
    /// What each client believes of those whom it watches, from what it was told alone.
    believed: BTreeMap<(u8, u8), bool>,
}

impl World {
    fn new() -> Self {
        let users = (0..USERS).map(|it| (it, Watched::default())).collect();
        let viewings = (0..SOCKETS).map(|it| (it, Viewing::default())).collect();
        Self { book: WatchBook::new(BOUNDS), users, viewings, believed: BTreeMap::new() }
    }

    fn step(&mut self, op: Op) {
        match op {
            Op::Up(user, rooms) => {
                let last = rooms.clone();
                self.users.insert(user, Watched { is_online: true, rooms: Some(rooms), last });
                self.changed(user);
            }
            Op::Away(user) => {
                self.users.get_mut(&user).unwrap().rooms = None;
                self.changed(user);
            }
            Op::Offline(user) => {
                self.users.insert(user, Watched::default());
                self.changed(user);
            }
            Op::Watch(watcher, users) => self.watch(watcher, &users),
            Op::Unwatch(watcher, users) => {
                let ids: Vec<UserId> = users.iter().copied().map(user).collect();
                self.book.unwatch(socket(watcher), &ids);
                self.believed.retain(|(it, of), _| *it != watcher || !users.contains(of));
            }
            Op::Leave(watcher) => {
                self.book.leave(socket(watcher));
                self.believed.retain(|(it, _), _| *it != watcher);
            }
            Op::Erase(erased) => {
                self.book.erase(&user(erased));
                self.believed.retain(|(_, of), _| *of != erased);
            }
            Op::Grant(watcher, viewing) => {
                self.viewings.insert(watcher, viewing);
                for of in 0..USERS {
                    self.push(watcher, of);
                }
            }
        }
    }

    fn watch(&mut self, watcher: u8, users: &[u8]) {
        let ids: Vec<UserId> = users.iter().copied().map(user).collect();
        let mut wanted: BTreeSet<(u8, u8)> = self.believed.keys().copied().collect();
        wanted.extend(users.iter().map(|it| (watcher, *it)));
        let own = wanted.iter().filter(|(it, _)| *it == watcher).count();
        let expected = if BOUNDS.per_socket < own {
            Err(WatchError::TooMany(BOUNDS.per_socket))
        } else if BOUNDS.total < wanted.len() {
            Err(WatchError::Full)
        } else {
            Ok(())
        };
        assert_eq!(self.book.watch((socket(watcher), watcher), &ids), expected);
        if expected.is_ok() {
            for of in users.iter().copied() {
                let sight = self.sight(watcher, of);
                self.believed.insert((watcher, of), sight.is_online());
                self.book.tell(socket(watcher), &user(of), sight);
            }
        }
    }

    /// What the server does when something has happened to a user.
    fn changed(&mut self, of: u8) {
        let watchers = self.book.watchers(&user(of));
        assert_eq!(self.book.is_watched(&user(of)), !watchers.is_empty());
        for watcher in watchers {
            self.push(watcher, of);
        }
    }

    fn push(&mut self, watcher: u8, of: u8) {
        let sight = self.sight(watcher, of);
        let is_online = sight.is_online();
        if self.book.tell(socket(watcher), &user(of), sight) {
            let believed = self.believed.get_mut(&(watcher, of)).expect("only watchers are told");
            assert_ne!(*believed, is_online, "nobody is told twice");
            *believed = is_online;
        }
    }

    fn sight(&self, watcher: u8, of: u8) -> Sight {
        let viewing = &self.viewings[&watcher];
        let rooms: Vec<Room> = viewing.rooms.iter().copied().map(room).collect();
        let contacts: Vec<String> = viewing.contacts.iter().map(|it| format!("u{it}")).collect();
        let data = RawValue::from_string(format!("{{\"c\":{contacts:?}}}")).unwrap();
        let me = UserId::parse("watcher").unwrap();
        let rules = ["shared_room:r:*", "claim:c"].map(|it| ContactRule::parse(it).unwrap());
        let reach = Reach::new(&rules, Viewer { user: &me, rooms: &rooms, data: Some(&data) });
        let watched = &self.users[&of];
        let is_in = watched
            .rooms
            .as_ref()
            .map(|rooms| |room: &Room| rooms.iter().any(|it| room.as_str() == format!("r:{it}")));
        let at = Whereabouts { is_online: watched.is_online, is_in, is_permitted: false };
        let before = self.book.told(socket(watcher), &user(of)).cloned().unwrap_or_default();
        look(&reach, &user(of), &at, &before)
    }

    fn check(&self) {
        assert_eq!(self.book.len(), self.believed.len());
        assert_eq!(self.book.is_empty(), self.believed.is_empty());
        for watcher in 0..SOCKETS {
            let listed: Vec<UserId> = self
                .believed
                .keys()
                .filter(|(it, _)| *it == watcher)
                .map(|(_, of)| user(*of))
                .collect();
            assert_eq!(self.book.watches(socket(watcher)), !listed.is_empty());
            assert_eq!(self.book.watched_by(socket(watcher)), listed);
        }
        for ((watcher, of), believed) in &self.believed {
            let (viewing, watched) = (&self.viewings[watcher], &self.users[of]);
            let is_named = viewing.contacts.contains(of);
            let may_see = is_named || !viewing.rooms.is_disjoint(&watched.last);
            assert!(!believed || watched.is_online && may_see, "{watcher} sees {of} and may not");
            // With a socket, or without the help of a room, nothing hangs on what was seen before.
            let is_certain = watched.rooms.is_some() || is_named || !watched.is_online;
            let sees = watched.is_online && may_see;
            assert!(!is_certain || *believed == sees, "{watcher} does not know of {of}");
        }
    }
}

proptest! {
    #[test]
    fn a_watcher_believes_what_is_so_and_what_it_may_see(ops in prop::collection::vec(op(), 1..60)) {
        let mut world = World::new();
        for op in ops {
            world.step(op);
            world.check();
        }
    }
}

fn org(rooms: &[&str], before: &Sight, at: Option<&[&str]>) -> Sight {
    let rooms: Vec<Room> = rooms.iter().map(|it| Room::parse(it).unwrap()).collect();
    let me = UserId::parse("me").unwrap();
    let rules = [ContactRule::parse("shared_room:org:*").unwrap()];
    let reach = Reach::new(&rules, Viewer { user: &me, rooms: &rooms, data: None });
    let is_in = at.map(|at| |room: &Room| at.contains(&room.as_str()));
    look(&reach, &user(1), &Whereabouts { is_online: true, is_in, is_permitted: false }, before)
}

#[test]
fn who_is_away_stays_in_sight_as_long_as_the_watcher_stays_in_the_room() {
    let seen = org(&["org:1", "org:2"], &Sight::Nothing, Some(&["org:2", "b"]));
    assert_eq!(seen, Sight::Online { room: Some(Room::parse("org:2").unwrap()) });
    assert_eq!(org(&["org:2"], &seen, None), seen);
    assert_eq!(org(&["org:1"], &seen, None), Sight::Nothing, "the watcher has left the room");
    assert_eq!(org(&["org:2"], &Sight::Nothing, None), Sight::Nothing, "never seen there");
    assert_eq!(org(&["org:2"], &seen, Some(&[])), Sight::Nothing, "back, and in no room");
}
