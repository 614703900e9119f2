//! What was told of users, for those who pull it from the place where all nodes agree.

use super::ledger::HookNews;
use crate::types::{UserId, WallMs};

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FeedQuestion {
    /// What was told after an event.
    Page {
        /// The number of the event; zero for the first page.
        after: u64,
        /// Events at most.
        events_max: usize,
    },
    /// When the last socket of a user closed before the last time it went offline.
    Seen(UserId),
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FeedReply {
    /// To [`FeedQuestion::Page`].
    Page(ToldPage),
    /// To [`FeedQuestion::Seen`]; `None` if that is not known, or too long ago.
    Seen(Option<WallMs>),
}

/// A page of what was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToldPage {
    /// The number of the newest event of all; zero if there never was one.
    pub newest: u64,
    /// Whether events between the one that was named and these are gone.
    pub is_gap: bool,
    /// The number of the last event of the page, if it has any.
    pub last: Option<u64>,
    /// What was told, ascending by number, as far as this version knows it.
    pub news: Vec<HookNews>,
}
