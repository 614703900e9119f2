//! Reading an inbox, page by page.

use super::head::{first_unread, load, numbered};
use crate::core::inbox::{Inbox, InboxPage, InboxState, Item, PageQuery, Paging, Which};
use crate::store::rows::{from_db, to_db};
use crate::types::{ItemSeq, UserId, WallMs};
use rusqlite::{Connection, Row, params};

/// Items in one answer, at most.
const LIMIT_MAX: u16 = 1000;
/// Columns of an [`Item`].
const COLUMNS: &str = "seq, id, namespace, event, args, created_ms, expires_ms, is_read, \
                       collapse_key";

/// Reads one page; what has expired by `at` is not there any more, whether or not it was deleted.
pub(super) fn page(
    db: &Connection,
    user: &UserId,
    query: PageQuery,
    at: WallMs,
) -> rusqlite::Result<InboxPage> {
    // One transaction, so that the items and the numbers belong together.
    let tx = db.unchecked_transaction()?;
    let state = state(&tx, user, at)?;
    let (items, has_more) = items(&tx, user, query, at)?;
    let next = items.last().map(|it| it.seq).filter(|_| has_more);
    Ok(InboxPage { items, next, state })
}

/// The numbers alone.
pub(super) fn numbers(db: &Connection, user: &UserId, at: WallMs) -> rusqlite::Result<InboxState> {
    let tx = db.unchecked_transaction()?;
    state(&tx, user, at)
}

/// The numbers as they will be when what has expired is deleted.
fn state(db: &Connection, user: &UserId, at: WallMs) -> rusqlite::Result<InboxState> {
    let mut inbox: Inbox = load(db, user)?;
    if !inbox.may_expire(at) {
        return Ok(inbox.state);
    }
    let sql = "SELECT seq, is_read FROM inbox WHERE user = ?1 AND expires_ms <= ?2";
    let mut query = db.prepare_cached(sql)?;
    let expired = query.query_map(params![user.as_str(), to_db(at.0)], numbered)?;
    let expired = expired.collect::<rusqlite::Result<Vec<_>>>()?;
    for (seq, mark) in &expired {
        inbox.drop_item(*seq, *mark);
    }
    if !expired.is_empty() {
        inbox.settle(first_unread(db, user, at)?);
    }
    Ok(inbox.state)
}

fn items(
    db: &Connection,
    user: &UserId,
    query: PageQuery,
    at: WallMs,
) -> rusqlite::Result<(Vec<Item>, bool)> {
    let (bound, range, order) = match query.paging {
        Paging::Newest => (i64::MAX, "seq < ?2", "DESC"),
        Paging::Before(seq) => (to_db(seq.0), "seq < ?2", "DESC"),
        Paging::After(seq) => (to_db(seq.0), "?2 < seq", "ASC"),
    };
    let which = match query.which {
        Which::All => "",
        Which::Unread => "AND is_read = 0",
    };
    let sql = format!(
        "SELECT {COLUMNS} FROM inbox WHERE user = ?1 AND {range} AND ?3 < expires_ms {which} \
         ORDER BY seq {order} LIMIT ?4"
    );
    let limit = usize::from(query.limit.min(LIMIT_MAX));
    let limit_sql = i64::from(query.limit.min(LIMIT_MAX)) + 1;
    let mut statement = db.prepare_cached(&sql)?;
    let mut rows = statement.query(params![user.as_str(), bound, to_db(at.0), limit_sql])?;
    let mut items = Vec::new();
    let mut bytes = 0;
    while let Some(row) = rows.next()? {
        let item = item(row)?;
        bytes += item.bytes();
        if items.len() == limit || (query.bytes_max < bytes && !items.is_empty()) {
            return Ok((items, true));
        }
        items.push(item);
    }
    Ok((items, false))
}

fn item(row: &Row<'_>) -> rusqlite::Result<Item> {
    Ok(Item {
        seq: ItemSeq(from_db(row.get(0)?)),
        id: row.get(1)?,
        namespace: row.get(2)?,
        event: row.get(3)?,
        args: row.get(4)?,
        created: WallMs(from_db(row.get(5)?)),
        expires: WallMs(from_db(row.get(6)?)),
        is_read: row.get(7)?,
        collapse_key: row.get(8)?,
    })
}
