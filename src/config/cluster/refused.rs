//! What must be off on a node among many, because it would be done on this one alone.

use crate::config::Config;
use crate::config::reader::SettingsReader;

/// One key, what it must be, and whether it is not.
pub(super) type Rule = (&'static str, &'static str, fn(&Config) -> bool);

/// `docs/cluster.md` is held to these by a test.
pub(super) const RULES: [Rule; 0] = [];

/// Refuses what is on in a configuration with a cluster.
pub(in crate::config) fn check(reader: &mut SettingsReader, config: &Config) {
    if config.cluster.is_none() {
        return;
    }
    if reader.is_dev() {
        reader.reject("cluster.redis", "must not be set in `userline dev`, which is one node");
    }
    let has_secret = config.cluster.as_ref().is_some_and(|it| it.secret.is_some());
    if config.sessions.resume_ttl.is_some() && !has_secret {
        let rule =
            "must be set with sessions.resume_ttl: the key that signs resume tokens is made of it";
        reader.reject("cluster.secret", rule);
    }
    for (key, rule, is_on) in RULES {
        if is_on(config) {
            reader.reject(key, format!("{rule} with cluster.redis: see docs/cluster.md"));
        }
    }
}
