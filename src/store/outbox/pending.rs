//! Reading what is to be sent, for the dispatchers.

use crate::core::delivery::decision::{DeliveryId, PendingHook};
use crate::core::delivery::hook_body;
use crate::core::delivery::outbox::{EndpointId, HookPayload};
use crate::store::rows::{PENDING_HOOK, from_db, pending_hook, to_db};
use crate::types::{Seq, UserId, WallMs};
use rusqlite::{Connection, OptionalExtension as _, params};

pub(super) fn list(
    db: &Connection,
    endpoint: EndpointId,
    after: DeliveryId,
    limit: u32,
) -> rusqlite::Result<Vec<PendingHook>> {
    let sql = format!(
        "SELECT {PENDING_HOOK} FROM deliveries WHERE endpoint = ?1 AND ?2 < id AND state = 'pending' \
         ORDER BY id LIMIT ?3"
    );
    let mut query = db.prepare_cached(&sql)?;
    let bounds = params![to_db(endpoint.0), to_db(after.0), limit];
    let rows = query.query_map(bounds, pending_hook)?;
    rows.filter_map(Result::transpose).collect()
}

pub(super) fn oldest(db: &Connection, endpoint: EndpointId) -> rusqlite::Result<Option<WallMs>> {
    let sql = "SELECT e.created_ms FROM deliveries d JOIN events e ON e.id = d.event \
               WHERE d.endpoint = ?1 AND d.state = 'pending' ORDER BY d.id LIMIT 1";
    let mut query = db.prepare_cached(sql)?;
    let oldest = query.query_row([to_db(endpoint.0)], |row| row.get(0)).optional()?;
    Ok(oldest.map(|ms| WallMs(from_db(ms))))
}

pub(super) fn payloads(db: &Connection, ids: &[DeliveryId]) -> rusqlite::Result<Vec<HookPayload>> {
    let sql = "SELECT e.user, e.seq, e.body, d.coalesced, e.type FROM deliveries d JOIN events e ON e.id = d.event \
               WHERE d.id = ?1 AND d.state = 'pending'";
    let mut query = db.prepare_cached(sql)?;
    let mut payloads = Vec::with_capacity(ids.len());
    for id in ids {
        let mut rows = query.query([to_db(id.0)])?;
        let Some(row) = rows.next()? else { continue };
        let Ok(user) = UserId::parse(row.get_ref(0)?.as_str()?) else { continue };
        let (body, hook_type) = (row.get_ref(2)?.as_str()?, row.get_ref(4)?.as_str()?);
        payloads.push(HookPayload {
            id: *id,
            webhook_id: hook_body::id_of(hook_type, &user, Seq(from_db(row.get(1)?))),
            body: hook_body::with_coalesced(body, from_db(row.get(3)?)),
        });
    }
    Ok(payloads)
}
