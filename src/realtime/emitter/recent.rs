//! The last emits, with what became of them: for "I emitted and nobody got it".

use super::{Emitted, OtherCounts, UserEmitted};
use crate::core::cluster::bus::past::FoundSocket;
use crate::core::emit::audience::{Addressee as _, Audience};
use crate::core::emit::message::Emit;
use crate::core::memory::recent::Recent;
use crate::types::{EventName, SourceName, UserId, WallMs};
use parking_lot::Mutex;
use std::iter;
use std::sync::Arc;

/// Names in all remembered emits together: so many for each that may be remembered.
const NAMES_EACH: usize = 20;
/// Names in all of them, at least: more than one emit can have.
const NAMES_MIN: usize = 10_000;

/// The last emits.
#[derive(Debug)]
pub(super) struct RecentEmits(Mutex<Recent<Arc<RecentEmit>>>);

/// An emit that is remembered. Its payload is not.
#[derive(Debug)]
pub struct RecentEmit {
    /// The id that [`Emitted`] has.
    pub id: String,
    /// When it was done.
    pub at: WallMs,
    /// Who it was for.
    pub audience: Arc<Audience>,
    /// The name of the event.
    pub event: EventName,
    /// Whether it could be dropped for clients that were busy.
    pub volatile: bool,
    /// The source it came by; `None`: the admin API.
    pub source: Option<SourceName>,
    /// Sockets of this node that it was for.
    matched: usize,
    /// Of these, those whose connection took it.
    sent: usize,
    /// The same for each user that was named, with the place among them.
    users: Vec<(usize, UserId, UserEmitted)>,
    /// The same for the sockets of other nodes.
    others: OtherCounts,
}

impl RecentEmits {
    /// Nothing was emitted yet; the last `count` will be remembered.
    pub(super) fn new(count: usize) -> Self {
        let names = count.saturating_mul(NAMES_EACH).max(NAMES_MIN);
        Self(Mutex::new(Recent::new(count, names)))
    }

    /// Remembers an emit that was done at `at`. Every emit comes by here, so it shares what it can.
    pub(super) fn remember(&self, emit: &Emit, emitted: &Emitted, at: WallMs) {
        let Emit { audience, event, payload: _, volatile, source } = emit;
        let Emitted { id, matched, sent, users, missing: _, others } = emitted.clone();
        let placed = users.into_iter().enumerate().map(|(at, (user, it))| (at, user, it));
        let recent = Arc::new(RecentEmit {
            id,
            at,
            audience: Arc::clone(audience),
            event: event.clone(),
            volatile: *volatile,
            source: source.clone(),
            matched,
            sent,
            users: placed.collect(),
            others,
        });
        let names = recent.names();
        self.0.lock().add(recent, names);
    }

    /// Takes a user out of all of them.
    pub(super) fn erase(&self, user: &UserId) {
        self.0.lock().erase(|emit| {
            *emit = emit.without(user).map_or_else(|| Arc::clone(emit), Arc::new);
            emit.names()
        });
    }

    /// All of them, the newest first.
    pub(super) fn all(&self) -> Vec<Arc<RecentEmit>> {
        // The lock is held for no more than this: every emit needs it.
        self.0.lock().iter().cloned().collect()
    }
}

impl RecentEmit {
    /// The same without a user; `None` if it does not name the user.
    fn without(&self, user: &UserId) -> Option<Self> {
        let audience = self.audience.without(user, &[]);
        if audience.is_none() && self.users.iter().all(|(_, it, _)| it != user) {
            return None;
        }
        let audience = audience.map_or_else(|| Arc::clone(&self.audience), Arc::new);
        let users = self.users.iter().filter(|(_, it, _)| it != user).cloned().collect();
        let (id, event, source) = (self.id.clone(), self.event.clone(), self.source.clone());
        let others = self.others.clone();
        let Self { at, volatile, matched, sent, .. } = *self;
        Some(Self { id, at, audience, event, volatile, source, matched, sent, users, others })
    }

    /// Names in its audience.
    fn names(&self) -> usize {
        self.audience.target.names() + self.audience.except.names()
    }

    /// Sockets it was for, and sockets whose connection took it.
    pub fn counts(&self) -> (usize, usize) {
        self.others.with(self.matched, self.sent)
    }

    /// The same for each user that was named.
    pub fn users(&self) -> impl Iterator<Item = (&UserId, UserEmitted)> {
        self.users.iter().map(|(at, user, here)| (user, self.others.with_user(*at, *here)))
    }

    /// Whether it was for this user, who has these sockets now.
    pub fn is_for(&self, user: &UserId, sockets: &[FoundSocket]) -> bool {
        let namespace = &self.audience.namespace;
        let mut here = sockets.iter().filter(|it| it.is_in_namespace(namespace));
        match here.next() {
            Some(first) => iter::once(first).chain(here).any(|it| self.audience.includes(it)),
            None => self.audience.includes(user),
        }
    }
}
