//! What can be seen of an endpoint from outside.

use crate::core::delivery::dispatch::Health;
use crate::types::WallMs;

/// How one endpoint is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointStatus {
    /// Its name in the configuration.
    pub name: String,
    /// Where it is, without user, password and query.
    pub url: String,
    /// Whether this node delivers for it; if not, what follows of requests is another node's to say.
    pub is_here: bool,
    /// Its state in one word.
    pub health: Health,
    /// Undelivered hooks.
    pub backlog: u64,
    /// Hooks given up, which wait for a replay; counted up to 100,000.
    pub dead_letters: u64,
    /// Requests under way.
    pub in_flight: usize,
    /// When the oldest undelivered event happened.
    pub oldest_pending: Option<WallMs>,
    /// What the last failed attempt met, since the start of this process.
    pub last_error: Option<LastError>,
    /// When the next attempt is made if nothing new happens.
    pub next_attempt: Option<WallMs>,
}

/// What an endpoint's task tells about itself.
#[derive(Debug, Clone)]
pub(super) struct EndpointReport {
    pub(super) health: Health,
    pub(super) in_flight: usize,
    pub(super) last_error: Option<LastError>,
    pub(super) next_attempt: Option<WallMs>,
}

impl Default for EndpointReport {
    fn default() -> Self {
        Self { health: Health::Ok, in_flight: 0, last_error: None, next_attempt: None }
    }
}

/// What the last failed attempt at an endpoint met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastError {
    /// When the attempt ended.
    pub at: WallMs,
    /// For people; holds no secrets and no payload.
    pub text: String,
}
