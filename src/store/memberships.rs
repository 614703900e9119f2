//! The records of memberships: which users are in which rooms wherever and whenever they connect, and to whom one is denied.

use super::command::WriteCommand;
use super::error::{Closed, ReadError};
use super::queue::WriterQueue;
use super::read_pool::ReadPool;
use super::rows::{from_db, to_db};
use crate::core::rooms::memberships::{MembershipChange, Standing};
use crate::types::{Namespace, Room, UserId, WallMs};
use rusqlite::{Connection, Row, Transaction, params};
use std::sync::Arc;

/// The records of memberships. Cheap to clone; clones share them.
#[derive(Debug, Clone)]
pub struct MembershipRecords {
    pub(super) queue: WriterQueue,
    pub(super) readers: Arc<ReadPool>,
}

/// What stands for all namespaces in the column.
const EVERYWHERE: &str = "";

impl MembershipRecords {
    /// What makes all of them out of none.
    pub async fn all(&self) -> Result<Vec<MembershipChange>, ReadError> {
        self.readers.read(all).await
    }

    /// Writes a change. Answers when that is committed.
    pub async fn put(&self, change: MembershipChange) -> Result<(), Closed> {
        self.queue.ask(|reply| WriteCommand::Membership { change, reply }).await
    }
}

fn all(db: &Connection) -> rusqlite::Result<Vec<MembershipChange>> {
    let sql = "SELECT user, room, namespace, denied, until_ms FROM memberships";
    let mut query = db.prepare(sql)?;
    let rows = query.query_map([], membership)?;
    rows.filter_map(Result::transpose).collect()
}

/// `None` if a name is none, which this program never writes.
fn membership(row: &Row<'_>) -> rusqlite::Result<Option<MembershipChange>> {
    let user = UserId::parse(row.get_ref(0)?.as_str()?).ok();
    let room = Room::parse(row.get_ref(1)?.as_str()?).ok();
    let namespace = match row.get_ref(2)?.as_str()? {
        EVERYWHERE => Some(None),
        text => Namespace::parse(text).ok().map(Some),
    };
    let until: Option<i64> = row.get(4)?;
    let until = until.map(|ms| WallMs(from_db(ms)));
    let standing = if row.get(3)? { Standing::Denied } else { Standing::Member { until } };
    let names = user.zip(room).zip(namespace);
    Ok(names.map(|((user, room), namespace)| MembershipChange {
        user,
        room,
        namespace,
        is_whole: false,
        standing: Some(standing),
    }))
}

/// Writes a change.
pub(super) fn put(tx: &Transaction<'_>, change: &MembershipChange) -> rusqlite::Result<()> {
    let MembershipChange { user, room, namespace, is_whole, standing } = change;
    let namespace = namespace.as_ref().map_or(EVERYWHERE, Namespace::as_str);
    let sql = "DELETE FROM memberships WHERE user = ?1 AND room = ?2 AND (?3 OR namespace = ?4)";
    tx.prepare_cached(sql)?.execute(params![user.as_str(), room.as_str(), *is_whole, namespace])?;
    let Some(standing) = standing else { return Ok(()) };
    let (is_denied, until) = match standing {
        Standing::Member { until } => (false, *until),
        Standing::Denied => (true, None),
    };
    let sql = "INSERT INTO memberships (user, room, namespace, denied, until_ms) \
               VALUES (?1, ?2, ?3, ?4, ?5)";
    let until = until.map(|it| to_db(it.0));
    tx.prepare_cached(sql)?.execute(params![
        user.as_str(),
        room.as_str(),
        namespace,
        is_denied,
        until
    ])?;
    Ok(())
}
