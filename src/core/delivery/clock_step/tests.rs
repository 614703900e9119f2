//! A clock that is set, and how old things are then.

use super::{Believed, ClockStepGuard};
use crate::types::{Timestamp, WallMs};
use std::time::Duration;

const DAY: u64 = 24 * 60 * 60 * 1000;

#[test]
fn a_clock_that_nobody_sets_is_believed() {
    let mut clock_steps = ClockStepGuard::new(Duration::from_hours(7 * 24));

    for n in 0..1000 {
        // It is corrected a little all the time.
        let wall = WallMs(100 * DAY + n * 5_100);
        assert_eq!(clock_steps.tell(wall, Timestamp(n * 5_000)), Believed { at: wall, step: None });
    }
}

#[test]
fn a_step_forward_is_told_and_makes_nothing_old_until_it_is_that_old() {
    let mut clock_steps = ClockStepGuard::new(Duration::from_hours(7 * 24));
    clock_steps.tell(WallMs(100 * DAY), Timestamp(0));

    let stepped = clock_steps.tell(WallMs(130 * DAY + 5_000), Timestamp(5_000));
    assert_eq!(stepped.at, WallMs(100 * DAY + 5_000));
    assert_eq!(stepped.step, Some(Duration::from_hours(30 * 24)));
    let day_later = clock_steps.tell(WallMs(131 * DAY + 5_000), Timestamp(DAY + 5_000));
    assert_eq!(day_later, Believed { at: WallMs(101 * DAY + 5_000), step: None });
    let week_later = clock_steps.tell(WallMs(137 * DAY + 5_000), Timestamp(7 * DAY + 5_000));
    assert_eq!(week_later.at, WallMs(137 * DAY + 5_000));
}

#[test]
fn a_step_that_is_taken_back_is_forgotten() {
    let mut clock_steps = ClockStepGuard::new(Duration::from_hours(7 * 24));
    clock_steps.tell(WallMs(100 * DAY), Timestamp(0));
    clock_steps.tell(WallMs(110 * DAY), Timestamp(0));
    clock_steps.tell(WallMs(112 * DAY), Timestamp(0));

    assert_eq!(clock_steps.tell(WallMs(110 * DAY), Timestamp(0)).at, WallMs(100 * DAY));
    assert_eq!(clock_steps.tell(WallMs(100 * DAY), Timestamp(0)).at, WallMs(100 * DAY));
    // What is set back further is believed: it makes things young, and deletes nothing.
    assert_eq!(clock_steps.tell(WallMs(90 * DAY), Timestamp(0)).at, WallMs(90 * DAY));
}
