//! I emitted and nobody got it: the last emits, with what became of them.

use super::Realtime;
use super::emit::{Emitted, UserEmitted};
use crate::core::emit::audience::Audience;
use crate::core::emit::message::Emit;
use crate::core::memory::recent::Recent;
use crate::registry::Socket;
use crate::types::{EventName, UserId, WallMs};
use parking_lot::Mutex;
use std::iter;
use std::sync::Arc;

/// Names in all remembered emits together: so many for each that may be remembered.
const NAMES_EACH: usize = 20;
/// Names in all of them, at least: more than one emit can have.
const NAMES_MIN: usize = 10_000;

/// The last emits.
pub(super) type RecentEmits = Mutex<Recent<Arc<RecentEmit>>>;

/// An emit that is remembered. Its payload is not.
#[derive(Debug)]
pub struct RecentEmit {
    /// Its id.
    pub id: String,
    /// When.
    pub at: WallMs,
    /// Who it was for.
    pub audience: Arc<Audience>,
    /// Its event.
    pub event: EventName,
    /// Whether it could be dropped for clients that were busy.
    pub volatile: bool,
    /// Sockets it was for.
    pub matched: usize,
    /// Sockets whose connection took it.
    pub sent: usize,
    /// The same for each user that was named.
    pub users: Vec<(UserId, UserEmitted)>,
}

/// A remembered emit, and its acks.
#[derive(Debug, Clone)]
pub struct Recalled {
    /// The emit.
    pub emit: Arc<RecentEmit>,
    /// Sockets that acked; `None` if it did not ask for acks, or waits for them, or they are forgotten.
    pub acked: Option<usize>,
}

impl Realtime {
    /// The last emits, the newest first, at most `limit`; with `user` those that were for it: by its name, to everybody,
    /// or to a room or a socket that is the user's now.
    pub fn recent_emits(&self, user: Option<&UserId>, limit: usize) -> Vec<Recalled> {
        // The lock is held for no more than this: everybody who emits needs it.
        let emits: Vec<Arc<RecentEmit>> = self.recent.lock().iter().cloned().collect();
        let sockets = user.map(|user| self.sockets.user(user).1);
        let is_wanted = |emit: &RecentEmit| match (user, &sockets) {
            (Some(user), Some(sockets)) => emit.is_for(user, sockets),
            _ => true,
        };
        let wanted = emits.into_iter().filter(|emit| is_wanted(emit)).take(limit);
        wanted.map(|emit| Recalled { acked: self.acked(&emit.id), emit }).collect()
    }

    fn acked(&self, id: &str) -> Option<usize> {
        Some(self.ack_status(id)?.outcome?.acks.len())
    }

    /// Remembers an emit: on the way of every one of them, so it shares what it can.
    pub(super) fn remember_emit(&self, emit: &Emit, emitted: &Emitted) {
        let Emit { audience, event, payload: _, volatile } = emit;
        let Emitted { id, matched, sent, users } = emitted.clone();
        let names = audience.target.names() + audience.except.names();
        let recent = Arc::new(RecentEmit {
            id,
            at: self.clock.wall(),
            audience: Arc::clone(audience),
            event: event.clone(),
            volatile: *volatile,
            matched,
            sent,
            users,
        });
        self.recent.lock().add(recent, names);
    }
}

/// Nothing was emitted yet; the last `count` will be remembered.
pub(super) fn none(count: usize) -> RecentEmits {
    Mutex::new(Recent::new(count, count.saturating_mul(NAMES_EACH).max(NAMES_MIN)))
}

impl RecentEmit {
    /// Whether it was for this user, who has these sockets now.
    fn is_for(&self, user: &UserId, sockets: &[Arc<Socket>]) -> bool {
        let mut here = sockets.iter().filter(|it| it.namespace == self.audience.namespace);
        match here.next() {
            Some(first) => iter::once(first).chain(here).any(|it| self.audience.includes(&**it)),
            None => self.audience.includes(user),
        }
    }
}
