//! Whether clients get from polling to WebSocket: behind a proxy that forwards no `Upgrade` none does, and nobody complains.
//!
//! One client that polls says nothing: a library that can do no more, a strict network. Many that poll for longer than an
//! upgrade takes, and not one WebSocket since the start, is what such a proxy looks like from behind.

use crate::types::Timestamp;
use std::time::Duration;

/// Clients that poll before anything is concluded.
pub const CLIENTS_MIN: usize = 20;

/// Watches one server from its start, until it has something to say.
#[derive(Debug, Clone, Copy)]
pub struct UpgradeWatch {
    /// How long an upgrade may take.
    patience: Duration,
    /// Since when so many poll.
    polled_since: Option<Timestamp>,
}

/// What can be said of upgrades.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upgrades {
    /// Nothing yet.
    Unknown,
    /// They work: there was a WebSocket.
    Work,
    /// They do not: many poll, and there never was a WebSocket.
    Fail,
}

impl UpgradeWatch {
    /// Knows nothing yet; an upgrade may take `patience`.
    pub fn new(patience: Duration) -> Self {
        Self { patience, polled_since: None }
    }

    /// Looks at how many poll now, and whether there was any WebSocket since the start.
    pub fn look(&mut self, now: Timestamp, polling: usize, was_websocket: bool) -> Upgrades {
        if was_websocket {
            return Upgrades::Work;
        }
        if polling < CLIENTS_MIN {
            self.polled_since = None;
            return Upgrades::Unknown;
        }
        let since = *self.polled_since.get_or_insert(now);
        if now.since(since) < self.patience { Upgrades::Unknown } else { Upgrades::Fail }
    }
}

#[cfg(test)]
mod tests {
    use super::{CLIENTS_MIN, UpgradeWatch, Upgrades};
    use crate::types::Timestamp;
    use std::time::Duration;

    fn watch() -> UpgradeWatch {
        UpgradeWatch::new(Duration::from_secs(10))
    }

    #[test]
    fn many_that_poll_for_longer_than_an_upgrade_takes_are_told() {
        let mut watch = watch();
        assert_eq!(watch.look(Timestamp(5_000), CLIENTS_MIN, false), Upgrades::Unknown);
        assert_eq!(watch.look(Timestamp(14_999), 1000, false), Upgrades::Unknown);
        assert_eq!(watch.look(Timestamp(15_000), CLIENTS_MIN, false), Upgrades::Fail);
    }

    #[test]
    fn one_websocket_is_enough_to_know_better() {
        let mut watch = watch();
        assert_eq!(watch.look(Timestamp(0), 1000, false), Upgrades::Unknown);
        assert_eq!(watch.look(Timestamp(60_000), 1000, true), Upgrades::Work);
    }

    #[test]
    fn a_few_that_poll_say_nothing_and_the_time_begins_anew() {
        let mut watch = watch();
        assert_eq!(watch.look(Timestamp(0), CLIENTS_MIN - 1, false), Upgrades::Unknown);
        assert_eq!(watch.look(Timestamp(60_000), CLIENTS_MIN - 1, false), Upgrades::Unknown);
        assert_eq!(watch.look(Timestamp(61_000), CLIENTS_MIN, false), Upgrades::Unknown);
        assert_eq!(watch.look(Timestamp(65_000), CLIENTS_MIN - 1, false), Upgrades::Unknown);
        assert_eq!(watch.look(Timestamp(71_000), CLIENTS_MIN, false), Upgrades::Unknown);
        assert_eq!(watch.look(Timestamp(81_000), CLIENTS_MIN, false), Upgrades::Fail);
    }
}
