//! What is on record of hooks and of the events they tell of, for people and programs that look.

use super::decision::DeliveryId;
use crate::types::{Seq, UserId, WallMs};

/// One hook to one endpoint, as it is on record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Its number.
    pub id: DeliveryId,
    /// The name of the endpoint, which may no longer be configured.
    pub endpoint: String,
    /// The `webhook-id` it is sent with (unless in a batch).
    pub webhook_id: String,
    /// The user whom the event is about.
    pub user: UserId,
    /// The event's place among the user's events.
    pub seq: Seq,
    /// What it tells, such as `user.offline`.
    pub hook_type: String,
    /// Whether it waits, was given up, has arrived or was replaced.
    pub state: DeliveryState,
    /// Attempts so far.
    pub attempts: u32,
    /// The number of older events of the user that it stands for.
    pub coalesced: u64,
    /// When the event happened.
    pub created: WallMs,
    /// When the next attempt is due, if one has failed and it is tried again.
    pub next_attempt: Option<WallMs>,
    /// When it was delivered, died or was replaced.
    pub ended: Option<WallMs>,
    /// What the last failed attempt met.
    pub error: Option<String>,
}

/// How far a delivery is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryState {
    /// To be sent; as a filter this includes the failing ones.
    Pending,
    /// To be sent again after a failure.
    Failing,
    /// Given up: waits for a replay.
    Dead,
    /// The receiver has it.
    Delivered,
    /// A newer event of the user took its place before it was sent.
    Replaced,
}

impl DeliveryState {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Pending, Self::Failing, Self::Dead, Self::Delivered, Self::Replaced];

    /// The name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Failing => "failing",
            Self::Dead => "dead",
            Self::Delivered => "delivered",
            Self::Replaced => "replaced",
        }
    }

    /// The state of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == name)
    }
}

/// Which deliveries of a user.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeliveryFilter {
    /// Only those to the endpoint of this name.
    pub endpoint: Option<String>,
    /// Only those in this state.
    pub state: Option<DeliveryState>,
}

/// A page of deliveries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryPage {
    /// Ascending by number.
    pub items: Vec<Delivery>,
    /// What to give as `after` for the next page; `None` if this is the last.
    pub next: Option<DeliveryId>,
}

/// One presence change, socket that came or went, or message that did not arrive, as it was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedEvent {
    /// Its place in the log: what was committed later has a higher one.
    pub id: u64,
    /// The user whom it is about.
    pub user: UserId,
    /// Its place among the user's events.
    pub seq: Seq,
    /// The session that it opens or closes; zero for a message.
    pub session: Seq,
    /// What it tells, such as `user.offline`.
    pub hook_type: String,
    /// When it was decided.
    pub created: WallMs,
    /// The body of its hook, JSON.
    pub body: String,
}

/// A page of the event log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventPage {
    /// Ascending by place; empty at the end of the log.
    pub items: Vec<RecordedEvent>,
    /// What to give as `after` for the next page.
    pub next: u64,
    /// Whether events are missing between `after` and this page: they were deleted, or `after` lies behind the end of
    /// the log, which is then another log than before. Whoever pulls must take a fresh snapshot.
    pub gap: bool,
}
