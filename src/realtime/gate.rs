//! Who may not come in, asked at every connect.

use crate::clock::Clock;
use crate::core::control::restrictions::{Barred, Restrictions};
use crate::types::{UserId, WallMs};
use parking_lot::RwLock;
use std::sync::Arc;

/// What is held against users, in memory. Cheap to clone; clones share it.
///
/// It is changed before the user's sockets are looked up, and asked while the entry of a user's presence is held: so
/// whoever is barred has either not come in, or is among the sockets that are found.
#[derive(Debug, Clone)]
pub struct Gate {
    known: Arc<RwLock<Restrictions>>,
    clock: Clock,
}

impl Gate {
    /// Nobody is barred.
    pub fn new(clock: Clock) -> Self {
        Self { known: Arc::default(), clock }
    }

    /// Whether a user may come in with credentials that were issued at `issued_at`, if that is known; else why not.
    pub fn check(&self, user: &UserId, issued_at: Option<WallMs>) -> Option<Barred> {
        let known = self.known.read();
        // Nearly always there are none.
        if known.is_empty() { None } else { known.check(user, issued_at, self.clock.wall()) }
    }

    /// Looks at what is known.
    pub(super) fn see<T>(&self, see: impl FnOnce(&Restrictions, WallMs) -> T) -> T {
        see(&self.known.read(), self.clock.wall())
    }

    /// Changes what is known.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut Restrictions) -> T) -> T {
        change(&mut self.known.write())
    }
}
