//! `[ingest]`: emits from what a backend has already.

mod postgres;
mod redis_emitter;
mod redis_stream;

pub use postgres::{DoneRows, PostgresConfig, TableName};
pub use redis_emitter::RedisEmitterConfig;
pub use redis_stream::RedisStreamConfig;

use super::reader::{Checked, SettingsReader};
use crate::types::SourceName;

/// What the server's own emits are marked with: answers of the backend, and what clients send to each other.
const RESERVED: [&str; 2] = ["events", SourceName::CLIENTS];
const SOURCES_LEN_MAX: usize = 16;

/// Where emits come from besides the admin API; nothing in it costs nothing.
#[derive(Debug, Clone)]
pub struct IngestConfig {
    /// `[[ingest.postgres]]`
    pub postgres: Vec<PostgresConfig>,
    /// `[[ingest.redis_emitter]]`
    pub redis_emitter: Vec<RedisEmitterConfig>,
    /// `[[ingest.redis_stream]]`
    pub redis_stream: Vec<RedisStreamConfig>,
}

impl IngestConfig {
    pub(super) fn read(reader: &mut SettingsReader) -> Checked<Self> {
        let (prefixes, tables) = reader.tables("ingest.postgres", SOURCES_LEN_MAX);
        let mut names = SourceNames::default();
        let postgres: Vec<_> =
            prefixes.iter().map(|it| PostgresConfig::read(reader, it, &mut names)).collect();
        let (prefixes, redis_tables) = reader.tables("ingest.redis_emitter", SOURCES_LEN_MAX);
        let redis_emitter: Vec<_> =
            prefixes.iter().map(|it| RedisEmitterConfig::read(reader, it, &mut names)).collect();
        let (prefixes, stream_tables) = reader.tables("ingest.redis_stream", SOURCES_LEN_MAX);
        let redis_stream: Vec<_> =
            prefixes.iter().map(|it| RedisStreamConfig::read(reader, it, &mut names)).collect();
        tables?;
        redis_tables?;
        stream_tables?;
        Ok(Self {
            postgres: postgres.into_iter().collect::<Checked<_>>()?,
            redis_emitter: redis_emitter.into_iter().collect::<Checked<_>>()?,
            redis_stream: redis_stream.into_iter().collect::<Checked<_>>()?,
        })
    }
}

/// The names of the sources, each given once.
#[derive(Default)]
struct SourceNames(Vec<SourceName>);

impl SourceNames {
    /// Reads the name of one more source.
    fn read(&mut self, reader: &mut SettingsReader, prefix: &str) -> Checked<SourceName> {
        let key = format!("{prefix}.name");
        let name = reader.parsed(&key, SourceName::RULE, SourceName::parse)?;
        if RESERVED.contains(&name.as_str()) {
            return Err(reader.reject(
                &key,
                "must not be `events` or `clients`: the server's own sources have these names",
            ));
        }
        if self.0.contains(&name) {
            return Err(reader.reject(&key, "must be unique among all sources"));
        }
        self.0.push(name.clone());
        Ok(name)
    }
}

/// The value of a key that may be left out.
fn or<T>(
    reader: &mut SettingsReader,
    key: &str,
    default: T,
    read: impl FnOnce(&mut SettingsReader, &str) -> Checked<T>,
) -> Checked<T> {
    if reader.is_written(key) { read(reader, key) } else { Ok(default) }
}
