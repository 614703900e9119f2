//! Keeping a user out.

use super::bounds::{BLOCK_FOR, REASON_BYTES_MAX};
use super::error::CommandError;
use super::schema::{BlockForText, MomentText, ReasonText};
use super::time;
use crate::types::WallMs;
use serde::Deserialize;
use std::time::Duration;
use utoipa::ToSchema;

/// How to block a user.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BlockRequest {
    /// What the clients are told, at most 1024 bytes.
    #[schema(value_type = Option<ReasonText>, example = "spam")]
    reason: Option<String>,
    /// How long: a duration such as `1h`, 1 s to 3650 d. Without it, until the block is lifted.
    #[serde(rename = "for")]
    #[schema(value_type = Option<BlockForText>)]
    lasts: Option<String>,
}

/// How a user is blocked.
#[derive(Debug, PartialEq, Eq)]
pub struct BlockOptions {
    /// What the clients are told.
    pub reason: Option<String>,
    /// How long; `None`: until it is lifted.
    pub lasts: Option<Duration>,
}

impl BlockRequest {
    /// Checks it.
    pub fn parse(self) -> Result<BlockOptions, CommandError> {
        let Self { reason, lasts } = self;
        check_reason(reason.as_deref())?;
        let lasts = lasts.map(|text| parse_block_for("for", &text)).transpose()?;
        Ok(BlockOptions { reason, lasts })
    }
}

/// From when on tokens count.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NotBeforeRequest {
    /// Tokens that were issued before this time do not count any more. Without it, now.
    #[schema(value_type = Option<MomentText>)]
    at: Option<String>,
}

impl NotBeforeRequest {
    /// Checks it.
    pub fn parse(self) -> Result<Option<WallMs>, CommandError> {
        let at = self.at.as_deref().map(time::parse).transpose();
        at.map_err(|why| CommandError::field("at", why))
    }
}

/// A reason must be short.
pub(super) fn check_reason(reason: Option<&str>) -> Result<(), CommandError> {
    let len = reason.map_or(0, str::len);
    if REASON_BYTES_MAX < len {
        let why = format!("at most {REASON_BYTES_MAX} bytes, not {len}");
        return Err(CommandError::field("reason", why));
    }
    Ok(())
}

/// Reads how long a block lasts.
pub(super) fn parse_block_for(field: &'static str, text: &str) -> Result<Duration, CommandError> {
    let lasts = humantime::parse_duration(text).ok().filter(|it| BLOCK_FOR.contains(it));
    lasts.ok_or_else(|| {
        let [min, max] = [BLOCK_FOR.start(), BLOCK_FOR.end()].map(Duration::as_secs);
        let days = max / (24 * 3600);
        let why = format!("must be a duration such as \"1h\", from {min} s to {days} d");
        CommandError::field(field, why)
    })
}

#[cfg(test)]
mod tests {
    use super::{BlockRequest, NotBeforeRequest};
    use crate::commands::json;
    use crate::types::WallMs;
    use std::time::Duration;

    fn block(json: &str) -> Result<(Option<String>, Option<Duration>), Option<String>> {
        let request: BlockRequest = json::parse(json.as_bytes()).map_err(|why| why.field)?;
        request.parse().map(|it| (it.reason, it.lasts)).map_err(|why| why.field)
    }

    #[test]
    fn a_block_ends_after_a_while_or_when_it_is_lifted() {
        let hour = Some(Duration::from_hours(1));
        assert_eq!(block("{}"), Ok((None, None)));
        assert_eq!(block(r#"{"reason":"spam","for":"1h"}"#), Ok((Some("spam".to_owned()), hour)));
        assert_eq!(block(r#"{"for":"3650d"}"#), Ok((None, Some(Duration::from_hours(87_600)))));
        for wrong in ["0s", "999ms", "3651d", "-1s", "soon", ""] {
            let json = format!(r#"{{"for":"{wrong}"}}"#);
            assert_eq!(block(&json), Err(Some("for".to_owned())), "{wrong}");
        }
        let long = format!(r#"{{"reason":"{}"}}"#, "x".repeat(1025));
        assert_eq!(block(&long), Err(Some("reason".to_owned())));
        assert_eq!(block(r#"{"until":1}"#), Err(Some("until".to_owned())));
    }

    #[test]
    fn a_time_or_now() {
        let at = |json: &str| json::parse::<NotBeforeRequest>(json.as_bytes()).unwrap().parse();
        assert_eq!(at("{}"), Ok(None));
        assert_eq!(at(r#"{"at":"1970-01-01T00:00:01Z"}"#), Ok(Some(WallMs(1000))));
        assert!(at(r#"{"at":"yesterday"}"#).is_err());
    }
}
