//! When a client is told that its credentials end, and when its connection is closed if it brings no others.
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

/// When something happens to one socket because its credentials end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CredentialExpiry {
    warn_at: Timestamp,
    close_at: Timestamp,
    is_warned: bool,
}

/// What is due for a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpiryStep {
    /// Nothing: newer credentials have come meanwhile.
    Nothing,
    /// The client is told.
    Warn,
    /// The connection is closed.
    Close,
}

impl CredentialExpiry {
    /// Credentials that end at `expires_at`, looked at when the clocks say `now` and `wall`. `chance` is any number.
    pub fn new(expires_at: WallMs, (now, wall): (Timestamp, WallMs), chance: u32) -> Self {
        let left = match expires_at.0.saturating_sub(wall.0) {
            0 => ENDED_GRACE,
            ms => Duration::from_millis(ms),
        };
        let margin = (left / 10).min(MARGIN_MAX);
        let early = margin.mul_f64(f64::from(chance) / f64::from(u32::MAX));
        let close_after = left.saturating_sub(early);
        let warn_at = now + close_after.saturating_sub(margin * 2);
        Self { warn_at, close_at: now + close_after, is_warned: false }
    }

    /// When it is to be looked at next.
    pub fn reminder(&self) -> Timestamp {
        if self.is_warned { self.close_at } else { self.warn_at }
    }

    /// A reminder has come.
    pub fn due(&mut self, now: Timestamp) -> ExpiryStep {
        if now < self.reminder() {
            return ExpiryStep::Nothing;
        }
        if self.close_at <= now {
            return ExpiryStep::Close;
        }
        self.is_warned = true;
        ExpiryStep::Warn
    }
}
