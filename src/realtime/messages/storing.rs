//! Emitting what is also kept: stored and committed first, then emitted, perhaps asking for acks, then told.

use super::{AckOptions, Emitted, Emitter, LiveInboxes, MemberCounts, Messages, PostError};
use crate::cluster::{BusError, MissingNodes};
use crate::core::emit::audience::{Audience, LeftOut};
use crate::core::emit::message::{Emit, StoreOptions};
use crate::core::inbox::{InboxState, Keep, Naming, NewItem, Put, Putting, Reach, Taken};
use crate::realtime::emitter::{
    Emitting, NotAsked, OtherCounts, OtherNodes, PendingAcks, Recipients,
};
use crate::realtime::inboxes::PutError;
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
    /// What becomes of it on other nodes.
    pub(super) others: Option<OtherNodes>,
    /// The users who have it in their inbox.
    pub(super) stored: BTreeMap<UserId, StoredItem>,
    /// What became of it for those who have a membership of the rooms, if it was stored for these.
    pub(super) members: Option<MemberCounts>,
    /// The acks that it waits for, if it asked for them.
    pub(super) asking: Option<PendingAcks>,
}

/// One emit to users, on its way into their inboxes.
struct StoringEmit<'a> {
    inboxes: &'a LiveInboxes,
    emitter: &'a Emitter,
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
    ) -> Result<EmitOutcome, BusError> {
        let (stored, members) = (BTreeMap::new(), None);
        let Some((ask, recipients)) = ask else {
            let Emitting { emitted, others } = self.emitter.emit(id, emit).await?;
            return Ok(EmitOutcome { emitted, others, stored, members, asking: None });
        };
        let asked = self.emitter.ask(id, emit, ask, recipients).await?;
        let (Emitting { emitted, others }, asking) = asked;
        Ok(EmitOutcome { emitted, others, stored, members, asking: Some(asking) })
    }

    /// Those who would be asked for acks, if they are not too many.
    pub(super) async fn may_ask(
        &self,
        audience: &Audience,
        ask: AckOptions,
    ) -> Result<(AckOptions, Recipients), NotAsked> {
        let recipients = self.emitter.recipients(audience);
        recipients.check()?;
        self.emitter.check_elsewhere(audience, &recipients).await?;
        Ok((ask, recipients))
    }

    /// Emits to users, and to rooms, and keeps it for them and for those who have a membership of one of the rooms. A user for whom it is a duplicate gets nothing, nor does one who is left out
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
            self.may_ask(&emit.audience, ask).await?;
        }
        let id = Emitter::fresh_id();
        let Audience { namespace, target, .. } = &*emit.audience;
        let mut storing = StoringEmit {
            inboxes: &self.inboxes,
            emitter: &self.emitter,
            namespace,
            keep: options.keep,
            item: self.inboxes.new_item(&id, emit, options),
            stored: BTreeMap::new(),
            states: Vec::new(),
        };
        let left_out = emit.audience.left_out();
        let is_meant = |it: &&UserId| !left_out.includes(*it);
        let members = self.members(target, namespace).await?;
        let members: Vec<UserId> = members.iter().filter(is_meant).cloned().collect();
        let named = target.users.iter().filter(is_meant);
        let users: Vec<UserId> = named.chain(&members).cloned().collect();
        storing.before_emit(&users).await?;
        let outcome = self.emit_fresh(id, emit, ask, &storing.stored).await?;
        // What is stored after it depends on all nodes, and they answer for the users it was for in that order.
        let EmitOutcome { emitted, others, asking, .. } = outcome;
        let emitted = Emitting { emitted, others }.end().await;
        storing.after_emit(&emitted, &left_out).await?;
        storing.after_emit_to(&members).await?;
        let counts = storing.count(&members);
        let StoringEmit { stored, states, .. } = storing;
        self.inboxes.tell_all(&states);
        let emitted = self.in_order(&target.users, emitted).await;
        let members = (!target.rooms.is_empty()).then_some(counts);
        Ok(EmitOutcome { emitted, others: None, stored, members, asking })
    }

    /// Emits to those who do not have it yet.
    async fn emit_fresh(
        &self,
        id: String,
        emit: &Emit,
        ask: Option<AckOptions>,
        stored: &BTreeMap<UserId, StoredItem>,
    ) -> Result<EmitOutcome, BusError> {
        let mut fresh = emit.clone();
        let is_duplicate = |user: &UserId| stored.get(user).is_some_and(|it| it.is_duplicate);
        let target = &mut Arc::make_mut(&mut fresh.audience).target;
        target.users.retain(|user| !is_duplicate(user));
        let is_left = !target.users.is_empty() || !target.rooms.is_empty();
        // A repeat of what all have already is for nobody.
        let is_repeat = !stored.is_empty() && stored.values().all(|it| it.is_duplicate);
        let is_for_nobody = !is_left || is_repeat && target.users.is_empty();
        if !target.rooms.is_empty() {
            let had = stored.keys().filter(|it| is_duplicate(it)).cloned();
            Arc::make_mut(&mut fresh.audience).except.users.extend(had);
        }
        if ask.is_none() && is_for_nobody {
            let missing = MissingNodes::default();
            let others = OtherCounts::default();
            let emitted = Emitted { id, matched: 0, sent: 0, users: Vec::new(), missing, others };
            let stored = BTreeMap::new();
            return Ok(EmitOutcome { emitted, others: None, stored, members: None, asking: None });
        }
        // However many there are by now: some have it on disk already.
        let ask = ask.map(|ask| (ask, self.emitter.recipients(&fresh.audience)));
        self.emit(id, &fresh, ask).await
    }
}

