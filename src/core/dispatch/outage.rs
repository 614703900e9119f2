//! An hour without a receiver, with ten thousand users coming and going, in virtual time.

use super::model::{State, World};
use super::{FRESH_MAX, Settings};
use crate::core::delivery::Outcome;
use std::collections::BTreeMap;
use std::time::Duration;

const USERS: u32 = 10_000;
const OUTAGE_MS: u64 = 60 * 60 * 1000;
/// A user comes or goes so often.
const FLAP_MS: u64 = 5 * 60 * 1000;
/// The receiver answers so fast, and a connection to where it should be fails so fast.
const LATENCY_MS: u64 = 20;
const REFUSAL_MS: u64 = 250;
const CONCURRENCY: usize = 64;

#[test]
fn after_an_hour_without_receiver_all_is_delivered_in_order_once_and_without_a_herd() {
    let mut world = World::new(Settings {
        concurrency: CONCURRENCY,
        batch_max: 1,
        reject_after: 5,
        retry_for: Duration::from_hours(72),
    });
    let mut attempts: BTreeMap<u64, usize> = BTreeMap::new();
    let mut widest = Vec::new();

    while world.now < OUTAGE_MS
        || world.dispatch.wake_at(crate::types::Timestamp(world.now)).is_some()
    {
        let (outcome, step_ms) = if world.now < OUTAGE_MS {
            flap(&mut world);
            (Outcome::Unreachable, REFUSAL_MS)
        } else {
            (Outcome::Accepted, LATENCY_MS)
        };
        world.scan();
        while world.send() {
            *attempts.entry(world.now).or_default() += 1;
        }
        widest.push((world.now, world.in_flight.len()));
        world.now += step_ms;
        while !world.in_flight.is_empty() {
            world.answer(0, outcome);
        }
        world.commit();
        world.reply();
    }

    let total = world.rows.len();
    assert!(100_000 < total, "the test emits too little: {total}");
    assert_eq!(world.ids(State::Delivered).len(), total, "every hook is delivered");
    let (during, after): (Vec<_>, Vec<_>) =
        attempts.into_iter().partition(|(at, _)| *at < OUTAGE_MS);
    let during: usize = during.iter().map(|(_, n)| n).sum();
    assert!(during < CONCURRENCY + 150, "a probe every 30 s, not {during} attempts");
    let after: usize = after.iter().map(|(_, n)| n).sum();
    assert_eq!(after, total, "none is sent twice after the outage");
    let ramp: Vec<usize> = widest
        .iter()
        .filter(|(at, n)| OUTAGE_MS <= *at && 0 < *n)
        .map(|(_, n)| *n)
        .take(8)
        .collect();
    assert_eq!(ramp, [1, 1, 2, 4, 8, 16, 32, 64], "probe, then slow start");
    let first = widest.iter().find(|(at, n)| OUTAGE_MS <= *at && 0 < *n).unwrap().0;
    assert!(first <= OUTAGE_MS + 30_000, "the outage ends within one probe interval");
    assert!(
        world.now < OUTAGE_MS + 90_000,
        "the backlog is gone after {} ms",
        world.now - OUTAGE_MS
    );
    assert!(FRESH_MAX < total, "the backlog was larger than what is held in memory");
}

fn flap(world: &mut World) {
    let at_once = u64::from(USERS) * REFUSAL_MS / FLAP_MS + 1;
    let first = world.now / REFUSAL_MS * at_once;
    for user in first..first + at_once {
        world.emit(u32::try_from(user % u64::from(USERS)).unwrap());
    }
}
