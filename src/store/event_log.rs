//! The event log: every presence change and every message that did not arrive, for those who pull.

use super::error::ReadError;
use super::read_pool::ReadPool;
use super::rows::{from_db, meta, to_db};
use crate::core::delivery::record::{EventPage, RecordedEvent};
use crate::types::{Seq, UserId, WallMs};
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use std::sync::Arc;

/// Events in one answer, at most.
const LIMIT_MAX: u32 = 1000;

/// The event log. Cheap to clone; clones share it.
#[derive(Debug, Clone)]
pub struct EventLog {
    pub(super) readers: Arc<ReadPool>,
}

impl EventLog {
    /// Events with an id over `after`, at most `limit` (and 1000) of them.
    pub async fn page(&self, after: u64, limit: u32) -> Result<EventPage, ReadError> {
        self.readers.read(move |db| read_events(db, after, limit.min(LIMIT_MAX))).await
    }

    /// The id of the newest event; zero if there never was one.
    ///
    /// A snapshot without a gap: take this first, then list the users, then pull events after it. Changes in between
    /// come twice; their `seq` tells.
    pub async fn head(&self) -> Result<u64, ReadError> {
        self.readers.read(head).await
    }
}

fn read_events(db: &Connection, after: u64, limit: u32) -> rusqlite::Result<EventPage> {
    // One transaction, so that the page and the mark of what was deleted belong together.
    let tx = db.unchecked_transaction()?;
    // Ids begin anew with an empty data folder: whoever has seen higher ones would skip what comes next.
    let head = head(&tx)?;
    let gap = after < meta(&tx, "pruned")?.unwrap_or(0) || head < after;
    let sql = "SELECT id, user, seq, session, type, created_ms, body FROM events \
               WHERE ?1 < id ORDER BY id LIMIT ?2";
    let mut query = tx.prepare_cached(sql)?;
    let rows = query.query_map(params![to_db(after), limit], event)?;
    let items = rows.filter_map(Result::transpose).collect::<rusqlite::Result<Vec<_>>>()?;
    let next = items.last().map_or(after.min(head), |event| event.id);
    Ok(EventPage { items, next, gap })
}

fn event(row: &Row<'_>) -> rusqlite::Result<Option<RecordedEvent>> {
    let Ok(user) = UserId::parse(row.get_ref(1)?.as_str()?) else { return Ok(None) };
    Ok(Some(RecordedEvent {
        id: from_db(row.get(0)?),
        user,
        seq: Seq(from_db(row.get(2)?)),
        session: Seq(from_db(row.get(3)?)),
        hook_type: row.get(4)?,
        created: WallMs(from_db(row.get(5)?)),
        body: row.get(6)?,
    }))
}

fn head(db: &Connection) -> rusqlite::Result<u64> {
    // Stays right when the newest events are deleted.
    let sql = "SELECT seq FROM sqlite_sequence WHERE name = 'events'";
    let head = db.prepare_cached(sql)?.query_row([], |row| row.get(0)).optional()?;
    Ok(head.map_or(0, from_db))
}
