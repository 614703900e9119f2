//! Seats of one node, in the cases that matter and in random ones.

use super::{HeldSeats, SeatHold};
use crate::core::cluster::seats::SeatName;
use crate::core::control::seats::{Seated, Standing};
use crate::core::recovery::Pid;
use crate::types::{DeviceId, SocketId, UserId};
use proptest::prelude::*;
use std::cell::Cell;
use std::collections::BTreeSet;
use std::rc::Rc;

#[derive(Debug, Clone)]
struct Socket {
    connection: u8,
    standing: Rc<Cell<Standing>>,
}

impl Seated for Socket {
    fn shares_connection(&self, other: &Self) -> bool {
        self.connection == other.connection
    }

    fn device(&self) -> Option<&DeviceId> {
        None
    }

    fn pid(&self) -> Option<&Pid> {
        None
    }

    fn standing(&self) -> Standing {
        self.standing.get()
    }

    fn evict(&self) {}

    fn replace(&self) {}
}

fn socket(connection: u8) -> Socket {
    Socket { connection, standing: Rc::new(Cell::new(Standing::Here)) }
}

fn id(number: u8) -> SocketId {
    SocketId::from_bytes([number; SocketId::BYTES])
}

fn user(name: &str) -> UserId {
    UserId::parse(name).unwrap()
}

fn names(held: &HeldSeats<Socket>, user: &UserId) -> Vec<String> {
    held.standings(user).iter().map(|(it, _)| it.to_string()).collect()
}

fn free(held: &mut HeldSeats<Socket>) -> Vec<String> {
    held.take_free(100).iter().map(|(_, it)| it.to_string()).collect()
}

#[test]
fn a_connection_has_one_seat_until_its_last_socket_leaves() {
    let (mut held, ann) = (HeldSeats::default(), user("ann"));
    assert_eq!(held.join(&ann, (id(1), socket(1)), "a".into()), ("a".into(), SeatHold::Asked));
    held.confirm(&ann, &"a".into(), 7);
    let shared = held.join(&ann, (id(2), socket(1)), "b".into());
    assert_eq!(shared, ("a".into(), SeatHold::Since(7)));
    held.share(&ann, id(3), &socket(1));
    held.share(&ann, id(3), &socket(1));
    held.share(&ann, id(4), &socket(2));
    held.leave(&ann, id(1));
    held.leave(&ann, id(2));
    assert_eq!((names(&held, &ann), free(&mut held)), (vec!["a".to_owned()], vec![]));
    held.leave(&ann, id(3));
    held.leave(&ann, id(3));
    assert_eq!((names(&held, &ann), free(&mut held)), (vec![], vec!["a".to_owned()]));
    // The others say late that it is counted: they hear again that it is free.
    held.confirm(&ann, &"a".into(), 7);
    assert_eq!(free(&mut held), ["a"]);
}

#[test]
fn what_was_not_heard_is_said_until_it_is_and_what_others_have_is_not_said_to_be_free() {
    let (mut held, ann) = (HeldSeats::default(), user("ann"));
    held.join(&ann, (id(1), socket(1)), "a".into());
    assert!(held.claims().is_empty() && held.unheard_claims().is_empty(), "it is being asked for");
    held.admit_unheard(&ann, &"a".into());
    for _ in 0..2 {
        let claims = held.unheard_claims();
        assert_eq!((claims.len(), claims[0].since), (1, None));
    }
    held.confirm(&ann, &"a".into(), 7);
    assert!(held.unheard_claims().is_empty());
    assert_eq!(held.claims()[0].since, Some(7));
    assert_eq!(held.end(&ann, &["a".into(), "z".into()]).len(), 1);
    held.leave(&ann, id(1));
    assert!(free(&mut held).is_empty() && held.claims().is_empty());
    held.give_up(ann.clone(), "b".into());
    held.erase(&ann);
    assert!(free(&mut held).is_empty());
}

#[test]
fn of_which_nothing_was_heard_yet_does_not_count_where_a_node_decides_alone() {
    let (mut held, ann) = (HeldSeats::default(), user("ann"));
    for (number, name) in [(1, "a"), (2, "b"), (3, "c")] {
        held.join(&ann, (id(number), socket(number)), name.into());
    }
    let settled = |held: &HeldSeats<Socket>| -> Vec<u8> {
        held.settled(&ann).map(|it| it.connection).collect()
    };
    assert_eq!((settled(&held).len(), held.sockets(&ann).count()), (0, 3));
    held.admit_unheard(&ann, &"b".into());
    held.confirm(&ann, &"a".into(), 7);
    assert_eq!(settled(&held), [1, 2]);
}

proptest! {
    #[test]
    fn every_seat_is_of_somebody_who_is_here_or_is_said_to_be_free(
        steps in prop::collection::vec((0_u8..5, 0_u8..3, 0_u8..6), 0..80),
    ) {
        let mut held: HeldSeats<Socket> = HeldSeats::default();
        let mut sockets: Vec<(UserId, SocketId, Socket)> = Vec::new();
        let (mut given, mut told) = (BTreeSet::new(), BTreeSet::new());
        for (number, (what, whose, connection)) in (0_u8..).zip(steps) {
            let user = user(&format!("u{whose}"));
            match what {
                0 | 1 => {
                    let fresh: SeatName = format!("s{number}").into();
                    let mut socket = socket(connection);
                    if let Some((_, _, same)) = sockets.iter().find(|it| it.2.connection == connection) {
                        socket.standing = Rc::clone(&same.standing);
                    }
                    let (name, _) = held.join(&user, (id(number), socket.clone()), fresh);
                    given.insert(name.to_string());
                    sockets.push((user, id(number), socket));
                }
                2 => {
                    if let Some(at) = sockets.iter().position(|it| it.0 == user) {
                        let (user, id, _) = sockets.remove(at);
                        held.leave(&user, id);
                    }
                }
                3 => {
                    let its = sockets.iter().filter(|it| it.2.connection == connection);
                    its.for_each(|it| it.2.standing.set(Standing::Leaving));
                    sockets.retain(|it| it.2.connection != connection);
                    held.forget_lost();
                }
                _ => told.extend(free(&mut held)),
            }
            let mut known = BTreeSet::new();
            for name in ["u0", "u1", "u2"] {
                let of = sockets.iter().filter(|it| it.0.as_str() == name);
                let connections: BTreeSet<u8> = of.map(|it| it.2.connection).collect();
                let seats = names(&held, &super::tests::user(name));
                prop_assert_eq!(seats.len(), connections.len());
                known.extend(seats);
            }
            let mut all = told.clone();
            all.extend(held.free.iter().map(|(_, it)| it.to_string()));
            prop_assert!(known.is_disjoint(&all));
            all.extend(known);
            prop_assert_eq!(&all, &given);
        }
    }
}
