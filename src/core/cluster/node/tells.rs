//! What this node tells others, each alone: answers to what they asked. Nobody waits for an answer for long, so one that
//! cannot be told in time is dropped: whoever asked then names this node as missing.

use crate::core::cluster::incarnation::Incarnation;
use crate::types::Timestamp;
use bytes::Bytes;
use std::collections::VecDeque;
use std::time::Duration;

/// Answers in a batch, at most.
const TELLS_MAX: usize = 64;
/// Bytes in a batch, after which no further answer is added.
const BATCH_BYTES: usize = 256_000;
/// Bytes of answers that may wait here.
const WAITING_BYTES_MAX: usize = 16_000_000;
/// How long an answer is worth something.
const PATIENCE: Duration = Duration::from_secs(2);

/// Answers on their way.
#[derive(Debug, Default)]
pub(super) struct Tells {
    waiting: VecDeque<(Timestamp, Incarnation, Bytes)>,
    bytes: usize,
}

impl Tells {
    /// Returns whether there was room for it.
    pub(super) fn add(&mut self, to: Incarnation, message: Bytes, now: Timestamp) -> bool {
        if WAITING_BYTES_MAX < self.bytes + message.len() {
            return false;
        }
        self.bytes += message.len();
        self.waiting.push_back((now, to, message));
        true
    }

    /// Those of the next batch.
    pub(super) fn take(&mut self) -> Vec<(Incarnation, Bytes)> {
        let (mut tells, mut bytes) = (Vec::new(), 0);
        while tells.len() < TELLS_MAX && bytes < BATCH_BYTES {
            let Some((_, to, message)) = self.waiting.pop_front() else { break };
            self.bytes -= message.len();
            bytes += message.len();
            tells.push((to, message));
        }
        tells
    }

    /// Drops those that nobody waits for any more.
    pub(super) fn forget(&mut self, now: Timestamp) {
        while let Some((since, _, message)) = self.waiting.front()
            && PATIENCE <= now.since(*since)
        {
            self.bytes -= message.len();
            self.waiting.pop_front();
        }
    }
}
