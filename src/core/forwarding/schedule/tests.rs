//! Single rules of the schedule, each with a story.

use super::{CallPlace, NotTaken, OfferedEvent, Schedule, ScheduleBounds};
use crate::core::backend::circuit::Failure;
use crate::types::{Timestamp, UserId};
use std::time::Duration;

const BOUNDS: ScheduleBounds = ScheduleBounds {
    calls: 3,
    calls_per_user: 2,
    waiting: 20,
    waiting_per_user: 4,
    bytes: 1000,
    wait: Duration::from_secs(10),
};

fn user(name: &str) -> UserId {
    UserId::parse(name).unwrap()
}

fn offer(
    schedule: &mut Schedule<&'static str>,
    name: &str,
    is_ordered: bool,
    call: &'static str,
) -> Result<(), NotTaken> {
    let offered = OfferedEvent { user: user(name), is_ordered, bytes: 10, call };
    schedule.offer(offered, Timestamp(0)).map_err(|(why, _)| why)
}

fn begin(schedule: &mut Schedule<&'static str>, now: u64) -> Vec<(&'static str, CallPlace)> {
    let next = || schedule.next(Timestamp(now)).map(|it| (it.call, it.place));
    std::iter::from_fn(next).collect()
}

fn end(schedule: &mut Schedule<&'static str>, place: &CallPlace) {
    schedule.answered(place);
    schedule.ended(place);
}

fn names(begun: &[(&'static str, CallPlace)]) -> Vec<&'static str> {
    begun.iter().map(|(call, _)| *call).collect()
}

#[test]
fn ordered_events_of_a_user_are_called_for_one_at_a_time_and_others_overtake_them() {
    let mut schedule = Schedule::new(BOUNDS);
    for (is_ordered, call) in [(true, "one"), (true, "two"), (false, "free")] {
        offer(&mut schedule, "ann", is_ordered, call).unwrap();
    }

    let begun = begin(&mut schedule, 0);
    assert_eq!(names(&begun), ["one", "free"]);
    end(&mut schedule, &begun[1].1);
    assert_eq!(names(&begin(&mut schedule, 0)), [""; 0], "the first is not answered");
    end(&mut schedule, &begun[0].1);
    assert_eq!(names(&begin(&mut schedule, 0)), ["two"]);
}

#[test]
fn users_take_turns() {
    let mut schedule = Schedule::new(ScheduleBounds { calls: 1, ..BOUNDS });
    for call in ["a1", "a2", "a3", "a4"] {
        offer(&mut schedule, "ann", false, call).unwrap();
    }
    offer(&mut schedule, "bob", false, "b1").unwrap();

    let mut order = Vec::new();
    while let [(call, place)] = begin(&mut schedule, 0).as_slice() {
        order.push(*call);
        end(&mut schedule, place);
    }
    assert_eq!(order, ["a1", "b1", "a2", "a3", "a4"]);
}

#[test]
fn clients_are_held_back_before_anything_is_refused() {
    let mut schedule = Schedule::new(BOUNDS);
    for n in 0..8 {
        assert_eq!(schedule.is_full_for(&user("ann")), 4 <= n, "{n}");
        offer(&mut schedule, "ann", false, "").unwrap();
    }
    assert_eq!(offer(&mut schedule, "ann", false, ""), Err(NotTaken::Full));
    assert!(!schedule.is_full_for(&user("bob")));
    for n in 8..20 {
        assert_eq!(schedule.room(), 10_usize.saturating_sub(n));
        offer(&mut schedule, &n.to_string(), false, "").unwrap();
    }
    assert_eq!(offer(&mut schedule, "zed", false, ""), Err(NotTaken::Full));
}

#[test]
fn bytes_have_a_bound_of_their_own() {
    let mut schedule = Schedule::new(BOUNDS);
    let offer = |schedule: &mut Schedule<()>, bytes| {
        let offered = OfferedEvent { user: user("ann"), is_ordered: true, bytes, call: () };
        schedule.offer(offered, Timestamp(0)).map_err(|(why, ())| why)
    };
    offer(&mut schedule, 499).unwrap();
    assert_eq!(schedule.room(), 9);
    offer(&mut schedule, 1).unwrap();
    assert_eq!(schedule.room(), 0);
    assert_eq!(offer(&mut schedule, 501), Err(NotTaken::Full));
    offer(&mut schedule, 500).unwrap();
}

#[test]
fn what_has_waited_too_long_is_given_back() {
    let mut schedule = Schedule::new(ScheduleBounds { calls: 1, ..BOUNDS });
    for call in ["one", "two", "three"] {
        offer(&mut schedule, "ann", true, call).unwrap();
    }
    let begun = begin(&mut schedule, 0);

    assert_eq!(schedule.expire(Timestamp(9_999)), [""; 0]);
    assert_eq!(schedule.expire(Timestamp(10_000)), ["two", "three"]);
    assert_eq!((names(&begun), schedule.waiting(), schedule.calls()), (vec!["one"], 0, 1));
}

#[test]
fn while_the_backend_is_down_nothing_waits_and_one_event_finds_out_whether_it_is_back() {
    let mut schedule = Schedule::new(BOUNDS);
    let silence = Failure::Silence;
    let mut tries = 0;
    offer(&mut schedule, "ann", false, "fails").unwrap();
    offer(&mut schedule, "ann", true, "waits").unwrap();
    offer(&mut schedule, "ann", true, "waits, too").unwrap();
    let begun = begin(&mut schedule, 0);
    while schedule.failed(&begun[0].1, silence, Timestamp(0)) {
        tries += 1;
    }
    schedule.ended(&begun[0].1);

    assert_eq!(tries, 4, "the fifth silence in a row");
    assert!(schedule.is_down());
    assert_eq!(schedule.take_all(), ["waits, too"]);
    assert_eq!(offer(&mut schedule, "bob", true, "no"), Err(NotTaken::Down));

    let later = Timestamp(5_000);
    let offered = |call| OfferedEvent { user: user("bob"), is_ordered: true, bytes: 1, call };
    schedule.offer(offered("probe"), later).unwrap();
    let probe = begin(&mut schedule, 5_000);
    assert_eq!(names(&probe), ["probe"]);
    assert!(schedule.offer(offered("another"), later).is_err(), "one at a time");
    end(&mut schedule, &probe[0].1);
    assert!(!schedule.is_down());
    schedule.offer(offered("goes"), later).unwrap();
}
