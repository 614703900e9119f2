//! What should be set otherwise in Redis, and with which command.

use super::facts::ServerFacts;

/// Something to know about a server, or to change in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Advice {
    /// What is so, and what comes of it.
    pub what: &'static str,
    /// The command that changes it, if one does.
    pub command: Option<&'static str>,
}

impl ServerFacts {
    /// What should be otherwise. What the server does not say is advice too: nobody can tell that all is well.
    pub fn advice(&self) -> Vec<Advice> {
        let advice = |what, command| Some(Advice { what, command });
        let evicts = match (self.memory_max, self.eviction.as_deref()) {
            (Some(0), _) | (_, Some("noeviction")) => None,
            (_, Some(_)) => advice(
                "it deletes keys when its memory is full: users and events would be lost without a word",
                Some("CONFIG SET maxmemory-policy noeviction"),
            ),
            (_, None) => advice(
                "it does not say what it deletes when its memory is full: that has to be nothing (noeviction)",
                None,
            ),
        };
        let persists = match (self.keeps_a_log, self.sync.as_deref()) {
            (Some(false), _) => advice(
                "it keeps nothing on disk: after its restart all events that were not delivered are lost",
                Some("CONFIG SET appendonly yes"),
            ),
            (Some(true), Some("no")) => advice(
                "it leaves it to the system when writes go to the disk: a power cut loses half a minute",
                Some("CONFIG SET appendfsync everysec"),
            ),
            (Some(true), _) => None,
            (None, _) => advice("it does not say whether it keeps anything on disk", None),
        };
        let version = self.version.is_none();
        let version = version
            .then_some(())
            .and_then(|()| advice("it does not say its version: 6.2 or later is needed", None));
        let clustered = (self.is_clustered == Some(true)).then_some(()).and_then(|()| {
            advice(
                "it is part of a Redis Cluster: this cluster lives in one of its slots, on one of its servers",
                None,
            )
        });
        let open = (!self.is_safe).then_some(()).and_then(|()| {
            advice(
                "it is not on this machine, and spoken to without TLS or without a password",
                None,
            )
        });
        [evicts, persists, version, clustered, open].into_iter().flatten().collect()
    }
}
