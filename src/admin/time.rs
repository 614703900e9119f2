//! Points in time as the API writes and reads them.

use crate::core::delivery::hook_body::rfc3339;
use crate::types::WallMs;
use serde::{Serialize, Serializer};
use std::time::UNIX_EPOCH;
use utoipa::ToSchema;

/// A point in time, RFC 3339 in UTC with milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ToSchema)]
#[schema(value_type = String, format = DateTime, example = "2026-08-01T09:41:00.000Z")]
pub(super) struct Time(pub(super) WallMs);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&rfc3339(self.0))
    }
}

/// Reads a point in time: RFC 3339 in UTC, since 1970.
pub(super) fn parse(text: &str) -> Result<WallMs, &'static str> {
    let error = "must be a time such as 2026-08-01T09:41:00.000Z, in UTC";
    let at = humantime::parse_rfc3339(text).map_err(|_| error)?;
    let since = at.duration_since(UNIX_EPOCH).map_err(|_| error)?;
    u64::try_from(since.as_millis()).map(WallMs).map_err(|_| error)
}
