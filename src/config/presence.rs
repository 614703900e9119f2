//! `[presence]`: when a user counts as gone.

use super::reader::{Checked, SettingsReader};
use std::time::Duration;

/// When a user counts as gone.
#[derive(Debug, Clone, Copy)]
pub struct PresenceConfig {
    /// How long a user without sockets stays online.
    pub grace: Duration,
    /// The same for users who were online when the server stopped or crashed, counted from listening again.
    pub startup_grace: Duration,
    /// Interval of the sweep that looks for registered sockets without a connection.
    pub sweep_interval: Duration,
}

impl PresenceConfig {
    pub(super) fn read(reader: &mut SettingsReader) -> Checked<Self> {
        let grace = || Duration::ZERO..=Duration::from_mins(10);
        let config = (
            reader.duration("presence.grace", grace()),
            reader.duration("presence.startup_grace", grace()),
            reader.duration(
                "presence.sweep_interval",
                Duration::from_secs(1)..=Duration::from_hours(1),
            ),
        );
        Ok(Self { grace: config.0?, startup_grace: config.1?, sweep_interval: config.2? })
    }
}
