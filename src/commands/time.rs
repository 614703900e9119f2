//! Points in time in commands.

use crate::types::WallMs;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The first year that is read.
const FIRST_YEAR: i32 = 1970;

/// Reads a point in time: RFC 3339, with any offset from UTC, since 1970. In the hours in which it was 1970 in a part of
/// the world only, it is the beginning of that year.
pub fn parse(text: &str) -> Result<WallMs, &'static str> {
    let error = "must be a time such as 2026-08-01T09:41:00Z or 2026-08-01T11:41:00.000+02:00";
    let at = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| error)?;
    if at.year() < FIRST_YEAR {
        return Err(error);
    }
    let ms = at.unix_timestamp_nanos().div_euclid(1_000_000);
    Ok(WallMs(u64::try_from(ms.max(0)).unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::parse;
    use crate::types::WallMs;

    #[test]
    fn an_offset_is_taken_into_account_and_what_is_no_time_is_refused() {
        let table = [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("1970-01-01T00:00:01.5Z", Some(1500)),
            ("2026-08-01T09:41:00.123456789Z", Some(1_785_577_260_123)),
            ("2026-08-01T11:41:00.123+02:00", Some(1_785_577_260_123)),
            ("2026-07-31T23:56:00-09:45", Some(1_785_577_260_000)),
            ("1970-01-01T01:00:00+01:00", Some(0)),
            ("1970-01-01T00:00:00+09:00", Some(0)),
            ("1969-12-31T23:59:59Z", None),
            ("0001-01-01T00:00:00Z", None),
            ("9999-12-31T23:59:59.999Z", Some(253_402_300_799_999)),
            ("2026-08-01T09:41:00", None),
            ("2026-08-01", None),
            ("2026-02-30T00:00:00Z", None),
            ("yesterday", None),
            ("", None),
        ];
        for (text, expected) in table {
            assert_eq!(parse(text).ok(), expected.map(WallMs), "{text}");
        }
    }
}
