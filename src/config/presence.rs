//! `[presence]`: when a user counts as gone.

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
