//! Writing a presence change: presence, event and deliveries in one go.

pub(super) mod sockets;
mod undelivered;

use super::after_commit::AfterCommit;
use super::command::Attaching;
use super::outbox::fresh::FreshNews;
use super::rows::{from_db, meta, set_meta, to_db};
use super::state::StoreState;
use crate::config::{Coalesce, HooksConfig};
use crate::core::delivery::decision::{DeliveryId, PendingHook};
use crate::core::delivery::hook_body;
use crate::core::delivery::outbox::{EndpointId, HookPayload};
use crate::types::{Change, ChangeKind, UserId, WallMs};
use rusqlite::types::Value;
use rusqlite::{Transaction, params, params_from_iter};
use std::sync::atomic::Ordering;

/// Which endpoint gets what.
#[derive(Debug)]
pub(super) struct Rules {
    endpoints: Vec<EndpointRules>,
    backlog_max: u64,
    /// Whether it is news that sockets come and go.
    tells_of_sockets: bool,
}

#[derive(Debug)]
struct EndpointRules {
    id: EndpointId,
    /// Types it wants.
    events: Vec<String>,
    coalesce: Coalesce,
}

impl Rules {
    pub(super) fn new(hooks: &HooksConfig, state: &StoreState) -> Self {
        let named = hooks.endpoints.iter().zip(&state.endpoints);
        let endpoints = named.map(|(config, endpoint)| EndpointRules {
            id: endpoint.id,
            events: config.events.clone(),
            coalesce: hooks.coalesce,
        });
        Self {
            endpoints: endpoints.collect(),
            backlog_max: hooks.backlog_max,
            tells_of_sockets: hooks.sockets,
        }
    }

    /// Whether older undelivered hooks of a user give way to a new one.
    fn coalesces(
        &self,
        endpoint: &EndpointRules,
        state: &StoreState,
        effects: &mut AfterCommit,
    ) -> bool {
        endpoint.coalesce == Coalesce::Latest || self.is_full(endpoint, state, effects)
    }

    /// Whether a backlog is at its bound. From there on it grows only by users who had nothing of the kind waiting, and says so.
    fn is_full(
        &self,
        endpoint: &EndpointRules,
        state: &StoreState,
        effects: &mut AfterCommit,
    ) -> bool {
        let committed = state.endpoint(endpoint.id).map(|it| it.pending.load(Ordering::Relaxed));
        let waiting =
            effects.pending_of(endpoint.id).saturating_add_unsigned(committed.unwrap_or(0));
        let is_full = to_db(self.backlog_max) <= waiting;
        if is_full {
            effects.overflowed.insert(endpoint.id);
        }
        is_full
    }

    /// Whether a backlog is so far below its bound that reaching it again is news.
    pub(super) fn is_well_below(&self, backlog: u64) -> bool {
        backlog < self.backlog_max - self.backlog_max / 10
    }

    /// Writes one change.
    pub(super) fn record(
        &self,
        tx: &Transaction<'_>,
        change: &Change,
        state: &StoreState,
        effects: &mut AfterCommit,
    ) -> rusqlite::Result<()> {
        let hook_type = change.hook_type();
        let body = hook_body::render(change);
        if !insert_event(tx, change, &body)? {
            return Ok(());
        }
        let (user, at) = (&change.user, change.at);
        let webhook_id = hook_body::webhook_id(user, change.seq);
        let news = News { event: tx.last_insert_rowid(), user, at, webhook_id, body };
        effects.events += 1;
        effects.last_seq = effects.last_seq.max(change.seq.0);
        set_presence(tx, change)?;
        for endpoint in self.endpoints.iter().filter(|it| it.events.iter().any(|e| e == hook_type))
        {
            let replaced = if self.coalesces(endpoint, state, effects) {
                replace_older(tx, endpoint.id, Older::Presence(user), at, effects)?
            } else {
                0
            };
            insert_delivery(tx, endpoint.id, &news, replaced, effects)?;
        }
        Ok(())
    }
}

/// What is to be sent of an event.
struct News<'a> {
    event: i64,
    user: &'a UserId,
    at: WallMs,
    webhook_id: String,
    body: String,
}

/// Has one endpoint be told of an event, which stands for so many others.
fn insert_delivery(
    tx: &Transaction<'_>,
    endpoint: EndpointId,
    news: &News<'_>,
    replaced: i64,
    effects: &mut AfterCommit,
) -> rusqlite::Result<()> {
    let sql = "INSERT INTO deliveries (endpoint, event, user, state, since_ms, coalesced) \
               VALUES (?1, ?2, ?3, 'pending', ?4, ?5)";
    let values =
        params![to_db(endpoint.0), news.event, news.user.as_str(), to_db(news.at.0), replaced];
    tx.prepare_cached(sql)?.execute(values)?;
    let id = DeliveryId(from_db(tx.last_insert_rowid()));
    effects.add_pending(endpoint, 1);
    // How many it stands for may still change, in the file.
    let fresh = if replaced == 0 { news.fresh(id) } else { FreshNews::Miss(id) };
    effects.add_fresh(endpoint, fresh);
    Ok(())
}

