//! Sending dead letters again.

use super::error::CommandError;
use super::schema::MomentText;
use super::time;
use crate::types::WallMs;
use serde::Deserialize;
use utoipa::ToSchema;

/// Which hooks to send again.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplayRangeRequest {
    /// The name of the endpoint.
    #[schema(example = "default")]
    endpoint: String,
    /// `dead`: there is no other choice.
    state: Option<Replayable>,
    /// Only events that happened at this time or later.
    #[schema(value_type = Option<MomentText>)]
    from: Option<String>,
    /// Only events that happened before this time.
    #[schema(value_type = Option<MomentText>)]
    to: Option<String>,
}

/// State of hooks that can be sent again by the thousand.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Replayable {
    /// Dead letters.
    Dead,
}

/// Which dead letters are sent again.
#[derive(Debug, PartialEq, Eq)]
pub struct ReplayRange {
    /// The name of the endpoint.
    pub endpoint: String,
    /// The time of the first.
    pub from: WallMs,
    /// The time after the last.
    pub to: WallMs,
}

impl ReplayRangeRequest {
    /// Checks it.
    pub fn parse(self) -> Result<ReplayRange, CommandError> {
        let Self { endpoint, state: None | Some(Replayable::Dead), from, to } = self;
        let from = moment("from", from.as_deref())?.unwrap_or_default();
        let to = moment("to", to.as_deref())?.unwrap_or(WallMs(u64::MAX));
        Ok(ReplayRange { endpoint, from, to })
    }
}

fn moment(field: &'static str, text: Option<&str>) -> Result<Option<WallMs>, CommandError> {
    text.map(|text| time::parse(text).map_err(|why| CommandError::field(field, why))).transpose()
}
