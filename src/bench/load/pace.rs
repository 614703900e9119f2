//! When the next event is due at a given rate.

use std::time::Duration;

/// Longest wait when nothing is due.
const WAIT_MAX: Duration = Duration::from_millis(50);
const SECOND: Duration = Duration::from_secs(1);

/// When the next event is due, at so many a second since the beginning. Events that were due earlier are made up for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    begun: Duration,
    interval: Duration,
    count: u32,
}

impl Pace {
    /// `rate` a second from `begun` on; without a rate all is always due.
    pub(crate) fn new(rate: Option<usize>, begun: Duration) -> Self {
        let per_second = rate.and_then(|rate| u32::try_from(rate).ok());
        let interval = per_second.and_then(|rate| SECOND.checked_div(rate)).unwrap_or_default();
        Self { begun, interval, count: 0 }
    }

    pub(crate) fn is_due(&self, now: Duration) -> bool {
        self.due() <= now
    }

    /// One was sent.
    pub(crate) fn count(&mut self) {
        self.count = self.count.saturating_add(1);
    }

    /// How long to wait for news at most.
    pub(crate) fn wait(&self, now: Duration) -> Duration {
        if self.interval.is_zero() {
            return WAIT_MAX;
        }
        match self.due().checked_sub(now) {
            // The poll counts in milliseconds and rounds up: a short wait is none.
            Some(wait) => wait.saturating_sub(Duration::from_millis(1)).min(WAIT_MAX),
            // An event is due, and no sender is free.
            None => Duration::from_millis(1),
        }
    }

    fn due(&self) -> Duration {
        self.begun.saturating_add(self.interval.saturating_mul(self.count))
    }
}
