//! Whose grace may have run out: reminders, of which the presence machine alone decides what they mean.

use crate::clock::Clock;
use crate::core::presence::standstill::{BEAT, StandstillGuard};
use crate::types::{Timestamp, UserId};
use parking_lot::Mutex;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use tokio::sync::Notify;

/// Reminders, the earliest first. A user who flaps has several, at most one for each last socket within a grace.
#[derive(Debug, Default)]
pub(super) struct Deadlines {
    heap: Mutex<BinaryHeap<Reverse<(Timestamp, UserId)>>>,
    earlier: Notify,
}

impl Deadlines {
    /// Reminds of `user` at `at`.
    pub(super) fn add(&self, at: Timestamp, user: UserId) {
        let mut heap = self.heap.lock();
        let is_first = heap.peek().is_none_or(|Reverse((first, _))| at < *first);
        heap.push(Reverse((at, user)));
        if is_first {
            self.earlier.notify_one();
        }
    }

    /// Waits for the next reminder; after a standstill of the process, a while longer. For one caller at a time.
    pub(super) async fn next(&self, clock: &Clock, pulse: &mut StandstillGuard) -> UserId {
        loop {
            let first = self.heap.lock().peek().map(|Reverse((at, _))| *at);
            let Some(first) = first else {
                self.earlier.notified().await;
                pulse.rested(clock.now());
                continue;
            };
            let now = clock.now();
            let due = first.max(pulse.beat(now));
            if due <= now {
                if let Some(Reverse((_, user))) = self.heap.lock().pop() {
                    return user;
                }
                continue;
            }
            tokio::select! {
                () = clock.sleep_until(due.min(now + BEAT)) => {}
                () = self.earlier.notified() => {}
            }
        }
    }

    /// Reminders that wait.
    pub(super) fn len(&self) -> usize {
        self.heap.lock().len()
    }
}
