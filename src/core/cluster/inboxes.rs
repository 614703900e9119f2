//! The words between a node and the place where all nodes keep inboxes.
//!
//! Each question is done as a whole, and may be asked again: what was done the first time is not done twice, and is answered
//! as it was.

use crate::core::inbox::{InboxPage, InboxState, PageQuery, Placed, Put, Putting, SeenItems};
use crate::types::{ItemSeq, UserId};
use std::sync::Arc;
use std::time::Duration;

/// How much is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InboxLimits {
    /// Items of one user; beyond, the oldest goes.
    pub count_max: u64,
    /// Bytes of all inboxes together, as they are counted where they are kept.
    pub bytes_max: usize,
}

/// An event to be kept, for any number of users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptItem {
    /// Its name, the same in every inbox.
    pub id: Arc<str>,
    /// The id of the emit it comes from: the same again is the same question.
    pub message: Arc<str>,
    /// The namespace it was emitted in.
    pub namespace: Arc<str>,
    /// The name of the event.
    pub event: Arc<str>,
    /// The arguments of the event, a JSON array.
    pub args: Arc<str>,
    /// It takes the place of unread items with the same key; empty: of none.
    pub collapse_key: Arc<str>,
    /// How long it stays.
    pub ttl: Duration,
    /// How long its name is remembered.
    pub remembered: Duration,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InboxesAsk {
    /// To put an item into inboxes, or to look for it there.
    Put {
        /// The item.
        item: Arc<KeptItem>,
        /// Whose inboxes.
        users: Vec<(UserId, Putting)>,
        /// How much is kept.
        limits: InboxLimits,
    },
    /// To mark items as read.
    Mark {
        /// Whose.
        user: UserId,
        /// Which.
        seen: SeenItems,
        /// Items of one user.
        count_max: u64,
    },
    /// To take an item out.
    Delete {
        /// Whose.
        user: UserId,
        /// Which.
        seq: ItemSeq,
        /// Names the question.
        name: Arc<str>,
        /// Items of one user.
        count_max: u64,
    },
    /// To let go what has expired, of some inboxes.
    Tend {
        /// Items of one user.
        count_max: u64,
    },
    /// For a page.
    Page {
        /// Whose.
        user: UserId,
        /// Which.
        query: PageQuery,
    },
    /// Where the items are or were that come from an emit, or have this name.
    Placed(Arc<str>),
}

/// The answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InboxesReply {
    /// To [`InboxesAsk::Put`], in the order of the users; `None` for one that was looked for and is not there.
    Put(Vec<Option<Put>>),
    /// To the same: there is no room. Nothing was stored.
    Full,
    /// To [`InboxesAsk::Mark`] and [`InboxesAsk::Delete`]: the inbox afterwards; `None`: there is no such item.
    Changed(Option<InboxState>),
    /// To [`InboxesAsk::Tend`].
    Tended {
        /// Bytes of all inboxes.
        bytes: u64,
        /// The inboxes that this has changed, as they are now.
        changed: Vec<(UserId, InboxState)>,
    },
    /// To [`InboxesAsk::Page`].
    Page(InboxPage),
    /// To [`InboxesAsk::Placed`].
    Placed(Vec<Placed>),
}

impl InboxesReply {
    /// The largest number of the log that it holds; 0: none.
    pub fn number(&self) -> u64 {
        match self {
            Self::Put(puts) => puts.iter().flatten().map(|it| it.state.revision).max(),
            Self::Changed(state) => state.map(|it| it.revision),
            Self::Tended { changed, .. } => changed.iter().map(|(_, it)| it.revision).max(),
            Self::Page(page) => Some(page.state.revision),
            Self::Full | Self::Placed(_) => None,
        }
        .unwrap_or_default()
    }
}
