//! The only reader of clocks.

use crate::types::{Moment, Seq, Timestamp, WallMs, millis, saturating_u64};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::Instant;

/// Tells the time and gives out sequence numbers. Cheap to clone; clones share their sequence.
///
/// Deadlines come from tokio's clock, so a paused runtime owns them in tests; a step of the wall clock moves no
/// deadline.
#[derive(Debug, Clone)]
pub struct Clock {
    started: Instant,
    last_seq: Arc<AtomicU64>,
    wall: fn() -> u64,
}

impl Clock {
    /// A clock whose sequence numbers are all higher than `after`, the last one of an earlier life.
    pub fn start(after: Seq) -> Self {
        Self::start_with(after, wall_micros)
    }

    /// The same with a wall clock of the caller's own, in microseconds since the Unix epoch.
    #[expect(clippy::disallowed_methods, reason = "this is the Clock")]
    pub(crate) fn start_with(after: Seq, wall: fn() -> u64) -> Self {
        Self { started: Instant::now(), last_seq: Arc::new(AtomicU64::new(after.0)), wall }
    }

    /// Monotonic time.
    pub fn now(&self) -> Timestamp {
        Timestamp(millis(self.started.elapsed()))
    }

    /// Monotonic time since the start of this clock, as fine as the system has it: for measuring, not for deadlines.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Wall-clock time.
    pub fn wall(&self) -> WallMs {
        WallMs((self.wall)() / 1000)
    }

    /// Both times and a fresh sequence number.
    pub fn moment(&self) -> Moment {
        let micros = (self.wall)();
        let next = |last: u64| micros.max(last + 1);
        let last =
            self.last_seq.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |l| Some(next(l)));
        let seq = Seq(next(last.unwrap_or_else(|l| l)));
        Moment { now: self.now(), wall: WallMs(micros / 1000), seq }
    }

    /// Waits until `at`; returns at once if it has passed.
    pub async fn sleep_until(&self, at: Timestamp) {
        tokio::time::sleep_until(self.started + Duration::from_millis(at.0)).await;
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the Clock")]
fn wall_micros() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    saturating_u64(since.as_micros())
}

#[cfg(test)]
mod tests {
    use super::{Clock, Seq, Timestamp, WallMs};
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    /// A wall clock that is set by hand; one test uses it.
    static WALL: AtomicU64 = AtomicU64::new(0);

    #[tokio::test(start_paused = true)]
    async fn a_step_of_the_wall_clock_moves_no_deadline_and_takes_back_no_sequence_number() {
        const HOUR: u64 = 3_600_000_000;
        WALL.store(10 * HOUR, Ordering::Relaxed);
        let clock = Clock::start_with(Seq(0), || WALL.load(Ordering::Relaxed));
        let mut last = clock.moment();
        assert_eq!((last.seq, last.wall), (Seq(10 * HOUR), WallMs(36_000_000)));

        for wall in [9 * HOUR, 20 * HOUR, 0, 20 * HOUR - 1, 20 * HOUR + 7] {
            WALL.store(wall, Ordering::Relaxed);
            let due = clock.now() + Duration::from_secs(1);
            clock.sleep_until(due).await;

            let now = clock.moment();
            assert_eq!(now.wall, WallMs(wall / 1000));
            assert!(last.seq < now.seq, "{:?} after {:?}", now.seq, last.seq);
            assert!(due <= now.now && now.now <= due + Duration::from_millis(2), "{now:?}");
            last = now;
        }
        assert_eq!(
            last.seq,
            Seq(20 * HOUR + 7),
            "as soon as the wall clock is ahead it leads again"
        );
        assert!(Timestamp(5_000) <= last.now);
    }

    #[test]
    fn sequence_numbers_go_on_after_those_of_an_earlier_life_whose_wall_clock_was_ahead() {
        let ahead = Seq(u64::MAX / 2);
        let clock = Clock::start(ahead);

        assert_eq!(clock.moment().seq, Seq(ahead.0 + 1));
        assert_eq!(clock.moment().seq, Seq(ahead.0 + 2));
    }
}
