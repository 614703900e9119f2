//! Rooms that a socket has joined and left, besides what is granted.

use crate::types::Room;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Rooms that a socket has joined and left, and since when it is in those that it was not granted at the beginning: what its
/// session takes along to its next connection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RoomMoves {
    /// Rooms it has joined.
    pub joined: BTreeSet<Room>,
    /// Of these, those that its client has joined by itself: it stays in them as long as it may join them.
    pub by_client: BTreeSet<Room>,
    /// Rooms it has left though it was granted them.
    pub left: BTreeSet<Room>,
    /// Where the log of recovery stood when it came into a room: what was logged until then was not for it.
    pub since: BTreeMap<Room, u64>,
}

impl RoomMoves {
    /// It has been in the same rooms all the time.
    pub fn is_empty(&self) -> bool {
        self.joined.is_empty() && self.left.is_empty() && self.since.is_empty()
    }

    /// What is left of these rooms, and those that were joined, each once.
    pub fn applied_to(&self, granted: &[Room]) -> Arc<[Room]> {
        let Self { joined, by_client: _, left, since: _ } = self;
        let kept = granted.iter().filter(|it| !left.contains(*it) && !joined.contains(*it));
        kept.chain(joined).cloned().collect()
    }

    /// The same without the rooms that its client has joined by itself and may not join any more.
    #[must_use]
    pub fn as_far_as(mut self, may_join: impl Fn(&Room) -> bool) -> Self {
        self.drop_lost(may_join);
        self
    }

    /// Drops the rooms that its client has joined by itself and may not join any more.
    pub(super) fn drop_lost(&mut self, may_join: impl Fn(&Room) -> bool) {
        let Self { joined, by_client, .. } = self;
        by_client.retain(|room| {
            let is_kept = may_join(room);
            if !is_kept {
                joined.remove(room);
            }
            is_kept
        });
    }

    /// It is in `room` because somebody with the right to put it there did so, or not at all.
    pub(crate) fn forget_join(&mut self, room: &Room) {
        self.joined.remove(room);
        self.by_client.remove(room);
    }

    /// Up to which number of the log of recovery nothing that was for `room` was for it.
    pub fn since(&self, room: &Room) -> u64 {
        self.since.get(room).copied().unwrap_or(0)
    }
}
