//! Whether a user is here, as it is told.

use crate::core::presence::session::{PresenceStatus, UserSession};
use serde::Serialize;
use utoipa::ToSchema;

/// Whether a user is here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum PresenceState {
    /// At least one socket.
    Online,
    /// No socket, and the grace is still running: counts as online.
    Lingering,
    /// Gone.
    Offline,
}

impl PresenceState {
    /// The state, and the session unless it is offline.
    pub(super) fn of(status: PresenceStatus) -> (Self, Option<UserSession>) {
        match status {
            PresenceStatus::Offline => (Self::Offline, None),
            PresenceStatus::Online(session) => (Self::Online, Some(session)),
            PresenceStatus::Lingering(session) => (Self::Lingering, Some(session)),
        }
    }
}
