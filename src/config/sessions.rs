//! `[sessions]`: how many connections a user may have, and how clients come back without credentials.

use super::reader::{Checked, SettingsReader};
use crate::core::auth::resume_families::LIFE_MAX;
use crate::core::control::seats::{SeatLimit, WhenFull};
use std::time::Duration;

/// How many connections a user may have, and how clients come back.
#[derive(Debug, Clone, Copy)]
pub struct SessionsConfig {
    /// So many, and what becomes of one more; `None`: as many as there are.
    pub seats: Option<SeatLimit>,
    /// How long a resume token lives; `None`: there are none.
    pub resume_ttl: Option<Duration>,
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
        let resume_ttl =
            reader.duration_if_set("sessions.resume_ttl", Duration::from_secs(10)..=LIFE_MAX);
        let (max, when_full, resume_ttl) = (max?, when_full?, resume_ttl?);
        Ok(Self { resume_ttl, seats: (0 < max).then_some(SeatLimit { max, when_full }) })
    }
}
