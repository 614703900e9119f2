//! Emitting what is also kept: stored and committed first, then emitted, perhaps asking for acks, then told.

use crate::core::emit::audience::LeftOut;
use crate::core::emit::message::{Ask, Emit, StoreOptions};
use crate::core::inbox::{InboxState, Keep, Naming, NewItem, Put, Putting, Reach, Taken};
use crate::realtime::Realtime;
use crate::realtime::emit::{Asking, Emitted, UserEmitted, fresh_id};
use crate::store::Closed;
use crate::types::{ItemId, ItemSeq, Namespace, UserId, WallMs, millis};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Where an event is in the inbox of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its place.
    pub seq: ItemSeq,
    /// Its name.
    pub id: String,
    /// Whether it was there before this emit.
    pub is_duplicate: bool,
}

/// What became of an emit that was kept.
#[derive(Debug)]
pub struct KeptEmit {
    /// What became of it live.
    pub emitted: Emitted,
    /// The users who have it in their inbox.
    pub stored: BTreeMap<UserId, Stored>,
    /// The acks that it waits for, if it asked for them.
    pub asking: Option<Asking>,
}

/// One emit under way.
struct Keeping<'a> {
    realtime: &'a Realtime,
    namespace: &'a Namespace,
    keep: Keep,
    item: NewItem,
    stored: BTreeMap<UserId, Stored>,
    states: Vec<(UserId, InboxState)>,
}

impl Realtime {
    /// Emits to users and keeps it for them. Whom it is a duplicate for gets nothing, nor does a user who is left out as such.
    /// What is stored is committed before the first socket hears of it. An error means that some do not have it yet:
    /// the same again, with the same `id`, gives it to those.
    /// Those who get it are asked for acks if that is wanted.
    pub async fn emit_kept(
        &self,
        emit: &Emit,
        options: StoreOptions,
        ask: Option<Ask>,
    ) -> Result<KeptEmit, Closed> {
        let id = fresh_id();
        let mut keeping = self.begin_keeping(&id, emit, options);
        let left_out = emit.audience.left_out();
        let named = &emit.audience.target.users;
        let users: Vec<_> = named.iter().filter(|it| !left_out.includes(*it)).cloned().collect();
        keeping.store_before(&users).await?;
        let (mut emitted, asking) = self.emit_fresh(id, emit, ask, &keeping.stored).await;
        keeping.store_after(&emitted, &left_out).await?;
        let Keeping { stored, states, .. } = keeping;
        for (user, state) in states {
            self.tell_inbox(&user, state);
        }
        emitted.users = self.in_order(named, emitted.users);
        Ok(KeptEmit { emitted, stored, asking })
    }

    fn begin_keeping<'a>(&'a self, id: &str, emit: &'a Emit, options: StoreOptions) -> Keeping<'a> {
        let StoreOptions { keep, ttl, collapse_key, id: given } = options;
        let naming = if given.is_some() { Naming::Given } else { Naming::Made };
        let (at, config) = (self.clock.wall(), self.inbox.config);
        let item = NewItem {
            id: given.unwrap_or_else(|| made(id)),
            naming,
            message: id.to_owned(),
            namespace: emit.audience.namespace.clone(),
            event: emit.event.clone(),
            payload: emit.payload.clone(),
            collapse_key,
            at,
            time: self.inbox_time(),
            expires: later(at, ttl.unwrap_or(config.keep).min(config.keep)),
            remembered_until: later(at, config.keep),
            count_max: config.max_per_user,
        };
        let (stored, states) = (BTreeMap::new(), Vec::new());
        Keeping { realtime: self, namespace: &emit.audience.namespace, keep, item, stored, states }
    }

    /// Emits to those who do not have it yet.
    async fn emit_fresh(
        &self,
        id: String,
        emit: &Emit,
        ask: Option<Ask>,
        stored: &BTreeMap<UserId, Stored>,
    ) -> (Emitted, Option<Asking>) {
        let mut fresh = emit.clone();
        let target = &mut Arc::make_mut(&mut fresh.audience).target;
        let is_duplicate =
            |user: &UserId| stored.get(user).is_some_and(|it: &Stored| it.is_duplicate);
        target.users.retain(|user| !is_duplicate(user));
        if let Some(ask) = ask {
            let (emitted, asking) = self.ask_as(id, &fresh, ask).await;
            return (emitted, Some(asking));
        }
        if fresh.audience.target.users.is_empty() {
            return (Emitted { id, matched: 0, sent: 0, users: Vec::new() }, None);
        }
        (self.emit_as(id, &fresh).await, None)
    }

    /// What became of it for each user that was named: nothing for those it is a duplicate for.
    fn in_order(
        &self,
        named: &[UserId],
        emitted: Vec<(UserId, UserEmitted)>,
    ) -> Vec<(UserId, UserEmitted)> {
        let emitted: BTreeMap<_, _> = emitted.into_iter().collect();
        let each = named.iter().map(|user| {
            let it = emitted.get(user).copied().unwrap_or_else(|| UserEmitted {
                status: self.sockets.user(user).0,
                matched: 0,
                sent: 0,
            });
            (user.clone(), it)
        });
        each.collect()
    }

    fn reach(&self, user: &UserId, namespace: &Namespace) -> Reach {
        if self.reachable(user, namespace).is_empty() { Reach::Away } else { Reach::Here }
    }
}

impl Keeping<'_> {
    async fn store_before(&mut self, users: &[UserId]) -> Result<(), Closed> {
        let mut asked = Vec::with_capacity(users.len());
        for user in users {
            if self.keep.before_emit(self.realtime.reach(user, self.namespace)) {
                asked.push((user.clone(), Putting::Store));
            } else if self.item.naming == Naming::Given {
                asked.push((user.clone(), Putting::Check));
            }
        }
        self.put(asked).await
    }

    /// For those whose last connection went between the look and the emit.
    async fn store_after(
        &mut self,
        emitted: &Emitted,
        left_out: &LeftOut<'_>,
    ) -> Result<(), Closed> {
        let mut asked = Vec::new();
        for (user, it) in &emitted.users {
            let taken = match (it.matched, it.sent) {
                (0, _) => Taken::NotMeant,
                (_, 0) => Taken::Refused,
                (_, _) => Taken::Taken,
            };
            let is_missing = !self.stored.contains_key(user) && !left_out.includes(user);
            if is_missing && self.keep.after_emit(taken, self.realtime.reach(user, self.namespace))
            {
                asked.push((user.clone(), Putting::Store));
            }
        }
        self.put(asked).await
    }

    async fn put(&mut self, asked: Vec<(UserId, Putting)>) -> Result<(), Closed> {
        if asked.is_empty() {
            return Ok(());
        }
        let puts = self.realtime.inbox.inboxes.put(self.item.clone(), &asked).await?;
        for ((user, _), put) in asked.into_iter().zip(puts) {
            let Some(Put { seq, is_duplicate, state }) = put else { continue };
            if !is_duplicate {
                self.states.push((user.clone(), state));
            }
            let count = if is_duplicate { "duplicate" } else { "stored" };
            metrics::counter!("userline_inbox_items_total", "outcome" => count).increment(1);
            let id = self.item.id.as_str().to_owned();
            self.stored.insert(user, Stored { seq, id, is_duplicate });
        }
        Ok(())
    }
}

#[expect(clippy::expect_used, reason = "`msg_` and 20 characters of base64 are a valid id")]
fn made(id: &str) -> ItemId {
    ItemId::parse(id).expect("a made id is valid")
}

fn later(at: WallMs, after: Duration) -> WallMs {
    WallMs(at.0.saturating_add(millis(after)))
}
