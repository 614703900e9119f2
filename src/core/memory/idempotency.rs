//! Requests that were made before: the same key with the same body is one request, however often it comes.

use super::bounded::{BoundedMemory, MemoryBounds};
use crate::types::Timestamp;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The bounds of what is remembered.
#[derive(Debug, Clone, Copy)]
pub struct IdempotencyLimits {
    /// How long an answer is remembered.
    pub keep: Duration,
    /// Requests that are remembered; beyond, the oldest answers are forgotten.
    pub entries_max: usize,
    /// Bytes of answers and keys that are remembered; beyond, the oldest are forgotten.
    pub bytes_max: usize,
}

/// The requests of the last time. `A` is an answer; `W` is what waits for one that is under way.
#[derive(Debug)]
pub struct Idempotency<A, W> {
    entries_max: usize,
    /// Requests without an answer yet: forgotten, they could be done twice.
    under_way: BTreeMap<Box<str>, (Fingerprint, W)>,
    answered: BoundedMemory<Arc<str>, (Fingerprint, A)>,
}

/// What tells two bodies apart: a digest.
pub type Fingerprint = [u8; 32];

/// What to do with a request.
#[derive(Debug, PartialEq, Eq)]
pub enum Begin<A, W> {
    /// Nobody has made it: make it, then [`Idempotency::finish`] or [`Idempotency::abandon`].
    First,
    /// It is being made: wait, then begin again.
    UnderWay(W),
    /// It was made: this is the answer.
    Answered(A),
    /// The key belongs to a request with another body.
    Mismatch,
    /// So many are under way that no more can be remembered.
    Full,
}

impl<A: Clone, W: Clone> Idempotency<A, W> {
    /// Nothing is remembered.
    pub fn new(limits: IdempotencyLimits) -> Self {
        let IdempotencyLimits { keep, entries_max, bytes_max } = limits;
        let bounds = MemoryBounds { entries_max, bytes_max, keep, ..MemoryBounds::NONE };
        Self { entries_max, under_way: BTreeMap::new(), answered: BoundedMemory::new(bounds) }
    }

    /// A request comes. If it is the first, others wait for it by `wait`.
    pub fn begin(
        &mut self,
        key: &str,
        fingerprint: Fingerprint,
        wait: W,
        now: Timestamp,
    ) -> Begin<A, W> {
        self.answered.expire(now);
        if let Some((its, wait)) = self.under_way.get(key) {
            let is_same = *its == fingerprint;
            return if is_same { Begin::UnderWay(wait.clone()) } else { Begin::Mismatch };
        }
        if let Some((its, answer)) = self.answered.of(key, now).next() {
            let is_same = *its == fingerprint;
            return if is_same { Begin::Answered(answer.clone()) } else { Begin::Mismatch };
        }
        if self.entries_max <= self.len() && !self.answered.forget_oldest() {
            return Begin::Full;
        }
        self.under_way.insert(key.into(), (fingerprint, wait));
        Begin::First
    }

    /// A request that was under way is answered; the answer has `len` bytes. One that alone is larger than the bound
    /// is forgotten at once.
    pub fn finish(&mut self, key: &str, answer: A, len: usize, now: Timestamp) {
        let Some((fingerprint, _)) = self.under_way.remove(key) else { return };
        let bytes = len.saturating_add(key.len());
        self.answered.add(key.into(), (fingerprint, answer), bytes, now);
    }

    /// A request that was under way came to nothing: the next one with its key is the first.
    pub fn abandon(&mut self, key: &str) {
        self.under_way.remove(key);
    }

    /// Forgets the answers that name a user, as `names` says of each. Such a request may then be done again.
    pub fn erase(&mut self, names: impl Fn(&A) -> bool) {
        self.answered.erase_where(|(_, answer)| names(answer));
    }

    /// Requests that are remembered.
    pub fn len(&self) -> usize {
        self.under_way.len() + self.answered.len()
    }

    /// Nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests;
