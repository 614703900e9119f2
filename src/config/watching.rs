//! `[presence]`, as far as it says which clients may see who is online.

use super::messages::rules;
use super::reader::{Checked, SettingsReader};
use crate::core::contacts::ContactRule;
use crate::core::watching::WatchBounds;

/// Which clients may see who is online, and how much of it.
#[derive(Debug, Clone)]
pub struct WatchingConfig {
    /// Whom a client sees: any of these is enough. None: nobody sees anything.
    pub shown_to: Vec<ContactRule>,
    /// How many users may be watched.
    pub bounds: WatchBounds,
}

impl WatchingConfig {
    pub(super) fn read(reader: &mut SettingsReader) -> Checked<Self> {
        let shown_to = rules(reader, "presence.shown_to");
        let per_socket = reader.number("presence.watches_per_socket", 1..=10_000);
        let total = reader.number("presence.watches", 1..=10_000_000);
        let bounds = WatchBounds { per_socket: per_socket?, total: total? };
        Ok(Self { shown_to: shown_to?, bounds })
    }

    /// Whether clients may ask at all.
    pub fn is_on(&self) -> bool {
        !self.shown_to.is_empty()
    }
}
