//! Guests who become users in place, against a naive model: whose each socket is, and in which rooms.

use super::fixture::{Fixture, user_id};
use crate::core::emit::audience::Addressee as _;
use crate::core::presence::session::PresenceStatus;
use crate::registry::Socket;
use crate::types::{Grants, Namespace, Reason, Room};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tempfile::TempDir;

const ROOMS: [&str; 3] = ["a", "b", "c"];
const USERS: [&str; 4] = ["guest:1", "guest:2", "ann", "bob"];

#[derive(Debug, Clone)]
enum Step {
    /// A socket comes, of one of these users, with these rooms.
    Come {
        user: usize,
        rooms: u8,
    },
    /// One that is a guest's becomes a user's, with these rooms.
    SignIn {
        which: usize,
        user: usize,
        rooms: u8,
    },
    /// Its credentials are renewed.
    Regrant {
        which: usize,
        rooms: u8,
    },
    /// The backend puts it into a room, or takes it out.
    Move {
        which: usize,
        room: usize,
        joins: bool,
    },
    Leave {
        which: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let which = any::<usize>;
    let rooms = || 0_u8..8;
    prop_oneof![
        3 => (0..USERS.len(), rooms()).prop_map(|(user, rooms)| Step::Come { user, rooms }),
        3 => (which(), 2..USERS.len(), rooms())
            .prop_map(|(which, user, rooms)| Step::SignIn { which, user, rooms }),
        1 => (which(), rooms()).prop_map(|(which, rooms)| Step::Regrant { which, rooms }),
        2 => (which(), 0..ROOMS.len(), any::<bool>())
            .prop_map(|(which, room, joins)| Step::Move { which, room, joins }),
        2 => which().prop_map(|which| Step::Leave { which }),
    ]
}

fn named(rooms: u8) -> BTreeSet<&'static str> {
    ROOMS.into_iter().enumerate().filter(|(n, _)| rooms >> n & 1 == 1).map(|(_, it)| it).collect()
}

fn grants(rooms: u8) -> Grants {
    let rooms = named(rooms).into_iter().map(|it| Room::parse(it).unwrap()).collect();
    Grants { rooms, ..Grants::default() }
}

/// What the naive model knows of a socket.
struct Known {
    socket: Arc<Socket>,
    user: &'static str,
    granted: BTreeSet<&'static str>,
    joined: BTreeSet<&'static str>,
    left: BTreeSet<&'static str>,
}

impl Known {
    fn rooms(&self) -> BTreeSet<&'static str> {
        let granted: BTreeSet<_> = self.granted.difference(&self.left).copied().collect();
        granted.union(&self.joined).copied().collect()
    }
}

fn perform(it: &Fixture, here: &mut Vec<Known>, step: &Step) {
    let count = here.len();
    match *step {
        Step::Come { user, rooms } => {
            let (user, granted) = (USERS[user], named(rooms));
            let listed: Vec<_> = granted.iter().copied().collect();
            let socket = it.socket(user, &listed);
            it.register(&socket).unwrap();
            let (joined, left) = (BTreeSet::new(), BTreeSet::new());
            here.push(Known { socket, user, granted, joined, left });
        }
        Step::SignIn { which, user, rooms }
            if 0 < count && here[which % count].user.starts_with("guest:") =>
        {
            let known = &mut here[which % count];
            let user_id = user_id(USERS[user]);
            it.sockets.sign_in(&known.socket, &user_id, grants(rooms), it.place()).unwrap();
            (known.user, known.granted) = (USERS[user], named(rooms));
            known.joined.clear();
            known.left.clear();
        }
        Step::Regrant { which, rooms } if 0 < count => {
            let known = &mut here[which % count];
            assert!(it.sockets.regrant(&known.socket, grants(rooms), 0));
            known.granted = named(rooms);
        }
        Step::Move { which, room, joins } if 0 < count => {
            let known = &mut here[which % count];
            let (name, room) = (ROOMS[room], [Room::parse(ROOMS[room]).unwrap()]);
            it.sockets.registry.change_rooms(&known.socket, |own| {
                if joins { own.join(&room, 10, 0) } else { own.leave(&room) }
            });
            let is_in = known.rooms().contains(name);
            if joins && !is_in {
                known.left.remove(name);
                known.joined.insert(name);
            } else if !joins && is_in {
                known.joined.remove(name);
                if known.granted.contains(name) {
                    known.left.insert(name);
                }
            }
        }
        Step::Leave { which } if 0 < count => {
            let known = here.swap_remove(which % count);
            assert!(it.sockets.disconnect(&known.socket, Reason::TransportClose));
        }
        Step::SignIn { .. } | Step::Regrant { .. } | Step::Move { .. } | Step::Leave { .. } => {}
    }
}

fn check(it: &Fixture, here: &[Known]) {
    let mut by_user: BTreeMap<&str, BTreeSet<_>> = BTreeMap::new();
    for known in here {
        assert_eq!(known.socket.user().as_str(), known.user);
        assert_eq!(
            known.socket.is_granted(&Room::parse("a").unwrap()),
            known.rooms().contains("a")
        );
        by_user.entry(known.user).or_default().insert(known.socket.id);
    }
    for user in USERS {
        let (status, sockets) = it.sockets.user(&user_id(user));
        let expected = by_user.remove(user).unwrap_or_default();
        assert_eq!(matches!(status, PresenceStatus::Online(_)), !expected.is_empty(), "{user}");
        let room = it.sockets.room(&Namespace::root(), &Room::of_user(&user_id(user)));
        for found in [&sockets[..], &room[..]] {
            assert_eq!(found.iter().map(|it| it.id).collect::<BTreeSet<_>>(), expected, "{user}");
        }
    }
    for room in ROOMS {
        let found = it.sockets.room(&Namespace::root(), &Room::parse(room).unwrap());
        let found: BTreeSet<_> = found.iter().map(|it| it.id).collect();
        let expected = here.iter().filter(|it| it.rooms().contains(room));
        assert_eq!(found, expected.map(|it| it.socket.id).collect(), "{room}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn whose_a_socket_is_and_where_agrees_with_what_happened(steps in prop::collection::vec(step(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let folder = TempDir::new().unwrap();
            let it = Fixture::new(&folder).await;
            let mut here = Vec::new();
            for step in &steps {
                perform(&it, &mut here, step);
                check(&it, &here);
            }
        });
    }
}

/// What a client does in the moment in which it goes is done to nobody.
#[tokio::test(start_paused = true)]
async fn a_socket_that_is_gone_becomes_nobodys() {
    let folder = TempDir::new().unwrap();
    let it = Fixture::new(&folder).await;
    let socket = it.connect("guest:1");
    it.sockets.disconnect(&socket, Reason::TransportClose);

    assert!(it.sockets.sign_in(&socket, &user_id("ann"), grants(1), it.place()).is_none());

    assert_eq!(it.sockets.user(&user_id("ann")).0, PresenceStatus::Offline);
    assert_eq!(socket.user().as_str(), "guest:1");
}

#[tokio::test(start_paused = true)]
async fn a_guest_who_becomes_a_user_is_offline_and_the_user_is_online() {
    let folder = TempDir::new().unwrap();
    let it = Fixture::new(&folder).await;
    let socket = it.connect("guest:1");

    it.sockets.sign_in(&socket, &user_id("ann"), grants(0), it.place()).unwrap();
    it.settle().await;
    let mut recorded = it.recorded().await;

    recorded.sort();
    assert_eq!(recorded, ["user.online ann"], "nobody is told of guests");
}
