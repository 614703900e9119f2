//! The store of a node that was alone, read to be moved into a cluster, and emptied of what was.

use super::error::OpenError;
use super::rows::{from_db, meta};
use super::{file, memberships, restrictions, schema};
use crate::core::cluster::import::{
    LoneContents, LoneHook, LoneInbox, LoneItem, LoneName, LoneRest,
};
use crate::types::{Seq, UserId, WallMs};
use rusqlite::{Connection, Row, Transaction, params};
use serde_json::Value;
use std::fs::File;
use std::path::Path;

/// The store of a node that was alone, taken for this process alone.
#[derive(Debug)]
pub struct LoneStore {
    db: Connection,
    _lock: File,
}

impl LoneStore {
    /// Takes the database in `dir`; `None` if there is none.
    pub fn open(dir: &Path) -> Result<Option<Self>, OpenError> {
        if !dir.join(file::DATABASE).exists() {
            return Ok(None);
        }
        let lock = file::lock(dir)?;
        let mut db = file::open(dir)?;
        let tx = db.transaction()?;
        schema::migrate(&tx)?;
        tx.commit()?;
        Ok(Some(Self { db, _lock: lock }))
    }

    /// What is in it.
    pub fn contents(&mut self) -> Result<LoneContents, OpenError> {
        let tx = self.db.transaction()?;
        let memberships = memberships::all(&tx)?;
        Ok(LoneContents {
            last_seq: Seq(meta(&tx, "last_seq")?.unwrap_or(0)),
            alive_at: meta(&tx, "alive_at")?.map(WallMs),
            sessions: sessions(&tx)?,
            restrictions: restrictions::all(&tx)?,
            memberships,
            hooks: hooks(&tx)?,
            rest: LoneRest {
                other_hooks: count(&tx, "open_sockets")?
                    + count(&tx, &format!("deliveries AS d {JOINED} AND NOT {OF_PRESENCE}"))?,
            },
        })
    }

    /// How many users were online.
    pub fn users_online(&mut self) -> Result<u64, OpenError> {
        let tx = self.db.transaction()?;
        Ok(count(&tx, "presence")?)
    }

    /// Inboxes of users behind this one, by their names; a few at a time, none at the end.
    pub fn inboxes(&mut self, after: Option<&UserId>) -> Result<Vec<LoneInbox>, OpenError> {
        let tx = self.db.transaction()?;
        let sql = "SELECT user, head, read_upto, min_seq FROM inbox_head \
                   WHERE ?1 < user ORDER BY user LIMIT ?2";
        let mut query = tx.prepare_cached(sql)?;
        let mut rows = query.query(params![after.map_or("", UserId::as_str), INBOXES_AT_ONCE])?;
        let mut inboxes = Vec::new();
        while let Some(row) = rows.next()? {
            let user = user(row, 0)?;
            inboxes.push(LoneInbox {
                head: from_db(row.get(1)?),
                upto: from_db(row.get(2)?),
                min: from_db(row.get(3)?),
                items: items(&tx, &user)?,
                gone: gone(&tx, &user)?,
                user,
            });
        }
        Ok(inboxes)
    }

    /// Forgets what was moved: inboxes, who is online, what is held against users, memberships, and presence changes that wait.
    pub fn forget_moved(&mut self) -> Result<(), OpenError> {
        let tx = self.db.transaction()?;
        tx.execute_batch(&format!(
            "DELETE FROM presence; DELETE FROM restrictions; DELETE FROM memberships;
             DELETE FROM inbox; DELETE FROM inbox_ids; DELETE FROM inbox_head;
             DELETE FROM deliveries WHERE id IN (SELECT d.id FROM deliveries AS d {JOINED} AND {OF_PRESENCE});"
        ))?;
        tx.commit()?;
        Ok(())
    }
}

/// Inboxes that are read at once.
const INBOXES_AT_ONCE: u32 = 20;

/// Deliveries that wait, with their events.
const JOINED: &str = "JOIN events AS e ON e.id = d.event WHERE d.state = 'pending'";
const OF_PRESENCE: &str = "e.type IN ('user.online', 'user.offline')";

fn count(tx: &Transaction<'_>, from: &str) -> rusqlite::Result<u64> {
    tx.query_row(&format!("SELECT count(*) FROM {from}"), [], |row| row.get(0)).map(from_db)
}

