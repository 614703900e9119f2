//! Requests that were made before: the same key with the same body is one request, however often it comes.

use crate::types::Timestamp;
use std::collections::{BTreeMap, VecDeque};
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
    limits: IdempotencyLimits,
    entries: BTreeMap<Box<str>, Entry<A, W>>,
    /// Answered requests in the order of their answers.
    answered: VecDeque<(Timestamp, Box<str>)>,
    /// Bytes of answered requests.
    bytes: usize,
}

/// What tells two bodies apart: a digest.
pub type Fingerprint = [u8; 32];

#[derive(Debug)]
struct Entry<A, W> {
    fingerprint: Fingerprint,
    state: State<A, W>,
}

#[derive(Debug)]
enum State<A, W> {
    UnderWay(W),
    Answered(A, usize),
}

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
        Self { limits, entries: BTreeMap::new(), answered: VecDeque::new(), bytes: 0 }
    }

    /// A request comes. If it is the first, others wait for it by `wait`.
    pub fn begin(
        &mut self,
        key: &str,
        fingerprint: Fingerprint,
        wait: W,
        now: Timestamp,
    ) -> Begin<A, W> {
        self.expire(now);
        if let Some(entry) = self.entries.get(key) {
            if entry.fingerprint != fingerprint {
                return Begin::Mismatch;
            }
            return match &entry.state {
                State::UnderWay(wait) => Begin::UnderWay(wait.clone()),
                State::Answered(answer, _) => Begin::Answered(answer.clone()),
            };
        }
        // What is under way cannot be forgotten: it could be done twice.
        if self.limits.entries_max <= self.entries.len() && !self.forget_oldest() {
            return Begin::Full;
        }
        self.entries.insert(key.into(), Entry { fingerprint, state: State::UnderWay(wait) });
        Begin::First
    }

    /// A request that was under way is answered; the answer has `len` bytes. One that alone is larger than the bound
    /// is forgotten at once.
    pub fn finish(&mut self, key: &str, answer: A, len: usize, now: Timestamp) {
        let Some(entry) = self.entries.get_mut(key) else { return };
        if matches!(entry.state, State::Answered(..)) {
            return;
        }
        let bytes = len.saturating_add(key.len());
        entry.state = State::Answered(answer, bytes);
        self.bytes = self.bytes.saturating_add(bytes);
        self.answered.push_back((now, key.into()));
        while self.limits.bytes_max < self.bytes && self.forget_oldest() {}
        self.expire(now);
    }

    /// A request that was under way came to nothing: the next one with its key is the first.
    pub fn abandon(&mut self, key: &str) {
        if self.entries.get(key).is_some_and(|it| matches!(it.state, State::UnderWay(_))) {
            self.entries.remove(key);
        }
    }

    /// Requests that are remembered.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn expire(&mut self, now: Timestamp) {
        let keep = self.limits.keep;
        while self.answered.front().is_some_and(|(at, _)| keep <= now.since(*at)) {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) -> bool {
        let Some((_, key)) = self.answered.pop_front() else { return false };
        if let Some(Entry { state: State::Answered(_, bytes), .. }) = self.entries.remove(&key) {
            self.bytes -= bytes;
        }
        true
    }
}

#[cfg(test)]
mod tests;
