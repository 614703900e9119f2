//! `[sessions]`: how many connections a user may have.

use super::reader::{Checked, SettingsReader};
use crate::core::control::seats::{SeatLimit, WhenFull};

/// How many connections a user may have.
#[derive(Debug, Clone, Copy)]
pub struct SessionsConfig {
    /// So many, and what becomes of one more; `None`: as many as there are.
    pub seats: Option<SeatLimit>,
}

impl SessionsConfig {
    pub(super) fn read(reader: &mut SettingsReader) -> Checked<Self> {
        let max = reader.number("sessions.max_sockets_per_user", 0..=1000);
        let rule = "must be refuse or evict_oldest";
        let when_full = reader.parsed("sessions.on_limit", rule, |text| match text {
            "refuse" => Some(WhenFull::Refuse),
            "evict_oldest" => Some(WhenFull::EvictOldest),
            _ => None,
        });
        let (max, when_full) = (max?, when_full?);
        Ok(Self { seats: (0 < max).then_some(SeatLimit { max, when_full }) })
    }
}
