//! Whatever comes in whatever order: fetches are apart, and every question is answered by a later one.

use super::{Fetch, KeyRefresh, PAUSE};
use crate::types::{Timestamp, millis, saturating_u64};
use proptest::prelude::*;
use std::time::Duration;

const INTERVAL: Duration = Duration::from_mins(5);

#[test]
fn keys_are_fetched_at_once_and_then_each_interval() {
    let mut refresh = KeyRefresh::new(INTERVAL, at(7));
    assert_eq!(refresh.due(), Some(at(7)));

    assert_eq!(refresh.begin(at(7)), Fetch(1));
    assert_eq!(refresh.due(), None, "one at a time");
    refresh.succeeded(at(100));

    assert_eq!(refresh.due(), Some(at(100) + INTERVAL));
}

#[test]
fn failures_are_tried_again_ever_later() {
    let mut refresh = KeyRefresh::new(INTERVAL, at(0));
    let mut now = at(0);
    let mut waits = Vec::new();
    for n in 0..8 {
        refresh.begin(now);
        assert_eq!(refresh.failed(now), n == 0, "the first is news");
        let due = refresh.due().unwrap();
        waits.push((due.0 - now.0) / 1000);
        now = due;
    }
    assert_eq!(waits, [2, 4, 8, 16, 32, 60, 60, 60]);
}

#[test]
fn an_unknown_key_brings_the_next_fetch_forward_but_not_by_more_than_the_pause() {
    let mut refresh = KeyRefresh::new(INTERVAL, at(0));
    refresh.begin(at(0));
    assert_eq!(
        refresh.ask(),
        Fetch(2),
        "the one that runs may have been answered before the key was there"
    );
    refresh.succeeded(at(50));
    assert_eq!(refresh.due(), Some(at(0) + PAUSE));

    refresh.begin(at(2_000));
    refresh.succeeded(at(2_050));
    assert_eq!(refresh.due(), Some(at(2_050) + INTERVAL), "nobody has asked since");

    refresh.ask();
    assert_eq!(refresh.due(), Some(at(4_000)));
}

/// What happens next in a random life.
#[derive(Debug, Clone, Copy)]
enum Step {
    Wait(u64),
    Ask,
    End { is_good: bool },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..90_000_u64).prop_map(Step::Wait),
        (0..3_000_u64).prop_map(Step::Wait),
        Just(Step::Ask),
        any::<bool>().prop_map(|is_good| Step::End { is_good }),
    ]
}

proptest! {
    #[test]
    fn fetches_are_apart_and_every_question_is_judged_by_keys_fetched_after_it(
        steps in prop::collection::vec(step(), 1..200),
    ) {
        let mut refresh = KeyRefresh::new(INTERVAL, at(0));
        let mut now = 0_u64;
        let mut began: Vec<u64> = Vec::new();
        // What was asked, and the fetch that was promised.
        let mut asked: Vec<(u64, Fetch)> = Vec::new();
        let mut ended = 0;
        for step in steps {
            match step {
                Step::Ask => asked.push((now, refresh.ask())),
                Step::End { is_good } if refresh.due().is_none() => {
                    if is_good { refresh.succeeded(at(now)) } else { let _first = refresh.failed(at(now)); }
                    ended = now;
                }
                Step::End { .. } => {}
                Step::Wait(ms) => {
                    let until = now + ms;
                    while let Some(due) = refresh.due().filter(|due| due.0 <= until) {
                        now = now.max(due.0);
                        prop_assert_eq!(refresh.begin(at(now)), Fetch(saturating_u64(began.len()) + 1));
                        began.push(now);
                    }
                    now = until;
                }
            }
            if let Some(due) = refresh.due() {
                prop_assert!(due.0 <= ended.max(now) + millis(INTERVAL));
                let waits = asked.iter().any(|(_, fetch)| began.len() < usize::try_from(fetch.0).unwrap());
                prop_assert!(!waits || due.0 <= now.max(began.last().copied().unwrap_or(0) + 2_000));
            }
        }
        prop_assert!(began.windows(2).all(|two| two[0] + 2_000 <= two[1]));
        for (when, fetch) in asked {
            let judged = began.get(usize::try_from(fetch.0).unwrap() - 1);
            prop_assert!(judged.is_none_or(|began| when <= *began));
        }
    }
}

fn at(ms: u64) -> Timestamp {
    Timestamp(ms)
}
