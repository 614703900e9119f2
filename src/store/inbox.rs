//! The inboxes of the users: every call is one transaction per user, committed before it is answered.
//!
//! This is all that the rest of the program knows of how inboxes are kept; the rules are in [`crate::core::inbox`].

mod expire;
mod fate;
mod read;
mod write;

pub(super) use expire::Expiry;

use super::shared::Shared;
use super::writer::Command;
use super::{Closed, ReadError, Store};
use crate::core::inbox::{
    InboxPage, InboxState, NewItem, PageQuery, Placed, Put, Putting, SeenItems,
};
use crate::types::{ItemSeq, Timestamp, UserId, WallMs};
use rusqlite::Transaction;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::oneshot;

/// Users served in one transaction, so that one emit to many does not hold up everybody else.
const USERS_AT_ONCE: usize = 128;

/// The inboxes. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Inboxes {
    store: Store,
}

impl Store {
    /// The inboxes.
    pub fn inboxes(&self) -> Inboxes {
        Inboxes { store: self.clone() }
    }
}

impl Inboxes {
    /// The time by which items are old. It follows the wall clock, but one that is set forward makes nothing old at once.
    pub fn time(&self, wall: WallMs, now: Timestamp) -> WallMs {
        self.store.shared.inbox_time.lock().tell(wall, now).at
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
            let ask = |reply| Command::Inbox(Ask::Put { item, users, reply });
            puts.append(&mut self.store.ask(ask).await?);
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
        self.store.readers.read(move |db| read::page(db, &user, query, time)).await
    }

    /// The numbers of an inbox at this [`time`](Self::time).
    pub async fn state(&self, user: &UserId, time: WallMs) -> Result<InboxState, ReadError> {
        let user = user.clone();
        self.store.readers.read(move |db| read::numbers(db, &user, time)).await
    }

    /// Where the events of one emit are or were, by user, at most 1000 of them; `id` names the emit, or is the name
    /// that its sender gave.
    pub async fn fate(&self, id: &str, time: WallMs) -> Result<Vec<Placed>, ReadError> {
        let id = id.to_owned();
        self.store.readers.read(move |db| fate::placed(db, &id, time)).await
    }

    /// Marks items as read; answers with the inbox afterwards.
    pub async fn mark(
        &self,
        user: &UserId,
        seen: SeenItems,
        time: WallMs,
    ) -> Result<InboxState, Closed> {
        let user = user.clone();
        self.store.ask(|reply| Command::Inbox(Ask::Mark { user, seen, time, reply })).await
    }

    /// Takes an item out; answers with the inbox afterwards, `None` if there is no such item.
    pub async fn delete(
        &self,
        user: &UserId,
        seq: ItemSeq,
        time: WallMs,
    ) -> Result<Option<InboxState>, Closed> {
        let user = user.clone();
        self.store.ask(|reply| Command::Inbox(Ask::Delete { user, seq, time, reply })).await
    }

    /// Waits until items have expired that nobody had asked for, and takes the inboxes that this has changed.
    pub async fn expired(&self) -> BTreeMap<UserId, InboxState> {
        loop {
            // Registered before the look, so that news in between is not missed.
            let news = self.store.shared.expired.news.notified();
            let taken = std::mem::take(&mut *self.store.shared.expired.states.lock());
            if !taken.is_empty() {
                return taken;
            }
            news.await;
        }
    }
}

/// What the writer is asked for.
#[derive(Debug)]
pub(super) enum Ask {
    Put {
        item: Arc<NewItem>,
        users: Vec<(UserId, Putting)>,
        reply: oneshot::Sender<Vec<Option<Put>>>,
    },
    Mark {
        user: UserId,
        seen: SeenItems,
        time: WallMs,
        reply: oneshot::Sender<InboxState>,
    },
    Delete {
        user: UserId,
        seq: ItemSeq,
        time: WallMs,
        reply: oneshot::Sender<Option<InboxState>>,
    },
}

/// What it answers.
#[derive(Debug)]
pub(super) enum Done {
    Put(Vec<Option<Put>>),
    Mark(InboxState),
    Delete(Option<InboxState>),
}

impl Ask {
    /// Does it, inside the transaction that will commit it.
    pub(super) fn apply(&self, tx: &Transaction<'_>) -> rusqlite::Result<Done> {
        match self {
            Self::Put { item, users, .. } => {
                let puts = users.iter().map(|(user, putting)| write::put(tx, user, *putting, item));
                puts.collect::<rusqlite::Result<_>>().map(Done::Put)
            }
            Self::Mark { user, seen, time, .. } => {
                write::mark(tx, user, seen, *time).map(Done::Mark)
            }
            Self::Delete { user, seq, time, .. } => {
                write::delete(tx, user, *seq, *time).map(Done::Delete)
            }
        }
    }

    /// Answers. Whoever asked may have stopped waiting: what was asked for is done all the same.
    pub(super) fn reply(self, done: Done) {
        match (self, done) {
            (Self::Put { reply, .. }, Done::Put(puts)) => drop(reply.send(puts)),
            (Self::Mark { reply, .. }, Done::Mark(state)) => drop(reply.send(state)),
            (Self::Delete { reply, .. }, Done::Delete(state)) => drop(reply.send(state)),
            (_, Done::Put(_) | Done::Mark(_) | Done::Delete(_)) => {}
        }
    }
}

/// Inboxes that changed because items expired, for whoever tells their owners.
#[derive(Debug, Default)]
pub(super) struct Expired {
    states: parking_lot::Mutex<BTreeMap<UserId, InboxState>>,
    news: tokio::sync::Notify,
}

/// Inboxes that may wait to be told of; the owners of more are told at the next change.
const EXPIRED_MAX: usize = 10_000;

impl Shared {
    fn tell_expired(&self, changed: Vec<(UserId, InboxState)>) {
        if changed.is_empty() {
            return;
        }
        let mut states = self.expired.states.lock();
        for (user, state) in changed {
            if states.len() < EXPIRED_MAX || states.contains_key(&user) {
                states.insert(user, state);
            }
        }
        drop(states);
        self.expired.news.notify_one();
    }
}
