//! When the keys of an issuer are fetched: before they are old, soon again after a failure, and when a token names a key
//! that is not known.
//!
//! ```text
//!            ┌──── interval passed, or a token with an unknown key ────┐
//!            ▼                                                         │
//!   fetch ───┬─▶ succeeded ─────────────────────────────────────────▶ wait
//!            └─▶ failed: 2, 4, 8, … 60 s, the last good keys stay ───▶ wait
//! ```
//!
//! A token with an unknown key is judged by keys that were fetched after it came, never by older ones: so an issuer may sign
//! with a new key as soon as it has published it, and no client is refused. Two fetches begin at least [`PAUSE`] apart,
//! however many such tokens come: those that come meanwhile share the next one.

#[cfg(test)]
mod tests;

use crate::types::Timestamp;
use std::time::Duration;

/// The least time between the beginnings of two fetches.
pub const PAUSE: Duration = Duration::from_secs(2);
/// The longest wait after failures in a row.
const BACKOFF_MAX: Duration = Duration::from_mins(1);

/// When the keys of one issuer are fetched.
#[derive(Debug, Clone)]
pub struct KeyRefresh {
    interval: Duration,
    /// The number of the last fetch that began, and when it did; none at the start.
    last: Option<(Fetch, Timestamp)>,
    is_running: bool,
    /// A token with an unknown key came since the last fetch began.
    is_asked: bool,
    /// When the next fetch begins if nobody asks.
    planned: Timestamp,
    failures: u32,
}

/// One fetch, by its number from 1 on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Fetch(pub u64);

impl KeyRefresh {
    /// Fetches at once, then each `interval`.
    pub fn new(interval: Duration, now: Timestamp) -> Self {
        Self { interval, last: None, is_running: false, is_asked: false, planned: now, failures: 0 }
    }

    /// When the next fetch is to begin; none while one is running.
    pub fn due(&self) -> Option<Timestamp> {
        if self.is_running {
            return None;
        }
        let earliest = self.last.map_or(Timestamp(0), |(_, began)| began + PAUSE);
        Some(if self.is_asked { earliest } else { self.planned.max(earliest) })
    }

    /// A fetch begins.
    pub fn begin(&mut self, now: Timestamp) -> Fetch {
        let fetch = self.next();
        self.last = Some((fetch, now));
        (self.is_running, self.is_asked) = (true, false);
        fetch
    }

    /// A token names a key that is not known: returns the fetch that judges it.
    pub fn ask(&mut self) -> Fetch {
        self.is_asked = true;
        self.next()
    }

    /// The fetch brought keys.
    pub fn succeeded(&mut self, now: Timestamp) {
        (self.is_running, self.failures) = (false, 0);
        self.planned = now + self.interval;
    }

    /// The fetch brought none; returns whether the one before did.
    pub fn failed(&mut self, now: Timestamp) -> bool {
        self.is_running = false;
        self.failures = self.failures.saturating_add(1);
        let doubled = PAUSE.saturating_mul(1 << (self.failures - 1).min(10));
        self.planned = now + doubled.min(BACKOFF_MAX).min(self.interval);
        self.failures == 1
    }

    fn next(&self) -> Fetch {
        self.last.map_or(Fetch(1), |(fetch, _)| Fetch(fetch.0 + 1))
    }
}
