//! Whatever comes: never too many at once, nobody is forgotten, and an outage is found out and ended.

use super::{
    Answered, ClientKey, Entrance, HandshakeVerdict, HookGate, TRIALS, Ticket, TrialPlace,
};
use crate::core::backend::circuit::{Failure, Purpose};
use crate::types::Timestamp;
use proptest::prelude::*;
use std::collections::VecDeque;

const SILENCE: Answered = Answered::Failed(Failure::Silence);
const ERROR: Answered = Answered::Failed(Failure::Answer { retry_after: None });

fn at(ms: u64) -> Timestamp {
    Timestamp(ms)
}

/// Lets five clients meet this, so that the circuit opens.
fn break_down(gate: &mut HookGate, answered: Answered, now: Timestamp) {
    for n in 0..5 {
        let Entrance::Ask(purpose) = gate.enter(now) else { panic!("it is not open yet") };
        gate.ended(ClientKey(n), purpose, answered, now);
    }
    assert!(gate.is_open());
}

#[test]
fn who_comes_over_the_bound_waits_and_who_comes_over_that_is_turned_away() {
    let mut gate = HookGate::new(2, 1);
    assert_eq!(gate.enter(at(0)), Entrance::Ask(Purpose::Deliver));
    assert_eq!(gate.enter(at(0)), Entrance::Ask(Purpose::Deliver));
    let Entrance::Wait(first) = gate.enter(at(0)) else { panic!() };
    assert_eq!(gate.enter(at(0)), Entrance::TurnedAway);

    let turns = gate.ended(ClientKey(1), Purpose::Deliver, Answered::Well, at(1));

    assert_eq!(turns.ask, [(first, Purpose::Deliver)]);
    assert_eq!(gate.waiting.len(), 0);
}

#[test]
fn whoever_left_the_queue_is_not_called() {
    let mut gate = HookGate::new(1, 5);
    gate.enter(at(0));
    let Entrance::Wait(gone) = gate.enter(at(0)) else { panic!() };
    let Entrance::Wait(next) = gate.enter(at(0)) else { panic!() };

    gate.leave(gone);
    let turns = gate.ended(ClientKey(1), Purpose::Deliver, Answered::Well, at(1));

    assert_eq!(turns.ask, [(next, Purpose::Deliver)]);
}

#[test]
fn an_outage_turns_all_away_who_wait_and_lets_few_in() {
    for answered in [SILENCE, ERROR] {
        let mut gate = HookGate::new(8, 100);
        for _ in 0..8 {
            gate.enter(at(0));
        }
        let Entrance::Wait(waiting) = gate.enter(at(0)) else { panic!() };
        let ends: Vec<_> =
            (0..5).map(|n| gate.ended(ClientKey(n), Purpose::Deliver, answered, at(9))).collect();

        // The one that waited was asked about when the first ended; whoever comes now is turned away.
        assert_eq!(ends[0].ask, [(waiting, Purpose::Deliver)]);
        assert!(gate.is_open());
        assert_eq!(gate.enter(at(9)), Entrance::TurnedAway);
        let admitted = [9, 500, 1_008, 1_009].map(|ms| gate.admits_handshake(false, at(ms)));
        let (free, refused) = (HandshakeVerdict::Free, HandshakeVerdict::Refused);
        assert_eq!(admitted, [free, refused, refused, free]);
    }
}

#[test]
fn one_client_that_the_backend_cannot_digest_shuts_nobody_out() {
    let mut gate = HookGate::new(4, 10);
    for _ in 0..100 {
        let Entrance::Ask(purpose) = gate.enter(at(0)) else { panic!() };
        gate.ended(ClientKey(7), purpose, ERROR, at(0));
    }
    assert!(!gate.is_open());
}

#[test]
fn probes_come_one_at_a_time_and_the_first_good_answer_ends_the_outage() {
    let mut gate = HookGate::new(4, 10);
    break_down(&mut gate, SILENCE, at(0));

    assert_eq!(gate.enter(at(999)), Entrance::TurnedAway);
    assert_eq!(gate.enter(at(1_000)), Entrance::Ask(Purpose::Probe));
    assert_eq!(gate.enter(at(1_000)), Entrance::TurnedAway);
    gate.ended(ClientKey(9), Purpose::Probe, SILENCE, at(1_000));
    assert_eq!(gate.enter(at(2_999)), Entrance::TurnedAway, "the pause doubles");
    assert_eq!(gate.enter(at(3_000)), Entrance::Ask(Purpose::Probe));

    gate.ended(ClientKey(9), Purpose::Probe, Answered::Well, at(3_001));

    assert!(!gate.is_open() && gate.admits_handshake(true, at(3_001)) == HandshakeVerdict::Free);
    assert_eq!(gate.enter(at(3_001)), Entrance::Ask(Purpose::Deliver));
    assert!(matches!(gate.enter(at(3_001)), Entrance::Wait(_)), "it warms up");
}

/// Takes a place on trial.
fn trial(gate: &mut HookGate, now: u64) -> Option<TrialPlace> {
    match gate.admits_handshake(true, at(now)) {
        HandshakeVerdict::OnTrial(place) => Some(place),
        HandshakeVerdict::Refused => None,
        HandshakeVerdict::Free => panic!("the circuit is open"),
    }
}

