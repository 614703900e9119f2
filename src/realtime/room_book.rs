//! What is recorded of users and rooms, in memory: asked at every connect.

use crate::clock::Clock;
use crate::core::rooms::memberships::{Memberships, RecordedRooms};
use crate::types::{Namespace, UserId, WallMs};
use parking_lot::RwLock;
use std::sync::Arc;

/// What is recorded of users and rooms, in memory. Cheap to clone; clones share it.
///
/// It is changed before the user's sockets are looked up, and asked while the entry of a user's presence is held: so whoever
/// comes is in the rooms of the record as it is, or is among the sockets that are found.
#[derive(Debug, Clone)]
pub struct RoomBook {
    known: Arc<RwLock<Memberships>>,
    clock: Clock,
}

impl RoomBook {
    /// Nothing is recorded.
    pub fn new(clock: Clock) -> Self {
        Self { known: Arc::default(), clock }
    }

    /// Nothing is recorded, and who is in a room can be looked up.
    pub fn by_room(clock: Clock) -> Self {
        Self { known: Arc::new(RwLock::new(Memberships::by_room())), clock }
    }

    /// What is recorded of a user, as far as a socket in `namespace` goes.
    pub fn of(&self, user: &UserId, namespace: &Namespace) -> RecordedRooms {
        let known = self.known.read();
        // Often there is nothing.
        if known.is_empty() {
            return RecordedRooms::default();
        }
        known.of(user, namespace, self.clock.wall())
    }

    /// Looks at what is known.
    pub(super) fn see<T>(&self, see: impl FnOnce(&Memberships, WallMs) -> T) -> T {
        see(&self.known.read(), self.clock.wall())
    }

    /// Changes what is known.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut Memberships) -> T) -> T {
        change(&mut self.known.write())
    }
}
