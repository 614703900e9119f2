//! What is read from the database at the start: what an earlier life of the process has left behind.

use super::error::OpenError;
use super::record::sockets::count_lost;
use super::rows::{from_db, meta, to_db};
use super::schema;
use super::state::StoreState;
use crate::config::HooksConfig;
use crate::core::delivery::outbox::EndpointId;
use crate::types::{Portrait, Seq, UserId, WallMs};
use rusqlite::{Connection, Transaction};
use std::time::Duration;

/// What an earlier life of the process has left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovered {
    /// Users who were online, in the order of their names.
    pub sessions: Vec<OpenSession>,
    /// The highest sequence number that was ever recorded, or that the end of a socket of then will have; zero if there was
    /// none.
    pub last_seq: Seq,
    /// When that life was last known to run.
    pub alive_at: Option<WallMs>,
}

impl Recovered {
    /// There was no earlier life.
    pub fn nothing() -> Self {
        Self { sessions: Vec::new(), last_seq: Seq(0), alive_at: None }
    }
}

/// A session of a user whose end was not recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenSession {
    /// The user.
    pub user: UserId,
    /// The session: the sequence number of the user's `online`.
    pub session: Seq,
    /// When it began.
    pub since: WallMs,
    /// Who the user was then, as far as hooks say, and what was attached since.
    pub portrait: Portrait,
}

/// Brings the file up to date and reads what the program starts with.
pub(super) fn recover(
    db: &mut Connection,
    hooks: &HooksConfig,
    inbox_keep: Duration,
) -> Result<(StoreState, Recovered), OpenError> {
    let tx = db.transaction()?;
    schema::migrate(&tx)?;
    let endpoints = name_endpoints(&tx, hooks)?;
    let orphans = find_orphans(&tx, &endpoints)?;
    let state = StoreState::new(count_pending(&tx, endpoints)?, orphans, inbox_keep);
    let alive_at = meta(&tx, "alive_at")?;
    let recovered = Recovered {
        sessions: open_sessions(&tx)?,
        last_seq: Seq(meta(&tx, "last_seq")?.unwrap_or(0).saturating_add(count_lost(&tx)?)),
        alive_at: alive_at.map(WallMs),
    };
    tx.commit()?;
    Ok((state, recovered))
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
        named.push((EndpointId(from_db(id)), endpoint.name.clone()));
    }
    Ok(named)
}

/// Endpoints that are no longer configured and for which hooks wait: says so, once per endpoint.
fn find_orphans(
    tx: &Transaction<'_>,
    endpoints: &[(EndpointId, String)],
) -> rusqlite::Result<Vec<(EndpointId, String)>> {
    let mut query = tx.prepare("SELECT id, name FROM endpoints")?;
    let all = query.query_map([], |row| Ok((EndpointId(from_db(row.get(0)?)), row.get(1)?)))?;
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
        let pending = query.query_row([to_db(id.0)], |row| row.get(0)).map(from_db)?;
        Ok((id, name, pending))
    });
    counted.collect()
}

fn open_sessions(tx: &Transaction<'_>) -> Result<Vec<OpenSession>, OpenError> {
    let mut query = tx
        .prepare("SELECT user, session, since_ms, granted, attached FROM presence ORDER BY user")?;
    let mut rows = query.query([])?;
    let mut sessions = Vec::new();
    while let Some(row) = rows.next()? {
        let user = UserId::parse(row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?);
        sessions.push(OpenSession {
            user: user.map_err(|_| OpenError::Row("a user id in `presence`"))?,
            session: Seq(from_db(row.get(1)?)),
            since: WallMs(from_db(row.get(2)?)),
            portrait: Portrait { granted: row.get(3)?, attached: row.get(4)? },
        });
    }
    Ok(sessions)
}
