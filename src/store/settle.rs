//! Writing what became of hooks, and finding what comes next.

use super::fresh::FreshNews;
use super::schema::{from_db, to_db};
use super::shared::EndpointId;
use super::writer::Batch;
use crate::core::delivery::decision::{DeliveryDecision, DeliveryId, DeliveryVerdict, PendingHook};
use crate::types::{UserId, WallMs};
use rusqlite::{OptionalExtension as _, Row, Transaction, params};

/// What became of one hook.
#[derive(Debug, Clone)]
pub struct Settlement {
    /// What the dispatcher decided.
    pub decision: DeliveryDecision,
    /// When.
    pub at: WallMs,
    /// For a retry: when, by the wall clock.
    pub next_attempt: Option<WallMs>,
    /// What went wrong, for people; at most a few hundred bytes.
    pub error: Option<String>,
}

/// What a user's next hook to an endpoint is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Next {
    /// Whose.
    pub user: UserId,
    /// The oldest undelivered one; `None` if all are delivered, or if nobody has said that there may be one.
    pub head: Option<PendingHook>,
}

/// Columns that [`head`] reads.
pub(super) const HEAD: &str = "id, user, attempts, since_ms, next_ms";

/// Reads a head from a row with the columns of [`HEAD`]; `None` for a user id that this program never wrote.
pub(super) fn head(row: &Row<'_>) -> rusqlite::Result<Option<PendingHook>> {
    let user = UserId::parse(row.get_ref(1)?.as_str()?).ok();
    let (id, attempts, since) = (row.get(0)?, row.get(2)?, row.get(3)?);
    let next: Option<i64> = row.get(4)?;
    Ok(user.map(|user| PendingHook {
        id: DeliveryId(from_db(id)),
        user,
        attempts,
        created: WallMs(from_db(since)),
        next_attempt: next.map(|ms| WallMs(from_db(ms))),
    }))
}

/// Writes one settlement.
pub(super) fn settle(
    tx: &Transaction<'_>,
    endpoint: EndpointId,
    settlement: &Settlement,
    batch: &mut Batch,
) -> rusqlite::Result<Option<Next>> {
    let DeliveryDecision { id, user, attempts, verdict, has_more } = &settlement.decision;
    let row = to_db(id.0);
    batch.add_fresh(endpoint, FreshNews::Miss(*id));
    let (at, error) = (to_db(settlement.at.0), settlement.error.as_deref());
    match verdict {
        DeliveryVerdict::Delivered => deliver(tx, endpoint, settlement, batch)?,
        DeliveryVerdict::Dead(_) => {
            let sql = "UPDATE deliveries SET state = 'dead', attempts = ?2, next_ms = NULL, \
                       ended_ms = ?3, error = ?4 WHERE id = ?1 AND state = 'pending'";
            let died = tx.prepare_cached(sql)?.execute(params![row, attempts, at, error])?;
            if died == 1 {
                batch.add_pending(endpoint, -1);
            }
        }
        DeliveryVerdict::Retry { .. } => {
            let sql = "UPDATE deliveries SET attempts = ?2, next_ms = ?3, error = ?4 \
                       WHERE id = ?1 AND state = 'pending'";
            let next = settlement.next_attempt.map(|at| to_db(at.0));
            tx.prepare_cached(sql)?.execute(params![row, attempts, next, error])?;
            return Ok(None);
        }
        DeliveryVerdict::Skipped => {}
    }
    let head = if *has_more { next_head(tx, endpoint, user)? } else { None };
    Ok(Some(Next { user: user.clone(), head }))
}

/// A hook that was on its way when a newer one replaced it may have arrived after all: then it did not need to be
/// replaced, and the newer one does not stand for it.
fn deliver(
    tx: &Transaction<'_>,
    endpoint: EndpointId,
    settlement: &Settlement,
    batch: &mut Batch,
) -> rusqlite::Result<()> {
    let DeliveryDecision { id, user, attempts, .. } = &settlement.decision;
    let row = to_db(id.0);
    let sql = "UPDATE deliveries SET state = 'delivered', attempts = ?2, next_ms = NULL, \
               ended_ms = ?3, error = NULL WHERE id = ?1 AND state = ?4";
    let mut end = tx.prepare_cached(sql)?;
    let at = to_db(settlement.at.0);
    if end.execute(params![row, attempts, at, "pending"])? == 1 {
        batch.add_pending(endpoint, -1);
    } else if end.execute(params![row, attempts, at, "replaced"])? == 1 {
        let sql = "UPDATE deliveries SET coalesced = max(0, coalesced - 1 - \
                   (SELECT coalesced FROM deliveries WHERE id = ?3)) WHERE id = \
                   (SELECT min(id) FROM deliveries \
                    WHERE endpoint = ?1 AND user = ?2 AND ?3 < id AND state = 'pending' \
                    AND 0 < coalesced)";
        tx.prepare_cached(sql)?.execute(params![endpoint.0, user.as_str(), row])?;
    }
    Ok(())
}

fn next_head(
    tx: &Transaction<'_>,
    endpoint: EndpointId,
    user: &UserId,
) -> rusqlite::Result<Option<PendingHook>> {
    let sql = format!(
        "SELECT {HEAD} FROM deliveries WHERE endpoint = ?1 AND user = ?2 AND state = 'pending' \
         ORDER BY id LIMIT 1"
    );
    let found = tx.prepare_cached(&sql)?.query_row(params![endpoint.0, user.as_str()], head);
    Ok(found.optional()?.flatten())
}
