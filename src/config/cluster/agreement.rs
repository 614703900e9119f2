//! What the nodes of a cluster have to agree on, as this configuration has it.

use crate::config::Config;
use crate::config::{AuthConfig, AuthMode, Coalesce, JwtKey, JwtKeys};
use crate::core::cluster::FORMAT;
use crate::core::cluster::agreement::{Agreement, Term};
use crate::core::contacts::ContactRule;
use crate::core::control::seats::{SeatLimit, WhenFull};
use crate::types::{Namespace, Secret, millis};
use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use std::time::Duration;

/// Bytes of a fingerprint that are compared: others of the same length are as likely as a guessed key.
const FINGERPRINT_BYTES: usize = 16;

impl Config {
    /// What this node means by the state that all nodes share; `None`: there is no cluster.
    pub fn agreement(&self) -> Option<Agreement> {
        let cluster = self.cluster.as_ref()?;
        let namespaces = self.socketio.namespaces.iter().map(Namespace::as_str);
        let without_recovery = self.recovery.except.iter().map(Namespace::as_str);
        let endpoints = self.hooks.endpoints.iter().map(|it| it.name.as_str());
        let secret = match &cluster.secret {
            Some(secret) => fingerprint(secret.expose(), cluster.name.as_bytes()),
            None => String::new(),
        };
        let key = cluster.secret.as_ref().map_or(&[][..], Secret::expose);
        let answers = self.admin.idempotency;
        let seats = seats(self.sessions.seats);
        let resume_ttl = self.sessions.resume_ttl.map_or_else(|| "none".to_owned(), time);
        let must = vec![
            Term::shown("format", FORMAT),
            Term::hidden("cluster.secret", secret),
            Term::shown("cluster.lease", time(cluster.lease)),
            Term::shown("cluster.node_grace", time(cluster.node_grace)),
            Term::shown("cluster.hold", time(cluster.hold)),
            Term::shown("sessions.resume_ttl", resume_ttl),
            Term::shown("presence.grace", time(self.presence.grace)),
            Term::shown("recovery.window", time(self.recovery.window)),
            Term::shown("recovery.except", sorted(without_recovery)),
            Term::shown("socketio.namespaces", sorted(namespaces)),
        ];
        let should = vec![
            Term::shown("cluster.log_bytes_max", cluster.log_bytes.to_string()),
            Term::shown("cluster.durability", cluster.durability.as_str().to_owned()),
            Term::shown("cluster.forward", cluster.forward.is_some().to_string()),
            Term::shown("cluster.inbox_bytes_max", cluster.inbox_bytes.to_string()),
            Term::shown("inbox.keep", time(self.inbox.keep)),
            Term::shown("inbox.max_per_user", self.inbox.max_per_user.to_string()),
            Term::shown("store.keep_events", time(self.store.keep_events)),
            Term::shown("hooks.retry_for", time(self.hooks.retry_for)),
            Term::shown("hooks.coalesce", coalesce(self.hooks.coalesce)),
            Term::shown("hooks.backlog_max", self.hooks.backlog_max.to_string()),
            Term::shown("limits.restricted_users", self.limits.restricted_users.to_string()),
            Term::shown("limits.memberships", self.limits.memberships.to_string()),
            Term::shown(
                "limits.memberships_per_user",
                self.limits.memberships_per_user.to_string(),
            ),
            Term::shown("admin.idempotency_max", answers.entries_max.to_string()),
            Term::shown("admin.idempotency_bytes", answers.bytes_max.to_string()),
            Term::shown("sessions.max_sockets_per_user", seats.0),
            Term::shown("sessions.on_limit", seats.1),
            Term::shown("presence.shown_to", contacts(&self.watching.shown_to)),
            Term::shown("messages.to_users", contacts(&self.messages.clients.to_users)),
            Term::shown("hooks.endpoints", sorted(endpoints)),
            Term::shown("hooks.identity", self.hooks.identity.to_string()),
            Term::shown("hooks.events", sockets_in_hooks(self.hooks.sockets)),
            // common.lua reads it.
            Term::shown("guests.hooks", self.guests.has_hooks.to_string()),
            Term::hidden("auth", fingerprint(key, &identity(&self.auth))),
        ];
        Some(Agreement { must, should })
    }
}

/// As it may stand in a configuration.
fn time(time: Duration) -> String {
    format!("{}ms", millis(time))
}

fn coalesce(coalesce: Coalesce) -> &'static str {
    match coalesce {
        Coalesce::None => "none",
        Coalesce::Latest => "latest",
    }
}

/// How many, and what becomes of one more.
fn seats(limit: Option<SeatLimit>) -> (String, &'static str) {
    match limit.map(|it| (it.max, it.when_full)) {
        None => ("0".to_owned(), "refuse"),
        Some((max, WhenFull::Refuse)) => (max.to_string(), "refuse"),
        Some((max, WhenFull::EvictOldest)) => (max.to_string(), "evict_oldest"),
    }
}

/// Who is in reach, as it may stand in a configuration.
fn contacts(rules: &[ContactRule]) -> String {
    let texts: Vec<String> = rules.iter().map(ToString::to_string).collect();
    texts.join(" ")
}

fn sockets_in_hooks(are_told_of: bool) -> &'static str {
    if are_told_of { "with sockets" } else { "without sockets" }
}

fn sorted<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut names: Vec<&str> = names.collect();
    names.sort_unstable();
    names.join(" ")
}

fn fingerprint(key: &[u8], text: &[u8]) -> String {
    let tag = sign(&Key::new(HMAC_SHA256, key), text);
    let mut bytes = [0; FINGERPRINT_BYTES];
    bytes.iter_mut().zip(tag.as_ref()).for_each(|(to, from)| *to = *from);
    format!("{:032x}", u128::from_be_bytes(bytes))
}

/// All that decides who a client is: what can be seen of it, and the shared secrets.
fn identity(auth: &AuthConfig) -> Vec<u8> {
    let mut text = format!("{auth:?}").into_bytes();
    let keys = match &auth.mode {
        AuthMode::Jwt(jwt) | AuthMode::JwtOrHook(jwt, _) => match &jwt.keys {
            JwtKeys::Static(keys) => keys.as_slice(),
            JwtKeys::Published(_) => &[],
        },
        AuthMode::Hook(_) | AuthMode::Trust => &[],
    };
    for key in keys {
        if let JwtKey::Secret(secret) = &key.key {
            text.extend_from_slice(secret.expose());
        }
    }
    text
}
