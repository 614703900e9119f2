//! Where a stored event is, or was: it can be asked for as long as its name is remembered.

use crate::types::{ItemSeq, UserId};

/// Where the event of one emit is, or was, in the inbox of one user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// The owner of the inbox.
    pub user: UserId,
    /// The id of the emit.
    pub message: String,
    /// The number of the item.
    pub seq: ItemSeq,
    /// The name of the item.
    pub id: String,
    /// Whether the item is there.
    pub state: PlacedState,
    /// Whether its owner has seen it, or had when it went.
    pub is_read: bool,
}

/// Whether a stored event is in its inbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlacedState {
    /// It is there.
    There,
    /// It is not there any more.
    Gone(Gone),
}

/// Why a stored event is not in its inbox any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gone {
    /// Its owner or the backend deleted it.
    Deleted,
    /// A newer item with the same key took its place.
    Collapsed,
    /// It was too old.
    Expired,
    /// The inbox had too many items.
    PushedOut,
    /// It went before reasons were written down.
    Unknown,
}

impl Gone {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Deleted, Self::Collapsed, Self::Expired, Self::PushedOut, Self::Unknown];

    /// The name in the store and in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deleted => "deleted",
            Self::Collapsed => "collapsed",
            Self::Expired => "expired",
            Self::PushedOut => "pushed_out",
            Self::Unknown => "unknown",
        }
    }

    /// The reason of that name; [`Gone::Unknown`] for a name that is none.
    pub fn parse(name: &str) -> Self {
        Self::ALL.into_iter().find(|it| it.as_str() == name).unwrap_or(Self::Unknown)
    }
}
