//! How long a failed delivery waits before its next attempt.

#[cfg(test)]
mod tests;

use crate::types::WallMs;
use std::time::{Duration, UNIX_EPOCH};

/// Longest wait after the first, second, … failure in a row, in seconds. The first attempt is made at once.
const STEPS_S: [u64; 5] = [1, 2, 5, 10, 30];
/// Longest wait after all further failures, in seconds.
const CAP_S: u64 = 60;
/// The same as a time: no back-off is longer.
pub const DELAY_MAX: Duration = Duration::from_secs(CAP_S);
/// Longest `Retry-After` that is honoured: a receiver's mistake must not silence it for days.
pub const RETRY_AFTER_MAX: Duration = Duration::from_hours(1);

/// The wait after `failures` failures in a row: anything between zero and the step, chosen by `random`, so that
/// deliveries that failed together do not come back together.
pub fn delay(failures: u32, random: u32) -> Duration {
    let step_ms = 1000 * longest_s(failures);
    Duration::from_millis(step_ms * u64::from(random) / u64::from(u32::MAX))
}

/// The part of a receiver's `Retry-After` that is honoured.
pub fn honoured(retry_after: Duration) -> Duration {
    retry_after.min(RETRY_AFTER_MAX)
}

/// Reads the value of a `Retry-After` header: seconds, or a date that is compared with `now`.
pub fn parse_retry_after(value: &str, now: WallMs) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(value).ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(date.saturating_sub(Duration::from_millis(now.0)))
}

fn longest_s(failures: u32) -> u64 {
    let Some(index) = failures.checked_sub(1) else { return 0 };
    usize::try_from(index).ok().and_then(|i| STEPS_S.get(i)).copied().unwrap_or(CAP_S)
}
