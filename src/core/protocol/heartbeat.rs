//! When each connection is pinged, when its answer must be there, when its client must have asked for something, and when it
//! must have joined a namespace.
//!
//! ```text
//!   add ──interval──► Ping ──interval──► Ping …
//!                      └────timeout────► Overdue, unless it has answered
//!   hear ────unheard after────► Unheard, unless it has asked for something
//!   expect ──connect timeout──► Expected, unless it has joined one
//! ```
//! All wait equally long, so four queues do what would else be three timers for each connection. What is gone stays in them
//! until it is due, unless it is more than what is there: whoever opens and closes without end fills no memory.

use crate::types::Timestamp;
use std::collections::VecDeque;
use std::mem;
use std::time::Duration;

/// Keys of what is gone that may stay in a queue, besides as many as there are connections.
const SPARE: usize = 4096;

/// What each kind of waiting takes.
#[derive(Debug, Clone, Copy)]
pub struct HeartbeatTimes {
    /// From one ping to the next.
    pub interval: Duration,
    /// Until the answer to a ping.
    pub timeout: Duration,
    /// Until a client that polls has asked for something after its handshake.
    pub unheard: Duration,
    /// Until a client has joined a namespace.
    pub connect: Duration,
}

/// The heartbeat of all connections, known by their keys.
#[derive(Debug)]
pub struct Heartbeat<K> {
    times: HeartbeatTimes,
    pings: VecDeque<(Timestamp, K)>,
    answers: VecDeque<(Timestamp, K)>,
    hears: VecDeque<(Timestamp, K)>,
    connects: VecDeque<(Timestamp, K)>,
}

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due<K> {
    /// It is to be pinged. If it is still there: [`Heartbeat::pinged`], or it is forgotten.
    Ping(K),
    /// The answer to a ping should have come by now.
    Overdue(K),
    /// Its client should have asked for something by now.
    Unheard(K),
    /// Its client should have joined a namespace by now.
    Expected(K),
}

impl<K: Clone> Heartbeat<K> {
    /// Of no connections yet.
    pub fn new(times: HeartbeatTimes) -> Self {
        let (pings, answers) = (VecDeque::new(), VecDeque::new());
        Self { times, pings, answers, hears: VecDeque::new(), connects: VecDeque::new() }
    }

    /// A connection has come.
    pub fn add(&mut self, key: K, now: Timestamp) {
        self.pings.push_back((now + self.times.interval, key));
    }

    /// A ping was sent.
    pub fn pinged(&mut self, key: K, now: Timestamp) {
        self.waits(key.clone(), now);
        self.add(key, now);
    }

    /// An answer is waited for from now on.
    pub fn waits(&mut self, key: K, now: Timestamp) {
        self.answers.push_back((now + self.times.timeout, key));
    }

    /// Its client has to ask for something from now on. To be said once.
    pub fn hear(&mut self, key: K, now: Timestamp) {
        self.hears.push_back((now + self.times.unheard, key));
    }

    /// Its client has to join a namespace from now on. To be said once until it is due.
    pub fn expect(&mut self, key: K, now: Timestamp) {
        self.connects.push_back((now + self.times.connect, key));
    }

    /// Whose client has been expected to join a namespace longest; it is expected no more.
    pub fn take_longest_expected(&mut self) -> Option<K> {
        self.connects.pop_front().map(|(_, key)| key)
    }

    /// When something is due next. What is added later is due later.
    pub fn next(&self) -> Option<Timestamp> {
        let first = |queue: &VecDeque<(Timestamp, K)>| queue.front().map(|(at, _)| *at);
        let queues = [&self.pings, &self.answers, &self.hears, &self.connects];
        queues.map(first).into_iter().flatten().min()
    }

    /// The next thing that is due at `now`.
    pub fn take(&mut self, now: Timestamp) -> Option<Due<K>> {
        let due = |queue: &mut VecDeque<(Timestamp, K)>| {
            queue.pop_front_if(|(at, _)| *at <= now).map(|(_, key)| key)
        };
        due(&mut self.answers)
            .map(Due::Overdue)
            .or_else(|| due(&mut self.pings).map(Due::Ping))
            .or_else(|| due(&mut self.hears).map(Due::Unheard))
            .or_else(|| due(&mut self.connects).map(Due::Expected))
    }

