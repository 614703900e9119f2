//! What is remembered of things that are over: the latest of each user, so many in all, for so long.
//!
//! ```text
//!   by_user  (42, 3) (42, 7) (43, 5) …     what is remembered, by user and in the order in which it ended
//!   by_end    3: 42   5: 43   7: 42  …     the same, in that order alone: whose turn it is to be forgotten
//! ```

use crate::types::{Timestamp, UserId};
use std::collections::BTreeMap;
use std::time::Duration;

/// Entries that one call of [`History::expire`] forgets at most, so that no call takes long.
const EXPIRE_MAX: usize = 1000;

/// What is remembered, and its bounds. `V` is what the shell wants to remember.
#[derive(Debug)]
pub struct History<V> {
    limits: HistoryLimits,
    by_user: BTreeMap<(UserId, u64), Entry<V>>,
    by_end: BTreeMap<u64, UserId>,
    /// The number of the next entry.
    next: u64,
}

/// How much is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HistoryLimits {
    /// Entries of one user; beyond, the user's oldest is forgotten.
    pub per_user: usize,
    /// Entries in all; beyond, the oldest is forgotten, whosever it is. Zero remembers nothing.
    pub total: usize,
    /// How long an entry is remembered.
    pub keep: Duration,
}

#[derive(Debug)]
struct Entry<V> {
    ended: Timestamp,
    value: V,
}

impl<V> History<V> {
    /// Nothing is remembered yet.
    pub fn new(limits: HistoryLimits) -> Self {
        Self { limits, by_user: BTreeMap::new(), by_end: BTreeMap::new(), next: 0 }
    }

    /// Remembers what has just ended, and forgets what has to go for it.
    pub fn record(&mut self, user: &UserId, value: V, now: Timestamp) {
        if self.limits.total == 0 {
            return;
        }
        self.expire(now);
        let number = self.next;
        self.next += 1;
        self.by_user.insert((user.clone(), number), Entry { ended: now, value });
        self.by_end.insert(number, user.clone());
        if self.limits.per_user < self.entries(user).count() {
            let oldest = self.entries(user).next().map(|(number, _)| number);
            self.forget(oldest);
        }
        if self.limits.total < self.by_end.len() {
            self.forget(self.oldest());
        }
    }

    /// Forgets what is too old, up to 1000 entries; returns whether there may be more.
    pub fn expire(&mut self, now: Timestamp) -> bool {
        for _ in 0..EXPIRE_MAX {
            let Some((number, user)) = self.by_end.first_key_value() else { return false };
            let entry = self.by_user.get(&(user.clone(), *number));
            if entry.is_some_and(|entry| !self.is_over(entry, now)) {
                return false;
            }
            self.forget(self.oldest());
        }
        true
    }

    /// What is remembered of a user, the latest first.
    pub fn of(&self, user: &UserId, now: Timestamp) -> impl Iterator<Item = &V> {
        let entries = self.entries(user).rev().map(|(_, entry)| entry);
        entries.filter(move |entry| !self.is_over(entry, now)).map(|entry| &entry.value)
    }

    /// Entries in all.
    pub fn len(&self) -> usize {
        self.by_end.len()
    }

    /// Nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.by_end.is_empty()
    }

    fn is_over(&self, entry: &Entry<V>, now: Timestamp) -> bool {
        self.limits.keep < now.since(entry.ended)
    }

    fn entries(&self, user: &UserId) -> impl DoubleEndedIterator<Item = (u64, &Entry<V>)> {
        let own = (user.clone(), 0)..=(user.clone(), u64::MAX);
        self.by_user.range(own).map(|((_, number), entry)| (*number, entry))
    }

    fn oldest(&self) -> Option<u64> {
        self.by_end.first_key_value().map(|(number, _)| *number)
    }

    fn forget(&mut self, number: Option<u64>) {
        let Some(number) = number else { return };
        if let Some(user) = self.by_end.remove(&number) {
            self.by_user.remove(&(user, number));
        }
    }
}

#[cfg(test)]
mod tests;
