//! Rooms that a session has joined and left by itself go on with it.

use super::{LIMITS, attach, emit, id, pid, room, socket, to};
use crate::core::emit::audience::Audience;
use crate::core::recovery::{Live as _, Member, Recovery, SessionClaim};
use crate::core::rooms::memberships::RecordedRooms;
use crate::core::rooms::{RoomMoves, SocketRooms};
use crate::types::{Except, Target, Timestamp};
use proptest::collection::{btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::sync::Arc;

fn to_room(name: &str) -> Arc<Audience> {
    Arc::new(to(Target { rooms: vec![room(name)], ..Target::default() }, Except::default()))
}

#[test]
fn a_room_that_was_joined_is_kept_and_what_was_for_it_before_is_not_replayed() {
    let mut it = Recovery::new(LIMITS, 7);
    let one = socket(1, 1);
    attach(&mut it, one.clone(), None, "p", 0);
    let seen = emit(&mut it, &to_room("all"), 1, 0);
    emit(&mut it, &to_room("joined"), 2, 0);
    {
        let mut member = one.member.borrow_mut();
        member.rooms = vec![room("joined")];
        member.moves = RoomMoves {
            joined: [room("joined")].into(),
            by_client: [].into(),
            left: [room("all")].into(),
            since: [(room("joined"), it.head().number())].into(),
        };
    }
    emit(&mut it, &to_room("joined"), 3, 0);
    emit(&mut it, &to_room("all"), 4, 0);
    one.addressed.set(3);
    it.detach(&pid("p"), id(1), Timestamp(0));
    emit(&mut it, &to_room("joined"), 5, 0);
    emit(&mut it, &to_room("all"), 6, 0);

    // Its credentials grant it what they did: `all`.
    let claim = SessionClaim { pid: &pid("p"), offset: Some(&seen) };
    let attached = attach(&mut it, socket(1, 2), Some(claim), "fresh", 1);
    assert_eq!(super::names(&attached.missed), [3, 5]);
    assert_eq!(attached.moves, one.member.borrow().moves);
}

#[test]
fn a_session_that_is_lost_takes_nothing_along() {
    let mut it = Recovery::new(LIMITS, 7);
    let one = socket(1, 1);
    attach(&mut it, one.clone(), None, "p", 0);
    one.member.borrow_mut().moves.left.insert(room("all"));
    it.detach(&pid("p"), id(1), Timestamp(0));

    let claim = SessionClaim { pid: &pid("p"), offset: Some("nonsense") };
    let attached = attach(&mut it, socket(1, 2), Some(claim), "fresh", 1);
    assert!(attached.moves.is_empty());
}

#[test]
fn whoever_is_away_can_be_taken_out_of_a_room() {
    let mut it = Recovery::new(LIMITS, 7);
    let one = socket(1, 1);
    attach(&mut it, one.clone(), None, "p", 0);
    let seen = emit(&mut it, &to_room("all"), 1, 0);
    one.addressed.set(1);
    one.member.borrow_mut().rooms.push(room("joined"));
    one.member.borrow_mut().moves.joined.insert(room("joined"));
    it.detach(&pid("p"), id(1), Timestamp(0));

    for name in ["all", "joined"] {
        it.take_out(&super::user(2), &room(name));
        assert!(it.is_any_away_in(&to_room(name).target));
        it.take_out(&super::user(1), &room(name));
        assert!(!it.is_any_away_in(&to_room(name).target));
    }
    emit(&mut it, &to_room("joined"), 2, 0);
    let claim = SessionClaim { pid: &pid("p"), offset: Some(&seen) };
    let attached = attach(&mut it, socket(1, 2), Some(claim), "fresh", 1);
    assert!(attached.outcome.is_recovered() && attached.moves.is_empty());
    assert_eq!(attached.missed.len(), 0);
}

#[test]
fn whoever_is_put_into_a_room_while_away_gets_what_is_for_it_from_then_on() {
    let mut it = Recovery::new(LIMITS, 7);
    let one = socket(1, 1);
    attach(&mut it, one.clone(), None, "p", 0);
    let seen = emit(&mut it, &to_room("all"), 1, 0);
    one.addressed.set(1);
    it.detach(&pid("p"), id(1), Timestamp(0));
    emit(&mut it, &to_room("new"), 2, 0);
    it.put_in(&super::user(1), &room("new"));
    assert!(it.is_any_away_in(&to_room("new").target));
    emit(&mut it, &to_room("new"), 3, 0);

    let back = socket(1, 2);
    back.member.borrow_mut().rooms.push(room("new"));
    let claim = SessionClaim { pid: &pid("p"), offset: Some(&seen) };
    assert_eq!(super::names(&attach(&mut it, back, Some(claim), "fresh", 1).missed), [3]);
}

proptest! {
    #[test]
    fn those_of_an_audience_who_are_away_leave_and_stay_out(
        all in vec((0..3_u8, btree_set(0..4_u8, 0..4)), 1..6),
        to_users in btree_set(0..3_u8, 0..2),
        to_rooms in btree_set(0..4_u8, 0..3),
        except in btree_set(0..3_u8, 0..2),
        leave in btree_set(0..4_u8, 0..3),
    ) {
        let name = |n: &u8| room(&format!("r{n}"));
        let mut it = Recovery::new(LIMITS, 7);
        for (n, (u, rooms)) in (1..).zip(&all) {
            let one = socket(*u, n);
            one.member.borrow_mut().rooms = rooms.iter().map(name).collect();
            one.member.borrow_mut().moves.joined = rooms.iter().take(1).map(name).collect();
            attach(&mut it, one, None, &format!("p{n}"), 0);
            // The last one is here.
            if usize::from(n) < all.len() {
                it.detach(&pid(&format!("p{n}")), id(n), Timestamp(0));
            }
        }
        let users = |of: &BTreeSet<u8>| of.iter().map(|n| super::user(*n)).collect();
        let target = Target { users: users(&to_users), rooms: to_rooms.iter().map(name).collect(), ..Target::default() };
        let except = Except { users: users(&except), ..Except::default() };
        let left: Vec<_> = leave.iter().map(name).collect();
        it.leave(&to(target, except.clone()), &left);

        for (pid, session) in it.dump().sessions {
            let n: usize = pid.as_str()[1..].parse().unwrap();
            let (u, rooms) = &all[n - 1];
            let is_meant = (to_users.contains(u) || !rooms.is_disjoint(&to_rooms))
                && !except.users.contains(&super::user(*u));
            let gone: BTreeSet<u8> =
                if is_meant && n < all.len() { rooms & &leave } else { BTreeSet::new() };
            let names = |of: BTreeSet<u8>| of.iter().map(name).collect::<BTreeSet<_>>();
            let member = session.member;
            prop_assert_eq!(member.rooms.into_iter().collect::<BTreeSet<_>>(), names(rooms - &gone));
            prop_assert!(member.moves.joined.is_disjoint(&names(gone.clone())));
            // What it had only joined it may be granted later.
            let joined: BTreeSet<u8> = rooms.iter().take(1).copied().collect();
            prop_assert_eq!(member.moves.left, names(&gone - &joined));
        }
        for n in 0..4_u8 {
            let away = &all[..all.len() - 1];
            let dump = it.dump().sessions;
            let is_in = dump.iter().filter(|(pid, _)| pid.as_str() != format!("p{}", all.len()));
            let is_in = is_in.into_iter().any(|(_, session)| session.member.rooms.contains(&name(&n)));
            prop_assert_eq!(it.is_any_away_in(&to_room(&format!("r{n}")).target), is_in, "{:?}", away);
        }
    }

    /// The naive model is a live socket to which the same happens.
    #[test]
    fn whoever_comes_back_is_in_the_rooms_in_which_it_would_be_if_it_had_not_been_away(
        granted in btree_set(0..4_u8, 0..4),
        joined in btree_set(0..4_u8, 0..3),
        regranted in option::of(btree_set(0..4_u8, 0..4)),
        changes in vec((0..3_u8, 0..4_u8), 0..6),
        later in btree_set(0..4_u8, 0..4),
    ) {
        let names = |of: &BTreeSet<u8>| of.iter().map(|n| room(&format!("r{n}"))).collect::<Vec<_>>();
        let mut live = SocketRooms::granted(names(&granted).into());
        live.join(&names(&joined), 9, 0);
        if let Some(rooms) = &regranted {
            live.regrant(names(rooms).into(), 0, |_| true);
        }
        let mut it = Recovery::new(LIMITS, 7);
        let one = socket(1, 1);
        let member = Member { rooms: live.current().to_vec(), moves: live.moves(), anyway: live.joined_anyway(), ..one.member() };
        one.member.replace(member);
        attach(&mut it, one, None, "p", 0);
        it.detach(&pid("p"), id(1), Timestamp(0));

        let mut recorded = RecordedRooms::default();
        for (what, n) in changes {
            let room = room(&format!("r{n}"));
            match what {
                0 => {
                    live.leave(std::slice::from_ref(&room));
                    let all = Target { all: true, ..Target::default() };
                    it.leave(&to(all, Except::default()), &[room]);
                }
                1 => {
                    recorded.members.retain(|it| *it != room);
                    live.take_out(&room, recorded.clone());
                    it.take_out(&super::user(1), &room);
                }
                _ => {
                    recorded.members.retain(|it| *it != room);
                    recorded.members.push(room.clone());
                    live.put(&room, recorded.clone(), 0);
                    it.put_in(&super::user(1), &room);
                }
            }
        }

        live.regrant(names(&later).into(), 0, |_| true);
        let mut back = SocketRooms::granted(names(&later).into());
        back.record(recorded, 0);
        let claim = SessionClaim { pid: &pid("p"), offset: None };
        back.take_over(attach(&mut it, socket(1, 2), Some(claim), "fresh", 1).moves);
        let set = |of: &SocketRooms| of.current().iter().cloned().collect::<BTreeSet<_>>();
        prop_assert_eq!(set(&back), set(&live));
    }
}