    /// Whether most of what waits is gone, when `there` connections are there. Each of them waits for one thing of a kind,
    /// answers apart; these come of pings, so nobody makes many of them soon.
    pub fn is_crowded(&self, there: usize) -> bool {
        let most = [&self.pings, &self.hears, &self.connects].map(VecDeque::len).into_iter().max();
        there.saturating_mul(2).saturating_add(SPARE) < most.unwrap_or_default()
    }

    /// Everything that waits, for somebody to [forget](Self::forget_gone) in peace what is gone, and to
    /// [put back](Self::put_back) the rest.
    #[must_use]
    pub fn take_all(&mut self) -> Self {
        mem::replace(self, Self::new(self.times))
    }

    /// What was there `earlier`, when nothing of what waits here had been added yet.
    pub fn put_back(&mut self, mut earlier: Self) {
        earlier.pings.append(&mut self.pings);
        earlier.answers.append(&mut self.answers);
        earlier.hears.append(&mut self.hears);
        earlier.connects.append(&mut self.connects);
        *self = earlier;
    }

    /// Keeps what is still there.
    pub fn forget_gone(&mut self, is_there: impl Fn(&K) -> bool) {
        for queue in [&mut self.pings, &mut self.answers, &mut self.hears, &mut self.connects] {
            queue.retain(|(_, key)| is_there(key));
        }
        self.shrink();
    }

    /// Gives the memory back that many connections needed and few do not.
    pub fn shrink(&mut self) {
        for queue in [&mut self.pings, &mut self.answers, &mut self.hears, &mut self.connects] {
            if queue.len() < queue.capacity() / 4 {
                queue.shrink_to(queue.len() * 2);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Due, Heartbeat, HeartbeatTimes, SPARE, Timestamp};
    use std::time::Duration;

    fn heartbeat() -> Heartbeat<u32> {
        let [interval, timeout, unheard, connect] = [20, 10, 5, 30].map(Duration::from_millis);
        Heartbeat::new(HeartbeatTimes { interval, timeout, unheard, connect })
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

    #[test]
    fn a_client_that_polls_is_looked_at_once_whether_it_has_asked_for_something() {
        let mut it = heartbeat();
        it.add(1, Timestamp(0));
        it.hear(1, Timestamp(0));
        it.expect(1, Timestamp(0));

        assert_eq!((it.next(), due(&mut it, 4)), (Some(Timestamp(5)), vec![]));
        assert_eq!(due(&mut it, 5), [Due::Unheard(1)]);
        assert_eq!(due(&mut it, 30), [Due::Ping(1), Due::Expected(1)]);
    }

    #[test]
    fn what_is_added_while_the_gone_are_forgotten_comes_behind_the_others() {
        let mut it = heartbeat();
        for key in 0..4 {
            it.add(key, Timestamp(0));
            it.hear(key, Timestamp(0));
            it.expect(key, Timestamp(0));
            it.waits(key, Timestamp(0));
        }

        let mut earlier = it.take_all();
        assert_eq!((it.next(), due(&mut it, 100)), (None, vec![]));
        it.add(9, Timestamp(1));
        it.expect(9, Timestamp(1));
        earlier.forget_gone(|key| *key == 2);
        it.put_back(earlier);

        assert_eq!(it.take_longest_expected(), Some(2));
        let wanted =
            [Due::Overdue(2), Due::Ping(2), Due::Ping(9), Due::Unheard(2), Due::Expected(9)];
        assert_eq!(due(&mut it, 100), wanted);
    }

    #[test]
    fn whoever_opens_and_closes_without_end_fills_no_memory() {
        let mut it = heartbeat();
        let mut longest = 0;
        // 50 of them stay.
        let stays = |key: &u32| key.is_multiple_of(2_000);
        for key in 0..100_000 {
            it.add(key, Timestamp(0));
            it.hear(key, Timestamp(0));
            it.expect(key, Timestamp(0));
            if it.is_crowded(50) {
                it.forget_gone(stays);
                assert!(!it.is_crowded(50));
            }
            longest = longest.max(it.pings.len());
        }

        assert!(longest <= SPARE + 101, "{longest}");
        it.forget_gone(stays);
        let wanted: Vec<_> = (0..100_000).filter(stays).map(Due::Ping).collect();
        let all = due(&mut it, 1000);
        assert_eq!(all.len(), 3 * 50);
        assert!(all.starts_with(&wanted), "in the order in which they came");
    }
}
