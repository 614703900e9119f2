//! Whether this process has been standing still, so that nobody's grace runs out unheard.
//!
//! A paused process (SIGSTOP, a suspended machine, a disk that blocks) hears no client that knocks, while the clock
//! goes on. Whoever was back in time is heard only afterwards: so after a standstill nobody goes offline for as long as
//! it lasted, up to one grace.
//!
//! ```text
//!   beat   beat   beat                         beat   beat
//!    │      │      │ ┄┄┄┄┄┄ standstill ┄┄┄┄┄┄┄┄ │ held  │ held │
//! ```

use crate::types::Timestamp;
use std::time::Duration;

/// Time between two beats while all is well.
pub const BEAT: Duration = Duration::from_millis(250);
/// Time between two beats from which on it was a standstill; a busy machine is late by less.
const STANDSTILL: Duration = Duration::from_secs(1);

/// The beats of one loop.
#[derive(Debug, Clone, Copy)]
pub struct StandstillGuard {
    last: Timestamp,
    held_until: Timestamp,
    hold_max: Duration,
}

impl StandstillGuard {
    /// Beats from `now` on; holds for `hold_max` at the most.
    pub fn new(now: Timestamp, hold_max: Duration) -> Self {
        Self { last: now, held_until: now, hold_max }
    }

    /// A beat. Returns the time before which nothing may be taken for overdue.
    pub fn beat(&mut self, now: Timestamp) -> Timestamp {
        let gap = now.since(self.last);
        self.last = now;
        if STANDSTILL < gap {
            self.held_until = self.held_until.max(now + gap.min(self.hold_max));
        }
        self.held_until
    }

    /// There was no reason to beat until `until`.
    pub fn rested(&mut self, until: Timestamp) {
        self.last = self.last.max(until);
    }
}

#[cfg(test)]
mod tests {
    use super::{BEAT, StandstillGuard};
    use crate::types::Timestamp;
    use std::time::Duration;

    const GRACE: Duration = Duration::from_secs(10);

    #[test]
    fn nothing_is_held_while_it_beats() {
        let mut it = StandstillGuard::new(Timestamp(0), GRACE);
        let mut now = Timestamp(0);
        for _ in 0..100 {
            now = now + BEAT;
            assert!(it.beat(now) <= now);
        }
        assert!(it.beat(now + Duration::from_secs(1)) <= now, "a busy machine is no standstill");
    }

    #[test]
    fn after_a_standstill_all_is_held_for_as_long_as_it_lasted_up_to_the_grace() {
        let mut it = StandstillGuard::new(Timestamp(0), GRACE);

        assert_eq!(it.beat(Timestamp(3_000)), Timestamp(6_000));
        assert_eq!(it.beat(Timestamp(3_250)), Timestamp(6_000));
        assert_eq!(it.beat(Timestamp(63_250)), Timestamp(73_250));
    }

    #[test]
    fn a_rest_is_no_standstill() {
        let mut it = StandstillGuard::new(Timestamp(0), GRACE);

        it.rested(Timestamp(60_000));

        assert!(it.beat(Timestamp(60_250)) <= Timestamp(60_250));
    }

    #[test]
    fn a_rest_before_the_last_beat_is_over() {
        let mut it = StandstillGuard::new(Timestamp(0), GRACE);
        it.beat(Timestamp(900));

        it.rested(Timestamp(100));

        assert!(it.beat(Timestamp(1_800)) <= Timestamp(1_800));
    }
}
