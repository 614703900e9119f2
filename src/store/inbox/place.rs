//! What became of a stored event, also after it is gone: as far as its name is remembered.

use crate::core::inbox::{Gone, Placed, PlacedState};
use crate::store::rows::{from_db, to_db};
use crate::types::{ItemSeq, UserId, WallMs};
use rusqlite::{Connection, Row, params};

/// Columns that [`read`] reads, and the tables they are from.
const FOUND: &str = "n.user, n.message, n.seq, n.id, n.gone, n.was_read, i.is_read, i.expires_ms \
     FROM inbox_ids n LEFT JOIN inbox i ON i.user = n.user AND i.seq = n.seq";

pub(super) fn placed(db: &Connection, id: &str, at: WallMs) -> rusqlite::Result<Vec<Placed>> {
    let sql = format!(
        "SELECT {FOUND} WHERE n.message = ?1 AND ?2 < n.expires_ms UNION ALL \
         SELECT {FOUND} WHERE n.id = ?1 AND n.id <> n.message AND ?2 < n.expires_ms \
         ORDER BY 1 LIMIT 1000"
    );
    let mut query = db.prepare_cached(&sql)?;
    let rows = query.query_map(params![id, to_db(at.0)], |row| read(row, at))?;
    rows.filter_map(Result::transpose).collect()
}

fn read(row: &Row<'_>, at: WallMs) -> rusqlite::Result<Option<Placed>> {
    // Others than ours were never written.
    let Ok(user) = UserId::parse(row.get_ref(0)?.as_str()?) else { return Ok(None) };
    let gone: Option<String> = row.get(4)?;
    let (was_read, is_read): (bool, Option<bool>) = (row.get(5)?, row.get(6)?);
    let expires: Option<i64> = row.get(7)?;
    let state = match (gone, expires) {
        (Some(why), _) => PlacedState::Gone(Gone::parse(&why)),
        (None, None) => PlacedState::Gone(Gone::Unknown),
        (None, Some(expires)) if expires <= to_db(at.0) => PlacedState::Gone(Gone::Expired),
        (None, Some(_)) => PlacedState::There,
    };
    Ok(Some(Placed {
        user,
        message: row.get(1)?,
        seq: ItemSeq(from_db(row.get(2)?)),
        id: row.get(3)?,
        state,
        is_read: is_read.unwrap_or(was_read),
    }))
}
