//! When each connection is pinged, when its answer must be there, and when its client must have joined a namespace.
//!
//! ```text
//!   add ──interval──► Ping ──interval──► Ping …
//!                      └────timeout────► Overdue, unless it has answered
//!   expect ──connect timeout──► Expected, unless it has joined one
//! ```
//! All wait equally long, so three queues do what would else be two timers for each connection.

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
    connect_timeout: Duration,
    connects: VecDeque<(Timestamp, K)>,
}

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due<K> {
    /// It is to be pinged. If it is still there: [`Heartbeat::pinged`], or it is forgotten.
    Ping(K),
    /// The answer to a ping should have come by now.
    Overdue(K),
    /// Its client should have joined a namespace by now.
    Expected(K),
}

impl<K: Clone> Heartbeat<K> {
    /// A ping per `interval`, to be answered within `timeout`; a namespace to be joined within `connect_timeout`.
    pub fn new(interval: Duration, timeout: Duration, connect_timeout: Duration) -> Self {
        let (pings, answers, connects) = (VecDeque::new(), VecDeque::new(), VecDeque::new());
        Self { interval, timeout, pings, answers, connect_timeout, connects }
    }

    /// A connection has come.
    pub fn add(&mut self, key: K, now: Timestamp) {
        self.pings.push_back((now + self.interval, key));
    }

    /// A ping was sent.
    pub fn pinged(&mut self, key: K, now: Timestamp) {
        self.waits(key.clone(), now);
        self.add(key, now);
    }

    /// An answer is waited for from now on.
    pub fn waits(&mut self, key: K, now: Timestamp) {
        self.answers.push_back((now + self.timeout, key));
    }

    /// Its client has to join a namespace from now on. To be said once until it is due.
    pub fn expect(&mut self, key: K, now: Timestamp) {
        self.connects.push_back((now + self.connect_timeout, key));
    }

    /// Whose client has been expected to join a namespace longest; it is expected no more.
    pub fn take_longest_expected(&mut self) -> Option<K> {
        self.connects.pop_front().map(|(_, key)| key)
    }

    /// When something is due next. What is added later is due later.
    pub fn next(&self) -> Option<Timestamp> {
        let first = |queue: &VecDeque<(Timestamp, K)>| queue.front().map(|(at, _)| *at);
        [&self.pings, &self.answers, &self.connects].map(first).into_iter().flatten().min()
    }

    /// The next thing that is due at `now`.
    pub fn take(&mut self, now: Timestamp) -> Option<Due<K>> {
        let due = |queue: &mut VecDeque<(Timestamp, K)>| {
            queue.pop_front_if(|(at, _)| *at <= now).map(|(_, key)| key)
        };
        due(&mut self.answers)
            .map(Due::Overdue)
            .or_else(|| due(&mut self.pings).map(Due::Ping))
            .or_else(|| due(&mut self.connects).map(Due::Expected))
    }

    /// Gives the memory back that many connections needed and few do not.
    pub fn shrink(&mut self) {
        for queue in [&mut self.pings, &mut self.answers, &mut self.connects] {
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

    fn heartbeat() -> Heartbeat<u32> {
        let [interval, timeout, connect] = [20, 10, 30].map(Duration::from_millis);
        Heartbeat::new(interval, timeout, connect)
    }

    fn due(it: &mut Heartbeat<u32>, now: u64) -> Vec<Due<u32>> {
        std::iter::from_fn(|| it.take(Timestamp(now))).collect()
    }

    #[test]
    fn each_is_pinged_per_interval_and_asked_for_its_answer_after_the_timeout() {
        let mut it = heartbeat();
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
        it.waits(1, Timestamp(30));
        assert_eq!(due(&mut it, 40), [Due::Overdue(1), Due::Ping(1)]);
        assert_eq!(it.next(), None);
    }

    #[test]
    fn a_client_is_expected_once_and_can_be_again() {
        let mut it = heartbeat();
        it.expect(1, Timestamp(0));

        assert_eq!((it.next(), due(&mut it, 29)), (Some(Timestamp(30)), vec![]));
        assert_eq!(due(&mut it, 30), [Due::Expected(1)]);
        assert_eq!(it.next(), None);
        it.expect(1, Timestamp(35));
        assert_eq!(due(&mut it, 65), [Due::Expected(1)]);
        it.expect(2, Timestamp(70));
        it.expect(3, Timestamp(71));
        assert_eq!(it.take_longest_expected(), Some(2));
        assert_eq!((due(&mut it, 200), it.take_longest_expected()), (vec![Due::Expected(3)], None));
    }

    #[test]
    fn after_a_standstill_answers_are_looked_at_first() {
        let mut it = heartbeat();
        it.add(1, Timestamp(0));
        it.pinged(2, Timestamp(5));

        assert_eq!(due(&mut it, 1000), [Due::Overdue(2), Due::Ping(1), Due::Ping(2)]);
    }
}
