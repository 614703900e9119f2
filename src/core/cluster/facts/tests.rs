use super::{FactOp, UserDeparture, UserFacts};
use crate::core::cluster::sockets::{SocketOp, SocketTold};
use crate::types::{Reason, SocketId, Timestamp, UserId, WallMs};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

const REMEMBER: Duration = Duration::from_secs(30);

fn user(number: u8) -> UserId {
    UserId::parse(&format!("u{number}")).unwrap()
}

fn departure() -> UserDeparture {
    UserDeparture {
        grace: Duration::from_secs(10),
        reason: Reason::TransportClose,
        closed_at: WallMs(1),
    }
}

fn apply(facts: &mut UserFacts, ops: &[FactOp], now: u64) {
    let ups = ops.iter().filter(|op| matches!(op, FactOp::Up { .. })).count();
    facts.applied(ops, (&vec![7; ups], 10), Timestamp(now));
}

#[test]
fn only_a_loss_lets_the_state_be_told_of_sessions_and_of_those_who_left() {
    for lost in [true, false] {
        let mut facts = UserFacts::default();
        for it in 0..2 {
            facts.up(&user(it));
        }
        let ops = facts.take(10);
        apply(&mut facts, &ops, 0);
        facts.down(&user(1), departure());
        let ops = facts.take(10);
        apply(&mut facts, &ops, 0);

        facts.assert_again(lost.then_some(10), REMEMBER, Timestamp(1000));

        let again = FactOp::Up { user: user(0), hint: lost.then_some(7), is_kept: lost };
        let left = FactOp::Departed { user: user(1), session: 7, departure: departure() };
        let expected = if lost { vec![left, again] } else { vec![again] };
        assert_eq!(facts.take(10), expected);
    }
}

#[test]
fn whoever_is_back_before_anything_was_said_is_in_the_session_that_is_known() {
    let mut facts = UserFacts::default();
    assert_eq!(facts.up(&user(0)), None);
    let ops = facts.take(10);
    facts.down(&user(0), departure());
    assert_eq!(facts.up(&user(0)), None, "that is being asked");
    apply(&mut facts, &ops, 0);

    facts.down(&user(0), departure());
    assert_eq!(facts.up(&user(0)), Some(7), "nothing is said, so nothing would be answered");
    assert!(facts.take(10).is_empty());

    facts.down(&user(0), departure());
    facts.take(10);
    assert_eq!(facts.up(&user(0)), None, "it may be another by now");
}

#[test]
fn after_sleep_only_those_are_asserted_who_spoke() {
    let mut facts = UserFacts::default();
    for it in 0..2 {
        facts.up(&user(it));
    }
    let ops = facts.take(10);
    apply(&mut facts, &ops, 0);

    facts.slept();
    facts.verified(&user(0));
    facts.assert_again(None, REMEMBER, Timestamp(0));
    assert_eq!(facts.take(10), [FactOp::Up { user: user(0), hint: None, is_kept: false }]);

    facts.verified(&user(1));
    assert_eq!(facts.take(10), [FactOp::Up { user: user(1), hint: None, is_kept: false }]);
}

#[test]
fn the_end_of_a_grace_is_told_of_whoever_is_not_here_too() {
    let mut facts = UserFacts::default();
    facts.end_grace(&user(0), Reason::Kicked);
    assert_eq!(facts.take(10), [FactOp::EndGrace { user: user(0), reason: Reason::Kicked }]);
    assert!(facts.is_said() && facts.take(10).is_empty());
}

#[derive(Debug, Clone)]
enum Step {
    Up(u8),
    Down(u8),
    /// The user's sockets here are in this room.
    Place(u8, u8),
    Take(usize),
    Answer,
    Again(bool),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0_u8..4).prop_map(Step::Up),
        4 => (0_u8..4).prop_map(Step::Down),
        3 => (0_u8..4, 0_u8..3).prop_map(|(user, room)| Step::Place(user, room)),
        4 => (1_usize..4).prop_map(Step::Take),
        3 => Just(Step::Answer),
        1 => any::<bool>().prop_map(Step::Again),
    ]
}

