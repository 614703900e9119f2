//! Writing what became of hooks, and finding what comes next.

use super::fresh::FreshNews;
use crate::core::delivery::decision::{DeliveryDecision, DeliveryVerdict, PendingHook};
use crate::core::delivery::outbox::{EndpointId, NextHook, Settlement};
use crate::store::after_commit::AfterCommit;
use crate::store::rows::{PENDING_HOOK, pending_hook, to_db};
use crate::types::UserId;
use rusqlite::{OptionalExtension as _, Transaction, params};

/// Writes one settlement.
pub(in crate::store) fn settle(
    tx: &Transaction<'_>,
    endpoint: EndpointId,
    settlement: &Settlement,
    effects: &mut AfterCommit,
) -> rusqlite::Result<Option<NextHook>> {
    let DeliveryDecision { id, user, attempts, verdict, has_more } = &settlement.decision;
    let row = to_db(id.0);
    effects.add_fresh(endpoint, FreshNews::Miss(*id));
    let (at, error) = (to_db(settlement.at.0), settlement.error.as_deref());
    match verdict {
        DeliveryVerdict::Delivered => deliver(tx, endpoint, settlement, effects)?,
        DeliveryVerdict::Dead(_) => {
            let sql = "UPDATE deliveries SET state = 'dead', attempts = ?2, next_ms = NULL, \
                       ended_ms = ?3, error = ?4 WHERE id = ?1 AND state = 'pending'";
            let died = tx.prepare_cached(sql)?.execute(params![row, attempts, at, error])?;
            if died == 1 {
                effects.add_pending(endpoint, -1);
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
    Ok(Some(NextHook { user: user.clone(), head }))
}

/// A hook that was on its way when a newer one replaced it may have arrived after all: then it did not need to be
/// replaced, and the newer one does not stand for it.
fn deliver(
    tx: &Transaction<'_>,
    endpoint: EndpointId,
    settlement: &Settlement,
    effects: &mut AfterCommit,
) -> rusqlite::Result<()> {
    let DeliveryDecision { id, user, attempts, .. } = &settlement.decision;
    let row = to_db(id.0);
    let sql = "UPDATE deliveries SET state = 'delivered', attempts = ?2, next_ms = NULL, \
               ended_ms = ?3, error = NULL WHERE id = ?1 AND state = ?4";
    let mut end = tx.prepare_cached(sql)?;
    let at = to_db(settlement.at.0);
    if end.execute(params![row, attempts, at, "pending"])? == 1 {
        effects.add_pending(endpoint, -1);
    } else if end.execute(params![row, attempts, at, "replaced"])? == 1 {
        let sql = "UPDATE deliveries SET coalesced = max(0, coalesced - 1 - \
                   (SELECT coalesced FROM deliveries WHERE id = ?3)) WHERE id = \
                   (SELECT min(id) FROM deliveries \
                    WHERE endpoint = ?1 AND user = ?2 AND ?3 < id AND state = 'pending' \
                    AND 0 < coalesced)";
        tx.prepare_cached(sql)?.execute(params![to_db(endpoint.0), user.as_str(), row])?;
    }
    Ok(())
}

fn next_head(
    tx: &Transaction<'_>,
    endpoint: EndpointId,
    user: &UserId,
) -> rusqlite::Result<Option<PendingHook>> {
    let sql = format!(
        "SELECT {PENDING_HOOK} FROM deliveries WHERE endpoint = ?1 AND user = ?2 AND state = 'pending' \
         ORDER BY id LIMIT 1"
    );
    let found =
        tx.prepare_cached(&sql)?.query_row(params![to_db(endpoint.0), user.as_str()], pending_hook);
    Ok(found.optional()?.flatten())
}