#[test]
fn who_has_a_token_gives_its_place_back_at_once_and_who_has_none_after_a_second() {
    let mut gate = HookGate::new(4, 10);
    assert_eq!(gate.admits_handshake(true, at(0)), HandshakeVerdict::Free);
    break_down(&mut gate, SILENCE, at(0));
    let places: Vec<TrialPlace> = (0..TRIALS).map(|_| trial(&mut gate, 100).unwrap()).collect();
    assert_eq!(trial(&mut gate, 100), None);

    gate.trial_ended(places[3], true, at(200));
    let next = trial(&mut gate, 200).unwrap();
    assert_eq!(trial(&mut gate, 200), None);

    gate.trial_ended(places[3], true, at(201));
    assert_eq!(trial(&mut gate, 201), None, "the place is another's by now");
    gate.trial_ended(next, false, at(300));
    gate.trial_ended(places[0], false, at(300));
    assert_eq!(trial(&mut gate, 1_099), None);
    assert!(trial(&mut gate, 1_100).is_some());
    assert_eq!(trial(&mut gate, 1_199), None);
    assert!(trial(&mut gate, 1_200).is_some());
    assert_eq!(trial(&mut gate, 5_099), None);
    assert_eq!(
        (0..TRIALS).filter_map(|_| trial(&mut gate, 5_100)).count(),
        TRIALS - 2,
        "who says nothing loses it"
    );
}

proptest! {
    /// Against a naive model: the places that are taken, each with when it is free.
    #[test]
    fn as_many_are_on_trial_as_there_are_places(
        steps in prop::collection::vec((0..400_u64, 0..4_u8, any::<prop::sample::Index>()), 1..200),
    ) {
        let mut gate = HookGate::new(4, 10);
        break_down(&mut gate, SILENCE, at(0));
        let mut now = 0;
        let mut taken: Vec<(TrialPlace, u64)> = Vec::new();
        for (pass, what, which) in steps {
            now += pass;
            taken.retain(|(_, until)| now < *until);
            if what < 2 {
                let place = trial(&mut gate, now);
                prop_assert_eq!(place.is_some(), taken.len() < TRIALS);
                taken.extend(place.map(|it| (it, now + 5_000)));
            } else if !taken.is_empty() {
                let chosen = which.index(taken.len());
                let (place, until) = &mut taken[chosen];
                let is_told = *until != place.since.0 + 5_000;
                gate.trial_ended(*place, what == 2, at(now));
                if !is_told {
                    *until = if what == 2 { now } else { place.since.0 + 1_000 };
                }
            }
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Enter,
    Leave(usize),
    End(usize, Answered),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let answered = prop_oneof![
        3 => Just(Answered::Well),
        1 => Just(SILENCE),
        1 => Just(ERROR),
        1 => Just(Answered::GivenUp)
    ];
    prop_oneof![
        4 => Just(Step::Enter),
        1 => any::<usize>().prop_map(Step::Leave),
        4 => (any::<usize>(), answered).prop_map(|(which, answered)| Step::End(which, answered)),
        1 => (0..7_000_u64).prop_map(Step::Wait),
    ]
}

proptest! {
    #[test]
    fn bounds_hold_and_everybody_gets_an_answer_in_turn(
        concurrency in 1..5_usize,
        waiting_max in 0..5_usize,
        steps in prop::collection::vec(step(), 1..300),
    ) {
        let mut gate = HookGate::new(concurrency, waiting_max);
        let mut now = at(0);
        // A naive copy: who is asked about, and who waits, in order.
        let mut asked: Vec<(u64, Purpose)> = Vec::new();
        let mut waiting: VecDeque<Ticket> = VecDeque::new();
        let mut clients = 0;
        for step in steps {
            match step {
                Step::Wait(ms) => now = at(now.0 + ms),
                Step::Enter => {
                    clients += 1;
                    match gate.enter(now) {
                        Entrance::Ask(purpose) => {
                            prop_assert!(waiting.is_empty(), "nobody is overtaken");
                            asked.push((clients, purpose));
                        }
                        Entrance::Wait(ticket) => waiting.push_back(ticket),
                        Entrance::TurnedAway => {
                            prop_assert!(gate.is_open() || waiting.len() == waiting_max);
                        }
                    }
                }
                Step::Leave(which) if !waiting.is_empty() => {
                    let ticket = waiting.remove(which % waiting.len()).unwrap();
                    gate.leave(ticket);
                }
                Step::End(which, answered) if !asked.is_empty() => {
                    let (client, purpose) = asked.remove(which % asked.len());
                    let turns = gate.ended(ClientKey(client), purpose, answered, now);
                    for (ticket, purpose) in turns.ask {
                        prop_assert_eq!(waiting.pop_front(), Some(ticket));
                        asked.push((client + 1000, purpose));
                    }
                    for ticket in turns.turned_away {
                        prop_assert_eq!(waiting.pop_front(), Some(ticket));
                    }
                }
                Step::Leave(_) | Step::End(..) => {}
            }
            prop_assert!(asked.len() <= concurrency);
            prop_assert!(waiting.len() <= waiting_max);
            prop_assert_eq!(gate.waiting.len(), waiting.len());
            prop_assert!(asked.iter().filter(|(_, purpose)| *purpose == Purpose::Probe).count() <= 1);
            prop_assert!(waiting.is_empty() || !asked.is_empty(), "somebody will be called");
        }
    }
}
