//! The rule in numbers, and its bounds for any credentials and any reminders.

use super::{CredentialExpiry, ENDED_GRACE, ExpiryStep, MARGIN_MAX};
use crate::types::{Timestamp, WallMs, millis};
use proptest::prelude::*;
use std::time::Duration;

const NOW: Timestamp = Timestamp(1_000);
const WALL: WallMs = WallMs(1_700_000_000_000);

fn expiry(left_ms: u64, chance: u32) -> CredentialExpiry {
    CredentialExpiry::new(Some(WallMs(WALL.0 + left_ms)), None, (NOW, WALL), chance)
}

/// When the client is told and when the connection is closed, in ms after [`NOW`], with a reminder whenever one was asked for.
fn run(mut it: CredentialExpiry) -> (u64, u64) {
    let warned = it.reminder().unwrap();
    assert_eq!(it.due(warned), ExpiryStep::Warn);
    let closed = it.reminder().unwrap();
    assert_eq!(it.due(closed), ExpiryStep::Close);
    (warned.0 - NOW.0, closed.0 - NOW.0)
}

#[test]
fn a_token_of_ten_minutes_and_one_of_five_seconds() {
    assert_eq!(run(expiry(600_000, 0)), (540_000, 600_000));
    assert_eq!(run(expiry(600_000, u32::MAX)), (510_000, 570_000));
    assert_eq!(run(expiry(5_000, 0)), (4_000, 5_000));
    assert_eq!(run(expiry(5_000, u32::MAX)), (3_500, 4_500));
}

#[test]
fn credentials_that_were_accepted_after_their_end_count_a_little_longer() {
    let ended = CredentialExpiry::new(Some(WallMs(WALL.0 - 8_000)), None, (NOW, WALL), 0);
    assert_eq!(run(ended).1, millis(ENDED_GRACE));
}

#[test]
fn a_reminder_that_comes_too_early_or_too_late_tells_nobody_too_early_and_closes_in_the_end() {
    let mut it = expiry(5_000, 0);
    let at = |ms: u64| Timestamp(NOW.0 + ms);
    assert_eq!(it.due(at(3_999)), ExpiryStep::Nothing, "one of older credentials");
    assert_eq!(it.due(at(4_000)), ExpiryStep::Warn);
    assert_eq!(it.due(at(4_999)), ExpiryStep::Nothing);
    assert_eq!(it.due(at(9_000)), ExpiryStep::Close);
    assert_eq!(expiry(5_000, 0).due(at(9_000)), ExpiryStep::Close);
}

#[test]
fn a_resume_token_is_renewed_before_it_ends_and_not_when_it_ends_with_the_credentials() {
    let minutes = Duration::from_mins;
    // When, in seconds, at most three times.
    let renewed_at = |left: Option<Duration>, chance: u32| {
        let end = left.map(|it| WallMs(WALL.0 + millis(it)));
        let mut it = CredentialExpiry::new(end, Some(minutes(10)), (NOW, WALL), chance);
        let mut renewed = vec![];
        while let Some(now) = it.reminder().filter(|_| renewed.len() < 3) {
            match it.due(now) {
                ExpiryStep::Renew => renewed.push((now.0 - NOW.0) / 1000),
                ExpiryStep::Warn | ExpiryStep::Nothing => {}
                ExpiryStep::Close => break,
            }
        }
        renewed
    };
    assert_eq!(renewed_at(None, 0), [300, 600, 900]);
    assert_eq!(renewed_at(None, u32::MAX), [450, 900, 1350]);
    assert!(renewed_at(Some(minutes(10)), 0).is_empty());
    assert_eq!(renewed_at(Some(minutes(16)), 0), [300, 600]);
    assert_eq!(CredentialExpiry::new(None, None, (NOW, WALL), 7).reminder(), None);
}

proptest! {
    #[test]
    fn a_connection_is_closed_within_a_margin_before_the_end_after_two_margins_notice(
        left in 1_u64..100_000_000, chance: u32,
    ) {
        let margin = (left / 10).min(millis(MARGIN_MAX));
        let (warned, closed) = run(expiry(left, chance));
        prop_assert!(closed <= left && left - margin <= closed + 1, "{closed} of {left}");
        prop_assert!(2 * margin <= closed - warned + 2, "{warned} {closed}");
    }
}
