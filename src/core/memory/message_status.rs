//! What became of the messages of the last time: so many, so large together, for so long.

use super::bounded::{BoundedMemory, MemoryBounds};
use crate::types::Timestamp;
use std::sync::Arc;
use std::time::Duration;

/// How much is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageStatusLimits {
    /// How long a message is remembered, from its beginning.
    pub keep: Duration,
    /// Messages that are remembered; beyond, the oldest is forgotten. Zero remembers none.
    pub entries_max: usize,
    /// Bytes of all of them, ids included; beyond, the oldest is forgotten.
    pub bytes_max: usize,
}

/// The messages that are remembered, by id. `V` is what the shell wants to remember of one.
#[derive(Debug)]
pub struct MessageStatuses<V>(BoundedMemory<Arc<str>, V>);

impl<V> MessageStatuses<V> {
    /// Nothing is remembered.
    pub fn new(limits: MessageStatusLimits) -> Self {
        let MessageStatusLimits { keep, entries_max, bytes_max } = limits;
        let bounds = MemoryBounds { entries_max, bytes_max, keep, ..MemoryBounds::NONE };
        Self(BoundedMemory::new(bounds))
    }

    /// A message with an id of its own begins; `len` is about what `value` takes.
    pub fn begin(&mut self, id: &str, value: V, len: usize, now: Timestamp) {
        if self.0.of(id, now).next().is_none() {
            self.0.add(id.into(), value, bytes(id, len), now);
        }
    }

    /// More is known of a message; one that is forgotten stays so.
    pub fn update(&mut self, id: &str, len: usize, change: impl FnOnce(&mut V)) {
        self.0.update(id, bytes(id, len), change);
    }

    /// What is remembered of a message.
    pub fn get(&mut self, id: &str, now: Timestamp) -> Option<&V> {
        self.0.expire(now);
        self.0.of(id, now).next()
    }

    /// Takes a user out of what is remembered: `erase` does so with one message, and answers what that takes then.
    pub fn erase(&mut self, mut erase: impl FnMut(&mut V) -> usize) {
        self.0.revise(|id, value| bytes(id, erase(value)));
    }

    /// Messages that are remembered.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn bytes(id: &str, len: usize) -> usize {
    len.saturating_add(id.len())
}

#[cfg(test)]
mod tests;
