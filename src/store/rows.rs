//! How values of the program stand in the columns of the database.

use crate::core::delivery::decision::{DeliveryId, PendingHook};
use crate::types::{UserId, WallMs};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

/// Columns that [`pending_hook`] reads.
pub(super) const PENDING_HOOK: &str = "id, user, attempts, since_ms, next_ms";

/// A number as the database stores it. Ours are times, counts and ids far below its limit.
pub(super) fn to_db(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A number as the database stored it.
pub(super) fn from_db(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// Writes one number of `meta`.
pub(super) fn set_meta(db: &Connection, key: &str, value: u64) -> rusqlite::Result<()> {
    let sql = "INSERT INTO meta VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = excluded.value";
    db.prepare_cached(sql)?.execute(params![key, to_db(value)])?;
    Ok(())
}

/// Reads one number of `meta`.
pub(super) fn meta(db: &Connection, key: &str) -> rusqlite::Result<Option<u64>> {
    let mut query = db.prepare_cached("SELECT value FROM meta WHERE key = ?1")?;
    Ok(query.query_row([key], |row| row.get(0)).optional()?.map(from_db))
}

/// Reads an undelivered hook from a row with the columns of [`PENDING_HOOK`]; `None` if the user's name is none, which
/// this program never writes.
pub(super) fn pending_hook(row: &Row<'_>) -> rusqlite::Result<Option<PendingHook>> {
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
