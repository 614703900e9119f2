//! The sources of emits besides the admin API, as they report themselves: for whoever looks.

use crate::types::{SourceName, WallMs};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// How all sources are doing. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct IngestSources(Arc<[SourceView]>);

/// One source, for whoever looks.
#[derive(Debug)]
pub struct SourceView {
    /// Its name in the configuration.
    pub name: SourceName,
    /// What it is.
    pub kind: SourceKind,
    /// Says how it is doing.
    reports: watch::Receiver<SourceReport>,
}

/// What a source is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceKind {
    /// A table in PostgreSQL.
    Postgres,
    /// What others publish on Redis.
    RedisEmitter,
    /// A stream in Redis.
    RedisStream,
}

/// What a source is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SourceState {
    /// It has not reached where its messages are yet.
    #[default]
    Connecting,
    /// It takes messages.
    Active,
    /// Another server takes them; it waits for its turn.
    Standby,
    /// It cannot, and tries again.
    Failing,
}

/// How a source is doing, since the server started.
#[derive(Debug, Clone, Default)]
pub struct SourceReport {
    /// What it is doing.
    pub state: SourceState,
    /// Messages that wait for it, as it last counted; `None` if it has not, or if nothing can wait there.
    pub backlog: Option<u64>,
    /// Messages that failed and are still where they came from; `None` as for `backlog`.
    pub failed: Option<u64>,
    /// How long the oldest of those that wait has waited.
    pub lag: Option<Duration>,
    /// What became of its messages.
    pub counts: SourceCounts,
    /// What last kept it from its messages.
    pub trouble: Option<SourceTrouble>,
    /// From when to when it last may have missed messages, where nothing keeps them.
    pub missed: Option<(WallMs, WallMs)>,
    /// The last message that it refused.
    pub refused: Option<SourceTrouble>,
}

/// What became of the messages of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SourceCounts {
    /// Emitted, to somebody or into an inbox.
    pub emitted: u64,
    /// Stored before under the same name: not emitted again.
    pub repeated: u64,
    /// Emitted, and nobody was there for whom they were.
    pub unmatched: u64,
    /// Had sockets join or leave rooms, or disconnected them.
    pub changed: u64,
    /// Wrong, or not allowed: not emitted.
    pub refused: u64,
    /// Too old: not emitted.
    pub expired: u64,
    /// Lost before they could be read.
    pub lost: u64,
}

/// Something that went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceTrouble {
    /// When.
    pub at: WallMs,
    /// The stable name of what it is.
    pub code: &'static str,
    /// The same for people.
    pub message: String,
}

impl SourceKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Postgres, Self::RedisEmitter, Self::RedisStream];

    /// Its name in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::RedisEmitter => "redis_emitter",
            Self::RedisStream => "redis_stream",
        }
    }
}

impl SourceState {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Connecting, Self::Active, Self::Standby, Self::Failing];

    /// Its name in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Active => "active",
            Self::Standby => "standby",
            Self::Failing => "failing",
        }
    }
}

impl SourceView {
    /// A source, and where it reports to.
    pub fn new(name: SourceName, kind: SourceKind) -> (Self, watch::Sender<SourceReport>) {
        let (sender, reports) = watch::channel(SourceReport::default());
        (Self { name, kind, reports }, sender)
    }

    /// What it reported last.
    pub fn report(&self) -> SourceReport {
        self.reports.borrow().clone()
    }
}

impl IngestSources {
    /// All sources, in the order of the configuration.
    pub fn new(all: Vec<SourceView>) -> Self {
        Self(all.into())
    }

    /// The sources, in the order of the configuration.
    pub fn iter(&self) -> impl Iterator<Item = &SourceView> {
        self.0.iter()
    }
}
