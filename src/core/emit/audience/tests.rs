//! One rule, asked in two ways, against sets of names written out.

use super::{Addressee, Audience, LIST_MAX};
use crate::types::{DeviceId, Except, Namespace, Room, SocketId, Target, UserId};
use proptest::prelude::*;
use proptest::sample::subsequence;
use std::collections::BTreeSet;

const USERS: [&str; 3] = ["ann", "bob", "user:ann"];
const DEVICES: [&str; 2] = ["d1", "d2"];
const NAMESPACES: [&str; 2] = ["/", "/chat"];

/// Ids and rooms are few, so that they meet often; rooms are named like users and ids, too.
fn id(n: u8) -> SocketId {
    SocketId::from_bytes([n; SocketId::BYTES])
}

fn rooms() -> Vec<Room> {
    let of_ids = (0..3).map(|n| Room::of_socket(id(n)));
    let of_users = USERS.iter().map(|user| Room::of_user(&UserId::parse(user).unwrap()));
    let others = ["org:1", "user:", "user:nobody"].iter().map(|it| Room::parse(it).unwrap());
    of_ids.chain(of_users).chain(others).collect()
}

fn namespace(n: usize) -> Namespace {
    Namespace::parse(NAMESPACES[n]).unwrap()
}

#[derive(Debug, Clone)]
struct Somebody {
    namespace: Namespace,
    user: UserId,
    device: Option<DeviceId>,
    ids: Vec<SocketId>,
    granted: Vec<Room>,
}

impl Addressee for Somebody {
    fn is_in_namespace(&self, namespace: &Namespace) -> bool {
        self.namespace == *namespace
    }

    fn user(&self) -> &UserId {
        &self.user
    }

    fn device(&self) -> Option<&DeviceId> {
        self.device.as_ref()
    }

    fn ids(&self) -> impl Iterator<Item = SocketId> {
        self.ids.iter().copied()
    }

    fn is_granted(&self, room: &Room) -> bool {
        self.granted.contains(room)
    }
}

/// All that a name in a list may be, with its kind before it.
fn names_of(who: &Somebody) -> BTreeSet<String> {
    let mut names = BTreeSet::from([
        format!("user {}", who.user),
        format!("room {}", Room::of_user(&who.user)),
    ]);
    names.extend(who.device.iter().map(|it| format!("device {it}")));
    names.extend(who.ids.iter().flat_map(|it| [format!("socket {it}"), format!("room {it}")]));
    names.extend(who.granted.iter().map(|it| format!("room {it}")));
    names
}

fn written(kind: &str, names: &[impl ToString]) -> BTreeSet<String> {
    names.iter().map(|it| format!("{kind} {}", it.to_string())).collect()
}

fn is_left_out(audience: &Audience, who: &Somebody) -> bool {
    let Except { users, rooms, sockets, devices } = &audience.except;
    let lists = [
        written("user", users),
        written("room", rooms),
        written("socket", sockets),
        written("device", devices),
    ];
    !lists.concat().is_disjoint(&names_of(who))
}

fn is_included(audience: &Audience, who: &Somebody) -> bool {
    let Target { users, rooms, sockets, all } = &audience.target;
    let lists = [written("user", users), written("room", rooms), written("socket", sockets)];
    audience.namespace == who.namespace
        && (*all || !lists.concat().is_disjoint(&names_of(who)))
        && !is_left_out(audience, who)
}

trait Concat {
    fn concat(self) -> BTreeSet<String>;
}

impl<const N: usize> Concat for [BTreeSet<String>; N] {
    fn concat(self) -> BTreeSet<String> {
        self.into_iter().flatten().collect()
    }
}

fn somebody() -> impl Strategy<Value = Somebody> {
    let device = prop::option::of(0..DEVICES.len());
    let ids = subsequence(vec![0, 1, 2], 1..=3);
    (0..NAMESPACES.len(), 0..USERS.len(), device, ids, subsequence(rooms(), 0..=3)).prop_map(
        |(space, user, device, ids, granted)| Somebody {
            namespace: namespace(space),
            user: UserId::parse(USERS[user]).unwrap(),
            device: device.map(|n| DeviceId::parse(DEVICES[n]).unwrap()),
            ids: ids.into_iter().map(id).collect(),
            granted,
        },
    )
}

type Lists = (Vec<UserId>, Vec<Room>, Vec<SocketId>, Vec<DeviceId>);

/// Lists of names that some have, perhaps among so many that nobody has that they are looked up in a set.
fn lists() -> impl Strategy<Value = Lists> {
    let users: Vec<UserId> = USERS.iter().map(|it| UserId::parse(it).unwrap()).collect();
    let devices: Vec<DeviceId> = DEVICES.iter().map(|it| DeviceId::parse(it).unwrap()).collect();
    (
        subsequence(users, 0..=2),
        subsequence(rooms(), 0..=2),
        subsequence(vec![id(0), id(1), id(2)], 0..=2),
        subsequence(devices, 0..=1),
        prop::sample::select(vec![0, LIST_MAX + 1]),
    )
        .prop_map(|(mut users, rooms, mut sockets, mut devices, more)| {
            let strange = |n: usize| format!("stranger{n}");
            users.extend((0..more).map(|n| UserId::parse(&strange(n)).unwrap()));
            devices.extend((0..more).map(|n| DeviceId::parse(&strange(n)).unwrap()));
            sockets.extend((0..more).map(|n| id(100 + u8::try_from(n).unwrap())));
            (users, rooms, sockets, devices)
        })
}

fn audience() -> impl Strategy<Value = Audience> {
    (0..NAMESPACES.len(), lists(), lists(), any::<bool>()).prop_map(|(space, to, except, all)| {
        let (users, rooms, sockets, _) = to;
        let target = Target { users, rooms, sockets, all };
        let (users, rooms, sockets, devices) = except;
        let except = Except { users, rooms, sockets, devices };
        Audience { namespace: namespace(space), target, except }
    })
}

proptest! {
    #[test]
    fn the_rule_is_that_of_the_names_written_out(audience in audience(), who in somebody()) {
        prop_assert_eq!(audience.includes(&who), is_included(&audience, &who));
        prop_assert_eq!(audience.leaves_out(&who), is_left_out(&audience, &who));
        prop_assert_eq!(audience.left_out().includes(&who), is_left_out(&audience, &who));
    }

    #[test]
    fn a_user_as_such_is_somebody_without_sockets_in_every_namespace(
        audience in audience(),
        user in 0..USERS.len(),
    ) {
        let user = UserId::parse(USERS[user]).unwrap();
        let (device, ids, granted) = (None, vec![], vec![]);
        let namespace = audience.namespace.clone();
        let who = Somebody { namespace, user: user.clone(), device, ids, granted };
        prop_assert_eq!(audience.includes(&user), is_included(&audience, &who));
        prop_assert_eq!(audience.left_out().includes(&user), is_left_out(&audience, &who));
    }
}
