//! The bounds of what is remembered, and a model that does the same the long way.

use super::{History, HistoryLimits};
use crate::types::{Timestamp, UserId};
use proptest::prelude::*;
use std::time::Duration;

const KEEP_MS: u64 = 100;

fn history(per_user: usize, total: usize) -> History<u32> {
    let keep = Duration::from_millis(KEEP_MS);
    History::new(HistoryLimits { per_user, total, keep })
}

fn user(name: &str) -> UserId {
    UserId::parse(name).unwrap()
}

fn of(history: &History<u32>, name: &str, now: u64) -> Vec<u32> {
    history.of(&user(name), Timestamp(now)).copied().collect()
}

#[test]
fn the_latest_comes_first_and_users_do_not_mix() {
    let mut history = history(3, 10);
    for (name, value) in [("ann", 1), ("ann/2", 2), ("ann", 3), ("bob", 4), ("ann", 5)] {
        history.record(&user(name), value, Timestamp(value.into()));
    }

    assert_eq!(of(&history, "ann", 5), [5, 3, 1]);
    assert_eq!(of(&history, "ann/2", 5), [2]);
    assert_eq!(of(&history, "an", 5), [0_u32; 0]);
}

#[test]
fn a_user_with_many_loses_the_oldest_and_nobody_else_loses_any() {
    let mut history = history(2, 10);
    history.record(&user("bob"), 0, Timestamp(0));
    for value in 1..=5 {
        history.record(&user("ann"), value, Timestamp(1));
    }

    assert_eq!(of(&history, "ann", 1), [5, 4]);
    assert_eq!(of(&history, "bob", 1), [0]);
    assert_eq!(history.len(), 3);
}

#[test]
fn when_there_is_no_room_those_who_ended_first_are_forgotten() {
    let mut history = history(2, 2);
    for (name, value) in [("ann", 1), ("bob", 2), ("eve", 3)] {
        history.record(&user(name), value, Timestamp(0));
    }

    assert_eq!(of(&history, "ann", 0), [0_u32; 0]);
    assert_eq!(of(&history, "bob", 0), [2]);
    assert_eq!(of(&history, "eve", 0), [3]);
}

#[test]
fn nothing_is_shown_or_kept_for_longer_than_it_should_be() {
    let mut history = history(2, 10);
    history.record(&user("ann"), 1, Timestamp(0));
    history.record(&user("ann"), 2, Timestamp(1));

    assert_eq!(of(&history, "ann", KEEP_MS), [2, 1]);
    assert_eq!(of(&history, "ann", KEEP_MS + 1), [2], "not shown, though still kept");
    assert!(!history.expire(Timestamp(KEEP_MS + 1)));
    assert_eq!(history.len(), 1);
    assert!(!history.expire(Timestamp(KEEP_MS + 2)));
    assert!(history.is_empty());
}

#[test]
fn much_that_is_too_old_is_forgotten_in_several_calls() {
    let mut history = history(1, 2500);
    for n in 0..2500 {
        history.record(&user(&n.to_string()), n, Timestamp(0));
    }

    let now = Timestamp(KEEP_MS + 1);
    assert_eq!(
        [history.expire(now), history.expire(now), history.expire(now)],
        [true, true, false]
    );
    assert!(history.is_empty());
}

#[test]
fn no_room_at_all_remembers_nothing() {
    let mut history = history(5, 0);
    history.record(&user("ann"), 1, Timestamp(0));

    assert!(history.is_empty());
    assert_eq!(of(&history, "ann", 0), [0_u32; 0]);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn it_agrees_with_a_model_that_walks_through_a_list(
        steps in prop::collection::vec((0..5_u8, 0..40_u64), 1..200),
        per_user in 1..5_usize,
        total in 0..9_usize,
    ) {
        let mut history = history(per_user, total);
        let mut model: Vec<(u8, u32, u64)> = Vec::new();
        let mut now = 0;
        for (value, (who, pause)) in steps.into_iter().enumerate() {
            now += pause;
            let value = u32::try_from(value).unwrap();
            history.record(&user(&who.to_string()), value, Timestamp(now));
            model.push((who, value, now));
            model.retain(|(_, _, ended)| now - ended <= KEEP_MS);
            if model.iter().filter(|it| it.0 == who).count() > per_user {
                let oldest = model.iter().position(|it| it.0 == who).unwrap();
                model.remove(oldest);
            }
            if model.len() > total {
                model.remove(0);
            }

            prop_assert_eq!(history.len(), model.len());
            for who in 0..5 {
                let expected: Vec<u32> =
                    model.iter().rev().filter(|it| it.0 == who).map(|it| it.1).collect();
                prop_assert_eq!(of(&history, &who.to_string(), now), expected);
            }
        }
    }
}

#[test]
fn a_user_who_is_erased_leaves_nothing_and_nobody_else_loses_any() {
    let mut history = history(3, 10);
    for (name, value) in [("ann", 1), ("bob", 2), ("ann", 3)] {
        history.record(&user(name), value, Timestamp(0));
    }

    history.erase(&user("ann"));

    assert_eq!((of(&history, "ann", 0), of(&history, "bob", 0)), (vec![], vec![2]));
    assert_eq!(history.len(), 1);
}
