//! `[store]`: what survives a restart.

use super::reader::{Checked, SettingsReader};
use std::path::PathBuf;
use std::time::Duration;

/// What survives a restart, and where it is kept.
#[derive(Debug, Clone)]
pub struct StoreConfig {
    /// Folder of the database; made if missing; one process at a time.
    pub data_dir: PathBuf,
    /// How long delivered events and dead letters stay for `GET /v1/events` and replay.
    pub keep_events: Duration,
    /// How long items stay in inboxes: `inbox.keep`.
    pub keep_items: Duration,
}

impl StoreConfig {
    pub(super) fn read(reader: &mut SettingsReader, keep_items: Duration) -> Checked<Self> {
        let data_dir = reader.parsed("store.data_dir", "must be a path", |text| {
            (!text.is_empty()).then(|| PathBuf::from(text))
        });
        let keep_events = reader
            .duration("store.keep_events", Duration::from_mins(1)..=Duration::from_hours(365 * 24));
        Ok(Self { data_dir: data_dir?, keep_events: keep_events?, keep_items })
    }
}
