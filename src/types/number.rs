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

#[cfg(test)]
mod tests {
    use super::{millis, saturating_u64};
    use std::time::Duration;

    #[test]
    fn what_is_too_large_is_the_largest() {
        assert_eq!((saturating_u64(7_usize), saturating_u64(u128::MAX)), (7, u64::MAX));
        assert_eq!(millis(Duration::from_micros(1_999)), 1);
        assert_eq!(millis(Duration::MAX), u64::MAX);
    }
}
