//! Erasing a user: every row that names the user is deleted, in one transaction.

use super::after_commit::AfterCommit;
use super::inbox::erased;
use super::outbox::fresh::FreshNews;
use super::prune::note_pruned;
use super::resume::write;
use super::rows::from_db;
use crate::core::auth::resume_families::FamilyNews;
use crate::core::delivery::decision::DeliveryId;
use crate::core::delivery::outbox::EndpointId;
use crate::types::{UserId, saturating_u64};
use rusqlite::Transaction;

/// Deletes what names the user, and keeps `kept`, by which its resume tokens do not count any more; returns how many hooks were
/// still to be sent.
pub(super) fn erase(
    tx: &Transaction<'_>,
    user: &UserId,
    kept: Option<&FamilyNews>,
    effects: &mut AfterCommit,
) -> rusqlite::Result<u64> {
    let hooks = erase_deliveries(tx, user, effects)?;
    erase_events(tx, user)?;
    let tables = [
        "presence",
        "open_sockets",
        "restrictions",
        "memberships",
        "resume_families",
        "resume_log_outs",
    ];
    for table in tables {
        let sql = format!("DELETE FROM {table} WHERE user = ?1");
        tx.prepare_cached(&sql)?.execute([user.as_str()])?;
    }
    if let Some(kept) = kept {
        write::keep(tx, kept)?;
    }
    erased::erase(tx, user)?;
    effects.erased.push(user.clone());
    Ok(hooks)
}

/// The same, if no hook is still to be sent; else tells how many are.
pub(super) fn erase_if_told(
    tx: &Transaction<'_>,
    user: &UserId,
    kept: Option<&FamilyNews>,
    effects: &mut AfterCommit,
) -> rusqlite::Result<Result<(), u64>> {
    let sql = "SELECT count(*) FROM deliveries WHERE state = 'pending' \
               AND event IN (SELECT id FROM events WHERE user = ?1)";
    let waiting: i64 = tx.prepare_cached(sql)?.query_row([user.as_str()], |row| row.get(0))?;
    if 0 < waiting {
        return Ok(Err(from_db(waiting)));
    }
    erase(tx, user, kept, effects)?;
    Ok(Ok(()))
}

fn erase_deliveries(
    tx: &Transaction<'_>,
    user: &UserId,
    effects: &mut AfterCommit,
) -> rusqlite::Result<u64> {
    let sql = "DELETE FROM deliveries WHERE event IN (SELECT id FROM events WHERE user = ?1) \
               RETURNING id, endpoint, state = 'pending'";
    let mut delete = tx.prepare_cached(sql)?;
    let rows = delete.query_map([user.as_str()], |row| {
        let (id, endpoint) = (from_db(row.get(0)?), from_db(row.get(1)?));
        Ok((DeliveryId(id), EndpointId(endpoint), row.get(2)?))
    })?;
    let gone = rows.collect::<rusqlite::Result<Vec<(_, _, bool)>>>()?;
    let pending: Vec<_> = gone.into_iter().filter(|(_, _, is_pending)| *is_pending).collect();
    for (id, endpoint, _) in &pending {
        effects.add_pending(*endpoint, -1);
        effects.add_fresh(*endpoint, FreshNews::Miss(*id));
    }
    Ok(saturating_u64(pending.len()))
}

/// Whoever pulls and has not seen these events yet is told that some are missing: one may be the user's offline.
fn erase_events(tx: &Transaction<'_>, user: &UserId) -> rusqlite::Result<()> {
    let sql = "SELECT max(id) FROM events WHERE user = ?1";
    let last: Option<i64> = tx.prepare_cached(sql)?.query_row([user.as_str()], |row| row.get(0))?;
    if let Some(last) = last {
        note_pruned(tx, from_db(last))?;
        tx.prepare_cached("DELETE FROM events WHERE user = ?1")?.execute([user.as_str()])?;
    }
    Ok(())
}
