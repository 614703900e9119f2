//! The rule in numbers, and its bounds for any credentials and any reminders.

use super::{CredentialExpiry, ENDED_GRACE, ExpiryStep, MARGIN_MAX};
use crate::types::{Timestamp, WallMs, millis};
use proptest::prelude::*;

const NOW: Timestamp = Timestamp(1_000);
const WALL: WallMs = WallMs(1_700_000_000_000);

fn expiry(left_ms: u64, chance: u32) -> CredentialExpiry {
    CredentialExpiry::new(WallMs(WALL.0 + left_ms), (NOW, WALL), chance)
}

/// When the client is told and when the connection is closed, in ms after [`NOW`], with a reminder whenever one was asked for.
fn run(mut it: CredentialExpiry) -> (u64, u64) {
    let warned = it.reminder();
    assert_eq!(it.due(warned), ExpiryStep::Warn);
    let closed = it.reminder();
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
    let ended = CredentialExpiry::new(WallMs(WALL.0 - 8_000), (NOW, WALL), 0);
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
