//! The only reader of clocks.

use crate::types::{Moment, Seq, Timestamp, WallMs};
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
}

impl Clock {
    /// A clock whose sequence numbers are all higher than `after`, the last one of an earlier life.
    #[expect(clippy::disallowed_methods, reason = "this is the Clock")]
    pub fn start(after: Seq) -> Self {
        Self { started: Instant::now(), last_seq: Arc::new(AtomicU64::new(after.0)) }
    }

    /// Monotonic time.
    pub fn now(&self) -> Timestamp {
        let passed = self.started.elapsed().as_millis();
        Timestamp(u64::try_from(passed).unwrap_or(u64::MAX))
    }

    /// Wall-clock time.
    pub fn wall(&self) -> WallMs {
        WallMs(self.wall_micros() / 1000)
    }

    /// Both times and a fresh sequence number.
    pub fn moment(&self) -> Moment {
        let micros = self.wall_micros();
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

    #[expect(clippy::disallowed_methods, reason = "this is the Clock")]
    #[expect(
        clippy::unused_self,
        reason = "callers hold a clock so that tests can own all of time"
    )]
    fn wall_micros(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
    }
}
