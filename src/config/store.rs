//! `[store]`: what survives a restart.

use std::path::PathBuf;
use std::time::Duration;

/// What survives a restart, and where it is kept.
#[derive(Debug, Clone)]
pub struct StoreConfig {
    /// Folder of the database; made if missing; one process at a time.
    pub data_dir: PathBuf,
    /// How long delivered events and dead letters stay for `GET /v1/events` and replay.
    pub keep_events: Duration,
}
