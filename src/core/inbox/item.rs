//! What is put into an inbox, and what its owner does with it.

use super::InboxState;
use crate::types::{CollapseKey, EventName, ItemId, ItemSeq, Namespace, Payload, WallMs};
use std::collections::BTreeSet;

/// An event to be kept, for any number of users.
#[derive(Debug, Clone)]
pub struct NewItem {
    /// Its name, the same in every inbox it is put into.
    pub id: ItemId,
    /// Where the name comes from.
    pub naming: Naming,
    /// The id of the emit it comes from.
    pub message: String,
    /// The namespace it was emitted in.
    pub namespace: Namespace,
    /// The name of the event.
    pub event: EventName,
    /// The arguments of the event.
    pub payload: Payload,
    /// It takes the place of unread items with the same key.
    pub collapse_key: Option<CollapseKey>,
    /// When it comes in, by the wall clock.
    pub at: WallMs,
    /// The time by which items that are there have expired or not: it never jumps forward, the wall clock may.
    pub time: WallMs,
    /// When it expires.
    pub expires: WallMs,
    /// Until when its name is remembered, so that the same again is a duplicate.
    pub remembered_until: WallMs,
    /// The number of items that an inbox may have, this one included.
    pub count_max: u64,
}

/// Where the name of an item comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naming {
    /// The sender gave it: the same name again is a duplicate.
    Given,
    /// The server made it up: it never comes again, so nobody looks for a duplicate.
    Made,
}

/// What to do with a new item for one user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Putting {
    /// Store it, unless it is a duplicate.
    Store,
    /// Only find out whether it is a duplicate.
    Check,
}

/// What became of a new item for one user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Put {
    /// The number of the item in the user's inbox.
    pub seq: ItemSeq,
    /// Whether the item was there before; then nothing was stored.
    pub is_duplicate: bool,
    /// The inbox afterwards.
    pub state: InboxState,
}

/// Items that their owner has seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SeenItems {
    /// All up to and including this number. Numbers that were not given yet do not count.
    Upto(ItemSeq),
    /// Those with these names. Names that are in no item do not matter.
    Ids(BTreeSet<ItemId>),
}