impl StoringEmit<'_> {
    async fn before_emit(&mut self, users: &[UserId]) -> Result<(), PutError> {
        let reach = self.reach(users).await;
        let mut asked = Vec::with_capacity(users.len());
        for (user, reach) in users.iter().zip(reach) {
            if self.keep.before_emit(reach) {
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
    ) -> Result<(), PutError> {
        let is_missing =
            |user: &UserId| !self.stored.contains_key(user) && !left_out.includes(user);
        let missing = emitted.users.iter().filter(|(user, _)| is_missing(user));
        let (users, taken): (Vec<UserId>, Vec<Taken>) = missing
            .map(|(user, it)| {
                let taken = match (it.matched, it.sent) {
                    (0, _) => Taken::NotMeant,
                    (_, 0) => Taken::Refused,
                    (_, _) => Taken::Taken,
                };
                (user.clone(), taken)
            })
            .unzip();
        self.put_after(&users, &taken).await
    }

    /// The same for users who were not named: what their connections did is not known, but who is away now may have missed it.
    async fn after_emit_to(&mut self, users: &[UserId]) -> Result<(), PutError> {
        let missing = users.iter().filter(|user| !self.stored.contains_key(*user));
        let users: Vec<UserId> = missing.cloned().collect();
        self.put_after(&users, &vec![Taken::NotMeant; users.len()]).await
    }

    async fn put_after(&mut self, users: &[UserId], taken: &[Taken]) -> Result<(), PutError> {
        let reach = self.reach(users).await;
        let each = users.iter().zip(taken).zip(reach);
        let kept = each.filter(|((_, taken), reach)| self.keep.after_emit(**taken, *reach));
        let asked = kept.map(|((user, _), _)| (user.clone(), Putting::Store)).collect();
        self.put(asked).await
    }

    /// Who of these users can be reached, as far as that decides anything.
    async fn reach(&self, users: &[UserId]) -> Vec<Reach> {
        match self.keep {
            Keep::IfOffline => self.emitter.reach(users, self.namespace).await,
            Keep::Always | Keep::Never => vec![Reach::Here; users.len()],
        }
    }

    fn count(&self, users: &[UserId]) -> MemberCounts {
        let has = |is_duplicate: bool| {
            let items = users.iter().filter_map(|user| self.stored.get(user));
            items.filter(|it| it.is_duplicate == is_duplicate).count()
        };
        MemberCounts { users: users.len(), stored: has(false), duplicates: has(true) }
    }

    async fn put(&mut self, mut asked: Vec<(UserId, Putting)>) -> Result<(), PutError> {
        asked.retain(|(user, _)| self.inboxes.is_of(user));
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
