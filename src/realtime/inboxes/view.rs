//! What clients see of an inbox, as JSON.

use crate::core::delivery::hook_body::rfc3339;
use crate::core::inbox::{InboxPage, InboxState, Item};
use serde::Serialize;
use serde_json::value::RawValue;

/// The numbers of an inbox: the argument of `userline:inbox`.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct StateView {
    head: u64,
    unread: u64,
    read_upto: u64,
    min_seq: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    has_more: Option<bool>,
}

impl StateView {
    /// As the end of a replay, which may have left some out.
    pub(super) fn after_replay(self, has_more: bool) -> Self {
        Self { has_more: Some(has_more), ..self }
    }
}

/// The numbers of an inbox.
pub fn state_view(state: InboxState) -> StateView {
    let InboxState { revision: _, head, unread, read_upto, min_seq } = state;
    let (head, read_upto, min_seq) = (head.0, read_upto.0, min_seq.0);
    StateView { head, unread, read_upto, min_seq, has_more: None }
}

/// One stored event: the argument of `userline:inbox:item`.
#[derive(Debug, Serialize)]
pub(super) struct ItemView<'a> {
    seq: u64,
    id: &'a str,
    namespace: &'a str,
    event: &'a str,
    args: &'a RawValue,
    created_at: String,
    expires_at: String,
    read: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    collapse_key: Option<&'a str>,
}

/// One stored event; fails only if the database is damaged.
pub(super) fn item_view(item: &Item) -> serde_json::Result<ItemView<'_>> {
    Ok(ItemView {
        seq: item.seq.0,
        id: &item.id,
        namespace: &item.namespace,
        event: &item.event,
        args: serde_json::from_str(&item.args)?,
        created_at: rfc3339(item.created),
        expires_at: rfc3339(item.expires),
        read: item.is_read,
        collapse_key: item.collapse_key.as_deref(),
    })
}

/// A page: what `userline:inbox` is acked with.
#[derive(Debug, Serialize)]
pub struct PageView<'a> {
    items: Vec<ItemView<'a>>,
    next: Option<u64>,
    #[serde(flatten)]
    state: StateView,
}

/// A page, with the newest numbers that are known; fails only if the database is damaged.
pub fn page_view(page: &InboxPage, newest: InboxState) -> serde_json::Result<PageView<'_>> {
    let items = page.items.iter().map(item_view).collect::<Result<_, _>>()?;
    Ok(PageView { items, next: page.next.map(|it| it.0), state: state_view(newest) })
}
