//! The records of memberships: which users are in which rooms wherever and whenever they connect, and to whom one is denied.

use super::command::WriteCommand;
use super::error::{Closed, ReadError};
use super::queue::WriterQueue;
use super::read_pool::ReadPool;
use super::rows::{from_db, to_db};
use crate::core::rooms::memberships::{MembershipChange, Standing};
use crate::types::{Namespace, Room, UserId, WallMs};
use rusqlite::{Connection, Row, Transaction, params};
use std::collections::BTreeSet;
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

    /// Users who have a membership of one of `rooms`, as far as `namespace` goes, at the time `now`: each once, and not more than
    /// `max` and one. A record of the namespace alone may deny the room to some of them.
    pub async fn members(
        &self,
        rooms: &[Room],
        namespace: &Namespace,
        now: WallMs,
        max: usize,
    ) -> Result<BTreeSet<UserId>, ReadError> {
        let (rooms, namespace) = (rooms.to_vec(), namespace.clone());
        self.readers.read(move |db| members(db, &rooms, &namespace, now, max)).await
    }

    /// Writes a change. Answers when that is committed.
    pub async fn put(&self, change: MembershipChange) -> Result<(), Closed> {
        self.queue.ask(|reply| WriteCommand::Membership { change, reply }).await
    }
}

pub(super) fn all(db: &Connection) -> rusqlite::Result<Vec<MembershipChange>> {
    let sql = "SELECT user, room, namespace, denied, until_ms FROM memberships";
    let mut query = db.prepare(sql)?;
    let rows = query.query_map([], membership)?;
    rows.filter_map(Result::transpose).collect()
}

fn members(
    db: &Connection,
    rooms: &[Room],
    namespace: &Namespace,
    now: WallMs,
    max: usize,
) -> rusqlite::Result<BTreeSet<UserId>> {
    let sql = "SELECT user FROM memberships WHERE room = ?1 AND denied = 0 \
               AND namespace IN (?2, ?3) AND (until_ms IS NULL OR ?4 < until_ms)";
    let mut query = db.prepare_cached(sql)?;
    let mut users = BTreeSet::new();
    for room in rooms {
        let given = params![room.as_str(), EVERYWHERE, namespace.as_str(), to_db(now.0)];
        let mut rows = query.query(given)?;
        while let Some(row) = rows.next()? {
            users.extend(UserId::parse(row.get_ref(0)?.as_str()?).ok());
            if max < users.len() {
                return Ok(users);
            }
        }
    }
    Ok(users)
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
