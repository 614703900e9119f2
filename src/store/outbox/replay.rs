//! Putting hooks that have ended back among those to be sent.

use super::fresh::FreshNews;
use crate::core::delivery::decision::DeliveryId;
use crate::core::delivery::outbox::{DeadRange, EndpointId, Replayed};
use crate::store::after_commit::AfterCommit;
use crate::store::error::ReplayError;
use crate::store::rows::{from_db, to_db};
use crate::store::state::StoreState;
use crate::types::WallMs;
use rusqlite::{OptionalExtension as _, Transaction, params};

/// Dead letters put back by one call: as much as one transaction should hold up the others for.
const AT_ONCE: usize = 10_000;

/// Puts one back.
pub(in crate::store) fn one(
    tx: &Transaction<'_>,
    id: DeliveryId,
    at: WallMs,
    state: &StoreState,
    effects: &mut AfterCommit,
) -> rusqlite::Result<Result<(), ReplayError>> {
    let sql = "SELECT state, endpoint FROM deliveries WHERE id = ?1";
    let found = tx.query_row(sql, [to_db(id.0)], |row| Ok((row.get(0)?, row.get(1)?)));
    let Some((row_state, endpoint)): Option<(String, i64)> = found.optional()? else {
        return Ok(Err(ReplayError::Unknown));
    };
    let endpoint = EndpointId(from_db(endpoint));
    let refused = match row_state.as_str() {
        "pending" => Some(ReplayError::Pending),
        "replaced" => Some(ReplayError::Replaced),
        _ if state.endpoint(endpoint).is_none() => Some(ReplayError::Endpoint),
        _ => None,
    };
    if let Some(error) = refused {
        return Ok(Err(error));
    }
    put_back(tx, endpoint, id, at, effects)?;
    Ok(Ok(()))
}

/// Puts dead letters back, the oldest first.
pub(in crate::store) fn dead(
    tx: &Transaction<'_>,
    range: DeadRange,
    at: WallMs,
    effects: &mut AfterCommit,
) -> rusqlite::Result<Replayed> {
    let sql = "SELECT d.id FROM deliveries d JOIN events e ON e.id = d.event \
               WHERE d.state = 'dead' AND d.endpoint = ?1 AND ?2 <= e.created_ms AND e.created_ms < ?3 \
               ORDER BY d.id LIMIT ?4";
    let limit = i64::try_from(AT_ONCE + 1).unwrap_or(i64::MAX);
    let bounds = params![to_db(range.endpoint.0), to_db(range.from.0), to_db(range.to.0), limit];
    let mut query = tx.prepare_cached(sql)?;
    let ids = query.query_map(bounds, |row| row.get(0).map(from_db).map(DeliveryId))?;
    let ids = ids.collect::<rusqlite::Result<Vec<_>>>()?;
    for id in ids.iter().take(AT_ONCE) {
        put_back(tx, range.endpoint, *id, at, effects)?;
    }
    Ok(Replayed { count: ids.len().min(AT_ONCE), more: AT_ONCE < ids.len() })
}

fn put_back(
    tx: &Transaction<'_>,
    endpoint: EndpointId,
    id: DeliveryId,
    at: WallMs,
    effects: &mut AfterCommit,
) -> rusqlite::Result<()> {
    let sql = "UPDATE deliveries SET state = 'pending', attempts = 0, since_ms = ?2, \
               next_ms = NULL, ended_ms = NULL, error = NULL WHERE id = ?1";
    tx.prepare_cached(sql)?.execute(params![to_db(id.0), to_db(at.0)])?;
    effects.add_pending(endpoint, 1);
    effects.add_fresh(endpoint, FreshNews::Rewound);
    effects.rewind(endpoint, id);
    Ok(())
}
