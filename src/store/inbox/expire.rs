//! Letting expired items go that nobody asks for, a slice at a time.

use super::expired::ExpiredInboxes;
use super::write;
use crate::core::inbox::InboxState;
use crate::store::rows::to_db;
use crate::types::{UserId, WallMs};
use rusqlite::{Connection, Transaction, params};

/// Items, or names of items, after which a slice ends; one inbox is always done whole.
const SLICE: usize = 500;
/// Inboxes looked at in one slice.
const USERS: u32 = 64;

/// Looks for expired items whenever time is told.
#[derive(Debug, Default)]
pub(in crate::store) struct Expiry {
    /// The time of the pass under way.
    pass: Option<WallMs>,
}

impl Expiry {
    /// Begins a pass.
    pub(in crate::store) fn tick(&mut self, now: WallMs) {
        self.pass = Some(now);
    }

    /// Whether a pass is under way.
    pub(in crate::store) fn is_busy(&self) -> bool {
        self.pass.is_some()
    }

    /// Does one slice; after an error the pass ends, and the next one tries again.
    pub(in crate::store) fn slice(&mut self, db: &mut Connection, expired: &ExpiredInboxes) {
        let Some(now) = self.pass else { return };
        match slice(db, now) {
            Ok(done) => {
                expired.tell(done.changed);
                self.pass = done.has_more.then_some(now);
            }
            Err(error) => {
                self.pass = None;
                tracing::warn!(%error, "cannot delete expired items, will try again later");
            }
        }
    }
}

struct Slice {
    changed: Vec<(UserId, InboxState)>,
    has_more: bool,
}

fn slice(db: &mut Connection, now: WallMs) -> rusqlite::Result<Slice> {
    let tx = db.transaction()?;
    let users = due(&tx, now)?;
    let mut has_more = u32::try_from(users.len()).is_ok_and(|n| n == USERS);
    let (mut changed, mut gone) = (Vec::new(), 0);
    for user in users {
        if SLICE <= gone {
            has_more = true;
            break;
        }
        if let Some((state, count)) = write::expire_all(&tx, &user, now)? {
            gone += count;
            changed.push((user, state));
        }
    }
    let limit = i64::try_from(SLICE).unwrap_or(i64::MAX);
    let sql = "DELETE FROM inbox_ids WHERE rowid IN \
               (SELECT rowid FROM inbox_ids WHERE expires_ms <= ?1 LIMIT ?2)";
    let forgotten = tx.prepare_cached(sql)?.execute(params![to_db(now.0), limit])?;
    tx.commit()?;
    Ok(Slice { changed, has_more: has_more || forgotten == SLICE })
}

fn due(tx: &Transaction<'_>, now: WallMs) -> rusqlite::Result<Vec<UserId>> {
    let sql = "SELECT user FROM inbox_head WHERE first_expiry_ms <= ?1 \
               ORDER BY first_expiry_ms LIMIT ?2";
    let mut query = tx.prepare_cached(sql)?;
    let rows = query.query_map(params![to_db(now.0), USERS], |row| row.get::<_, String>(0))?;
    let mut users = Vec::new();
    for user in rows {
        // Others than ours were never written.
        users.extend(UserId::parse(&user?));
    }
    Ok(users)
}
