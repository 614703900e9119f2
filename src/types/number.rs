//! Numbers as `u64`, which counts and times are kept in.

use std::time::Duration;

/// The number as `u64`; one that is too large is `u64::MAX`. For unsigned numbers: a negative one is `u64::MAX` too.
pub fn saturating_u64(number: impl TryInto<u64>) -> u64 {
    number.try_into().unwrap_or(u64::MAX)
}

/// The whole milliseconds of a duration; `u64::MAX` for one of more than half a billion years.
pub fn millis(duration: Duration) -> u64 {
    saturating_u64(duration.as_millis())
}

/// The duration as people write it: `10s`, `1h 30m`, `365days` (not as months of 30.44 days and what is left of them).
pub fn duration_text(duration: Duration) -> String {
    let days = duration.as_secs() / (24 * 60 * 60);
    if 1 < days && duration == Duration::from_hours(24 * days) {
        return format!("{days}days");
    }
    humantime::format_duration(duration).to_string()
}

#[cfg(test)]
mod tests {
    use super::{duration_text, millis, saturating_u64};
    use std::time::Duration;

    #[test]
    fn durations_are_told_as_people_write_them() {
        let days = |days: u64| Duration::from_hours(24 * days);
        for (duration, text) in [
            (Duration::from_secs(10), "10s"),
            (Duration::from_mins(90), "1h 30m"),
            (days(1), "1day"),
            (days(30), "30days"),
            (days(365), "365days"),
            (days(3650), "3650days"),
            (Duration::ZERO, "0s"),
        ] {
            assert_eq!(duration_text(duration), text);
            assert_eq!(humantime::parse_duration(text), Ok(duration));
        }
    }

    #[test]
    fn what_is_too_large_is_the_largest() {
        assert_eq!((saturating_u64(7_usize), saturating_u64(u128::MAX)), (7, u64::MAX));
        assert_eq!(millis(Duration::from_micros(1_999)), 1);
        assert_eq!(millis(Duration::MAX), u64::MAX);
    }
}
