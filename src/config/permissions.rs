//! `[permissions]`: the backend decides what clients may do, where a rule cannot.

use super::auth::AuthConfig;
use super::backend::{SignedUrl, read_signed};
use super::messages::MessagesConfig;
use super::reader::{Checked, SettingsReader};
use super::watching::WatchingConfig;
use crate::core::contacts;
use reqwest::Certificate;
use std::time::Duration;

const SECTION: &str = "permissions";

/// How the backend is asked whether a client may do something.
#[derive(Debug, Clone)]
pub struct PermissionsConfig {
    /// Where to POST.
    pub backend: SignedUrl,
    /// How long one question may take.
    pub timeout: Duration,
    /// How long a question may wait for its turn.
    pub wait: Duration,
    /// Questions under way at once.
    pub concurrency: usize,
    /// The same about one user.
    pub concurrency_per_user: usize,
    /// Questions that wait.
    pub queue: usize,
    /// Bytes of all requests that wait for an answer.
    pub queue_bytes: usize,
    /// How long an answer about whom a client sees is good, if it does not say so itself.
    pub good_for: Duration,
    /// Whether the backend may be at a private address.
    pub allow_private: bool,
    /// Authorities that may have signed the backend's certificate, besides those of the system.
    pub ca: Vec<Certificate>,
}

impl PermissionsConfig {
    /// `None` if nothing is asked; `askers` are the other sections that say what is, those that are right.
    pub(super) fn read(
        reader: &mut SettingsReader,
        askers: (Option<&AuthConfig>, Option<&MessagesConfig>, Option<&WatchingConfig>),
    ) -> Checked<Option<Box<Self>>> {
        let allow_private = reader.switch("permissions.allow_private");
        let backend = read_signed(reader, SECTION, *allow_private.as_ref().unwrap_or(&true));
        let short = Duration::from_millis(100);
        let timeout = reader.duration("permissions.timeout", short..=Duration::from_mins(1));
        let wait = reader.duration("permissions.wait", short..=Duration::from_mins(5));
        let concurrency = reader.number("permissions.concurrency", 1..=10_000);
        let concurrency_per_user = reader.number("permissions.concurrency_per_user", 1..=1000);
        let queue = reader.number("permissions.queue", 10..=1_000_000);
        let queue_bytes = reader.size("permissions.queue_bytes", 1_000_000..=10_000_000_000);
        let good_for = Duration::from_secs(5)..=Duration::from_hours(1);
        let good_for = reader.duration("permissions.good_for", good_for);
        let ca = reader.certificates("permissions.ca_file");
        let backend = match (backend?, first_asker(askers)) {
            (None, None) => None,
            (None, Some(key)) => {
                let rule = format!("is missing: {key} has your backend asked");
                return Err(reader.reject("permissions.url", rule));
            }
            // What is wrong elsewhere may be just what would ask.
            (Some(_), None) if matches!(askers, (Some(_), Some(_), Some(_))) => {
                let rule = "is never asked: rooms.join_by_hook, messages.to_rooms_by_hook or \"hook\" in \
                            messages.to_users or presence.shown_to says about what";
                return Err(reader.reject("permissions.url", rule));
            }
            (Some(backend), _) => Some(backend),
        };
        let Some(backend) = backend else { return Ok(None) };
        Ok(Some(Box::new(Self {
            backend,
            timeout: timeout?,
            wait: wait?,
            concurrency: concurrency?,
            concurrency_per_user: concurrency_per_user?,
            queue: queue?,
            queue_bytes: queue_bytes?,
            good_for: good_for?,
            allow_private: allow_private?,
            ca: ca?,
        })))
    }
}

/// A key that has the backend asked.
fn first_asker(
    (auth, messages, watching): (
        Option<&AuthConfig>,
        Option<&MessagesConfig>,
        Option<&WatchingConfig>,
    ),
) -> Option<&'static str> {
    let clients = messages.map(|it| &it.clients).filter(|it| it.is_on);
    if auth.is_some_and(|it| !it.rooms.asked().is_empty()) {
        Some("rooms.join_by_hook")
    } else if clients.is_some_and(|it| !it.to_rooms_by_hook.is_empty()) {
        Some("messages.to_rooms_by_hook")
    } else if clients.is_some_and(|it| contacts::asks(&it.to_users)) {
        Some("messages.to_users")
    } else if watching.is_some_and(|it| contacts::asks(&it.shown_to)) {
        Some("presence.shown_to")
    } else {
        None
    }
}
