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
    let (mut now, mut warned) = (it.reminder, None);
    loop {
        match it.due(now) {
            ExpiryStep::Nothing => panic!("the only reminder counts"),
            ExpiryStep::LookAgain(at) => now = at,
            ExpiryStep::Warn(at) => {
                assert_eq!(warned.replace(now.0 - NOW.0), None, "told once");
                now = at;
            }
            ExpiryStep::Close => return (warned.expect("told before"), now.0 - NOW.0),
        }
    }
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
fn the_reminder_of_older_credentials_serves_newer_ones_unless_it_comes_too_late() {
    let mut newer = expiry(600_000, 0);
    assert_eq!(newer.replace(Some(expiry(5_000, 0))), None);
    assert_eq!(newer.due(Timestamp(NOW.0 + 3_999)), ExpiryStep::Nothing);
    let next = Timestamp(NOW.0 + 4_000 + 300_000);
    assert_eq!(newer.due(Timestamp(NOW.0 + 4_000)), ExpiryStep::LookAgain(next));

    let mut shorter = expiry(5_000, 0);
    assert_eq!(shorter.replace(Some(newer)), Some(Timestamp(NOW.0 + 4_000)));
    assert_eq!(expiry(5_000, 0).replace(None), Some(Timestamp(NOW.0 + 4_000)));
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

    /// However often the credentials change, whatever reminders come late or twice: there is always one on its way, and it
    /// comes in time for the credentials that count.
    #[test]
    fn a_reminder_is_always_on_its_way(
        steps in prop::collection::vec((1_u64..2_000_000, any::<u32>(), 0_u64..400_000), 1..40),
    ) {
        let mut now = NOW.0;
        let wall = |now: u64| WallMs(WALL.0 + now);
        let mut counts = CredentialExpiry::new(wall(now + 1_000), (Timestamp(now), wall(now)), 0);
        let mut reminders = vec![counts.reminder.0];
        let mut is_closed = false;
        for (left, chance, pause) in steps {
            let until = now + pause;
            while let Some(next) = reminders.iter().copied().min().filter(|it| *it <= until) {
                reminders.retain(|it| *it != next);
                now = now.max(next);
                match counts.due(Timestamp(now)) {
                    ExpiryStep::Nothing => {}
                    ExpiryStep::LookAgain(at) | ExpiryStep::Warn(at) => reminders.push(at.0),
                    ExpiryStep::Close => is_closed = true,
                }
                prop_assert_eq!(is_closed, counts.close_at.0 <= now);
                if is_closed {
                    return Ok(());
                }
            }
            now = until;
            prop_assert!(now < counts.close_at.0, "closed in time");
            let mut newer = CredentialExpiry::new(wall(now + left), (Timestamp(now), wall(now)), chance);
            reminders.extend(newer.replace(Some(counts)).map(|it| it.0));
            counts = newer;
            prop_assert!(reminders.contains(&counts.reminder.0));
        }
    }
}
