//! `[events]`: which events of clients the backend answers.

use super::backend::{SignedUrl, read_signed};
use super::reader::{Checked, SettingsReader};
use super::socketio::SocketIoConfig;
use crate::types::{EventPattern, Namespace};
use reqwest::Certificate;
use std::time::Duration;

const SECTION: &str = "events";
const PATTERNS_LEN_MAX: usize = 256;
const NAMESPACES_LEN_MAX: usize = 64;

/// Which events of clients the backend answers, and how it is called.
#[derive(Debug, Clone)]
pub struct EventsConfig {
    /// Where; `None`: no event is forwarded.
    pub backend: Option<SignedUrl>,
    /// Events that are forwarded, in namespaces that `namespaces` does not list.
    pub allow: Vec<EventPattern>,
    /// The same for single namespaces.
    pub namespaces: Vec<NamespaceEvents>,
    /// Events of one user that are forwarded one after the other, each after the answer to the one before.
    pub ordered: Vec<EventPattern>,
    /// Events that may be sent to the backend again if it did not answer.
    pub retry_safe: Vec<EventPattern>,
    /// Events that an answer may emit.
    pub may_emit: Vec<EventPattern>,
    /// How long one attempt may take.
    pub timeout: Duration,
    /// How long an event may wait for its turn.
    pub wait: Duration,
    /// Calls under way at once.
    pub concurrency: usize,
    /// Calls under way at once for one user.
    pub concurrency_per_user: usize,
    /// Events that wait, in all.
    pub queue: usize,
    /// Events of one user that wait before its clients are held back.
    pub queue_per_user: usize,
    /// Bytes of all events that wait.
    pub queue_bytes: usize,
    /// Whether a backend at a private address is allowed.
    pub allow_private: bool,
    /// Authorities that may sign the backend's certificate, besides those of the system.
    pub ca: Vec<Certificate>,
}

/// The events of one namespace that are forwarded.
#[derive(Debug, Clone)]
pub struct NamespaceEvents {
    /// The namespace.
    pub name: Namespace,
    /// Its events.
    pub allow: Vec<EventPattern>,
}

impl EventsConfig {
    /// Whether the event `name` is forwarded that a client sends in `namespace`.
    pub fn forwards(&self, namespace: &Namespace, name: &str) -> bool {
        let own = self.namespaces.iter().find(|it| it.name == *namespace);
        let allow = own.map_or(&self.allow, |it| &it.allow);
        self.backend.is_some() && allow.iter().any(|it| it.matches(name))
    }

    /// `socketio` is that section, if it is right.
    pub(super) fn read(
        reader: &mut SettingsReader,
        socketio: Option<&SocketIoConfig>,
    ) -> Checked<Self> {
        let allow_private = reader.switch("events.allow_private");
        let backend = read_signed(reader, SECTION, *allow_private.as_ref().unwrap_or(&true));
        let allow = patterns(reader, "events.allow");
        let ordered = patterns(reader, "events.ordered");
        let retry_safe = patterns(reader, "events.retry_safe");
        let may_emit = patterns(reader, "events.may_emit");
        let timeout =
            reader.duration("events.timeout", Duration::from_millis(100)..=Duration::from_mins(1));
        let wait =
            reader.duration("events.wait", Duration::from_millis(100)..=Duration::from_mins(5));
        let concurrency = reader.number("events.concurrency", 1..=10_000);
        let concurrency_per_user = reader.number("events.concurrency_per_user", 1..=1000);
        let queue = reader.number("events.queue", 10..=10_000_000);
        let queue_per_user = reader.number("events.queue_per_user", 1..=10_000);
        let queue_bytes = reader.size("events.queue_bytes", 1_000_000..=10_000_000_000);
        let ca = reader.certificates("events.ca_file");
        // Last, because `config show` writes a list of tables below the keys of its section.
        let namespaces = read_namespaces(reader, socketio);
        if let (Ok(backend), Ok(allow), Ok(namespaces)) = (&backend, &allow, &namespaces) {
            let is_any = !allow.is_empty() || namespaces.iter().any(|it| !it.allow.is_empty());
            match backend {
                Some(_) if !is_any => {
                    let rule = "must name at least one event: else nothing is sent to events.url";
                    reader.reject("events.allow", rule);
                }
                None if is_any => {
                    let rule = "is missing: events.allow names events, which are sent there";
                    reader.reject("events.url", rule);
                }
                Some(_) | None => {}
            }
        }
        Ok(Self {
            backend: backend?,
            allow: allow?,
            namespaces: namespaces?,
            ordered: ordered?,
            retry_safe: retry_safe?,
            may_emit: may_emit?,
            timeout: timeout?,
            wait: wait?,
            concurrency: concurrency?,
            concurrency_per_user: concurrency_per_user?,
            queue: queue?,
            queue_per_user: queue_per_user?,
            queue_bytes: queue_bytes?,
            allow_private: allow_private?,
            ca: ca?,
        })
    }
}

fn read_namespaces(
    reader: &mut SettingsReader,
    socketio: Option<&SocketIoConfig>,
) -> Checked<Vec<NamespaceEvents>> {
    let (prefixes, all) = reader.tables("events.namespaces", NAMESPACES_LEN_MAX);
    let mut namespaces: Vec<Checked<NamespaceEvents>> = Vec::new();
    for prefix in prefixes {
        let key = format!("{prefix}.name");
        let rule = "must be a namespace such as \"/chat\"";
        let name = reader.parsed(&key, rule, |text| Namespace::parse(text).ok());
        let allow = patterns(reader, &format!("{prefix}.allow"));
        let is_taken = |name: &Namespace| namespaces.iter().flatten().any(|it| it.name == *name);
        let is_served = |name: &Namespace| socketio.is_none_or(|it| it.namespaces.contains(name));
        let name = match name {
            Ok(name) if is_taken(&name) => Err(reader.reject(&key, "must be unique")),
            Ok(name) if !is_served(&name) => {
                Err(reader.reject(&key, "must be one of socketio.namespaces"))
            }
            name => name,
        };
        namespaces.push(name.and_then(|name| Ok(NamespaceEvents { name, allow: allow? })));
    }
    all?;
    namespaces.into_iter().collect()
}

/// A list of names of events and of their beginnings.
pub(super) fn patterns(reader: &mut SettingsReader, key: &str) -> Checked<Vec<EventPattern>> {
    reader.list(key, PATTERNS_LEN_MAX, EventPattern::RULE, EventPattern::parse)
}
