//! What is remembered of things that are over: the latest of each user, so many in all, for so long.

use super::bounded::{BoundedMemory, MemoryBounds};
use crate::types::{Timestamp, UserId};
use std::time::Duration;

/// What is remembered of users, by user. `V` is what the shell wants to remember.
#[derive(Debug)]
pub struct History<V>(BoundedMemory<UserId, V>);

/// How much is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HistoryLimits {
    /// Entries of one user; beyond, the user's oldest is forgotten.
    pub per_user: usize,
    /// Entries in all; beyond, the oldest is forgotten, whosever it is. Zero remembers nothing.
    pub total: usize,
    /// How long an entry is remembered, the last millisecond included.
    pub keep: Duration,
}

impl<V> History<V> {
    /// Nothing is remembered yet.
    pub fn new(limits: HistoryLimits) -> Self {
        let HistoryLimits { per_user, total, keep } = limits;
        Self(BoundedMemory::new(MemoryBounds {
            entries_max: total,
            entries_per_key: per_user,
            keep: keep.saturating_add(Duration::from_millis(1)),
            ..MemoryBounds::NONE
        }))
    }

    /// Remembers what has just ended, and forgets what has to go for it.
    pub fn record(&mut self, user: &UserId, value: V, now: Timestamp) {
        self.0.add(user.clone(), value, 0, now);
    }

    /// Forgets what is too old, up to 1000 entries; returns whether there may be more.
    pub fn expire(&mut self, now: Timestamp) -> bool {
        self.0.expire(now)
    }

    /// Forgets everything about a user.
    pub fn erase(&mut self, user: &UserId) {
        self.0.erase(user);
    }

    /// What is remembered of a user, the latest first.
    pub fn of(&self, user: &UserId, now: Timestamp) -> impl Iterator<Item = &V> {
        self.0.of(user, now)
    }

    /// Entries in all.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests;
