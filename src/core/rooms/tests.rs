//! The rooms of a socket against the plain rule: what is denied it is not in; else the last thing that happened to the room
//! decides, or what is granted if nothing has.

use super::memberships::RecordedRooms;
use super::{RoomChange, RoomMoves, SocketRooms};
use crate::types::Room;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const MAX: usize = 4;

#[derive(Debug, Clone)]
enum Op {
    Join(Vec<u8>),
    Leave(Vec<u8>),
    /// Its client joins one by itself.
    JoinByClient(u8),
    /// And leaves one.
    LeaveByClient(u8),
    /// A later credential grants it these, and lets its client join those.
    Regrant(Vec<u8>, Vec<u8>),
    /// These are recorded of its user, and those are denied.
    Record(Vec<u8>, Vec<u8>),
    /// Its user is put into one.
    Put(u8),
    /// Its user is taken out of one, which is denied if that is `true`.
    TakeOut(u8, bool),
    /// Its client comes back on another connection, with what its credentials grant then, and what these let it join.
    Recover(Vec<u8>, Vec<u8>),
}

fn op() -> impl Strategy<Value = Op> {
    let rooms = || prop::collection::vec(0..6_u8, 0..4);
    prop_oneof![
        3 => rooms().prop_map(Op::Join),
        3 => rooms().prop_map(Op::Leave),
        2 => (0..6_u8).prop_map(Op::JoinByClient),
        1 => (0..6_u8).prop_map(Op::LeaveByClient),
        1 => (rooms(), rooms()).prop_map(|(granted, joinable)| Op::Regrant(granted, joinable)),
        1 => (rooms(), rooms()).prop_map(|(members, denied)| Op::Record(members, denied)),
        2 => (0..6_u8).prop_map(Op::Put),
        2 => (0..6_u8, any::<bool>()).prop_map(|(room, deny)| Op::TakeOut(room, deny)),
        1 => (rooms(), rooms()).prop_map(|(granted, joinable)| Op::Recover(granted, joinable)),
    ]
}

fn rooms(numbers: &[u8]) -> Vec<Room> {
    let numbers: BTreeSet<&u8> = numbers.iter().collect();
    numbers.into_iter().map(|n| Room::parse(&format!("r{n}")).unwrap()).collect()
}

#[derive(Default)]
struct Model {
    granted: BTreeSet<Room>,
    members: BTreeSet<Room>,
    denied: BTreeSet<Room>,
    /// Whether it has joined or left a room last, and not been put into it or taken out of it since.
    moved: BTreeMap<Room, bool>,
    /// What its client has joined by itself.
    by_client: BTreeSet<Room>,
    /// When it has come into the rooms that it is in.
    since: BTreeMap<Room, u64>,
}

impl Model {
    fn is_in(&self, room: &Room) -> bool {
        let is_granted = self.granted.contains(room) || self.members.contains(room);
        !self.denied.contains(room) && self.moved.get(room).copied().unwrap_or(is_granted)
    }

    fn current(&self) -> BTreeSet<Room> {
        rooms(&[0, 1, 2, 3, 4, 5]).into_iter().filter(|it| self.is_in(it)).collect()
    }

    fn recorded(&self) -> RecordedRooms {
        RecordedRooms {
            members: self.members.iter().cloned().collect(),
            denied: self.denied.iter().cloned().collect(),
        }
    }

    /// Does the same; returns whether there was no place for a room, and whether one was denied.
    fn step(&mut self, op: &Op, moves: &RoomMoves) -> (bool, bool) {
        let mut missed = (false, false);
        match op {
            Op::JoinByClient(number) => {
                for room in rooms(&[*number]) {
                    let is_new = !self.is_in(&room);
                    missed = self.join(&room);
                    if is_new && self.is_in(&room) {
                        self.by_client.insert(room);
                    }
                }
            }
            Op::LeaveByClient(number) => {
                for room in rooms(&[*number]) {
                    if self.by_client.remove(&room) {
                        self.moved.remove(&room);
                    }
                }
            }
            Op::Join(numbers) => {
                for room in rooms(numbers) {
                    self.by_client.remove(&room);
                    let (is_full, is_denied) = self.join(&room);
                    missed = (missed.0 || is_full, missed.1 || is_denied);
                }
            }
            Op::Leave(numbers) => {
                for room in
                    rooms(numbers).into_iter().filter(|it| self.is_in(it)).collect::<Vec<_>>()
                {
                    self.by_client.remove(&room);
                    self.moved.insert(room, false);
                }
            }
            Op::Regrant(numbers, joinable) | Op::Recover(numbers, joinable) => {
                self.granted = rooms(numbers).into_iter().collect();
                self.lose(&rooms(joinable));
            }
            Op::Record(members, denied) => {
                self.denied = rooms(denied).into_iter().collect();
                self.members =
                    rooms(members).into_iter().filter(|it| !self.denied.contains(it)).collect();
            }
            Op::Put(number) => {
                for room in rooms(&[*number]) {
                    if self.moved.get(&room) == Some(&false) {
                        self.moved.remove(&room);
                    }
                    self.denied.remove(&room);
                    self.members.insert(room);
                }
            }
            Op::TakeOut(number, deny) => {
                for room in rooms(&[*number]) {
                    self.moved.remove(&room);
                    self.by_client.remove(&room);
                    self.granted.remove(&room);
                    self.members.remove(&room);
                    self.denied.remove(&room);
                    if *deny {
                        self.denied.insert(room);
                    }
                }
            }
        }
        // What was left without having been granted is not remembered: it may be granted later.
        let is_granted: BTreeSet<Room> =
            self.moved.keys().filter(|it| self.is_granted(it)).cloned().collect();
        let is_left = |room: &Room| moves.left.contains(room) || is_granted.contains(room);
        self.moved.retain(|room, is_in| *is_in || is_left(room));
        missed
    }

