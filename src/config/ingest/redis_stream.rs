//! `[[ingest.redis_stream]]`: emits that wait in a stream of Redis.

use super::redis_emitter::{read_name, read_server};
use super::{SourceNames, or};
use crate::config::allowed::{self, Need};
use crate::config::reader::{Checked, SettingsReader};
use crate::config::redis_location::RedisLocation;
use crate::core::emit::allow::AllowList;
use crate::types::SourceName;
use std::time::Duration;

const STREAM: &str = "userline:emits";
const GROUP: &str = "userline";
const BATCH: u32 = 100;
const FAILED_MAX: u32 = 10_000;

/// One stream with emits.
#[derive(Debug, Clone)]
pub struct RedisStreamConfig {
    /// Its name in logs, metrics, the API, and in the ids of what is stored.
    pub name: SourceName,
    /// Where it is.
    pub server: RedisLocation,
    /// The key of the stream.
    pub stream: String,
    /// The group of consumers that reads it.
    pub group: String,
    /// Entries read at once.
    pub batch: u32,
    /// Entries that are older are not sent; `None`: however old they are.
    pub max_age: Option<Duration>,
    /// Entries that failed, kept in a stream of their own.
    pub failed_max: u32,
    /// What may be emitted, and to whom.
    pub allow: AllowList,
}

impl RedisStreamConfig {
    pub(super) fn read(
        reader: &mut SettingsReader,
        prefix: &str,
        names: &mut SourceNames,
    ) -> Checked<Self> {
        let at = |name: &str| format!("{prefix}.{name}");
        let name = names.read(reader, prefix);
        let server = read_server(reader, prefix);
        let stream = or(reader, &at("stream"), STREAM.to_owned(), read_name);
        let group = or(reader, &at("group"), GROUP.to_owned(), read_name);
        let batch = or(reader, &at("batch"), BATCH, |reader, key| reader.number(key, 1..=1000));
        let max_age = or(reader, &at("max_age"), None, |reader, key| {
            reader.duration(key, Duration::from_secs(1)..=Duration::from_hours(365 * 24)).map(Some)
        });
        let failed_max = or(reader, &at("failed_max"), FAILED_MAX, |reader, key| {
            reader.number(key, 1..=1_000_000)
        });
        let allow = allowed::read(reader, prefix, Need::MayBeLeftOut);
        Ok(Self {
            name: name?,
            server: server?,
            stream: stream?,
            group: group?,
            batch: batch?,
            max_age: max_age?,
            failed_max: failed_max?,
            allow: allow?,
        })
    }
}
