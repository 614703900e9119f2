//! Hooks for endpoints that are no longer configured: they wait, in case the endpoint comes back, for as long as a
//! failing hook is tried; then they are dead letters, because pending ones would keep their events for ever.

use crate::core::delivery::outbox::EndpointId;
use crate::store::rows::{from_db, to_db};
use crate::types::{WallMs, millis, saturating_u64};
use rusqlite::{Connection, params};
use std::time::Duration;

/// Hooks in one slice, in one transaction.
const SLICE: u32 = 500;

/// Buries the hooks of orphaned endpoints when their time is over.
#[derive(Debug)]
pub(in crate::store) struct Orphans {
    retry_for: Duration,
    endpoints: Vec<(EndpointId, String)>,
    pass: Option<Pass>,
}

#[derive(Debug)]
struct Pass {
    at: WallMs,
    /// Endpoints that were not looked at yet; the last one is next.
    left: Vec<(EndpointId, String)>,
    /// Hooks of the next endpoint that were buried in this pass.
    buried: usize,
}

impl Orphans {
    pub(in crate::store) fn new(retry_for: Duration, endpoints: Vec<(EndpointId, String)>) -> Self {
        Self { retry_for, endpoints, pass: None }
    }

    /// Begins a pass unless one is under way.
    pub(in crate::store) fn tick(&mut self, now: WallMs) {
        if self.pass.is_none() && !self.endpoints.is_empty() {
            self.pass = Some(Pass { at: now, left: self.endpoints.clone(), buried: 0 });
        }
    }

    /// Whether a pass is under way.
    pub(in crate::store) fn is_busy(&self) -> bool {
        self.pass.is_some()
    }

    /// Does one slice; after an error the pass ends, and the next one tries again.
    pub(in crate::store) fn slice(&mut self, db: &mut Connection) {
        let Some(mut pass) = self.pass.take() else { return };
        let Some((endpoint, name)) = pass.left.last() else { return };
        let retry_ms = millis(self.retry_for);
        let before = WallMs(pass.at.0.saturating_sub(retry_ms));
        match bury(db, *endpoint, before, pass.at) {
            Ok(count) => {
                pass.buried += count;
                if u32::try_from(count).is_ok_and(|n| n < SLICE) {
                    tell(name, pass.buried);
                    pass.buried = 0;
                    pass.left.pop();
                }
                self.pass = Some(pass);
            }
            Err(error) => {
                tracing::warn!(%error, "cannot give up old hooks, will try again later");
            }
        }
    }
}

fn tell(name: &str, buried: usize) {
    if buried == 0 {
        return;
    }
    let count = saturating_u64(buried);
    metrics::counter!("userline_hooks_dead_total", "endpoint" => name.to_owned()).increment(count);
    tracing::warn!(
        endpoint = %name, count,
        "{count} hooks for `{name}`, which is not configured any more, are dead letters: `hooks.retry_for` is over"
    );
}

/// How many became dead letters, at most a slice of them.
fn bury(
    db: &mut Connection,
    endpoint: EndpointId,
    before: WallMs,
    at: WallMs,
) -> rusqlite::Result<usize> {
    let tx = db.transaction()?;
    let ids = {
        let sql = "SELECT id, since_ms FROM deliveries WHERE endpoint = ?1 AND state = 'pending' \
                   ORDER BY id LIMIT ?2";
        let mut query = tx.prepare_cached(sql)?;
        let rows = query.query_map(params![to_db(endpoint.0), SLICE], |row| {
            Ok((row.get::<_, i64>(0)?, from_db(row.get(1)?)))
        })?;
        // Ids follow time closely enough: behind a young hook there are only young ones.
        rows.take_while(|row| row.as_ref().map_or(true, |(_, since)| *since < before.0))
            .map(|row| row.map(|(id, _)| id))
            .collect::<rusqlite::Result<Vec<_>>>()?
    };
    for id in &ids {
        let sql = "UPDATE deliveries SET state = 'dead', next_ms = NULL, ended_ms = ?2, \
                   error = 'its endpoint is no longer configured' WHERE id = ?1";
        tx.prepare_cached(sql)?.execute(params![id, to_db(at.0)])?;
    }
    tx.commit()?;
    Ok(ids.len())
}
