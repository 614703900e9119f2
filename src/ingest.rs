//! Emits from what a backend has already, besides the admin API. Each source is a task of its own that translates, takes the
//! rules from [`core::ingest`](crate::core::ingest), and sends what every other emit is sent with.
//!
//! | source | |
//! | --- | --- |
//! | `postgres` | rows of a table in PostgreSQL |
//! | `redis_emitter` | what emitters of other servers publish on Redis |
//! | `redis_stream` | entries of a stream in Redis |

mod check;
mod intake;
mod ordered;
mod postgres;
mod redis;
mod redis_emitter;
mod redis_stream;
mod reporter;
mod trouble;

pub use check::SourceCheck;
pub use intake::IngestParts;
pub use postgres::check_postgres;
pub use redis_emitter::check_redis_emitter;
pub use redis_stream::check_redis_stream;

use crate::clock::Clock;
use crate::config::{IngestConfig, TableName};
use crate::realtime::sources::{IngestSources, SourceKind, SourceView};
use crate::tasks::Tasks;
use crate::types::SourceName;
use intake::Intake;
use postgres::PostgresTask;
use redis_emitter::RedisEmitterTask;
use redis_stream::RedisStreamTask;
use reporter::Reporter;
use std::fmt::{self, Display};
use thiserror::Error;

/// A source that cannot be run.
#[derive(Debug, Error)]
#[error("ingest source `{name}`: {why}")]
pub struct IngestError {
    name: SourceName,
    why: String,
}

/// All sources of the configuration, ready to run.
pub struct Ingest {
    postgres: Vec<PostgresTask>,
    redis_emitter: Vec<RedisEmitterTask>,
    redis_stream: Vec<RedisStreamTask>,
    sources: IngestSources,
}

impl fmt::Debug for Ingest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ingest").field("sources", &self.sources).finish_non_exhaustive()
    }
}

/// Says what of the configuration cannot be used, without reaching for anything.
pub fn check_config(config: &IngestConfig) -> Result<(), IngestError> {
    for one in &config.postgres {
        postgres::check_config(one).map_err(|why| cannot(&one.name, why))?;
    }
    Ok(())
}

/// What a database needs for a source, as SQL; `channel` is that of the notifications, if there are any, and `role` what
/// userline connects as.
pub fn postgres_sql(table: &TableName, channel: Option<&str>, role: &str) -> String {
    postgres::sql(table, channel, role)
}

impl Ingest {
    /// The sources of the configuration, which end when `tasks` do; nothing runs yet.
    pub fn new(
        config: &IngestConfig,
        parts: &IngestParts,
        clock: &Clock,
        tasks: &Tasks,
    ) -> Result<Self, IngestError> {
        let (mut postgres, mut views) = (Vec::new(), Vec::new());
        for one in &config.postgres {
            let (view, reports) = SourceView::new(one.name.clone(), SourceKind::Postgres);
            let stop = tasks.stopping();
            let task = PostgresTask::new(one, parts.clone(), reports, clock.clone(), stop);
            postgres.push(task.map_err(|why| cannot(&one.name, why))?);
            views.push(view);
        }
        let mut redis_emitter = Vec::new();
        for one in &config.redis_emitter {
            let (view, reports) = SourceView::new(one.name.clone(), SourceKind::RedisEmitter);
            let (name, allow, parts) = (one.name.clone(), one.allow.clone(), parts.clone());
            let reporter = Reporter::new(name.clone(), clock.clone(), reports);
            let intake = Intake { name, allow, parts };
            let stop = tasks.stopping();
            let task = RedisEmitterTask::new(one, intake, reporter, clock.clone(), stop);
            redis_emitter.push(task);
            views.push(view);
        }
        let mut redis_stream = Vec::new();
        for one in &config.redis_stream {
            let (view, reports) = SourceView::new(one.name.clone(), SourceKind::RedisStream);
            let (name, allow, parts) = (one.name.clone(), one.allow.clone(), parts.clone());
            let reporter = Reporter::new(name.clone(), clock.clone(), reports);
            let intake = Intake { name, allow, parts };
            let stop = tasks.stopping();
            let task = RedisStreamTask::new(one, intake, reporter, clock.clone(), stop);
            redis_stream.push(task);
            views.push(view);
        }
        Ok(Self { postgres, redis_emitter, redis_stream, sources: IngestSources::new(views) })
    }

    /// How they are doing.
    pub fn sources(&self) -> IngestSources {
        self.sources.clone()
    }

    /// Lets them run. Each ends by itself when `tasks` stop: what it is sending then, it finishes.
    pub fn start(self, tasks: &Tasks) {
        for source in self.postgres {
            tasks.spawn_to_end("ingest.postgres", source.run());
        }
        for source in self.redis_emitter {
            tasks.spawn_to_end("ingest.redis_emitter", source.run());
        }
        for source in self.redis_stream {
            tasks.spawn_to_end("ingest.redis_stream", source.run());
        }
    }
}

fn cannot(name: &SourceName, why: impl Display) -> IngestError {
    IngestError { name: name.clone(), why: why.to_string() }
}
