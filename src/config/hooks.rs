//! `[hooks]`: whom to tell about presence.

use crate::types::Secret;
use std::time::Duration;

/// Whom to tell about presence, and how hard to try.
#[derive(Debug, Clone)]
pub struct HooksConfig {
    /// The receivers; empty: nobody is told (events can still be pulled).
    pub endpoints: Vec<EndpointConfig>,
    /// How long one attempt may take.
    pub timeout: Duration,
    /// How long an event is tried before it becomes a dead letter.
    pub retry_for: Duration,
    /// Attempts under way at once, per endpoint.
    pub concurrency: usize,
    /// Attempts after which repeated 4xx answers make an event a dead letter.
    pub reject_after: u32,
    /// Whether receivers at private addresses are allowed.
    pub allow_private: bool,
    /// What happens to undelivered events of one user when newer ones come.
    pub coalesce: Coalesce,
    /// Undelivered events per endpoint beyond which [`Coalesce::Latest`] is forced.
    pub backlog_max: u64,
    /// Events per request; 1 sends single objects, more sends arrays.
    pub batch_max: usize,
}

/// One receiver.
#[derive(Debug, Clone)]
pub struct EndpointConfig {
    /// Its name in the store, the API and logs; unique, never reuse one for another receiver.
    pub name: String,
    /// Where to POST.
    pub url: String,
    /// Signing secrets, the newest first; with two, requests carry two signatures during a rotation. At most 4.
    pub secrets: Vec<Secret>,
    /// Types sent, such as `user.offline`.
    pub events: Vec<String>,
}

/// What happens to undelivered events of one user when newer ones come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coalesce {
    /// Every event is delivered, in order.
    None,
    /// Only the newest undelivered event of a user is delivered; it says how many it replaced.
    Latest,
}