fn sessions(tx: &Transaction<'_>) -> Result<Vec<(UserId, Seq)>, OpenError> {
    let mut query = tx.prepare("SELECT user, session FROM presence ORDER BY user")?;
    let mut rows = query.query([])?;
    let mut sessions = Vec::new();
    while let Some(row) = rows.next()? {
        sessions.push((user(row, 0)?, Seq(from_db(row.get(1)?))));
    }
    Ok(sessions)
}

fn hooks(tx: &Transaction<'_>) -> Result<Vec<LoneHook>, OpenError> {
    let sql = format!(
        "SELECT e.user, e.seq, e.session, e.type, e.body, e.closed_ms, n.name, d.attempts, d.next_ms
         FROM deliveries AS d JOIN endpoints AS n ON n.id = d.endpoint {JOINED} AND {OF_PRESENCE}
         ORDER BY e.seq, n.name"
    );
    let mut query = tx.prepare(&sql)?;
    let mut rows = query.query([])?;
    let mut hooks = Vec::new();
    while let Some(row) = rows.next()? {
        let time = |ms: i64| WallMs(from_db(ms));
        let hook_type: String = row.get(3)?;
        let end = if hook_type == "user.offline" {
            let body: String = row.get(4)?;
            let closed: Option<i64> = row.get(5)?;
            let reason = reason(&body).ok_or(OpenError::Row("a body in `events`"))?;
            Some((reason, time(closed.unwrap_or_default())))
        } else {
            None
        };
        let next: Option<i64> = row.get(8)?;
        hooks.push(LoneHook {
            seq: Seq(from_db(row.get(1)?)),
            user: user(row, 0)?,
            session: Seq(from_db(row.get(2)?)),
            end,
            endpoint: row.get(6)?,
            attempts: from_db(row.get(7)?),
            next: next.map(time),
        });
    }
    Ok(hooks)
}

fn items(tx: &Transaction<'_>, user: &UserId) -> rusqlite::Result<Vec<LoneItem>> {
    let sql = "SELECT i.seq, i.id, coalesce(n.message, i.id), i.is_read, coalesce(n.expires_ms, i.expires_ms), \
               i.namespace, i.event, i.args, i.created_ms, i.expires_ms, coalesce(i.collapse_key, '') \
               FROM inbox AS i LEFT JOIN inbox_ids AS n ON n.user = i.user AND n.id = i.id AND n.seq = i.seq \
               WHERE i.user = ?1 ORDER BY i.seq";
    let mut query = tx.prepare_cached(sql)?;
    let rows = query.query_map([user.as_str()], |row| {
        Ok(LoneItem {
            name: name(row, String::new())?,
            namespace: row.get(5)?,
            event: row.get(6)?,
            args: row.get(7)?,
            since: WallMs(from_db(row.get(8)?)),
            ends: WallMs(from_db(row.get(9)?)),
            collapse_key: row.get(10)?,
        })
    })?;
    rows.collect()
}

fn gone(tx: &Transaction<'_>, user: &UserId) -> rusqlite::Result<Vec<LoneName>> {
    let sql = "SELECT seq, id, message, was_read, expires_ms, gone FROM inbox_ids \
               WHERE user = ?1 AND gone IS NOT NULL ORDER BY seq";
    let mut query = tx.prepare_cached(sql)?;
    let rows = query.query_map([user.as_str()], |row| name(row, row.get(5)?))?;
    rows.collect()
}

fn name(row: &Row<'_>, why: String) -> rusqlite::Result<LoneName> {
    Ok(LoneName {
        seq: from_db(row.get(0)?),
        id: row.get(1)?,
        message: row.get(2)?,
        why,
        is_read: row.get(3)?,
        ends: WallMs(from_db(row.get(4)?)),
    })
}

fn reason(body: &str) -> Option<String> {
    let body: Value = serde_json::from_str(body).ok()?;
    body.get("data")?.get("reason")?.as_str().map(str::to_owned)
}

fn user(row: &Row<'_>, column: usize) -> Result<UserId, OpenError> {
    let text = row.get_ref(column)?.as_str().map_err(rusqlite::Error::from)?;
    UserId::parse(text).map_err(|_| OpenError::Row("a user id"))
}
