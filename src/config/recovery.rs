//! `[recovery]`: what a client that was away for a moment gets when it is back.

use super::reader::{Checked, SettingsReader};
use crate::types::Namespace;
use std::time::Duration;

/// What a client that was away for a moment gets when it is back.
#[derive(Debug, Clone)]
pub struct RecoveryConfig {
    /// How long a client may be away; zero switches recovery off.
    pub window: Duration,
    /// Events that are kept, per namespace.
    pub events_max: usize,
    /// Bytes of events that are kept, per namespace.
    pub bytes_max: usize,
    /// Sessions of absent clients that are kept, per namespace.
    pub sessions_max: usize,
    /// Of these, of one user.
    pub sessions_per_user: usize,
    /// Namespaces without recovery.
    pub except: Vec<Namespace>,
}

const NAMESPACES_LEN_MAX: usize = 64;

impl RecoveryConfig {
    pub(super) fn read(reader: &mut SettingsReader) -> Checked<Self> {
        let window = reader.duration("recovery.window", Duration::ZERO..=Duration::from_hours(1));
        let events_max = reader.number("recovery.events_max", 1..=10_000_000);
        let bytes_max = reader.size("recovery.bytes_max", 1_000..=10_000_000_000);
        let sessions_max = reader.number("recovery.sessions_max", 1..=10_000_000);
        let sessions_per_user = reader.number("recovery.sessions_per_user", 1..=10_000_000);
        let except = reader.list(
            "recovery.except",
            NAMESPACES_LEN_MAX,
            "must be namespaces such as \"/chat\"",
            |text| Namespace::parse(text).ok(),
        );
        Ok(Self {
            window: window?,
            events_max: events_max?,
            bytes_max: bytes_max?,
            sessions_max: sessions_max?,
            sessions_per_user: sessions_per_user?,
            except: except?,
        })
    }

    /// Whether clients of `namespace` recover.
    pub fn covers(&self, namespace: &Namespace) -> bool {
        !self.window.is_zero() && !self.except.contains(namespace)
    }
}
