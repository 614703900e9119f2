//! Rooms that a socket has joined and left, besides what its credentials say.

use crate::types::Room;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Rooms that a socket has joined and left since its credentials granted it some: what its session takes along to its next
/// connection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RoomMoves {
    /// Rooms it has joined, and where the log of recovery stood then: what was logged until then was not for it.
    pub joined: BTreeMap<Room, u64>,
    /// Rooms it has left though it was granted them.
    pub left: BTreeSet<Room>,
}

impl RoomMoves {
    /// It has joined and left nothing.
    pub fn is_empty(&self) -> bool {
        self.joined.is_empty() && self.left.is_empty()
    }

    /// The rooms that are left and added to these, each once.
    pub fn applied_to(&self, granted: &[Room]) -> Arc<[Room]> {
        let Self { joined, left } = self;
        let kept = granted.iter().filter(|it| !left.contains(*it) && !joined.contains_key(*it));
        kept.chain(joined.keys()).cloned().collect()
    }

    /// Up to which number of the log of recovery nothing that was for `room` was for it.
    pub fn joined_at(&self, room: &Room) -> u64 {
        self.joined.get(room).copied().unwrap_or(0)
    }

    pub(super) fn join(&mut self, rooms: &[Room], position: u64) {
        for room in rooms {
            self.left.remove(room);
            self.joined.insert(room.clone(), position);
        }
    }

    pub(super) fn leave(&mut self, rooms: &[Room], granted: &[Room]) {
        for room in rooms {
            self.joined.remove(room);
            if granted.contains(room) {
                self.left.insert(room.clone());
            }
        }
    }
}
