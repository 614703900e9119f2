//! What is read from an inbox.

use super::InboxState;
use crate::types::{ItemSeq, WallMs};

/// One stored event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its number in the inbox.
    pub seq: ItemSeq,
    /// Its name.
    pub id: String,
    /// The namespace it was emitted in.
    pub namespace: String,
    /// The name of the event.
    pub event: String,
    /// The arguments of the event, a JSON array.
    pub args: String,
    /// When it came in, by the wall clock.
    pub created: WallMs,
    /// When it expires.
    pub expires: WallMs,
    /// Whether its owner has seen it.
    pub is_read: bool,
    /// A newer item with this key takes its place while it is unread.
    pub collapse_key: Option<String>,
}

impl Item {
    /// The size of the item in an answer: about so many bytes.
    pub fn bytes(&self) -> usize {
        let key = self.collapse_key.as_ref().map_or(0, String::len);
        256 + self.id.len() + self.namespace.len() + self.event.len() + self.args.len() + key
    }
}

/// Which page of an inbox is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageQuery {
    /// Where the page begins, and its direction.
    pub paging: Paging,
    /// Which items are on it.
    pub which: Which,
    /// The number of items, at most; a page never has more than 1000.
    pub limit: u16,
    /// The bytes of all items together, about; the first item comes whatever its size.
    pub bytes_max: usize,
}

/// Where a page begins, and its direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paging {
    /// From the newest item to older ones.
    Newest,
    /// From the item below this number to older ones.
    Before(ItemSeq),
    /// From the item above this number to newer ones.
    After(ItemSeq),
}

/// Which items are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// All.
    All,
    /// Those that their owner has not seen.
    Unread,
}

/// A page of an inbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboxPage {
    /// The items, in the direction that was asked for.
    pub items: Vec<Item>,
    /// The number of the last item here, to go on from in the same direction; `None` on the last page.
    pub next: Option<ItemSeq>,
    /// The numbers of the inbox when the page was read.
    pub state: InboxState,
}
