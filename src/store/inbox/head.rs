//! The row of numbers of an inbox, and what is read from the items beside it.

use super::erased;
use crate::core::inbox::{Inbox, InboxState, ReadMark};
use crate::store::rows::{from_db, to_db};
use crate::types::{ItemSeq, UserId, WallMs};
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params};

/// Reads what is written down beside the items.
pub(super) fn load(db: &Connection, user: &UserId) -> rusqlite::Result<Inbox> {
    let sql = "SELECT revision, head, unread, read_upto, min_seq, count, first_expiry_ms \
               FROM inbox_head WHERE user = ?1";
    let head = |row: &Row<'_>| {
        let number = |index| row.get(index).map(from_db);
        let first_expiry: Option<i64> = row.get(6)?;
        Ok(Inbox {
            state: InboxState {
                revision: number(0)?,
                head: ItemSeq(number(1)?),
                unread: number(2)?,
                read_upto: ItemSeq(number(3)?),
                min_seq: ItemSeq(number(4)?),
            },
            count: number(5)?,
            first_expiry: first_expiry.map(|ms| WallMs(from_db(ms))),
        })
    };
    let found = db.prepare_cached(sql)?.query_row([user.as_str()], head).optional()?;
    found.map_or_else(|| erased::load(db, user), Ok)
}

/// Reads `seq, is_read` of a row.
pub(super) fn numbered(row: &Row<'_>) -> rusqlite::Result<(ItemSeq, ReadMark)> {
    let mark = if row.get(1)? { ReadMark::Read } else { ReadMark::Unread };
    Ok((ItemSeq(from_db(row.get(0)?)), mark))
}

/// The lowest unread item that is there at `now`.
pub(super) fn first_unread(
    db: &Connection,
    user: &UserId,
    now: WallMs,
) -> rusqlite::Result<Option<ItemSeq>> {
    let sql = "SELECT seq FROM inbox WHERE user = ?1 AND is_read = 0 AND ?2 < expires_ms \
               ORDER BY seq LIMIT 1";
    let bounds = params![user.as_str(), to_db(now.0)];
    let first = db.prepare_cached(sql)?.query_row(bounds, |row| row.get(0)).optional()?;
    Ok(first.map(|seq| ItemSeq(from_db(seq))))
}

/// Writes the row of numbers.
pub(super) fn write_head(
    tx: &Transaction<'_>,
    user: &UserId,
    inbox: &Inbox,
) -> rusqlite::Result<()> {
    let sql = "INSERT INTO inbox_head (user, revision, head, unread, read_upto, min_seq, count, \
               first_expiry_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT DO UPDATE SET \
               revision = ?2, head = ?3, unread = ?4, read_upto = ?5, min_seq = ?6, count = ?7, \
               first_expiry_ms = ?8";
    let Inbox { state, count, first_expiry } = inbox;
    tx.prepare_cached(sql)?.execute(params![
        user.as_str(),
        to_db(state.revision),
        to_db(state.head.0),
        to_db(state.unread),
        to_db(state.read_upto.0),
        to_db(state.min_seq.0),
        to_db(*count),
        first_expiry.map(|at| to_db(at.0)),
    ])?;
    Ok(())
}
