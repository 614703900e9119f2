//! When a client is told that its credentials end, when its connection is closed if it brings no others, and when it gets a
//! newer resume token.
//!
//! ```text
//!   connect ──────────────────────► warn ──two margins──► close ──less than a margin──► the end
//!      ▲                                                    │
//!      └──────── refresh: the same for the new end ─────────┘
//! ```
//!
//! The margin is a tenth of the time that was left at the connect, at most [`MARGIN_MAX`]. Where within the margin a
//! connection is closed is random: the credentials of many may end at once, and their clients come back by themselves.
//! Credentials that have ended already were accepted because clocks differ: they are good for a little while longer, or
//! their clients would come back with them in a breath, again and again.

#[cfg(test)]
mod tests;

use crate::types::{Timestamp, WallMs};
use std::time::Duration;

/// The longest time by which a connection is closed before its credentials end.
pub const MARGIN_MAX: Duration = Duration::from_secs(30);
/// How long credentials count that have ended by the clock of this server.
const ENDED_GRACE: Duration = Duration::from_secs(5);

/// When something happens to one socket because its credentials end, or its resume token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CredentialExpiry {
    end: Option<CredentialEnd>,
    renewal: Option<Renewal>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct CredentialEnd {
    warn_at: Timestamp,
    close_at: Timestamp,
    is_warned: bool,
}

/// When the client gets its next resume token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Renewal {
    at: Timestamp,
    every: Duration,
    life: Duration,
}

/// What is due for a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpiryStep {
    /// Nothing: newer credentials have come meanwhile.
    Nothing,
    /// The client is told.
    Warn,
    /// The client gets a newer resume token.
    Renew,
    /// The connection is closed.
    Close,
}

impl CredentialExpiry {
    /// Credentials that end at `expires_at`, if they do, and a resume token that lives for `resume_life`, if there is one, looked
    /// at when the clocks say `now` and `wall`. `chance` is any number.
    pub fn new(
        expires_at: Option<WallMs>,
        resume_life: Option<Duration>,
        (now, wall): (Timestamp, WallMs),
        chance: u32,
    ) -> Self {
        let chance = f64::from(chance) / f64::from(u32::MAX);
        let end = expires_at.map(|at| CredentialEnd::new(at, (now, wall), chance));
        let renewal = resume_life.map(|life| {
            // From half of its life to three quarters, so that many are not renewed at once.
            let every = life.mul_f64(0.5 + chance / 4.0);
            Renewal { at: now + every, every, life }
        });
        let mut new = Self { end, renewal };
        new.drop_idle_renewal(now);
        new
    }

    /// When it is to be looked at next, if ever.
    pub fn reminder(&self) -> Option<Timestamp> {
        let end = self.end.map(|end| if end.is_warned { end.close_at } else { end.warn_at });
        [end, self.renewal.map(|it| it.at)].into_iter().flatten().min()
    }

    /// A reminder has come.
    pub fn due(&mut self, now: Timestamp) -> ExpiryStep {
        if let Some(end) = &mut self.end {
            if end.close_at <= now {
                return ExpiryStep::Close;
            }
            if !end.is_warned && end.warn_at <= now {
                end.is_warned = true;
                return ExpiryStep::Warn;
            }
        }
        match &mut self.renewal {
            Some(renewal) if renewal.at <= now => {
                renewal.at = now + renewal.every;
                self.drop_idle_renewal(now);
                ExpiryStep::Renew
            }
            Some(_) | None => ExpiryStep::Nothing,
        }
    }

    /// A resume token does not outlive the credentials: one that would live as long as they do is the last.
    fn drop_idle_renewal(&mut self, now: Timestamp) {
        let close_at = self.end.map(|end| end.close_at);
        self.renewal = self.renewal.filter(|it| close_at.is_none_or(|at| now + it.life < at));
    }
}

impl CredentialEnd {
    fn new(expires_at: WallMs, (now, wall): (Timestamp, WallMs), chance: f64) -> Self {
        let left = match expires_at.0.saturating_sub(wall.0) {
            0 => ENDED_GRACE,
            ms => Duration::from_millis(ms),
        };
        let margin = (left / 10).min(MARGIN_MAX);
        let close_after = left.saturating_sub(margin.mul_f64(chance));
        let warn_at = now + close_after.saturating_sub(margin * 2);
        Self { warn_at, close_at: now + close_after, is_warned: false }
    }
}
