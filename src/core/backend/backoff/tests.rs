//! Bounds of the wait.

use super::{RETRY_AFTER_MAX, delay, honoured, parse_retry_after};
use crate::types::WallMs;
use proptest::prelude::*;
use std::time::Duration;

#[test]
fn the_longest_waits_are_the_documented_ones() {
    let longest: Vec<u64> = (0..9).map(|n| delay(n, u32::MAX).as_secs()).collect();

    assert_eq!(longest, [0, 1, 2, 5, 10, 30, 60, 60, 60]);
}

#[test]
fn an_absurd_retry_after_is_capped() {
    assert_eq!(honoured(Duration::from_secs(7)), Duration::from_secs(7));
    assert_eq!(honoured(Duration::MAX), RETRY_AFTER_MAX);
}

#[test]
fn retry_after_is_seconds_or_a_date() {
    let now = WallMs(784_111_777_000 - 90_000);
    let parse = |value| parse_retry_after(value, now);

    assert_eq!(parse("120"), Some(Duration::from_mins(2)));
    assert_eq!(parse("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::from_secs(90)));
    assert_eq!(parse("Sat, 05 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO), "it has passed");
    assert_eq!(parse("soon"), None);
    assert_eq!(parse("-1"), None);
}

proptest! {
    #[test]
    fn the_wait_is_spread_over_the_whole_step(failures in 1_u32.., random: u32) {
        let wait = delay(failures, random);

        prop_assert!(wait <= delay(failures, u32::MAX));
        prop_assert!(wait <= Duration::from_mins(1));
        prop_assert_eq!(delay(failures, 0), Duration::ZERO);
    }
}
