//! The inbox of one user: its numbers, and the rules by which they change.
//!
//! Items are numbered without a gap as they come in, and never renumbered: one that is deleted, replaced, too old or
//! too many leaves a hole. `read_upto` follows from the items: up to there, all are read or gone. It never goes back,
//! because nothing becomes unread again and new items have higher numbers.

mod item;
mod page;
mod place;
#[cfg(test)]
mod tests;

pub use item::{Naming, NewItem, Put, Putting, SeenItems};
pub use page::{InboxPage, Item, PageQuery, Paging, Which};
pub use place::{Gone, Placed, PlacedState};

use crate::types::{ItemSeq, WallMs};

/// Whether an event is also put into the inboxes of the users it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Keep {
    /// Only who is here gets it.
    #[default]
    Never,
    /// For users of whom no connection takes it.
    IfOffline,
    /// For everybody.
    Always,
}

impl Keep {
    /// Whether to store before emitting, for a user who has sockets in the namespace or has none.
    pub fn before_emit(self, reach: Reach) -> bool {
        match (self, reach) {
            (Self::Never, _) | (Self::IfOffline, Reach::Here) => false,
            (Self::IfOffline, Reach::Away) | (Self::Always, _) => true,
        }
    }

    /// Whether to store after all, once the emit has shown who took it: the last connection may have gone meanwhile.
    pub fn after_emit(self, taken: Taken, reach: Reach) -> bool {
        match (self, taken, reach) {
            (Self::IfOffline, Taken::Refused, _)
            | (Self::IfOffline, Taken::NotMeant, Reach::Away) => true,
            (Self::IfOffline, Taken::NotMeant, Reach::Here)
            | (Self::IfOffline, Taken::Taken, _)
            | (Self::Never | Self::Always, _, _) => false,
        }
    }
}

/// Whether a user can be reached at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// At least one socket in the namespace.
    Here,
    /// None.
    Away,
}

/// What the connections of a user did with an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// At least one took it.
    Taken,
    /// It was for some, and none took it.
    Refused,
    /// It was for none: there was none, or `except` left them out.
    NotMeant,
}

/// The numbers of one inbox, as its owner sees them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct InboxState {
    /// Counts the changes: of two states the one with the higher number is newer.
    pub revision: u64,
    /// The newest item ever; 0 if there never was one.
    pub head: ItemSeq,
    /// Items that are neither read nor gone.
    pub unread: u64,
    /// All items up to this one are read or gone.
    pub read_upto: ItemSeq,
    /// Below this one items may be missing because of their age or number; from it on none is.
    pub min_seq: ItemSeq,
}

/// One inbox between its changes: what is written down beside its items.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Inbox {
    /// As its owner sees it.
    pub state: InboxState,
    /// Items that are there.
    pub count: u64,
    /// No item expires before.
    pub first_expiry: Option<WallMs>,
}

/// How an item that is leaving was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadMark {
    /// Its owner has seen it.
    Read,
    /// Not yet.
    Unread,
}

impl Inbox {
    /// An item comes in, unread; returns its number.
    pub fn add(&mut self, expires: WallMs) -> ItemSeq {
        let state = &mut self.state;
        state.head = ItemSeq(state.head.0 + 1);
        state.min_seq = state.min_seq.max(ItemSeq(1));
        state.unread += 1;
        self.count += 1;
        self.first_expiry = Some(self.first_expiry.map_or(expires, |first| first.min(expires)));
        state.head
    }

    /// Somebody takes an item out, or a newer one takes its place.
    pub fn remove(&mut self, mark: ReadMark) {
        self.count = self.count.saturating_sub(1);
        if mark == ReadMark::Unread {
            self.state.unread = self.state.unread.saturating_sub(1);
        }
    }

    /// An item goes because it is too old, or because there are too many.
    pub fn drop_item(&mut self, seq: ItemSeq, mark: ReadMark) {
        self.remove(mark);
        self.state.min_seq = self.state.min_seq.max(ItemSeq(seq.0 + 1));
    }

    /// Items became read, each for the first time.
    pub fn read(&mut self, count: u64) {
        self.state.unread = self.state.unread.saturating_sub(count);
    }

    /// Ends a change. `first_unread` is the lowest unread item that is left.
    pub fn settle(&mut self, first_unread: Option<ItemSeq>) {
        let upto = first_unread.map_or(self.state.head, |seq| ItemSeq(seq.0.saturating_sub(1)));
        self.state.read_upto = self.state.read_upto.max(upto);
        self.state.revision += 1;
    }

    /// Items that are too many if `max` may stay.
    pub fn excess(&self, max: u64) -> u64 {
        self.count.saturating_sub(max)
    }

    /// Whether an item may have expired.
    pub fn may_expire(&self, now: WallMs) -> bool {
        self.first_expiry.is_some_and(|first| first <= now)
    }
}
