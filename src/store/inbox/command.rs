//! What the writer is asked for about inboxes, and what it answers.

use super::write;
use crate::core::inbox::{InboxState, NewItem, Put, Putting, SeenItems};
use crate::types::{ItemSeq, UserId, WallMs};
use rusqlite::Transaction;
use std::sync::Arc;
use tokio::sync::oneshot;

/// What the writer is asked for.
#[derive(Debug)]
pub(in crate::store) enum InboxCommand {
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
pub(in crate::store) enum InboxAnswer {
    Put(Vec<Option<Put>>),
    Mark(InboxState),
    Delete(Option<InboxState>),
}

impl InboxCommand {
    /// Does it, inside the transaction that will commit it.
    pub(in crate::store) fn apply(&self, tx: &Transaction<'_>) -> rusqlite::Result<InboxAnswer> {
        match self {
            Self::Put { item, users, .. } => {
                let puts = users.iter().map(|(user, putting)| write::put(tx, user, *putting, item));
                puts.collect::<rusqlite::Result<_>>().map(InboxAnswer::Put)
            }
            Self::Mark { user, seen, time, .. } => {
                write::mark(tx, user, seen, *time).map(InboxAnswer::Mark)
            }
            Self::Delete { user, seq, time, .. } => {
                write::delete(tx, user, *seq, *time).map(InboxAnswer::Delete)
            }
        }
    }

    /// Answers. The caller may have stopped waiting: what was asked for is done all the same.
    pub(in crate::store) fn reply(self, answer: InboxAnswer) {
        match (self, answer) {
            (Self::Put { reply, .. }, InboxAnswer::Put(puts)) => drop(reply.send(puts)),
            (Self::Mark { reply, .. }, InboxAnswer::Mark(state)) => drop(reply.send(state)),
            (Self::Delete { reply, .. }, InboxAnswer::Delete(state)) => drop(reply.send(state)),
            (_, InboxAnswer::Put(_) | InboxAnswer::Mark(_) | InboxAnswer::Delete(_)) => {}
        }
    }
}
