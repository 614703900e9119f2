//! How old things are, whatever is done to the wall clock.

#[cfg(test)]
mod tests;

use crate::types::{Timestamp, WallMs, millis};
use std::time::Duration;

/// A wall clock that is so far ahead of the monotonic one was set; less is a clock that is being corrected.
const STEP: Duration = Duration::from_mins(1);

/// The time by which ages are measured. It follows the wall clock, but a step forward does not make things old at
/// once: for as long as they are kept, it stays behind by the step. After that everything from before the step is too
/// old by any clock.
#[derive(Debug)]
pub struct ClockStepGuard {
    keep: Duration,
    last: Option<(WallMs, Timestamp)>,
    /// How far the wall clock is ahead of what is believed, and until when.
    ahead: Duration,
    until: Timestamp,
}

/// What is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Believed {
    /// The time.
    pub at: WallMs,
    /// The wall clock was just set forward by so much.
    pub step: Option<Duration>,
}

impl ClockStepGuard {
    /// For things that are kept for so long. The first time that is told is believed: a wall clock that was set while
    /// nothing ran cannot be told from a long pause.
    pub fn new(keep: Duration) -> Self {
        Self { keep, last: None, ahead: Duration::ZERO, until: Timestamp(0) }
    }

    /// Takes the time of both clocks and says what is believed.
    pub fn tell(&mut self, wall: WallMs, now: Timestamp) -> Believed {
        let expected = self.last.map_or(wall, |(before, then)| {
            WallMs(before.0.saturating_add(now.0.saturating_sub(then.0)))
        });
        self.last = Some((wall, now));
        let forward = Duration::from_millis(wall.0.saturating_sub(expected.0));
        let back = Duration::from_millis(expected.0.saturating_sub(wall.0));
        let step = (STEP < forward).then_some(forward);
        if let Some(step) = step {
            self.ahead = self.ahead.saturating_add(step);
            self.until = now + self.keep;
        } else if STEP < back {
            self.ahead = self.ahead.saturating_sub(back);
        }
        if self.until <= now {
            self.ahead = Duration::ZERO;
        }
        let ahead_ms = millis(self.ahead);
        Believed { at: WallMs(wall.0.saturating_sub(ahead_ms)), step }
    }
}
