//! `[hooks]`: whom to tell about presence.

mod endpoints;

pub use endpoints::HOOK_TYPES;

use super::reader::{Checked, SettingsReader};
use super::shown_url::shown_url;
use crate::types::Secret;
use reqwest::Certificate;
use std::fmt;
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
    /// Authorities that may sign the certificates of receivers, besides those of the system.
    pub ca: Vec<Certificate>,
    /// What happens to undelivered events of one user when newer ones come.
    pub coalesce: Coalesce,
    /// Undelivered events per endpoint beyond which [`Coalesce::Latest`] is forced.
    pub backlog_max: u64,
    /// Whether hooks of presence say what the user was granted.
    pub identity: bool,
    /// Whether it is news that sockets come and go: some list of types says so.
    pub sockets: bool,
    /// Events per request; 1 sends single objects, more sends arrays.
    pub batch_max: usize,
}

/// One receiver.
#[derive(Clone)]
pub struct EndpointConfig {
    /// Its name in the store, the API and logs; unique, never reuse one for another receiver.
    pub name: String,
    /// Where to POST; its query may hold a secret, see [`shown_url`].
    pub url: String,
    /// Signing secrets, the newest first; with two, requests carry two signatures during a rotation. At most 4.
    pub secrets: Vec<Secret>,
    /// Types sent, such as `user.offline`.
    pub events: Vec<String>,
}

impl fmt::Debug for EndpointConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, url, secrets, events } = self;
        f.debug_struct("EndpointConfig")
            .field("name", name)
            .field("url", &shown_url(url))
            .field("secrets", secrets)
            .field("events", events)
            .finish()
    }
}

/// What happens to undelivered events of one user when newer ones come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coalesce {
    /// Every event is delivered, in order.
    None,
    /// Only the newest undelivered event of a user is delivered; it says how many it replaced.
    Latest,
}

impl HooksConfig {
    pub(super) fn read(reader: &mut SettingsReader) -> Checked<Self> {
        let timeout =
            reader.duration("hooks.timeout", Duration::from_millis(100)..=Duration::from_mins(5));
        let retry_for = reader
            .duration("hooks.retry_for", Duration::from_secs(1)..=Duration::from_hours(30 * 24));
        let concurrency = reader.number("hooks.concurrency", 1..=1000);
        let reject_after = reader.number("hooks.reject_after", 1..=1000);
        let allow_private = reader.switch("hooks.allow_private");
        let ca = reader.certificates("hooks.ca_file");
        let coalesce =
            reader.parsed("hooks.coalesce", "must be none or latest", |text| match text {
                "none" => Some(Coalesce::None),
                "latest" => Some(Coalesce::Latest),
                _ => None,
            });
        let backlog_max = reader.number("hooks.backlog_max", 1000..=1_000_000_000);
        let identity = reader.switch("hooks.identity");
        let batch_max = reader.number("hooks.batch_max", 1..=1000);
        // Where that is wrong itself, nothing is said of addresses.
        let endpoints = endpoints::read(reader, *allow_private.as_ref().unwrap_or(&true));
        let (endpoints, sockets) = endpoints?;
        Ok(Self {
            endpoints,
            sockets,
            timeout: timeout?,
            retry_for: retry_for?,
            concurrency: concurrency?,
            reject_after: reject_after?,
            allow_private: allow_private?,
            ca: ca?,
            coalesce: coalesce?,
            backlog_max: backlog_max?,
            identity: identity?,
            batch_max: batch_max?,
        })
    }
}
