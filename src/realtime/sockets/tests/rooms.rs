//! The index of rooms, and what each socket knows of its own: always the same.

use super::fixture::{Fixture, GRACE, MOMENT, user_id};
use crate::core::emit::audience::Addressee as _;
use crate::realtime::sockets::NodeCounts;
use crate::registry::Socket;
use crate::types::{Grants, Namespace, Reason, Room};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tempfile::TempDir;

/// Stands for the sockets of a namespace; no room can be named so.
const EVERYONE: &str = "";

type Members = BTreeMap<(String, String), BTreeSet<String>>;

/// Small numbers that look random and are the same for the same seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 16).unwrap() % n
    }
}

/// What the sockets that are here say of themselves.
fn expected(sockets: &[Arc<Socket>]) -> Members {
    let mut members = Members::new();
    for socket in sockets {
        let own = [Room::of_socket(socket.id), Room::of_user(socket.user())];
        let mut see = |room: &str| {
            let key = (socket.namespace.to_string(), room.to_owned());
            members.entry(key).or_default().insert(socket.id.to_string());
        };
        see(EVERYONE);
        for room in socket.granted_rooms().iter().chain(&own) {
            see(room.as_str());
            assert!(socket.is_in(room), "{room}");
        }
    }
    members
}

/// What the index says.
fn indexed(it: &Fixture, rooms: impl Iterator<Item = (String, String)>) -> Members {
    let mut members = Members::new();
    for (namespace, room) in rooms {
        let in_namespace = Namespace::parse(&namespace).unwrap();
        let found = if room == EVERYONE {
            it.sockets.registry.everyone(&in_namespace)
        } else {
            it.sockets.room(&in_namespace, &Room::parse(&room).unwrap())
        };
        members.insert((namespace, room), found.iter().map(|it| it.id.to_string()).collect());
    }
    members
}

#[tokio::test(start_paused = true)]
async fn the_index_agrees_with_the_sockets_after_any_joins_and_leaves() {
    let folder = TempDir::new().unwrap();
    let it = Fixture::new(&folder).await;
    let names = ["org:1", "org:2", "a", "user:ann", "user:bob", "ünïcode"];

    for seed in 1..=20 {
        let mut dice = Dice(seed * 0x9e37_79b9);
        let mut here: Vec<Arc<Socket>> = Vec::new();
        for step in 0..150 {
            if dice.below(5) < 3 || here.is_empty() {
                // Some twice.
                let count = dice.below(5);
                let granted: Vec<&str> =
                    (0..count).map(|_| names[dice.below(names.len())]).collect();
                let user = ["ann", "bob", "eve"][dice.below(3)];
                let namespace = ["/", "/chat"][dice.below(2)];
                let socket = it.socket_on(&it.connection, user, namespace, &granted);
                it.register(&socket).unwrap();
                here.push(socket);
            } else if dice.below(2) == 0 {
                let again = &here[dice.below(here.len())];
                let granted = (0..dice.below(5)).map(|_| names[dice.below(names.len())]);
                let rooms = granted.map(|it| Room::parse(it).unwrap()).collect();
                assert!(it.sockets.regrant(again, Grants { rooms, ..Grants::default() }, 0));
            } else {
                let gone = here.swap_remove(dice.below(here.len()));
                it.sockets.disconnect(&gone, Reason::TransportClose);
                assert_eq!(gone.rooms(), [], "it is in no room any more");
            }
            let expected = expected(&here);
            assert_eq!(indexed(&it, expected.keys().cloned()), expected, "seed {seed} step {step}");
            assert_eq!(it.sockets.counts().rooms, expected.len(), "seed {seed} step {step}");
        }
        for user in ["ann", "bob", "eve"] {
            let (_, sockets) = it.sockets.user(&user_id(user));
            let listed: Vec<_> = sockets.iter().map(|it| it.id).collect();
            let mut own: Vec<_> = here.iter().filter(|it| *it.user() == user_id(user)).collect();
            own.sort_by_key(|it| it.id);
            assert_eq!(listed, own.iter().map(|it| it.id).collect::<Vec<_>>(), "as they came");
        }
        for socket in here.drain(..) {
            it.sockets.disconnect(&socket, Reason::TransportClose);
        }
        assert_eq!(it.sockets.counts().rooms, 0, "seed {seed}");
    }
    tokio::time::sleep(GRACE + MOMENT).await;
    assert_eq!(it.sockets.counts(), NodeCounts::default());
}

