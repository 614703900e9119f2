//! What became of the messages of the last time: so many, so large together, for so long.

use crate::types::Timestamp;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// How much is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageStatusLimits {
    /// How long a message is remembered, from its beginning.
    pub keep: Duration,
    /// Messages that are remembered; beyond, the oldest is forgotten. Zero remembers none.
    pub entries_max: usize,
    /// Bytes of all of them; beyond, the oldest is forgotten.
    pub bytes_max: usize,
}

/// The messages that are remembered. `V` is what the shell wants to remember of one.
#[derive(Debug)]
pub struct MessageStatuses<V> {
    limits: MessageStatusLimits,
    entries: BTreeMap<Arc<str>, Entry<V>>,
    /// The same in the order in which they came.
    order: VecDeque<(Timestamp, Arc<str>)>,
    bytes: usize,
}

#[derive(Debug)]
struct Entry<V> {
    value: V,
    bytes: usize,
}

impl<V> MessageStatuses<V> {
    /// Nothing is remembered.
    pub fn new(limits: MessageStatusLimits) -> Self {
        Self { limits, entries: BTreeMap::new(), order: VecDeque::new(), bytes: 0 }
    }

    /// A message with an id of its own begins; `len` is about what `value` takes.
    pub fn begin(&mut self, id: &str, value: V, len: usize, now: Timestamp) {
        self.expire(now);
        if self.limits.entries_max == 0 || self.entries.contains_key(id) {
            return;
        }
        if self.limits.entries_max <= self.entries.len() {
            self.forget_oldest();
        }
        let (id, bytes) = (Arc::<str>::from(id), len.saturating_add(id.len()));
        self.order.push_back((now, Arc::clone(&id)));
        self.bytes = self.bytes.saturating_add(bytes);
        self.entries.insert(id, Entry { value, bytes });
        self.shrink();
    }

    /// More is known of a message; one that is forgotten stays so.
    pub fn update(&mut self, id: &str, len: usize, change: impl FnOnce(&mut V)) {
        let Some(entry) = self.entries.get_mut(id) else { return };
        change(&mut entry.value);
        let bytes = len.saturating_add(id.len());
        self.bytes = self.bytes.saturating_sub(entry.bytes).saturating_add(bytes);
        entry.bytes = bytes;
        self.shrink();
    }

    /// What is remembered of a message.
    pub fn get(&mut self, id: &str, now: Timestamp) -> Option<&V> {
        self.expire(now);
        self.entries.get(id).map(|entry| &entry.value)
    }

    /// Messages that are remembered.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn expire(&mut self, now: Timestamp) {
        let keep = self.limits.keep;
        while self.order.front().is_some_and(|(began, _)| keep <= now.since(*began)) {
            self.forget_oldest();
        }
    }

    fn shrink(&mut self) {
        while self.limits.bytes_max < self.bytes && self.forget_oldest() {}
    }

    fn forget_oldest(&mut self) -> bool {
        let Some((_, id)) = self.order.pop_front() else { return false };
        if let Some(entry) = self.entries.remove(&id) {
            self.bytes = self.bytes.saturating_sub(entry.bytes);
        }
        true
    }
}

#[cfg(test)]
mod tests;
