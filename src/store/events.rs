//! Reading the event log, for those who pull.

use super::schema::{from_db, meta, to_db};
use super::{ReadError, Store};
use crate::types::{Seq, UserId, WallMs};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

/// Events in one answer, at most.
const LIMIT_MAX: u32 = 1000;

/// One presence change, or message that did not arrive, as it was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its place in the log: later commits have higher ids.
    pub id: u64,
    /// Whose.
    pub user: UserId,
    /// Its place among the user's changes.
    pub seq: Seq,
    /// The session it opens or closes; zero for a message.
    pub session: Seq,
    /// `user.online`, `user.offline` or `message.undelivered`.
    pub hook_type: String,
    /// When it was decided.
    pub created: WallMs,
    /// The body of its hook, JSON.
    pub body: String,
}

/// A page of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Events {
    /// Ascending by id; empty at the end of the log.
    pub items: Vec<Event>,
    /// What to give as `after` for the next page.
    pub next: u64,
    /// Events after `after` were deleted because of their age, or `after` lies behind the end of the log, which is
    /// then another one than it was: who pulls must take a fresh snapshot.
    pub gap: bool,
}

impl Store {
    /// Events with an id over `after`, at most `limit` (and 1000) of them.
    pub async fn events(&self, after: u64, limit: u32) -> Result<Events, ReadError> {
        self.readers.read(move |db| read_events(db, after, limit.min(LIMIT_MAX))).await
    }

    /// The id of the newest event; zero if there never was one.
    ///
    /// A snapshot without a gap: take this first, then list the users, then pull events after it. Changes in between
    /// come twice; their `seq` tells.
    pub async fn head(&self) -> Result<u64, ReadError> {
        self.readers.read(head).await
    }

    /// When the last socket of a user closed before the last time the user went offline; `None` if that is not known
    /// or too long ago.
    pub async fn last_seen(&self, user: &UserId) -> Result<Option<WallMs>, ReadError> {
        let user = user.clone();
        let sql = "SELECT closed_ms FROM events WHERE user = ?1 AND closed_ms IS NOT NULL \
                   ORDER BY seq DESC LIMIT 1";
        let query = move |db: &Connection| {
            let mut query = db.prepare_cached(sql)?;
            query.query_row([user.as_str()], |row| row.get(0)).optional()
        };
        Ok(self.readers.read(query).await?.map(|ms| WallMs(from_db(ms))))
    }
}

fn read_events(db: &Connection, after: u64, limit: u32) -> rusqlite::Result<Events> {
    // One transaction, so that the page and the mark of what was deleted belong together.
    let tx = db.unchecked_transaction()?;
    // Ids begin anew with an empty data folder: who has seen higher ones would skip what comes next.
    let head = head(&tx)?;
    let gap = after < meta(&tx, "pruned")?.unwrap_or(0) || head < after;
    let sql = "SELECT id, user, seq, session, type, created_ms, body FROM events \
               WHERE ?1 < id ORDER BY id LIMIT ?2";
    let mut query = tx.prepare_cached(sql)?;
    let rows = query.query_map(params![to_db(after), limit], event)?;
    let items = rows.filter_map(Result::transpose).collect::<rusqlite::Result<Vec<_>>>()?;
    let next = items.last().map_or(after.min(head), |event| event.id);
    Ok(Events { items, next, gap })
}

fn event(row: &Row<'_>) -> rusqlite::Result<Option<Event>> {
    let Ok(user) = UserId::parse(row.get_ref(1)?.as_str()?) else { return Ok(None) };
    Ok(Some(Event {
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
