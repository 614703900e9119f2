//! `[inbox]`: how long stored events are kept, and how many.

use super::reader::{Checked, SettingsReader};
use std::time::Duration;

/// How long stored events are kept, and how many.
#[derive(Debug, Clone, Copy)]
pub struct InboxConfig {
    /// How long an item stays, and the longest `ttl` that a sender may ask for.
    pub keep: Duration,
    /// Items of one user; beyond, the oldest goes.
    pub max_per_user: u64,
}

impl InboxConfig {
    pub(super) fn read(reader: &mut SettingsReader) -> Checked<Self> {
        let keep =
            reader.duration("inbox.keep", Duration::from_mins(1)..=Duration::from_hours(365 * 24));
        let max_per_user = reader.number("inbox.max_per_user", 1..=10_000);
        Ok(Self { keep: keep?, max_per_user: max_per_user? })
    }
}