#[tokio::test(start_paused = true)]
async fn a_socket_is_found_by_its_id_as_long_as_it_is_here() {
    let folder = TempDir::new().unwrap();
    let it = Fixture::new(&folder).await;
    let socket = it.socket_on(&it.connection, "ann", "/chat", &[]);
    it.register(&socket).unwrap();
    let namespaces = [Namespace::root(), Namespace::parse("/chat").unwrap()];

    let found = it.sockets.registry.socket(socket.id, &namespaces).map(|it| it.id);
    assert_eq!(found, Some(socket.id));
    assert!(it.sockets.registry.socket(socket.id, &namespaces[..1]).is_none());
    it.sockets.disconnect(&socket, Reason::TransportClose);

    assert!(it.sockets.registry.socket(socket.id, &namespaces).is_none());
    assert!(it.sockets.registry.everyone(&namespaces[1]).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_socket_is_found_by_the_ids_of_the_connections_it_has_recovered() {
    let folder = TempDir::new().unwrap();
    let it = Fixture::new(&folder).await;
    let [one, two, three] = [(); 3].map(|()| it.socket_on(&it.connection, "ann", "/", &[]));
    let named = one.id.to_string();
    let stranger = it.socket_on(&it.connection, "eve", "/", &[&named]);
    two.set_earlier_ids(vec![one.id]);
    three.set_earlier_ids(vec![two.id, one.id]);
    let find = |id| it.sockets.registry.socket_in(&Namespace::root(), id).map(|it| it.id);

    it.register(&stranger).unwrap();
    assert_eq!(find(one.id), None, "being in a room of that name is not being it");
    for (newest, known) in [(&one, 1), (&two, 2), (&three, 3)] {
        it.register(newest).unwrap();
        // Those before it are still here: they are about to be closed.
        for id in [one.id, two.id, three.id].into_iter().take(known) {
            assert_eq!(find(id), Some(newest.id));
        }
    }
    assert_eq!(three.rooms(), [Room::of_user(three.user())], "a former id is no room to show");
    for gone in [&one, &two] {
        it.sockets.disconnect(gone, Reason::Replaced);
    }
    assert_eq!((find(one.id), find(two.id)), (Some(three.id), Some(three.id)));
    it.sockets.disconnect(&three, Reason::TransportClose);
    assert_eq!((find(one.id), find(three.id)), (None, None));
    it.sockets.disconnect(&stranger, Reason::TransportClose);
    assert_eq!(it.sockets.counts().rooms, 0);
}

#[tokio::test(start_paused = true)]
async fn a_granted_room_that_is_named_like_a_socket_holds_both() {
    let folder = TempDir::new().unwrap();
    let it = Fixture::new(&folder).await;
    let root = Namespace::root();
    let one = it.socket("ann", &[]);
    let room = Room::of_socket(one.id);
    let stranger = it.socket("eve", &[room.as_str()]);
    let found = || it.sockets.room(&root, &room).iter().map(|it| it.id).collect::<BTreeSet<_>>();
    let listed = || {
        let page = it.sockets.rooms("", None, 10);
        page.items.iter().map(|it| (it.room.clone(), it.sockets)).collect::<Vec<_>>()
    };

    it.register(&stranger).unwrap();
    assert_eq!((found(), listed()), ([stranger.id].into(), vec![(room.clone(), 1)]));
    it.register(&one).unwrap();
    assert_eq!((found(), listed()), ([one.id, stranger.id].into(), vec![(room.clone(), 2)]));
    // Everyone's, two users', the stranger's own, and this one, once.
    assert_eq!(it.sockets.counts().rooms, 5);
    it.sockets.disconnect(&stranger, Reason::TransportClose);

    assert_eq!((found(), listed()), ([one.id].into(), vec![]));
    assert_eq!(it.sockets.counts().rooms, 3);
}