    /// Its client may join those only.
    fn lose(&mut self, joinable: &[Room]) {
        let lost = self.by_client.iter().filter(|it| !joinable.contains(it)).cloned();
        for room in lost.collect::<Vec<_>>() {
            self.by_client.remove(&room);
            self.moved.remove(&room);
        }
    }

    /// Whether there was no place for it, and whether it was denied.
    fn join(&mut self, room: &Room) -> (bool, bool) {
        if self.is_in(room) {
            return (false, false);
        }
        if self.denied.contains(room) {
            return (false, true);
        }
        if MAX <= self.current().len() {
            return (true, false);
        }
        self.moved.insert(room.clone(), true);
        (false, false)
    }

    fn is_granted(&self, room: &Room) -> bool {
        self.granted.contains(room) || self.members.contains(room)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn what_is_denied_it_is_not_in_else_the_last_thing_that_happened_decides(
        granted in prop::collection::vec(0..6_u8, 0..4),
        ops in prop::collection::vec(op(), 0..20),
    ) {
        let granted = rooms(&granted);
        let mut socket = SocketRooms::granted(granted.clone().into());
        let mut model = Model { granted: granted.into_iter().collect(), ..Model::default() };
        for (position, op) in (1_u64..).zip(&ops) {
            let before = model.current();
            let old = socket.moves();
            // What is left counts as left before the model looks.
            let missed = model.step(op, &old);
            let room = |number: &u8| rooms(&[*number]).remove(0);
            let change = match op {
                Op::Join(numbers) => socket.join(&rooms(numbers), MAX, position),
                Op::Leave(numbers) => socket.leave(&rooms(numbers)),
                Op::JoinByClient(number) => socket.join_by_client(&room(number), MAX, position),
                Op::LeaveByClient(number) => socket.leave_by_client(&room(number)),
                Op::Regrant(numbers, joinable) => {
                    let joinable = rooms(joinable);
                    let may_join = |it: &Room| joinable.contains(it);
                    socket.regrant(rooms(numbers).into(), position, may_join)
                }
                Op::Record(..) => socket.record(model.recorded(), position),
                Op::Put(number) => socket.put(&room(number), model.recorded(), position),
                Op::TakeOut(number, _) => socket.take_out(&room(number), model.recorded()),
                Op::Recover(numbers, joinable) => {
                    let joinable = rooms(joinable);
                    let old = old.as_far_as(|it| joinable.contains(it));
                    let mut next = SocketRooms::granted(rooms(numbers).into());
                    next.record(model.recorded(), 0);
                    prop_assert_eq!(next.with(&old).iter().cloned().collect::<BTreeSet<_>>(), model.current());
                    next.take_over(old);
                    socket = next;
                    RoomChange::default()
                }
            };
            prop_assert_eq!((change.is_full, change.is_denied), missed);
            let now: BTreeSet<Room> = socket.current().iter().cloned().collect();
            prop_assert_eq!(socket.current().len(), now.len(), "each once");
            prop_assert_eq!(&now, &model.current(), "{:?}", op);
            model.since.retain(|room, _| now.contains(room));
            if !matches!(op, Op::Recover(..)) {
                let entered: BTreeSet<Room> = change.entered.iter().cloned().collect();
                let exited: BTreeSet<Room> = change.exited.into_iter().collect();
                prop_assert_eq!(&entered, &now.difference(&before).cloned().collect());
                prop_assert_eq!(exited, before.difference(&now).cloned().collect());
                let is_placed = !matches!(op, Op::Leave(_) | Op::TakeOut(..));
                model.since.extend(entered.into_iter().filter(|_| is_placed).map(|it| (it, position)));
            }
            prop_assert_eq!(&socket.moves().since, &model.since);
            prop_assert_eq!(&socket.moves().by_client, &model.by_client);
            prop_assert!(socket.moves().by_client.is_subset(&socket.moves().joined));
        }
    }
}

#[test]
fn who_is_where_credentials_say_keeps_nothing_more() {
    let mut socket = SocketRooms::granted(rooms(&[1, 2]).into());
    socket.join(&rooms(&[1]), MAX, 9);
    socket.leave(&rooms(&[3]));
    socket.record(RecordedRooms::default(), 9);
    assert!(socket.sources.is_none());

    socket.join(&rooms(&[3]), MAX, 9);
    let moves = socket.moves();
    assert_eq!((moves.since(&rooms(&[3])[0]), moves.since(&rooms(&[1])[0])), (9, 0));
    socket.leave(&rooms(&[3]));
    assert!(socket.sources.is_none());
}
