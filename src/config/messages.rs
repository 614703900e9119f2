//! `[messages]`: what is remembered of messages.

use super::reader::{Checked, SettingsReader};
use std::time::Duration;

/// What is remembered of messages: of those that asked for acks what became of them, of all that they were.
#[derive(Debug, Clone, Copy)]
pub struct MessagesConfig {
    /// How long, from the emit.
    pub keep: Duration,
    /// How many; beyond, the oldest is forgotten. Zero remembers none.
    pub entries_max: usize,
    /// Bytes of all of them.
    pub bytes_max: usize,
    /// How many of all that were emitted last. Zero remembers none.
    pub recent: usize,
}

impl MessagesConfig {
    pub(super) fn read(reader: &mut SettingsReader) -> Checked<Self> {
        let keep = Duration::from_mins(1)..=Duration::from_hours(7 * 24);
        let keep = reader.duration("messages.keep", keep);
        let entries_max = reader.number("messages.max", 0..=10_000_000);
        let bytes_max = reader.size("messages.bytes", 1_000_000..=10_000_000_000);
        let recent = reader.number("messages.recent", 0..=100_000);
        Ok(Self { keep: keep?, entries_max: entries_max?, bytes_max: bytes_max?, recent: recent? })
    }
}
