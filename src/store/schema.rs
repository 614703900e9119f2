//! The tables, their versions, and what is read from them at the start.
//!
//! | table | holds |
//! | --- | --- |
//! | `meta` | `alive_at` (ms), `last_seq`, `pruned` (highest event id that was deleted) |
//! | `presence` | users who are online: session and since when |
//! | `events` | every presence change and undelivered message, in the order of commit; `closed_ms`: when the last socket closed |
//! | `endpoints` | names of receivers, and the number that stands for each |
//! | `deliveries` | each event for each endpoint that wants it; `state` is pending, delivered, dead or replaced; `since_ms` is where its time to be retried begins |
//! | `inbox_head` | the numbers of each user's inbox; stays when the inbox is empty, because numbers are never given twice |
//! | `inbox` | stored events; `args` is a JSON array |
//! | `inbox_ids` | where stored events are or were: by their names, against duplicates, and by the emit (`message`); `gone` is why an event is not there any more |
//!
//! A row of `deliveries` that is pending, or ended less than `keep_events` ago, keeps its event.

use super::shared::{EndpointId, Shared};
use super::{OpenError, OpenSession, Recovered};
use crate::config::HooksConfig;
use crate::types::{Seq, UserId, WallMs};
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};
use std::time::Duration;

/// One script per version of the format; a file of version n gets all from the n-th on.
const MIGRATIONS: &[&str] = &[
    "
    CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;

    CREATE TABLE presence (
        user TEXT PRIMARY KEY, session INTEGER NOT NULL, since_ms INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE events (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        user TEXT NOT NULL, seq INTEGER NOT NULL, session INTEGER NOT NULL, type TEXT NOT NULL,
        body TEXT NOT NULL, created_ms INTEGER NOT NULL, closed_ms INTEGER,
        UNIQUE (user, seq)
    ) STRICT;

    CREATE TABLE endpoints (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;

    CREATE TABLE deliveries (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        endpoint INTEGER NOT NULL, event INTEGER NOT NULL, user TEXT NOT NULL, state TEXT NOT NULL,
        since_ms INTEGER NOT NULL, attempts INTEGER NOT NULL DEFAULT 0,
        coalesced INTEGER NOT NULL DEFAULT 0, next_ms INTEGER, ended_ms INTEGER, error TEXT
    ) STRICT;
    CREATE INDEX deliveries_by_event ON deliveries (event);
    CREATE INDEX deliveries_by_state ON deliveries (state, id);
    CREATE INDEX deliveries_pending ON deliveries (endpoint, id) WHERE state = 'pending';
    CREATE INDEX deliveries_of_user ON deliveries (endpoint, user, id) WHERE state = 'pending';
    CREATE INDEX deliveries_failing ON deliveries (id) WHERE state = 'pending' AND attempts > 0;
",
    "
    CREATE TABLE inbox_head (
        user TEXT PRIMARY KEY, revision INTEGER NOT NULL, head INTEGER NOT NULL,
        unread INTEGER NOT NULL, read_upto INTEGER NOT NULL, min_seq INTEGER NOT NULL,
        count INTEGER NOT NULL, first_expiry_ms INTEGER
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX inbox_head_by_expiry ON inbox_head (first_expiry_ms)
        WHERE first_expiry_ms IS NOT NULL;

    CREATE TABLE inbox (
        user TEXT NOT NULL, seq INTEGER NOT NULL, id TEXT NOT NULL, namespace TEXT NOT NULL,
        event TEXT NOT NULL, args TEXT NOT NULL, created_ms INTEGER NOT NULL,
        expires_ms INTEGER NOT NULL, is_read INTEGER NOT NULL, collapse_key TEXT,
        UNIQUE (user, seq)
    ) STRICT;
    CREATE INDEX inbox_unread ON inbox (user, seq) WHERE is_read = 0;
    CREATE INDEX inbox_collapsing ON inbox (user, collapse_key)
        WHERE is_read = 0 AND collapse_key IS NOT NULL;

    CREATE TABLE inbox_ids (
        user TEXT NOT NULL, id TEXT NOT NULL, seq INTEGER NOT NULL, expires_ms INTEGER NOT NULL,
        UNIQUE (user, id)
    ) STRICT;
    CREATE INDEX inbox_ids_by_seq ON inbox_ids (user, seq);
    CREATE INDEX inbox_ids_by_expiry ON inbox_ids (expires_ms);
",
    "
    ALTER TABLE inbox_ids ADD COLUMN message TEXT NOT NULL DEFAULT '';
    ALTER TABLE inbox_ids ADD COLUMN gone TEXT;
    ALTER TABLE inbox_ids ADD COLUMN was_read INTEGER NOT NULL DEFAULT 0;
    UPDATE inbox_ids SET gone = 'unknown' WHERE NOT EXISTS
        (SELECT 1 FROM inbox WHERE inbox.user = inbox_ids.user AND inbox.seq = inbox_ids.seq);
    INSERT OR IGNORE INTO inbox_ids (user, id, seq, expires_ms, message)
        SELECT user, id, seq, expires_ms, id FROM inbox;
    CREATE INDEX inbox_ids_by_message ON inbox_ids (message);
    CREATE INDEX inbox_ids_by_name ON inbox_ids (id) WHERE id <> message;
    CREATE INDEX inbox_ids_gone ON inbox_ids (user, seq) WHERE gone IS NOT NULL;
",
];

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

/// Brings the file up to date and reads what the program starts with.
pub(super) fn recover(
    db: &mut Connection,
    hooks: &HooksConfig,
    inbox_keep: Duration,
) -> Result<(Shared, Recovered), OpenError> {
    let tx = db.transaction()?;
    migrate(&tx)?;
    let endpoints = name_endpoints(&tx, hooks)?;
    let orphans = find_orphans(&tx, &endpoints)?;
    let shared = Shared::new(count_pending(&tx, endpoints)?, orphans, inbox_keep);
    let alive_at = meta(&tx, "alive_at")?;
    let recovered = Recovered {
        sessions: open_sessions(&tx)?,
        last_seq: Seq(meta(&tx, "last_seq")?.unwrap_or(0)),
        alive_at: alive_at.map(WallMs),
    };
    tx.commit()?;
    Ok((shared, recovered))
}

fn migrate(tx: &Transaction<'_>) -> Result<(), OpenError> {
    let found: u32 = tx.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let known = u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX);
    if known < found {
        return Err(OpenError::Newer { found, known });
    }
    for (script, version) in MIGRATIONS.iter().zip(1_u32..).filter(|(_, version)| found < *version)
    {
        tx.execute_batch(script)?;
        tx.pragma_update(None, "user_version", version)?;
    }
    Ok(())
}

fn name_endpoints(
    tx: &Transaction<'_>,
    hooks: &HooksConfig,
) -> rusqlite::Result<Vec<(EndpointId, String)>> {
    let mut named = Vec::new();
    for endpoint in &hooks.endpoints {
        tx.execute("INSERT OR IGNORE INTO endpoints (name) VALUES (?1)", [&endpoint.name])?;
        let sql = "SELECT id FROM endpoints WHERE name = ?1";
        let id = tx.query_row(sql, [&endpoint.name], |row| row.get(0))?;
        named.push((EndpointId(id), endpoint.name.clone()));
    }
    Ok(named)
}

/// Endpoints that are no longer configured and for which hooks wait: says so, once per endpoint.
fn find_orphans(
    tx: &Transaction<'_>,
    endpoints: &[(EndpointId, String)],
) -> rusqlite::Result<Vec<(EndpointId, String)>> {
    let mut query = tx.prepare("SELECT id, name FROM endpoints")?;
    let all = query.query_map([], |row| Ok((EndpointId(row.get(0)?), row.get(1)?)))?;
    let mut gone = all.collect::<rusqlite::Result<Vec<(EndpointId, String)>>>()?;
    gone.retain(|it| !endpoints.contains(it));
    let mut orphans = Vec::new();
    for (id, name, count) in count_pending(tx, gone)? {
        if 0 < count {
            tracing::warn!(
                endpoint = %name, count,
                "{count} hooks wait for `{name}`, which is not configured: they are sent if it is configured \
                 again, and are dead letters when `hooks.retry_for` is over"
            );
            orphans.push((id, name));
        }
    }
    Ok(orphans)
}

fn count_pending(
    tx: &Transaction<'_>,
    endpoints: Vec<(EndpointId, String)>,
) -> rusqlite::Result<Vec<(EndpointId, String, u64)>> {
    let sql = "SELECT count(*) FROM deliveries WHERE endpoint = ?1 AND state = 'pending'";
    let mut query = tx.prepare(sql)?;
    let counted = endpoints.into_iter().map(|(id, name)| {
        let pending = query.query_row([id.0], |row| row.get(0)).map(from_db)?;
        Ok((id, name, pending))
    });
    counted.collect()
}

fn open_sessions(tx: &Transaction<'_>) -> Result<Vec<OpenSession>, OpenError> {
    let mut query = tx.prepare("SELECT user, session, since_ms FROM presence ORDER BY user")?;
    let mut rows = query.query([])?;
    let mut sessions = Vec::new();
    while let Some(row) = rows.next()? {
        let user = UserId::parse(row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?);
        sessions.push(OpenSession {
            user: user.map_err(|_| OpenError::Row("a user id in `presence`"))?,
            session: Seq(from_db(row.get(1)?)),
            since: WallMs(from_db(row.get(2)?)),
        });
    }
    Ok(sessions)
}
