//! The inboxes of the users: every change is one transaction per user, committed before it is answered.
//!
//! This is all that the rest of the program knows of how inboxes are kept; the rules are in [`crate::core::inbox`].

pub(super) mod command;
pub(super) mod erased;
pub(super) mod expire;
pub(super) mod expired;
mod head;
mod place;
mod read;
mod write;

use super::command::WriteCommand;
use super::error::{Closed, ReadError};
use super::queue::WriterQueue;
use super::read_pool::ReadPool;
use super::state::StoreState;
use crate::core::inbox::{
    InboxPage, InboxState, NewItem, PageQuery, Placed, Put, Putting, SeenItems,
};
use crate::types::{ItemSeq, Timestamp, UserId, WallMs};
use command::InboxCommand;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Users served in one transaction, so that one emit to many does not hold up everybody else.
const USERS_AT_ONCE: usize = 128;

/// The inboxes. Cheap to clone; clones share them.
#[derive(Debug, Clone)]
pub struct Inboxes {
    pub(super) queue: WriterQueue,
    pub(super) readers: Arc<ReadPool>,
    pub(super) state: Arc<StoreState>,
}

impl Inboxes {
    /// The time by which items are old. It follows the wall clock, but one that is set forward makes nothing old at
    /// once.
    pub fn time(&self, wall: WallMs, now: Timestamp) -> WallMs {
        self.state.inbox_time.lock().tell(wall, now).at
    }

    /// Puts an item into the inboxes of users. Answers in their order when all is committed; `None` for a user who
    /// was only checked and does not have it.
    pub async fn put(
        &self,
        item: NewItem,
        users: &[(UserId, Putting)],
    ) -> Result<Vec<Option<Put>>, Closed> {
        let item = Arc::new(item);
        let mut puts = Vec::with_capacity(users.len());
        for users in users.chunks(USERS_AT_ONCE) {
            let (item, users) = (Arc::clone(&item), users.to_vec());
            let command = |reply| WriteCommand::Inbox(InboxCommand::Put { item, users, reply });
            puts.append(&mut self.queue.ask(command).await?);
        }
        Ok(puts)
    }

    /// A page of what is in an inbox at this [`time`](Self::time).
    pub async fn page(
        &self,
        user: &UserId,
        query: PageQuery,
        time: WallMs,
    ) -> Result<InboxPage, ReadError> {
        let user = user.clone();
        self.readers.read(move |db| read::page(db, &user, query, time)).await
    }

    /// The numbers of an inbox at this [`time`](Self::time).
    pub async fn state(&self, user: &UserId, time: WallMs) -> Result<InboxState, ReadError> {
        let user = user.clone();
        self.readers.read(move |db| read::numbers(db, &user, time)).await
    }

    /// Where the events of one emit are or were, by user, at most 1000 of them. `id` is the id of the emit, or the name
    /// that its sender gave.
    pub async fn placed(&self, id: &str, time: WallMs) -> Result<Vec<Placed>, ReadError> {
        let id = id.to_owned();
        self.readers.read(move |db| place::placed(db, &id, time)).await
    }

    /// Marks items as read; answers with the inbox afterwards.
    pub async fn mark(
        &self,
        user: &UserId,
        seen: SeenItems,
        time: WallMs,
    ) -> Result<InboxState, Closed> {
        let of = user.clone();
        let command =
            |reply| WriteCommand::Inbox(InboxCommand::Mark { user: of, seen, time, reply });
        self.queue.ask_for(user, command).await
    }

    /// Deletes an item; answers with the inbox afterwards, `None` if there is no such item.
    pub async fn delete(
        &self,
        user: &UserId,
        seq: ItemSeq,
        time: WallMs,
    ) -> Result<Option<InboxState>, Closed> {
        let of = user.clone();
        let command =
            |reply| WriteCommand::Inbox(InboxCommand::Delete { user: of, seq, time, reply });
        self.queue.ask_for(user, command).await
    }

    /// Waits until items have expired that nobody had asked for, and takes the inboxes that this has changed.
    pub async fn expired(&self) -> BTreeMap<UserId, InboxState> {
        self.state.expired.take().await
    }
}
