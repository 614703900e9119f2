//! Changing one inbox, inside a transaction. The numbers follow the rules of the core; the items are rows.

use super::head::{first_unread, load, numbered, write_head};
use crate::core::inbox::{
    Gone, Inbox, InboxState, Naming, NewItem, Put, Putting, ReadMark, SeenItems,
};
use crate::store::rows::{from_db, to_db};
use crate::types::{CollapseKey, ItemSeq, UserId, WallMs, saturating_u64};
use rusqlite::{OptionalExtension as _, Params, Transaction, params};

/// Stores an item for one user, or finds out that it is a duplicate.
pub(super) fn put(
    tx: &Transaction<'_>,
    user: &UserId,
    putting: Putting,
    item: &NewItem,
) -> rusqlite::Result<Option<Put>> {
    if item.naming == Naming::Given
        && let Some(seq) = known(tx, user, item)?
    {
        let state = load(tx, user)?.state;
        return Ok(Some(Put { seq, is_duplicate: true, state }));
    }
    if putting == Putting::Check {
        return Ok(None);
    }
    let mut inbox = load(tx, user)?;
    expire(tx, user, &mut inbox, item.time)?;
    collapse(tx, user, &mut inbox, item)?;
    let seq = inbox.add(item.expires);
    insert(tx, user, seq, item)?;
    remember(tx, user, seq, item)?;
    drop_excess(tx, user, &mut inbox, item.count_max)?;
    save(tx, user, &mut inbox)?;
    Ok(Some(Put { seq, is_duplicate: false, state: inbox.state }))
}

/// Marks items as read.
pub(super) fn mark(
    tx: &Transaction<'_>,
    user: &UserId,
    seen: &SeenItems,
    at: WallMs,
) -> rusqlite::Result<InboxState> {
    let mut inbox = load(tx, user)?;
    let expired = expire(tx, user, &mut inbox, at)?;
    let marked = match seen {
        SeenItems::Upto(upto) => {
            let sql = "UPDATE inbox SET is_read = 1 WHERE user = ?1 AND is_read = 0 AND seq <= ?2";
            tx.prepare_cached(sql)?.execute(params![user.as_str(), to_db(upto.0)])?
        }
        SeenItems::Ids(ids) => {
            let sql = "SELECT seq, id FROM inbox WHERE user = ?1 AND is_read = 0";
            let mut query = tx.prepare_cached(sql)?;
            let rows = query.query_map([user.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))?;
            let unread = rows.collect::<rusqlite::Result<Vec<(i64, String)>>>()?;
            let mut marked = 0;
            for (seq, _) in unread.iter().filter(|(_, id)| ids.contains(id.as_str())) {
                let sql = "UPDATE inbox SET is_read = 1 WHERE user = ?1 AND seq = ?2";
                marked += tx.prepare_cached(sql)?.execute(params![user.as_str(), seq])?;
            }
            marked
        }
    };
    if 0 < expired + marked {
        inbox.read(saturating_u64(marked));
        save(tx, user, &mut inbox)?;
    }
    Ok(inbox.state)
}

/// Deletes an item; `None` if there is none.
pub(super) fn delete(
    tx: &Transaction<'_>,
    user: &UserId,
    seq: ItemSeq,
    at: WallMs,
) -> rusqlite::Result<Option<InboxState>> {
    let mut inbox = load(tx, user)?;
    let expired = expire(tx, user, &mut inbox, at)?;
    let sql = "DELETE FROM inbox WHERE user = ?1 AND seq = ?2 RETURNING seq, is_read";
    let gone = take(tx, sql, params![user.as_str(), to_db(seq.0)])?;
    for (_, mark) in &gone {
        inbox.remove(*mark);
    }
    note_gone(tx, user, &gone, Gone::Deleted)?;
    if 0 < expired + gone.len() {
        save(tx, user, &mut inbox)?;
    }
    Ok((!gone.is_empty()).then_some(inbox.state))
}

/// Lets everything go that has expired by now; returns what the inbox is like if that changed it.
pub(super) fn expire_all(
    tx: &Transaction<'_>,
    user: &UserId,
    now: WallMs,
) -> rusqlite::Result<Option<(InboxState, usize)>> {
    let mut inbox = load(tx, user)?;
    let gone = expire(tx, user, &mut inbox, now)?;
    if gone == 0 {
        // The earliest item was taken out before: what was noted of it is put right.
        write_head(tx, user, &inbox)?;
        return Ok(None);
    }
    save(tx, user, &mut inbox)?;
    Ok(Some((inbox.state, gone)))
}

/// Ends a change: the numbers follow the rows, and are written down.
fn save(tx: &Transaction<'_>, user: &UserId, inbox: &mut Inbox) -> rusqlite::Result<()> {
    inbox.settle(first_unread(tx, user, WallMs(0))?);
    write_head(tx, user, inbox)
}

