//! The records of what is held against users: blocks, and from when on their tokens count.

use super::command::WriteCommand;
use super::error::{Closed, ReadError};
use super::queue::WriterQueue;
use super::read_pool::ReadPool;
use super::rows::{from_db, to_db};
use crate::core::control::restrictions::{Block, Restriction};
use crate::types::{UserId, WallMs};
use rusqlite::{Connection, Row, Transaction, params};
use std::sync::Arc;

/// The records of restrictions. Cheap to clone; clones share them.
#[derive(Debug, Clone)]
pub struct RestrictionRecords {
    pub(super) queue: WriterQueue,
    pub(super) readers: Arc<ReadPool>,
}

impl RestrictionRecords {
    /// All of them, in the order of the users.
    pub async fn all(&self) -> Result<Vec<(UserId, Restriction)>, ReadError> {
        self.readers.read(all).await
    }

    /// Replaces what is held against a user. Answers when that is committed.
    pub async fn put(&self, user: &UserId, restriction: Restriction) -> Result<(), Closed> {
        let user = user.clone();
        self.queue.ask(|reply| WriteCommand::Restrict { user, restriction, reply }).await
    }
}

pub(super) fn all(db: &Connection) -> rusqlite::Result<Vec<(UserId, Restriction)>> {
    let sql = "SELECT user, not_before_ms, since_ms, blocked_by, reason, until_ms \
               FROM restrictions ORDER BY user";
    let mut query = db.prepare(sql)?;
    let rows = query.query_map([], |row| {
        let user = UserId::parse(row.get_ref(0)?.as_str()?).ok();
        Ok(user.zip(Some(restriction(row)?)))
    })?;
    rows.filter_map(Result::transpose).collect()
}

fn restriction(row: &Row<'_>) -> rusqlite::Result<Restriction> {
    let time = |ms: Option<i64>| ms.map(|ms| WallMs(from_db(ms)));
    let since = time(row.get(2)?);
    let (by, reason, until) = (row.get::<_, Option<String>>(3)?, row.get(4)?, time(row.get(5)?));
    let reason: Option<String> = reason;
    let block = since.map(|since| Block {
        reason: reason.map(Into::into),
        by: by.unwrap_or_default().into(),
        since,
        until,
    });
    Ok(Restriction { block, not_before: time(row.get(1)?) })
}

/// Writes what is held against a user.
pub(super) fn put(
    tx: &Transaction<'_>,
    user: &UserId,
    restriction: &Restriction,
) -> rusqlite::Result<()> {
    if restriction.is_empty() {
        let sql = "DELETE FROM restrictions WHERE user = ?1";
        tx.prepare_cached(sql)?.execute([user.as_str()])?;
        return Ok(());
    }
    let Restriction { block, not_before } = restriction;
    let ms = |time: Option<WallMs>| time.map(|it| to_db(it.0));
    let block = block.as_ref();
    let sql = "INSERT OR REPLACE INTO restrictions \
               (user, not_before_ms, since_ms, blocked_by, reason, until_ms) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    tx.prepare_cached(sql)?.execute(params![
        user.as_str(),
        ms(*not_before),
        ms(block.map(|it| it.since)),
        block.map(|it| &*it.by),
        block.and_then(|it| it.reason.as_deref()),
        ms(block.and_then(|it| it.until)),
    ])?;
    Ok(())
}
