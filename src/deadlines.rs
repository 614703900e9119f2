//! What has to be looked at again, and when: typed reminders. What a reminder means is decided by the machine that
//! asked for it; one that is not needed any more means nothing when it is due, and may be taken back before.
//!
//! ```text
//!   add(at, reminder) ─► one queue per core, by what is reminded of ─► next() of that queue's only watcher
//! ```
//!
//! So users do not wait for each other's reminders, and those of one user stay in order. After a standstill of the
//! process ([`crate::core::presence::standstill`]) what is due waits a while longer, in every queue.

use crate::clock::Clock;
use crate::core::presence::standstill::{BEAT, StandstillGuard};
use crate::types::{SocketId, Timestamp, UserId};
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;
use tokio::sync::Notify;

/// What somebody wants to be reminded of.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reminder {
    /// The grace of this user may have run out, or there is news of the user that waits for a place.
    Grace(UserId),
    /// The credentials of this socket end, sooner or later.
    Expiry(SocketId),
}

/// All reminders of this process. Cheap to clone; clones share them.
#[derive(Debug, Clone)]
pub struct Deadlines {
    queues: Arc<[Arc<Queue>]>,
    by: RandomState,
    clock: Clock,
}

/// A user who flaps has several, at most one for each last socket within a grace; a socket has one.
#[derive(Debug, Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    earlier: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    /// The earliest first.
    in_order: BTreeSet<(Timestamp, Reminder)>,
    /// When the queue was last added to while it was empty: until then its watcher had nothing to watch.
    rested_until: Timestamp,
}

/// What is due in one of the queues. Its only watcher has it.
#[derive(Debug)]
pub struct DueReminders {
    queue: Arc<Queue>,
    clock: Clock,
    guard: StandstillGuard,
}

impl Deadlines {
    /// Nothing to be reminded of.
    pub fn new(clock: Clock) -> Self {
        let cores = available_parallelism().map_or(1, usize::from);
        let queues = (0..cores).map(|_| Arc::default()).collect();
        Self { queues, by: RandomState::new(), clock }
    }

    /// The queues, each to be watched by one task. After a standstill nothing is due for as long as it lasted, at most
    /// `hold_max`. Call it once.
    pub fn watch(&self, hold_max: Duration) -> Vec<DueReminders> {
        let guard = StandstillGuard::new(self.clock.now(), hold_max);
        let watcher = |queue: &Arc<Queue>| {
            let (queue, clock) = (Arc::clone(queue), self.clock.clone());
            DueReminders { queue, clock, guard }
        };
        self.queues.iter().map(watcher).collect()
    }

    /// Reminds at `at`.
    pub fn add(&self, at: Timestamp, reminder: Reminder) {
        if let Some(queue) = self.queue_of(&reminder) {
            queue.add(at, reminder, self.clock.now());
        }
    }

    /// Forgets a reminder that was asked for at `at`, if it still waits.
    pub fn take_back(&self, at: Timestamp, reminder: &Reminder) {
        if let Some(queue) = self.queue_of(reminder) {
            queue.waiting.lock().in_order.remove(&(at, reminder.clone()));
        }
    }

    /// Forgets the reminders that name a user. Looks at all that wait in the user's queue.
    pub fn erase(&self, user: &UserId) {
        let of_user = Reminder::Grace(user.clone());
        let Some(queue) = self.queue_of(&of_user) else { return };
        queue.waiting.lock().in_order.retain(|(_, it)| *it != of_user);
    }

    /// Reminders that wait.
    pub fn len(&self) -> usize {
        self.queues.iter().map(|it| it.waiting.lock().in_order.len()).sum()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn queue_of(&self, reminder: &Reminder) -> Option<&Arc<Queue>> {
        let hash = usize::try_from(self.by.hash_one(reminder) >> 32).unwrap_or_default();
        self.queues.get(hash % self.queues.len())
    }
}

impl Queue {
    fn add(&self, at: Timestamp, reminder: Reminder, now: Timestamp) {
        let mut waiting = self.waiting.lock();
        let is_first = waiting.first().is_none_or(|first| at < first);
        if waiting.in_order.is_empty() {
            waiting.rested_until = now;
        }
        waiting.in_order.insert((at, reminder));
        drop(waiting);
        if is_first {
            self.earlier.notify_one();
        }
    }
}

impl Waiting {
    fn first(&self) -> Option<Timestamp> {
        self.in_order.first().map(|(at, _)| *at)
    }
}

impl DueReminders {
    /// Waits for the next reminder; after a standstill of the process, a while longer.
    pub async fn next(&mut self) -> Reminder {
        loop {
            let first = self.queue.waiting.lock().first();
            let Some(first) = first else {
                self.queue.earlier.notified().await;
                self.guard.rested(self.queue.waiting.lock().rested_until);
                continue;
            };
            let now = self.clock.now();
            let due = first.max(self.guard.beat(now));
            if due <= now {
                if let Some((_, reminder)) = self.queue.waiting.lock().in_order.pop_first() {
                    return reminder;
                }
                continue;
            }
            tokio::select! {
                () = self.clock.sleep_until(due.min(now + BEAT)) => {}
                () = self.queue.earlier.notified() => {}
            }
        }
    }

    /// Whether what is due has to wait: the process stood still, or whoever watches was held up, since the last reminder.
    pub fn is_held(&mut self) -> bool {
        let now = self.clock.now();
        now < self.guard.beat(now)
    }

    /// Reminds again as soon as nothing has to wait any more.
    pub fn put_back(&self, reminder: Reminder) {
        let now = self.clock.now();
        self.queue.add(now, reminder, now);
    }
}

#[cfg(test)]
mod tests;