/// Lets expired items go; returns how many.
fn expire(
    tx: &Transaction<'_>,
    user: &UserId,
    inbox: &mut Inbox,
    now: WallMs,
) -> rusqlite::Result<usize> {
    if !inbox.may_expire(now) {
        return Ok(0);
    }
    let sql = "DELETE FROM inbox WHERE user = ?1 AND expires_ms <= ?2 RETURNING seq, is_read";
    let gone = take(tx, sql, params![user.as_str(), to_db(now.0)])?;
    for (seq, mark) in &gone {
        inbox.drop_item(*seq, *mark);
    }
    note_gone(tx, user, &gone, Gone::Expired)?;
    let first: Option<i64> = tx
        .prepare_cached("SELECT min(expires_ms) FROM inbox WHERE user = ?1")?
        .query_row([user.as_str()], |row| row.get(0))?;
    inbox.first_expiry = first.map(|ms| WallMs(from_db(ms)));
    Ok(gone.len())
}

fn collapse(
    tx: &Transaction<'_>,
    user: &UserId,
    inbox: &mut Inbox,
    item: &NewItem,
) -> rusqlite::Result<()> {
    let Some(key) = &item.collapse_key else { return Ok(()) };
    let sql = "DELETE FROM inbox WHERE user = ?1 AND collapse_key = ?2 AND is_read = 0 \
               RETURNING seq, is_read";
    let gone = take(tx, sql, params![user.as_str(), key.as_str()])?;
    for (_, mark) in &gone {
        inbox.remove(*mark);
    }
    note_gone(tx, user, &gone, Gone::Collapsed)
}

fn drop_excess(
    tx: &Transaction<'_>,
    user: &UserId,
    inbox: &mut Inbox,
    max: u64,
) -> rusqlite::Result<()> {
    let excess = inbox.excess(max);
    if excess == 0 {
        return Ok(());
    }
    let sql = "DELETE FROM inbox WHERE user = ?1 AND seq IN \
               (SELECT seq FROM inbox WHERE user = ?1 ORDER BY seq LIMIT ?2) RETURNING seq, is_read";
    let gone = take(tx, sql, params![user.as_str(), to_db(excess)])?;
    for (seq, mark) in &gone {
        inbox.drop_item(*seq, *mark);
    }
    note_gone(tx, user, &gone, Gone::PushedOut)
}

/// Remembers why items are not there any more, for whoever asks what became of them.
fn note_gone(
    tx: &Transaction<'_>,
    user: &UserId,
    gone: &[(ItemSeq, ReadMark)],
    why: Gone,
) -> rusqlite::Result<()> {
    let sql = "UPDATE inbox_ids SET gone = ?3, was_read = ?4 WHERE user = ?1 AND seq = ?2";
    let mut update = tx.prepare_cached(sql)?;
    for (seq, mark) in gone {
        let was_read = *mark == ReadMark::Read;
        update.execute(params![user.as_str(), to_db(seq.0), why.as_str(), was_read])?;
    }
    Ok(())
}

/// Runs a statement that returns `seq, is_read` of each row it deletes.
fn take(
    tx: &Transaction<'_>,
    sql: &str,
    params: impl Params,
) -> rusqlite::Result<Vec<(ItemSeq, ReadMark)>> {
    let mut statement = tx.prepare_cached(sql)?;
    let rows = statement.query_map(params, numbered)?;
    rows.collect()
}

fn insert(
    tx: &Transaction<'_>,
    user: &UserId,
    seq: ItemSeq,
    item: &NewItem,
) -> rusqlite::Result<()> {
    let sql = "INSERT INTO inbox (user, seq, id, namespace, event, args, created_ms, expires_ms, \
               is_read, collapse_key) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 0, ?9)";
    let args: Vec<&str> = item.payload.args().iter().map(|arg| arg.get()).collect();
    tx.prepare_cached(sql)?.execute(params![
        user.as_str(),
        to_db(seq.0),
        item.id.as_str(),
        item.namespace.as_str(),
        item.event.as_str(),
        format!("[{}]", args.join(",")),
        to_db(item.at.0),
        to_db(item.expires.0),
        item.collapse_key.as_ref().map(CollapseKey::as_str),
    ])?;
    Ok(())
}

/// Where an item of this name is or was.
fn known(tx: &Transaction<'_>, user: &UserId, item: &NewItem) -> rusqlite::Result<Option<ItemSeq>> {
    let sql = "SELECT seq FROM inbox_ids WHERE user = ?1 AND id = ?2 AND ?3 < expires_ms";
    let bounds = params![user.as_str(), item.id.as_str(), to_db(item.time.0)];
    let seq = tx.prepare_cached(sql)?.query_row(bounds, |row| row.get(0)).optional()?;
    Ok(seq.map(|seq| ItemSeq(from_db(seq))))
}

/// Remembers the name of an item, and forgets those of items that are gone and would be too many by now.
fn remember(
    tx: &Transaction<'_>,
    user: &UserId,
    seq: ItemSeq,
    item: &NewItem,
) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO inbox_ids (user, id, seq, expires_ms, message) \
               VALUES (?1, ?2, ?3, ?4, ?5)";
    let until = to_db(item.remembered_until.0);
    let values = params![user.as_str(), item.id.as_str(), to_db(seq.0), until, item.message];
    tx.prepare_cached(sql)?.execute(values)?;
    let sql = "DELETE FROM inbox_ids WHERE user = ?1 AND seq <= ?2 AND gone IS NOT NULL";
    let too_old = to_db(seq.0.saturating_sub(item.count_max));
    tx.prepare_cached(sql)?.execute(params![user.as_str(), too_old])?;
    Ok(())
}
