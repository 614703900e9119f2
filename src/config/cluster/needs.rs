//! What a cluster needs of the other sections.

use crate::config::Config;
use crate::config::reader::SettingsReader;

/// Refuses what does not go together with a cluster.
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
}
