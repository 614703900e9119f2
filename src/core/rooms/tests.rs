//! The rooms of a socket against the plain rule: the last thing that happened to a room decides.

use super::{RoomChange, RoomMoves, SocketRooms};
use crate::types::Room;
use proptest::prelude::*;
use std::collections::BTreeSet;

const MAX: usize = 4;

#[derive(Debug, Clone)]
enum Op {
    Join(Vec<u8>),
    Leave(Vec<u8>),
    /// A later credential grants it these.
    Regrant(Vec<u8>),
    /// Its client comes back on another connection, with what its credentials grant then.
    Recover(Vec<u8>),
}

fn op() -> impl Strategy<Value = Op> {
    let rooms = || prop::collection::vec(0..6_u8, 0..4);
    prop_oneof![
        3 => rooms().prop_map(Op::Join),
        3 => rooms().prop_map(Op::Leave),
        1 => rooms().prop_map(Op::Regrant),
        1 => rooms().prop_map(Op::Recover),
    ]
}

fn rooms(numbers: &[u8]) -> Vec<Room> {
    let numbers: BTreeSet<&u8> = numbers.iter().collect();
    numbers.into_iter().map(|n| Room::parse(&format!("r{n}")).unwrap()).collect()
}

/// What credentials grant, and for each room whether it was joined or left last.
#[derive(Default)]
struct Model {
    granted: BTreeSet<Room>,
    moved: Vec<(Room, bool)>,
}

impl Model {
    fn is_in(&self, room: &Room) -> bool {
        let last = self.moved.iter().rev().find(|(it, _)| it == room);
        last.map_or(self.granted.contains(room), |(_, is_in)| *is_in)
    }

    /// What was left without having been granted is not remembered: a later credential may grant it.
    fn regrant(&mut self, moves: &RoomMoves, numbers: &[u8]) {
        self.granted = rooms(numbers).into_iter().collect();
        let is_kept = |room: &Room| moves.joined.contains_key(room) || moves.left.contains(room);
        self.moved.retain(|(room, _)| is_kept(room));
    }

    fn current(&self) -> BTreeSet<Room> {
        rooms(&[0, 1, 2, 3, 4, 5]).into_iter().filter(|it| self.is_in(it)).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn the_last_thing_that_happened_to_a_room_decides(
        granted in prop::collection::vec(0..6_u8, 0..4),
        ops in prop::collection::vec(op(), 0..20),
    ) {
        let granted = rooms(&granted);
        let mut socket = SocketRooms::granted(granted.clone().into());
        let mut model = Model { granted: granted.into_iter().collect(), ..Model::default() };
        for (position, op) in ops.iter().enumerate() {
            let before = model.current();
            let change = match op {
                Op::Join(numbers) => {
                    let mut is_full = false;
                    for room in rooms(numbers) {
                        if model.is_in(&room) {
                            continue;
                        }
                        if model.current().len() < MAX {
                            model.moved.push((room, true));
                        } else {
                            is_full = true;
                        }
                    }
                    let change = socket.join(&rooms(numbers), MAX, u64::try_from(position).unwrap());
                    prop_assert_eq!(change.is_full, is_full);
                    change
                }
                Op::Leave(numbers) => {
                    for room in rooms(numbers) {
                        if model.is_in(&room) {
                            model.moved.push((room, false));
                        }
                    }
                    socket.leave(&rooms(numbers))
                }
                Op::Regrant(numbers) => {
                    model.regrant(&socket.moves(), numbers);
                    socket.regrant(rooms(numbers).into())
                }
                Op::Recover(numbers) => {
                    let moves = socket.moves();
                    model.regrant(&moves, numbers);
                    let mut next = SocketRooms::granted(rooms(numbers).into());
                    next.take_over(moves);
                    socket = next;
                    RoomChange::default()
                }
            };
            let now: BTreeSet<Room> = socket.current().iter().cloned().collect();
            prop_assert_eq!(socket.current().len(), now.len(), "each once");
            prop_assert_eq!(&now, &model.current());
            if !matches!(op, Op::Recover(_)) {
                let entered: BTreeSet<Room> = change.entered.into_iter().collect();
                let exited: BTreeSet<Room> = change.exited.into_iter().collect();
                prop_assert_eq!(entered, now.difference(&before).cloned().collect());
                prop_assert_eq!(exited, before.difference(&now).cloned().collect());
            }
        }
    }
}

#[test]
fn whoever_joined_and_left_nothing_takes_nothing_along() {
    let mut socket = SocketRooms::granted(rooms(&[1, 2]).into());
    socket.join(&rooms(&[1]), MAX, 9);
    socket.leave(&rooms(&[3]));
    assert_eq!(socket.moves(), RoomMoves::default());

    socket.join(&rooms(&[3]), MAX, 9);
    let moves = socket.moves();
    assert_eq!((moves.joined_at(&rooms(&[3])[0]), moves.joined_at(&rooms(&[1])[0])), (9, 0));
}