proptest! {
    /// However it goes: when all is said and answered, the state holds those who are here, with the rooms that they are in, and what
    /// waits to be said is at most one thing per user.
    #[test]
    fn the_state_ends_with_those_who_are_here(steps in prop::collection::vec(step(), 0..80)) {
        let mut facts = UserFacts::default();
        let (mut here, mut held) = (BTreeMap::new(), BTreeMap::new());
        let mut under_way: Option<Vec<FactOp>> = None;
        let settle = steps.iter().cloned().chain((0..20).flat_map(|_| [Step::Answer, Step::Take(8)]));
        for step in settle.chain([Step::Answer]) {
            match step {
                Step::Up(it) => {
                    here.entry(it).or_insert(None);
                    facts.up(&user(it));
                }
                Step::Down(it) => {
                    here.remove(&it);
                    facts.down(&user(it), departure());
                }
                Step::Place(it, room) => {
                    let rooms: Arc<str> = format!("{room}").into();
                    facts.place(&user(it), Arc::clone(&rooms));
                    if let Some(known) = here.get_mut(&it) {
                        *known = Some(rooms);
                    }
                }
                Step::Take(max) if under_way.is_none() => {
                    let ops = facts.take(max);
                    let mut told: BTreeMap<UserId, usize> = BTreeMap::new();
                    for op in &ops {
                        match op {
                            FactOp::Up { user, .. } => {
                                held.insert(user.clone(), None);
                                *told.entry(user.clone()).or_default() += 1;
                            }
                            FactOp::Down { user, .. } => {
                                prop_assert!(held.remove(user).is_some(), "{user} is not held");
                                *told.entry(user.clone()).or_default() += 1;
                            }
                            FactOp::Place { user, rooms } => {
                                let known = held.get_mut(user);
                                prop_assert!(known.is_some(), "{user} is not held");
                                *known.unwrap() = Some(Arc::clone(rooms));
                            }
                            FactOp::Departed { .. }
                            | FactOp::EndGrace { .. }
                            | FactOp::Describe { .. }
                            | FactOp::Socket { .. } => {}
                        }
                    }
                    prop_assert!(told.values().all(|it| *it == 1));
                    under_way = Some(ops);
                }
                Step::Take(_) => {}
                Step::Answer => {
                    if let Some(ops) = under_way.take() {
                        apply(&mut facts, &ops, 0);
                    }
                }
                Step::Again(lost) => {
                    held.clear();
                    under_way = None;
                    facts.assert_again(lost.then_some(5), REMEMBER, Timestamp(0));
                }
            }
        }
        prop_assert!(facts.is_said());
        let here: BTreeMap<UserId, Option<Arc<str>>> =
            here.into_iter().map(|(it, rooms)| (user(it), rooms)).collect();
        prop_assert!(held.keys().eq(here.keys()));
        for (user, rooms) in here {
            // Whoever was back before that was said is where it was, until it is said where it is now.
            prop_assert!(rooms.is_none() || held[&user] == rooms, "{user}");
        }
    }
}

fn told(number: u8) -> SocketTold {
    let socket = SocketId::from_bytes([number; SocketId::BYTES]);
    SocketTold { socket, at: WallMs(1), since: WallMs(1), words: String::new() }
}

/// What is said, in short.
fn said(facts: &mut UserFacts, max: usize) -> Vec<String> {
    let word = |op: FactOp| match op {
        FactOp::Up { .. } => "up".to_owned(),
        FactOp::Down { .. } => "down".to_owned(),
        FactOp::Socket { op: SocketOp::Came { told, is_retold }, .. } => {
            format!("{} came{}", told.socket.bytes()[0], if is_retold { " again" } else { "" })
        }
        FactOp::Socket { op: SocketOp::Went(told), .. } => {
            format!("{} went", told.socket.bytes()[0])
        }
        FactOp::Describe { .. }
        | FactOp::Place { .. }
        | FactOp::EndGrace { .. }
        | FactOp::Departed { .. } => {
            panic!("nobody said that")
        }
    };
    facts.take(max).into_iter().map(word).collect()
}

#[test]
fn sockets_are_told_of_between_the_coming_and_the_going_of_their_user() {
    let (mut facts, ann) = (UserFacts::default(), user(1));
    facts.up(&ann);
    for number in 0..5 {
        facts.socket_came(&ann, told(number));
    }
    facts.socket_went(&ann, told(0), false);
    assert_eq!(said(&mut facts, 4), ["up", "0 came", "1 came", "2 came", "3 came"]);
    for number in 1..5 {
        facts.socket_went(&ann, told(number), false);
    }
    facts.socket_went(&ann, told(4), false);
    facts.down(&ann, departure());
    assert_eq!(said(&mut facts, 4), ["4 came", "0 went", "1 went", "2 went"]);
    assert_eq!(said(&mut facts, 4), ["3 went", "4 went", "down"]);
    assert_eq!(said(&mut facts, 4), Vec::<String>::new());
}

#[test]
fn who_came_and_went_while_the_node_was_cut_off_is_not_told_of() {
    let (mut facts, ann) = (UserFacts::default(), user(1));
    facts.up(&ann);
    facts.socket_came(&ann, told(1));
    assert_eq!(said(&mut facts, 9), ["up", "1 came"]);
    facts.socket_came(&ann, told(2));
    facts.socket_went(&ann, told(2), true);
    facts.socket_went(&ann, told(1), true);
    assert_eq!(said(&mut facts, 9), ["1 went"], "of this one it was said that it is here");
}

#[test]
fn a_new_incarnation_says_again_which_sockets_are_here_as_soon_as_their_user_speaks() {
    let (mut facts, ann) = (UserFacts::default(), user(1));
    facts.up(&ann);
    facts.socket_came(&ann, told(1));
    facts.socket_came(&ann, told(2));
    facts.take(9);
    facts.socket_went(&ann, told(2), false);
    facts.slept();
    facts.assert_again(None, Duration::from_mins(1), Timestamp(5));
    assert_eq!(said(&mut facts, 9), Vec::<String>::new(), "whether it is here, nobody knows");
    facts.verified(&ann);
    assert_eq!(said(&mut facts, 9), ["up", "1 came"]);
    facts.assert_again(Some(0), Duration::from_mins(1), Timestamp(6));
    assert_eq!(said(&mut facts, 9), ["up", "1 came again"]);
}
