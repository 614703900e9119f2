//! Points in time as the API writes them.

use crate::core::delivery::hook_body::rfc3339;
use crate::types::WallMs;
use serde::{Serialize, Serializer};
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
