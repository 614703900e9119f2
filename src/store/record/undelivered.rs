//! Writing that a message did not reach a user: the event and its deliveries. Presence is not touched, and no event of
//! another kind takes its place or gives way to it.

use super::{News, Rules, insert_delivery};
use crate::core::delivery::hook_body;
use crate::store::after_commit::AfterCommit;
use crate::store::rows::to_db;
use crate::types::Undelivered;
use rusqlite::{Transaction, params};

impl Rules {
    /// Writes one.
    pub(in crate::store) fn record_undelivered(
        &self,
        tx: &Transaction<'_>,
        it: &Undelivered,
        effects: &mut AfterCommit,
    ) -> rusqlite::Result<()> {
        let (user, at) = (it.user.as_str(), to_db(it.at.0));
        let sql = "INSERT INTO events (user, seq, session, type, body, created_ms) \
                   VALUES (?1, ?2, 0, ?3, ?4, ?5) ON CONFLICT (user, seq) DO NOTHING";
        let body = hook_body::render_undelivered(it);
        let values = params![user, to_db(it.seq.0), Undelivered::HOOK_TYPE, body, at];
        if tx.prepare_cached(sql)?.execute(values)? == 0 {
            return Ok(()); // it was recorded before
        }
        let webhook_id = hook_body::id_of(Undelivered::HOOK_TYPE, &it.user, it.seq);
        let event = tx.last_insert_rowid();
        let news = News { event, user: &it.user, at: it.at, webhook_id, body };
        effects.events += 1;
        effects.last_seq = effects.last_seq.max(it.seq.0);
        let wants = |events: &[String]| events.iter().any(|it| it == Undelivered::HOOK_TYPE);
        for endpoint in self.endpoints.iter().filter(|it| wants(&it.events)) {
            insert_delivery(tx, endpoint.id, &news, 0, effects)?;
        }
        Ok(())
    }
}
