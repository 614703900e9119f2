//! Emitting what is also kept: stored and committed first, then emitted, perhaps asking for acks, then told.

use super::{AckOptions, Emitted, Emitter, LiveInboxes, Messages, PostError};
use crate::core::emit::audience::{Audience, LeftOut};
use crate::core::emit::message::{Emit, StoreOptions};
use crate::core::inbox::{InboxState, Keep, Naming, NewItem, Put, Putting, Reach, Taken};
use crate::realtime::emitter::{PendingAcks, Recipients, TooManyRecipients, UserEmitted};
use crate::realtime::sockets::Sockets;
use crate::store::Closed;
use crate::types::{ItemSeq, Namespace, UserId};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Where an event is in the inbox of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredItem {
    /// Its place.
    pub seq: ItemSeq,
    /// Its name.
    pub id: String,
    /// Whether it was there before this emit.
    pub is_duplicate: bool,
}

/// What became of an emit.
#[derive(Debug)]
pub(super) struct EmitOutcome {
    /// What became of it live.
    pub(super) emitted: Emitted,
    /// The users who have it in their inbox.
    pub(super) stored: BTreeMap<UserId, StoredItem>,
    /// The acks that it waits for, if it asked for them.
    pub(super) asking: Option<PendingAcks>,
}

/// One emit to users, on its way into their inboxes.
struct StoringEmit<'a> {
    inboxes: &'a LiveInboxes,
    sockets: &'a Sockets,
    namespace: &'a Namespace,
    keep: Keep,
    item: NewItem,
    stored: BTreeMap<UserId, StoredItem>,
    states: Vec<(UserId, InboxState)>,
}

impl Messages {
    /// Emits, and asks the recipients for acks if there are any to ask.
    pub(super) async fn emit(
        &self,
        id: String,
        emit: &Emit,
        ask: Option<(AckOptions, Recipients)>,
    ) -> EmitOutcome {
        let stored = BTreeMap::new();
        let Some((ask, recipients)) = ask else {
            return EmitOutcome {
                emitted: self.emitter.emit(id, emit).await,
                stored,
                asking: None,
            };
        };
        let (emitted, asking) = self.emitter.ask(id, emit, ask, recipients).await;
        EmitOutcome { emitted, stored, asking: Some(asking) }
    }

    /// Those who would be asked for acks, if they are not too many.
    pub(super) fn may_ask(
        &self,
        audience: &Audience,
        ask: AckOptions,
    ) -> Result<(AckOptions, Recipients), TooManyRecipients> {
        let recipients = self.emitter.recipients(audience);
        recipients.check()?;
        Ok((ask, recipients))
    }

    /// Emits to users and keeps it for them. A user for whom it is a duplicate gets nothing, nor does one who is left out
    /// as such. What is stored is committed before the first socket hears of it. An error means that some do not have it
    /// yet: the same again, with the same `id`, gives it to those. Those who get it are asked for acks if that is
    /// wanted.
    pub(super) async fn store_and_emit(
        &self,
        emit: &Emit,
        options: StoreOptions,
        ask: Option<AckOptions>,
    ) -> Result<EmitOutcome, PostError> {
        if let Some(ask) = ask {
            // Before anything is on disk: a refusal does nothing.
            self.may_ask(&emit.audience, ask)?;
        }
        let id = Emitter::fresh_id();
        let Audience { namespace, target, .. } = &*emit.audience;
        let mut storing = StoringEmit {
            inboxes: &self.inboxes,
            sockets: self.emitter.sockets(),
            namespace,
            keep: options.keep,
            item: self.inboxes.new_item(&id, emit, options),
            stored: BTreeMap::new(),
            states: Vec::new(),
        };
        let left_out = emit.audience.left_out();
        let users = target.users.iter().filter(|it| !left_out.includes(*it)).cloned();
        storing.before_emit(&users.collect::<Vec<_>>()).await?;
        let outcome = self.emit_fresh(id, emit, ask, &storing.stored).await;
        storing.after_emit(&outcome.emitted, &left_out).await?;
        let StoringEmit { sockets, stored, states, .. } = storing;
        for (user, state) in states {
            self.inboxes.tell(&user, state);
        }
        let EmitOutcome { emitted, asking, .. } = outcome;
        let users = in_order(&target.users, emitted.users, sockets);
        Ok(EmitOutcome { emitted: Emitted { users, ..emitted }, stored, asking })
    }

    /// Emits to those who do not have it yet.
    async fn emit_fresh(
        &self,
        id: String,
        emit: &Emit,
        ask: Option<AckOptions>,
        stored: &BTreeMap<UserId, StoredItem>,
    ) -> EmitOutcome {
        let mut fresh = emit.clone();
        let is_duplicate = |user: &UserId| stored.get(user).is_some_and(|it| it.is_duplicate);
        let target = &mut Arc::make_mut(&mut fresh.audience).target;
        target.users.retain(|user| !is_duplicate(user));
        if ask.is_none() && target.users.is_empty() {
            let emitted = Emitted { id, matched: 0, sent: 0, users: Vec::new() };
            return EmitOutcome { emitted, stored: BTreeMap::new(), asking: None };
        }
        // However many there are by now: some have it on disk already.
        let ask = ask.map(|ask| (ask, self.emitter.recipients(&fresh.audience)));
        self.emit(id, &fresh, ask).await
    }
}

/// What became of it for each user that was named: nothing for those it is a duplicate for.
fn in_order(
    named: &[UserId],
    emitted: Vec<(UserId, UserEmitted)>,
    sockets: &Sockets,
) -> Vec<(UserId, UserEmitted)> {
    let emitted: BTreeMap<_, _> = emitted.into_iter().collect();
    let each = named.iter().map(|user| {
        let it = emitted.get(user).copied().unwrap_or_else(|| UserEmitted {
            status: sockets.user(user).0,
            matched: 0,
            sent: 0,
        });
        (user.clone(), it)
    });
    each.collect()
}

impl StoringEmit<'_> {
    async fn before_emit(&mut self, users: &[UserId]) -> Result<(), Closed> {
        let mut asked = Vec::with_capacity(users.len());
        for user in users {
            if self.keep.before_emit(self.reach(user)) {
                asked.push((user.clone(), Putting::Store));
            } else if self.item.naming == Naming::Given {
                asked.push((user.clone(), Putting::Check));
            }
        }
        self.put(asked).await
    }

    /// For those whose last connection went between the look and the emit.
    async fn after_emit(
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
            if is_missing && self.keep.after_emit(taken, self.reach(user)) {
                asked.push((user.clone(), Putting::Store));
            }
        }
        self.put(asked).await
    }

    fn reach(&self, user: &UserId) -> Reach {
        let sockets = self.sockets.reachable(user, self.namespace);
        if sockets.is_empty() { Reach::Away } else { Reach::Here }
    }

    async fn put(&mut self, asked: Vec<(UserId, Putting)>) -> Result<(), Closed> {
        if asked.is_empty() {
            return Ok(());
        }
        let puts = self.inboxes.put(self.item.clone(), &asked).await?;
        for ((user, _), put) in asked.into_iter().zip(puts) {
            let Some(Put { seq, is_duplicate, state }) = put else { continue };
            if !is_duplicate {
                self.states.push((user.clone(), state));
            }
            let count = if is_duplicate { "duplicate" } else { "stored" };
            metrics::counter!("userline_inbox_items_total", "outcome" => count).increment(1);
            let id = self.item.id.as_str().to_owned();
            self.stored.insert(user, StoredItem { seq, id, is_duplicate });
        }
        Ok(())
    }
}
