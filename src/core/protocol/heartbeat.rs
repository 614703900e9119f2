//! When each connection is pinged, and when its answer must be there.
//!
//! ```text
//!   add ──interval──► Ping ──interval──► Ping …
//!                      └────timeout────► Overdue, unless it has answered
//! ```
//! All wait equally long, so two queues do what would else be a timer for each connection.

use crate::types::Timestamp;
use std::collections::VecDeque;
use std::time::Duration;

/// The heartbeat of all connections, known by their keys.
#[derive(Debug)]
pub struct Heartbeat<K> {
    interval: Duration,
    timeout: Duration,
    pings: VecDeque<(Timestamp, K)>,
    answers: VecDeque<(Timestamp, K)>,
}

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due<K> {
    /// It is to be pinged. If it is still there: [`Heartbeat::pinged`], or it is forgotten.
    Ping(K),
    /// The answer to a ping should have come by now.
    Overdue(K),
}

impl<K: Clone> Heartbeat<K> {
    /// A ping per `interval`, to be answered within `timeout`.
    pub fn new(interval: Duration, timeout: Duration) -> Self {
        Self { interval, timeout, pings: VecDeque::new(), answers: VecDeque::new() }
    }

    /// A connection has come.
    pub fn add(&mut self, key: K, now: Timestamp) {
        self.pings.push_back((now + self.interval, key));
    }

    /// A ping was sent.
    pub fn pinged(&mut self, key: K, now: Timestamp) {
        self.answers.push_back((now + self.timeout, key.clone()));
        self.add(key, now);
    }

    /// When something is due next. What is added later is due later.
    pub fn next(&self) -> Option<Timestamp> {
        let first = |queue: &VecDeque<(Timestamp, K)>| queue.front().map(|(at, _)| *at);
        [first(&self.pings), first(&self.answers)].into_iter().flatten().min()
    }

    /// The next thing that is due at `now`.
    pub fn take(&mut self, now: Timestamp) -> Option<Due<K>> {
        let due = |queue: &mut VecDeque<(Timestamp, K)>| {
            queue.pop_front_if(|(at, _)| *at <= now).map(|(_, key)| key)
        };
        due(&mut self.answers).map(Due::Overdue).or_else(|| due(&mut self.pings).map(Due::Ping))
    }

    /// Gives the memory back that many connections needed and few do not.
    pub fn shrink(&mut self) {
        for queue in [&mut self.pings, &mut self.answers] {
            if queue.len() < queue.capacity() / 4 {
                queue.shrink_to(queue.len() * 2);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Due, Heartbeat, Timestamp};
    use std::time::Duration;

    fn due(it: &mut Heartbeat<u32>, now: u64) -> Vec<Due<u32>> {
        std::iter::from_fn(|| it.take(Timestamp(now))).collect()
    }

    #[test]
    fn each_is_pinged_per_interval_and_asked_for_its_answer_after_the_timeout() {
        let mut it = Heartbeat::new(Duration::from_millis(20), Duration::from_millis(10));
        assert_eq!(it.next(), None);
        it.add(1, Timestamp(0));
        it.add(2, Timestamp(5));

        assert_eq!((it.next(), due(&mut it, 19)), (Some(Timestamp(20)), vec![]));
        assert_eq!(due(&mut it, 20), [Due::Ping(1)]);
        it.pinged(1, Timestamp(20));
        assert_eq!((it.next(), due(&mut it, 25)), (Some(Timestamp(25)), vec![Due::Ping(2)]));
        // Gone: it is not pinged any more.
        assert_eq!((it.next(), due(&mut it, 29)), (Some(Timestamp(30)), vec![]));
        assert_eq!(due(&mut it, 30), [Due::Overdue(1)]);
        assert_eq!((it.next(), due(&mut it, 40)), (Some(Timestamp(40)), vec![Due::Ping(1)]));
        assert_eq!(it.next(), None);
    }

    #[test]
    fn after_a_standstill_answers_are_looked_at_first() {
        let mut it = Heartbeat::new(Duration::from_millis(20), Duration::from_millis(10));
        it.add(1, Timestamp(0));
        it.pinged(2, Timestamp(5));

        assert_eq!(due(&mut it, 1000), [Due::Overdue(2), Due::Ping(1), Due::Ping(2)]);
    }
}
