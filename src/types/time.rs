//! Time and order, as plain numbers: only the clock makes them.

use super::number::millis;
use serde::{Deserialize, Serialize};
use std::ops::Add;
use std::time::Duration;

/// Milliseconds of monotonic time since an arbitrary point of this process's life. Never goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// Time passed since `earlier`; zero if `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, after: Duration) -> Self {
        Self(self.0.saturating_add(millis(after)))
    }
}

/// Milliseconds since the Unix epoch by the wall clock: for people and other machines, never for deadlines.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct WallMs(pub u64);

/// Orders the presence changes of one user: strictly increasing, not contiguous.
///
/// A hybrid logical clock in microseconds since the Unix epoch, so it keeps growing over restarts and even over
/// the loss of all state. Fits a JavaScript safe integer until the year 2255.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct Seq(pub u64);

/// What the clock says at one instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Moment {
    /// For deadlines.
    pub now: Timestamp,
    /// For people.
    pub wall: WallMs,
    /// For order: never given twice.
    pub seq: Seq,
}
