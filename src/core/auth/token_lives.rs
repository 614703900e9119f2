//! How long resume tokens live, also if the configuration is changed: whatever is kept against a token outlives it.

use super::resume_families::LIFE_MAX;
use crate::types::{WallMs, millis};
use std::time::Duration;

/// How much later than its client came, or was looked at, a token may be made: the disk has to be waited for.
pub const LATE: Duration = Duration::from_mins(1);

/// How long tokens live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenLives {
    /// One that is made now, at most.
    pub ttl: Duration,
    /// When the last of those has ended that were made before `ttl` was this.
    pub earlier_end: WallMs,
}

impl TokenLives {
    /// From `now` on they live for `ttl`; before, as `earlier` says. `None`: there was none.
    pub fn begin(ttl: Duration, earlier: Option<Self>, now: WallMs) -> Self {
        Self { ttl, earlier_end: earlier.map_or(WallMs(0), |it| it.ends_by(now)) }
    }

    /// What they were at most, where nobody wrote it down.
    pub fn unknown() -> Self {
        Self { ttl: LIFE_MAX, earlier_end: WallMs(0) }
    }

    /// When a token ends that is made at `now`, for credentials that end then.
    pub fn end(&self, credentials_end: Option<WallMs>, now: WallMs) -> WallMs {
        let end = WallMs(now.0.saturating_add(millis(self.ttl)));
        credentials_end.map_or(end, |it| end.min(it))
    }

    /// When every token has ended that was made until `now`, or a little later for a client that is here.
    pub fn ends_by(&self, now: WallMs) -> WallMs {
        let made_now = now.0.saturating_add(millis(self.ttl)).saturating_add(millis(LATE));
        WallMs(made_now).max(self.earlier_end)
    }
}
