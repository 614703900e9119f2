//! Whole numbers in commands.

use serde::de::{Deserialize, Deserializer, Error};
use std::ops::RangeInclusive;

/// The highest number of an event, an item or a delivery: they are the store's integers of 64 bits with a sign.
pub const NUMBER_MAX: u64 = 9_223_372_036_854_775_807;
/// Entries of a page if nobody says.
pub const LIMIT_DEFAULT: u16 = 100;
/// Entries of a page that may be asked for.
pub const LIMITS: RangeInclusive<u16> = 1..=1000;

/// Reads a whole number that was written as text: digits and nothing else.
pub fn whole(text: &str) -> Result<u64, String> {
    let is_written_well = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|it| is_written_well && *it <= NUMBER_MAX);
    number.ok_or_else(|| format!("must be a whole number, at most {NUMBER_MAX}"))
}

/// Reads a number of entries that was written as text.
pub fn limit(text: &str) -> Result<u16, String> {
    let limit = whole(text).ok().and_then(|it| u16::try_from(it).ok());
    limit.filter(|it| LIMITS.contains(it)).ok_or_else(limit_rule)
}

/// What a number of entries must be.
pub(super) fn limit_rule() -> String {
    format!("must be a number from {} to {}", LIMITS.start(), LIMITS.end())
}

/// Reads a number of the store; absent or `null` is none.
pub(super) fn optional<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<u64>, D::Error> {
    let number = Option::<u64>::deserialize(deserializer)?;
    match number {
        Some(number) if NUMBER_MAX < number => {
            Err(D::Error::custom(format_args!("must be at most {NUMBER_MAX}, not {number}")))
        }
        Some(_) | None => Ok(number),
    }
}
