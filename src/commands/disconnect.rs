//! Disconnecting a user.

use super::bounds::REASON_BYTES_MAX;
use super::error::CommandError;
use super::schema::ReasonText;
use serde::Deserialize;
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
}

/// How a user is disconnected.
#[derive(Debug, PartialEq, Eq)]
pub struct Disconnect {
    /// What the clients are told.
    pub reason: Option<String>,
    /// Whether the user is offline at once, without the grace.
    pub is_offline_at_once: bool,
}

impl DisconnectRequest {
    /// Checks it.
    pub fn parse(self) -> Result<Disconnect, CommandError> {
        let Self { reason, now } = self;
        if let Some(reason) = &reason
            && REASON_BYTES_MAX < reason.len()
        {
            let why = format!("at most {REASON_BYTES_MAX} bytes, not {}", reason.len());
            return Err(CommandError::field("reason", why));
        }
        Ok(Disconnect { reason, is_offline_at_once: now.unwrap_or(true) })
    }
}
