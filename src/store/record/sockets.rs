//! Writing that a socket came or went, where that is news: the event, its deliveries, and which sockets are here, so that the
//! end of each is told, by a later life of the process if need be.

use super::{News, Older, Rules, insert_delivery, replace_older};
use crate::config::Coalesce;
use crate::core::delivery::hook_body;
use crate::store::after_commit::AfterCommit;
use crate::store::rows::{from_db, meta, to_db};
use crate::store::state::StoreState;
use crate::types::{Seq, SocketChange, UserId, WallMs};
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};

/// Sockets of an earlier life whose ends are told in one transaction.
const LOST_AT_ONCE: u32 = 1000;

/// The end of a socket, or its beginning, as it is written down.
struct SocketEvent<'a> {
    user: &'a UserId,
    seq: Seq,
    session: Seq,
    at: WallMs,
    hook_type: &'static str,
    body: String,
}

impl Rules {
    /// Writes one.
    pub(in crate::store) fn record_socket(
        &self,
        tx: &Transaction<'_>,
        change: &SocketChange,
        state: &StoreState,
        effects: &mut AfterCommit,
    ) -> rusqlite::Result<()> {
        let (user, id) = (change.user.as_str(), change.socket.id.to_string());
        let event = SocketEvent {
            user: &change.user,
            seq: change.seq,
            session: change.session,
            at: change.at,
            hook_type: change.hook_type(),
            body: hook_body::render_socket(change),
        };
        if change.end.is_some() {
            let sql = "DELETE FROM open_sockets WHERE user = ?1 AND socket = ?2 RETURNING event";
            let mut delete = tx.prepare_cached(sql)?;
            let came = delete.query_row([user, &id], |row| row.get(0)).optional()?;
            self.insert_socket(tx, event, came, (state, effects))?;
        } else if let Some(event) = self.insert_socket(tx, event, None, (state, effects))? {
            let sql = "INSERT OR REPLACE INTO open_sockets (user, socket, session, event, connected_ms, facts) \
                       VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
            let (session, since) = (to_db(change.session.0), to_db(change.socket.connected_at.0));
            let facts = hook_body::socket_facts(change);
            tx.prepare_cached(sql)?.execute(params![user, id, session, event, since, facts])?;
        }
        Ok(())
    }

    /// Tells of sockets that were here when an earlier life `ended`, `at` this time, of as many as a transaction should have; or
    /// forgets all, if sockets are no news. Returns whether there may be more.
    pub(in crate::store) fn end_lost_sockets(
        &self,
        tx: &Transaction<'_>,
        (at, ended): (WallMs, Option<WallMs>),
        state: &StoreState,
        effects: &mut AfterCommit,
    ) -> rusqlite::Result<bool> {
        let mut told = Vec::new();
        if self.tells_of_sockets {
            let mut seq = meta(tx, "last_seq")?.unwrap_or(0).max(effects.last_seq);
            let sql = "SELECT user, session, event, connected_ms, facts, socket FROM open_sockets \
                       ORDER BY user LIMIT ?1";
            let mut query = tx.prepare_cached(sql)?;
            let mut rows = query.query([LOST_AT_ONCE])?;
            while let Some(row) = rows.next()? {
                told.push((row.get::<_, String>(0)?, row.get::<_, String>(5)?));
                let Ok(user) = UserId::parse(row.get_ref(0)?.as_str()?) else { continue };
                seq += 1;
                let came = WallMs(from_db(row.get(3)?));
                let ended = ended.map_or(came, |it| it.max(came));
                let facts = row.get_ref(4)?.as_str()?;
                let event = SocketEvent {
                    user: &user,
                    seq: Seq(seq),
                    session: Seq(from_db(row.get(1)?)),
                    at,
                    hook_type: SocketChange::DISCONNECTED,
                    body: hook_body::render_lost_socket(facts, at, (came, ended)),
                };
                self.insert_socket(tx, event, Some(row.get(2)?), (state, effects))?;
                // There may be very many, and nobody sends any yet.
                effects.fresh.clear();
            }
        }
        if told.is_empty() {
            tx.execute("DELETE FROM open_sockets", [])?;
            return Ok(false);
        }
        let mut delete =
            tx.prepare_cached("DELETE FROM open_sockets WHERE user = ?1 AND socket = ?2")?;
        for (user, socket) in told {
            delete.execute([user, socket])?;
        }
        Ok(true)
    }

    /// Returns the number of the event, unless it was recorded before. `came` is that of the coming of a socket that went.
    fn insert_socket(
        &self,
        tx: &Transaction<'_>,
        it: SocketEvent<'_>,
        came: Option<i64>,
        (state, effects): (&StoreState, &mut AfterCommit),
    ) -> rusqlite::Result<Option<i64>> {
        let (user, seq, at) = (it.user.as_str(), to_db(it.seq.0), to_db(it.at.0));
        let sql = "INSERT INTO events (user, seq, session, type, body, created_ms) \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (user, seq) DO NOTHING";
        let values = params![user, seq, to_db(it.session.0), it.hook_type, it.body, at];
        if tx.prepare_cached(sql)?.execute(values)? == 0 {
            return Ok(None);
        }
        let event = tx.last_insert_rowid();
        let webhook_id = hook_body::id_of(it.hook_type, it.user, it.seq);
        let news = News { event, user: it.user, at: it.at, webhook_id, body: it.body };
        effects.events += 1;
        effects.last_seq = effects.last_seq.max(it.seq.0);
        let wants = |events: &[String]| events.iter().any(|wanted| wanted == it.hook_type);
        for endpoint in self.endpoints.iter().filter(|endpoint| wants(&endpoint.events)) {
            let older = if self.is_full(endpoint, state, effects) {
                Some(Older::OfType(it.user, it.hook_type))
            } else {
                // The end of a socket says all that its beginning has said.
                came.filter(|_| endpoint.coalesce == Coalesce::Latest).map(Older::Event)
            };
            let replaced = match older {
                Some(older) => replace_older(tx, endpoint.id, older, it.at, effects)?,
                None => 0,
            };
            insert_delivery(tx, endpoint.id, &news, replaced, effects)?;
        }
        Ok(Some(event))
    }
}

/// How many sockets were here when the last life of the process ended, and are still to be told of.
pub(in crate::store) fn count_lost(db: &Connection) -> rusqlite::Result<u64> {
    let sql = "SELECT count(*) FROM open_sockets";
    db.query_row(sql, [], |row| row.get::<_, i64>(0)).map(from_db)
}
