//! `[history]`: what is remembered of sockets that are gone.

use super::reader::{Checked, SettingsReader};
use std::time::Duration;

/// What is remembered of sockets that are gone.
#[derive(Debug, Clone, Copy)]
pub struct HistoryConfig {
    /// Sockets of one user; beyond, the one that went first is forgotten.
    pub per_user: usize,
    /// Sockets in all; beyond, the one that went first is forgotten. Zero remembers none.
    pub total: usize,
    /// How long a socket is remembered after its end.
    pub keep: Duration,
}

impl HistoryConfig {
    pub(super) fn read(reader: &mut SettingsReader) -> Checked<Self> {
        let per_user = reader.number("history.per_user", 1..=1000);
        let total = reader.number("history.total", 0..=10_000_000);
        let keep =
            reader.duration("history.keep", Duration::from_mins(1)..=Duration::from_hours(30 * 24));
        Ok(Self { per_user: per_user?, total: total?, keep: keep? })
    }
}
