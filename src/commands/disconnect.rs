//! Disconnecting a user.

use super::block::{check_reason, parse_block_for};
use super::error::CommandError;
use super::schema::{BlockForText, ReasonText};
use serde::Deserialize;
use std::time::Duration;
use utoipa::ToSchema;

/// How to disconnect a user.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DisconnectRequest {
    /// What the clients are told, at most 1024 bytes.
    #[schema(value_type = Option<ReasonText>, example = "signed out everywhere")]
    reason: Option<String>,
    /// Whether the user is offline at once, which is so if this is absent; else the grace runs as usual.
    now: Option<bool>,
    /// How long the user is not let in again: a duration such as `10s`, 1 s to 3650 d. Not with `now: false`, because a
    /// user who cannot come back needs no grace.
    #[schema(value_type = Option<BlockForText>)]
    block_for: Option<String>,
}

/// How a user is disconnected.
#[derive(Debug, PartialEq, Eq)]
pub struct Disconnect {
    /// What the clients are told.
    pub reason: Option<String>,
    /// Whether the user is offline at once, without the grace.
    pub is_offline_at_once: bool,
    /// How long the user is not let in again.
    pub block_for: Option<Duration>,
}

impl DisconnectRequest {
    /// Checks it.
    pub fn parse(self) -> Result<Disconnect, CommandError> {
        let Self { reason, now, block_for } = self;
        check_reason(reason.as_deref())?;
        let block_for = block_for.map(|text| parse_block_for("block_for", &text)).transpose()?;
        if block_for.is_some() && now == Some(false) {
            let why = "who is blocked is offline at once: not together with `now: false`";
            return Err(CommandError::field("block_for", why));
        }
        Ok(Disconnect { reason, is_offline_at_once: now.unwrap_or(true), block_for })
    }
}
