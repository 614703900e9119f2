//! Each arrow of the picture, and the arrows that must not be there.

use super::{Circuit, Failure, MayStart, Pauses, Purpose};
use crate::types::{Timestamp, UserId};
use std::time::Duration;

const ANSWER: Failure = Failure::Answer { retry_after: None };

#[test]
fn five_users_in_a_row_open_it() {
    let mut circuit = Circuit::new(8, Pauses::PATIENT);

    strike(&mut circuit, 4);
    assert!(!circuit.is_open());
    strike(&mut circuit, 5);

    assert!(circuit.is_open());
    assert_eq!(circuit.admit(0, at(0)), MayStart::Wait);
}

#[test]
fn one_user_alone_never_opens_it_by_answers() {
    let mut circuit = Circuit::new(8, Pauses::PATIENT);

    for _ in 0..1000 {
        circuit.failed(&user(1), ANSWER, Purpose::Deliver, at(0));
    }

    assert!(!circuit.is_open());
    assert!(!circuit.is_well());
}

#[test]
fn silence_opens_it_even_for_one_user() {
    let mut circuit = Circuit::new(8, Pauses::PATIENT);

    for _ in 0..5 {
        circuit.failed(&user(1), Failure::Silence, Purpose::Deliver, at(0));
    }

    assert!(circuit.is_open());
}

#[test]
fn an_accepted_request_between_failures_keeps_it_closed() {
    let mut circuit = Circuit::new(8, Pauses::PATIENT);

    strike(&mut circuit, 4);
    assert!(!circuit.accepted(Purpose::Deliver), "there was no outage to end");
    strike(&mut circuit, 4);

    assert!(!circuit.is_open());
}

#[test]
fn probes_come_after_5_10_20_30_and_30_seconds_one_at_a_time() {
    let mut circuit = Circuit::new(8, Pauses::PATIENT);
    strike(&mut circuit, 5);
    let mut now = 0;

    for pause in [5_000, 10_000, 20_000, 30_000, 30_000] {
        assert_eq!(circuit.admit(0, at(now + pause - 1)), MayStart::Wait);
        now += pause;
        assert_eq!(circuit.admits_at(0, at(0)), Some(at(now)));
        assert_eq!(circuit.admit(0, at(now)), MayStart::Probe);
        circuit.started(Purpose::Probe);
        assert_eq!(circuit.admit(1, at(now)), MayStart::Wait, "one probe at a time");
        assert_eq!(circuit.admits_at(1, at(now)), None);
        circuit.failed(&user(1), ANSWER, Purpose::Probe, at(now));
    }
}

#[test]
fn failures_sent_before_it_opened_do_not_delay_the_probe() {
    let mut circuit = Circuit::new(8, Pauses::PATIENT);
    strike(&mut circuit, 5);

    circuit.failed(&user(9), ANSWER, Purpose::Deliver, at(4_000));

    assert_eq!(circuit.admit(0, at(5_000)), MayStart::Probe);
}

#[test]
fn a_cancelled_probe_makes_room_for_another() {
    let mut circuit = Circuit::new(8, Pauses::PATIENT);
    strike(&mut circuit, 5);
    circuit.started(Purpose::Probe);

    circuit.cancelled(Purpose::Probe);

    assert_eq!(circuit.admit(0, at(5_000)), MayStart::Probe);
}

#[test]
fn a_probe_that_outlives_its_outage_is_the_only_one_of_the_next() {
    let mut circuit = Circuit::new(8, Pauses::PATIENT);
    strike(&mut circuit, 5);
    circuit.started(Purpose::Probe);
    // Both were sent before it opened.
    circuit.accepted(Purpose::Deliver);
    circuit.failed(&user(1), Failure::Silence, Purpose::Deliver, at(5_000));
    assert!(circuit.is_open());

    assert_eq!(circuit.admit(1, at(10_000)), MayStart::Wait);
    circuit.failed(&user(2), Failure::Silence, Purpose::Probe, at(10_000));
    assert_eq!(circuit.admit(0, at(20_000)), MayStart::Probe);
}

#[test]
fn the_receiver_may_ask_for_a_longer_pause() {
    let mut circuit = Circuit::new(8, Pauses::PATIENT);
    strike(&mut circuit, 4);

    let asked = Failure::Answer { retry_after: Some(Duration::from_mins(2)) };
    circuit.failed(&user(5), asked, Purpose::Deliver, at(0));

    assert_eq!(circuit.admit(0, at(119_999)), MayStart::Wait);
    assert_eq!(circuit.admit(0, at(120_000)), MayStart::Probe);
}

#[test]
fn it_warms_up_by_doubling() {
    let mut circuit = Circuit::new(8, Pauses::PATIENT);
    strike(&mut circuit, 5);

    assert!(circuit.accepted(Purpose::Deliver), "the outage has ended");
    let mut widths = Vec::new();
    for _ in 0..8 {
        widths.push((0..20).take_while(|n| circuit.admit(*n, at(0)) == MayStart::Send).count());
        assert!(!circuit.accepted(Purpose::Deliver));
    }

    assert_eq!(widths, [1, 2, 2, 4, 4, 4, 4, 8]);
}

#[test]
fn silence_while_warming_opens_it_at_once_but_an_answer_does_not() {
    let mut circuit = Circuit::new(8, Pauses::PATIENT);
    strike(&mut circuit, 5);
    circuit.accepted(Purpose::Deliver);

    circuit.failed(&user(1), ANSWER, Purpose::Deliver, at(0));
    assert!(!circuit.is_open());
    circuit.failed(&user(1), Failure::Silence, Purpose::Deliver, at(0));

    assert!(circuit.is_open());
}

#[test]
fn a_concurrency_of_one_is_warm_at_once() {
    let mut circuit = Circuit::new(1, Pauses::PATIENT);
    strike(&mut circuit, 5);
    circuit.accepted(Purpose::Deliver);
    circuit.accepted(Purpose::Deliver);

    assert_eq!(circuit.admit(0, at(0)), MayStart::Send);
    assert_eq!(circuit.admit(1, at(0)), MayStart::Wait);
}

fn strike(circuit: &mut Circuit<UserId>, users: u32) {
    for n in 1..=users {
        circuit.failed(&user(n), ANSWER, Purpose::Deliver, at(0));
    }
}

fn user(n: u32) -> UserId {
    UserId::parse(&format!("u{n}")).unwrap()
}

fn at(ms: u64) -> Timestamp {
    Timestamp(ms)
}
