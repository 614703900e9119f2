//! The words of hook delivery: what waits, how a receiver answers, what is decided then.

#[cfg(test)]
mod tests;

use crate::types::{Timestamp, UserId, WallMs};
use std::fmt;
use std::time::Duration;

/// The number of one hook to one endpoint, given by the store: a later event of a user has a higher one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeliveryId(pub u64);

impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An undelivered hook of one user to one endpoint, without its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingHook {
    /// The number of the delivery.
    pub id: DeliveryId,
    /// The user whom the event is about.
    pub user: UserId,
    /// Attempts that failed so far.
    pub attempts: u32,
    /// When the event happened, by the wall clock; after a replay, when it was replayed. The time for which it is
    /// retried counts from here.
    pub created: WallMs,
    /// When it is to be tried again, by the wall clock, if an attempt has failed before.
    pub next_attempt: Option<WallMs>,
}

/// How one request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttemptOutcome {
    /// 2xx: the receiver has it.
    Accepted,
    /// A 4xx that may be about the event itself, such as 422: repeated, it makes the event a dead letter.
    Rejected,
    /// Any other answer: try again, not before the time the receiver asked for.
    Failed {
        /// `Retry-After`, if there was one.
        retry_after: Option<Duration>,
    },
    /// No answer: refused, reset, timed out, not resolved, not allowed.
    Unreachable,
    /// 410: the receiver wants no hooks at all.
    Gone,
    /// Nothing was sent, for a reason on our side: not an attempt.
    NotSent,
}

impl AttemptOutcome {
    /// What an answer with this status means. Redirects are failures: a hook goes where it was configured to go.
    ///
    /// 401, 403, 404, 405 and 419 (a page that asks for a CSRF token) are about the caller or the address, not about
    /// the event: they come from a receiver that is being deployed or is set up wrongly, and end when that is mended.
    pub fn of_status(status: u16, retry_after: Option<Duration>) -> Self {
        match status {
            200..=299 => Self::Accepted,
            410 => Self::Gone,
            401 | 403..=405 | 408 | 419 | 425 | 429 => Self::Failed { retry_after },
            400..=499 => Self::Rejected,
            _ => Self::Failed { retry_after },
        }
    }
}

/// What is to be recorded about one delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryDecision {
    /// The number of the delivery.
    pub id: DeliveryId,
    /// The user whom the event is about. Every verdict but [`DeliveryVerdict::Retry`] asks the store for this user's
    /// next hook.
    pub user: UserId,
    /// Attempts that were made so far.
    pub attempts: u32,
    /// What became of it.
    pub verdict: DeliveryVerdict,
    /// Whether the store has offered another hook of the user, so that it must look for the next one.
    pub has_more: bool,
}

/// What became of one delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryVerdict {
    /// The receiver has it.
    Delivered,
    /// It failed and is tried again.
    Retry {
        /// When, by the monotonic clock.
        at: Timestamp,
    },
    /// It failed for good and waits for a replay by hand.
    Dead(Death),
    /// It was not waiting any more when its turn came: a newer event has replaced it.
    Skipped,
}

/// Why a delivery is a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Death {
    /// The receiver rejected it as often as the configuration allows.
    Rejected,
    /// It has failed for as long as the configuration allows.
    Expired,
}
