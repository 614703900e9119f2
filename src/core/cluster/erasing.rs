//! The words between a node that erases a user and the place where all nodes keep what names users.

use super::book::BookName;
use crate::types::{Namespace, UserId};
use std::sync::Arc;

/// What is looked for, or taken out: a page of it at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EraseAsk {
    /// What was told of a user.
    Events {
        /// Of whom.
        user: UserId,
        /// The number of an event; it is looked behind that.
        after: u64,
    },
    /// Which of these events an endpoint is still to be told.
    Waiting(Arc<[u64]>),
    /// These events go, with their deliveries.
    Forget {
        /// Which.
        events: Arc<[u64]>,
        /// Those, too, that an endpoint is still to be told.
        with_waiting: bool,
    },
    /// Seats, when the user was here last, sessions of clients that are away.
    Traces {
        /// Whose.
        user: UserId,
        /// Where clients have sessions.
        namespaces: Arc<[Namespace]>,
    },
    /// An inbox.
    Inbox(UserId),
    /// What requests with a name were answered.
    Answers {
        /// Who is named there.
        user: UserId,
        /// How many have been looked at, and stay.
        passed: u64,
    },
    /// The newest change of a book is not to be one of the user's.
    Calm(BookName, UserId),
    /// The changes of a user's records, but for the newest change of the book.
    Changes {
        /// In which book.
        book: BookName,
        /// Whose.
        user: UserId,
        /// The number of a change; it is looked behind that.
        after: u64,
    },
}

/// What a page was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErasePage {
    /// Where the next one begins; `None`: this was the last.
    pub next: Option<u64>,
    /// To [`EraseAsk::Events`] and [`EraseAsk::Waiting`]: the numbers of events. To [`EraseAsk::Forget`]: how often an event that
    /// went was still to be told, and how many stay.
    pub numbers: Vec<u64>,
}
