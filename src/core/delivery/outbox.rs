//! The words between the outbox, which keeps hooks until they are delivered, and those who deliver or watch them.

use super::decision::{DeliveryDecision, DeliveryId, PendingHook};
use crate::types::{UserId, WallMs};
use thiserror::Error;

/// The number that stands for the name of an endpoint. It is given at the name's first use and stays the same over
/// restarts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EndpointId(pub u64);

/// What is sent for one delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookPayload {
    /// The number of the delivery.
    pub id: DeliveryId,
    /// Its `webhook-id`.
    pub webhook_id: String,
    /// Its JSON body.
    pub body: String,
}

/// What became of one hook, to be recorded.
#[derive(Debug, Clone)]
pub struct Settlement {
    /// What the dispatcher decided.
    pub decision: DeliveryDecision,
    /// When it was decided, by the wall clock.
    pub at: WallMs,
    /// When the next attempt is due, by the wall clock, if there is one.
    pub next_attempt: Option<WallMs>,
    /// What went wrong, for people; at most a few hundred bytes.
    pub error: Option<String>,
}

/// The next hook of a user to an endpoint, after one of the user's hooks has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NextHook {
    /// The user whose hook has ended.
    pub user: UserId,
    /// The user's oldest undelivered hook. `None` if all are delivered, or if [`DeliveryDecision::has_more`] was not
    /// set.
    pub head: Option<PendingHook>,
}

/// Which dead letters to send again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeadRange {
    /// Those of this endpoint,
    pub endpoint: EndpointId,
    /// whose events happened at this time or later,
    pub from: WallMs,
    /// and before this time.
    pub to: WallMs,
}

/// What a replay of a range did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replayed {
    /// The number of hooks that are sent again.
    pub count: usize,
    /// Whether the same call again would find more.
    pub more: bool,
}

/// Why no hook can be promised for a message that may not arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NoHook {
    /// No endpoint wants such hooks.
    #[error(
        "no endpoint wants `message.undelivered`: add it to `hooks.events`, or to `events` of an endpoint"
    )]
    Unwanted,
    /// As many hooks as are allowed wait for an endpoint.
    #[error("too many hooks wait for an endpoint that wants `message.undelivered`")]
    Full,
    /// Where all nodes keep hooks cannot be asked.
    #[error("the cluster cannot be reached, so no hook can be promised")]
    Away,
}