impl News<'_> {
    fn fresh(&self, id: DeliveryId) -> FreshNews {
        let (user, created) = (self.user.clone(), self.at);
        let head = PendingHook { id, user, attempts: 0, created, next_attempt: None };
        let (webhook_id, body) = (self.webhook_id.clone(), self.body.clone());
        FreshNews::New(head, HookPayload { id, webhook_id, body })
    }
}

/// `false` if the change was recorded before.
fn insert_event(tx: &Transaction<'_>, change: &Change, body: &str) -> rusqlite::Result<bool> {
    let closed = match change.kind {
        ChangeKind::Online => None,
        ChangeKind::Offline { last_socket_closed_at, .. } => Some(to_db(last_socket_closed_at.0)),
    };
    let sql = "INSERT INTO events (user, seq, session, type, body, created_ms, closed_ms) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (user, seq) DO NOTHING";
    let inserted = tx.prepare_cached(sql)?.execute(params![
        change.user.as_str(),
        to_db(change.seq.0),
        to_db(change.session.0),
        change.hook_type(),
        body,
        to_db(change.at.0),
        closed,
    ])?;
    Ok(inserted == 1)
}

fn set_presence(tx: &Transaction<'_>, change: &Change) -> rusqlite::Result<()> {
    let user = change.user.as_str();
    match change.kind {
        ChangeKind::Online => {
            let sql = "INSERT INTO presence (user, session, since_ms, granted) VALUES (?1, ?2, ?3, ?4) \
                       ON CONFLICT DO UPDATE SET session = excluded.session, since_ms = excluded.since_ms, \
                       granted = excluded.granted, attached = NULL";
            let (session, since) = (to_db(change.session.0), to_db(change.at.0));
            let granted = change.portrait.granted.as_deref();
            tx.prepare_cached(sql)?.execute(params![user, session, since, granted])?;
        }
        ChangeKind::Offline { .. } => {
            tx.prepare_cached("DELETE FROM presence WHERE user = ?1")?.execute([user])?;
        }
    }
    Ok(())
}

/// Writes down what is attached to a session, if it is still the user's.
pub(super) fn attach(tx: &Transaction<'_>, to: &Attaching) -> rusqlite::Result<()> {
    let sql = "UPDATE presence SET attached = ?3 WHERE user = ?1 AND session = ?2";
    let values = params![to.user.as_str(), to_db(to.session.0), &*to.attached];
    tx.prepare_cached(sql)?.execute(values).map(drop)
}

/// Hooks that a newer one takes the place of.
#[derive(Debug, Clone, Copy)]
enum Older<'a> {
    /// That the user came or went.
    Presence(&'a UserId),
    /// Those of this type about the user.
    OfType(&'a UserId, &'static str),
    /// That of this event.
    Event(i64),
}

/// How many events the new one stands for beside itself.
fn replace_older(
    tx: &Transaction<'_>,
    endpoint: EndpointId,
    older: Older<'_>,
    at: WallMs,
    effects: &mut AfterCommit,
) -> rusqlite::Result<i64> {
    let (which, values) = match older {
        Older::Presence(user) => (
            "user = ?3 AND EXISTS (SELECT 1 FROM events WHERE id = deliveries.event \
             AND type IN ('user.online', 'user.offline'))",
            vec![Value::from(user.as_str().to_owned())],
        ),
        Older::OfType(user, hook_type) => (
            "user = ?3 AND EXISTS (SELECT 1 FROM events WHERE id = deliveries.event AND type = ?4)",
            vec![Value::from(user.as_str().to_owned()), Value::from(hook_type.to_owned())],
        ),
        Older::Event(event) => ("event = ?3", vec![Value::from(event)]),
    };
    let sql = format!(
        "UPDATE deliveries SET state = 'replaced', next_ms = NULL, ended_ms = ?2 \
         WHERE endpoint = ?1 AND state = 'pending' AND {which} RETURNING id, coalesced + 1"
    );
    let mut update = tx.prepare_cached(&sql)?;
    let older = [to_db(endpoint.0), to_db(at.0)].map(Value::from).into_iter().chain(values);
    let older = params_from_iter(older);
    let counts = update.query_map(older, |row| Ok((row.get(0)?, row.get(1)?)))?;
    let mut replaced = 0;
    for count in counts {
        let (id, count): (i64, i64) = count?;
        replaced += count;
        effects.add_pending(endpoint, -1);
        effects.add_fresh(endpoint, FreshNews::Miss(DeliveryId(from_db(id))));
        effects.add_coalesced(endpoint);
    }
    Ok(replaced)
}

/// Writes down the highest sequence number of a effects.
pub(super) fn note_seq(tx: &Transaction<'_>, effects: &AfterCommit) -> rusqlite::Result<()> {
    if effects.last_seq == 0 {
        return Ok(());
    }
    let known = meta(tx, "last_seq")?.unwrap_or(0);
    set_meta(tx, "last_seq", known.max(effects.last_seq))
}
