//! Whole numbers in commands.

#[cfg(test)]
mod tests;

use serde::de::{Deserialize, Deserializer, Error, Expected, Unexpected, Visitor};
use std::fmt;
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

/// 2^53 - 1. Beyond it numbers with a fraction lie further apart than integers do, so that one no longer tells which was meant:
/// 2^53 is what is read of 2^53 + 1, too.
const EXACT_MAX: f64 = 9_007_199_254_740_991.0;

/// The integer that is written as `42.0` or `1e3`, as some languages do: to JSON and to its schemas that is one. None for a
/// fraction that is not zero, and beyond [`EXACT_MAX`].
pub(super) fn integer(number: f64) -> Option<i64> {
    let is_exact = number.fract() == 0.0 && number.abs() <= EXACT_MAX;
    is_exact.then(|| format!("{number:.0}").parse().ok()).flatten()
}

/// Why [`integer`] has none of this number, where `expected` stands.
pub(super) fn no_integer<E: Error>(number: f64, expected: &dyn Expected) -> E {
    if number.fract() == 0.0 {
        return E::custom(
            "an integer of 2^53 and more must be written in digits, without a fraction or an exponent",
        );
    }
    E::invalid_type(Unexpected::Float(number), expected)
}

/// Reads a number of the store; absent or `null` is none.
pub(super) fn optional<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<u64>, D::Error> {
    Ok(Option::<Whole>::deserialize(deserializer)?.map(|it| it.0))
}

/// A number of the store.
struct Whole(u64);

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_u64(WholeVisitor).map(Self)
    }
}

struct WholeVisitor;

impl Visitor<'_> for WholeVisitor {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number")
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<u64, E> {
        if NUMBER_MAX < number {
            return Err(E::custom(format_args!("must be at most {NUMBER_MAX}, not {number}")));
        }
        Ok(number)
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<u64, E> {
        match integer(number).map(u64::try_from) {
            Some(Ok(whole)) => Ok(whole),
            Some(Err(_)) => Err(E::invalid_type(Unexpected::Float(number), &self)),
            None => Err(no_integer(number, &self)),
        }
    }
}
