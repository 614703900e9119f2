//! Forgetting what is too old, a slice at a time.

use super::rows::{from_db, meta, set_meta, to_db};
use crate::types::{WallMs, millis};
use rusqlite::{Connection, Transaction, params};
use std::time::Duration;

/// Events looked at in one slice, in one transaction.
const SLICE: u32 = 500;
/// Longest time between two passes.
const PASS_EVERY_MS: u64 = 10 * 60 * 1000;

/// Walks over the events from the oldest on, and deletes those that are old enough, wait for nobody, and whose hooks
/// ended long enough ago: a dead letter is to be kept from when it died, not from when its event happened.
#[derive(Debug)]
pub(super) struct Prune {
    keep_ms: u64,
    /// Where the pass is and the time before which events are old; `None` between passes.
    pass: Option<(i64, u64)>,
    /// When the last pass began, by the wall clock.
    began: u64,
}

impl Prune {
    pub(super) fn new(keep: Duration) -> Self {
        let keep_ms = millis(keep);
        Self { keep_ms, pass: None, began: 0 }
    }

    /// Begins a pass if it is time for one.
    pub(super) fn tick(&mut self, now: WallMs) {
        let every = PASS_EVERY_MS.min(self.keep_ms / 10);
        if self.pass.is_none() && every <= now.0.abs_diff(self.began) {
            self.began = now.0;
            self.pass = Some((0, now.0.saturating_sub(self.keep_ms)));
        }
    }

    /// Whether a pass is under way.
    pub(super) fn is_busy(&self) -> bool {
        self.pass.is_some()
    }

    /// Does one slice; after an error the pass ends, and the next one tries again.
    pub(super) fn slice(&mut self, db: &mut Connection) {
        let Some((after, before)) = self.pass.take() else { return };
        match prune(db, after, before) {
            Ok(next) => self.pass = next.map(|id| (id, before)),
            Err(error) => tracing::warn!(%error, "cannot delete old events, will try again later"),
        }
    }
}

/// Where the next slice begins; `None` at the end.
fn prune(db: &mut Connection, after: i64, before: u64) -> rusqlite::Result<Option<i64>> {
    let tx = db.transaction()?;
    let seen = look(&tx, after, before)?;
    let mut last = None;
    for old in seen.iter().filter(|seen| seen.is_old && !seen.is_needed) {
        tx.prepare_cached("DELETE FROM deliveries WHERE event = ?1")?.execute([old.id])?;
        tx.prepare_cached("DELETE FROM events WHERE id = ?1")?.execute([old.id])?;
        last = Some(old.id);
    }
    if let Some(id) = last {
        note_pruned(&tx, from_db(id))?;
    }
    tx.commit()?;
    let is_full = u32::try_from(seen.len()).is_ok_and(|n| n == SLICE);
    // Ids follow time closely enough: behind a young event there are only young ones.
    Ok(seen.last().filter(|seen| is_full && seen.is_old).map(|seen| seen.id))
}

/// One event as the walk sees it.
struct EventAge {
    id: i64,
    is_old: bool,
    /// Some endpoint has yet to get it, or its hook there ended not long ago.
    is_needed: bool,
}

fn look(tx: &Transaction<'_>, after: i64, before: u64) -> rusqlite::Result<Vec<EventAge>> {
    let sql = "SELECT id, created_ms < ?2, EXISTS \
                   (SELECT 1 FROM deliveries \
                    WHERE event = events.id AND (state = 'pending' OR ?2 <= ended_ms)) \
               FROM events WHERE ?1 < id ORDER BY id LIMIT ?3";
    let mut query = tx.prepare_cached(sql)?;
    let rows = query.query_map(params![after, to_db(before), SLICE], |row| {
        Ok(EventAge { id: row.get(0)?, is_old: row.get(1)?, is_needed: row.get(2)? })
    })?;
    rows.collect()
}

/// Notes the highest id of the events that were deleted: whoever pulls from below it is told that some are missing.
pub(super) fn note_pruned(tx: &Transaction<'_>, id: u64) -> rusqlite::Result<()> {
    let known = meta(tx, "pruned")?.unwrap_or(0);
    set_meta(tx, "pruned", known.max(id))
}
