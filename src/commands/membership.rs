//! Memberships: putting users into rooms for good, and taking them out.

use super::block::parse_block_for;
use super::error::CommandError;
use super::schema::BlockForText;
use serde::Deserialize;
use std::time::Duration;
use utoipa::ToSchema;

/// How long a user is in a room.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MembershipRequest {
    /// How long: a duration such as `1h`, 1 s to 3650 d. Without it, until the membership is taken back.
    #[serde(rename = "for")]
    #[schema(value_type = Option<BlockForText>)]
    lasts: Option<String>,
}

/// How a user is taken out of a room.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RemovalRequest {
    /// Whether no credential grants the room again, until the user is put into it.
    deny: Option<bool>,
}

impl MembershipRequest {
    /// Checks it. `None`: until it is taken back.
    pub fn parse(self) -> Result<Option<Duration>, CommandError> {
        self.lasts.map(|text| parse_block_for("for", &text)).transpose()
    }
}

impl RemovalRequest {
    /// Whether the room is denied to the user.
    pub fn is_denial(&self) -> bool {
        self.deny.unwrap_or(false)
    }
}
