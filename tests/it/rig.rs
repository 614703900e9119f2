//! What the tests of faults stand on: the real program, clients of our own, a proxy that breaks their connections,
//! a receiver of hooks that misbehaves when told to, and one clock for all of them.

pub(crate) mod api;
pub(crate) mod callers;
pub(crate) mod client;
pub(crate) mod http;
pub(crate) mod nodes;
pub(crate) mod proxy;
pub(crate) mod receiver;
pub(crate) mod redis;
pub(crate) mod server;
pub(crate) mod slow;
pub(crate) mod stage;
pub(crate) mod truth;

use std::time::Duration;
use userline::clock::Clock;
use userline::types::{Timestamp, WallMs};

/// The one clock of a test.
#[derive(Debug, Clone)]
pub(crate) struct Watch {
    clock: Clock,
    /// Wall-clock time when the test's clock was zero, in milliseconds.
    zero: u64,
}

impl Watch {
    pub(crate) fn start() -> Self {
        let clock = Clock::start(userline::types::Seq(0));
        let zero = clock.wall().0 - clock.now().0;
        Self { clock, zero }
    }

    /// Milliseconds since the test began.
    pub(crate) fn now(&self) -> u64 {
        self.clock.now().0
    }

    /// A server's time stamp on the test's clock: they run on the same machine.
    pub(crate) fn at(&self, stamp: &str) -> u64 {
        let wall = humantime::parse_rfc3339(stamp).unwrap();
        let since = wall.duration_since(std::time::UNIX_EPOCH).unwrap();
        u64::try_from(since.as_millis()).unwrap().saturating_sub(self.zero)
    }

    pub(crate) fn wall(&self) -> WallMs {
        self.clock.wall()
    }

    pub(crate) async fn sleep_until(&self, at: u64) {
        self.clock.sleep_until(Timestamp(at)).await;
    }
}

/// Waits for a condition, with a deadline.
pub(crate) async fn eventually(what: &str, limit: Duration, mut is_so: impl AsyncFnMut() -> bool) {
    let watch = Watch::start();
    let end = u64::try_from(limit.as_millis()).unwrap();
    while !is_so().await {
        assert!(watch.now() < end, "not within {limit:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// What a test of random points begins with: `name` from the environment, else a fresh one. Printed, so that a failure
/// can be had again.
#[expect(clippy::disallowed_methods, reason = "how a person replays a failure")]
#[expect(clippy::print_stderr, reason = "shown with a failure only")]
pub(crate) fn seed(name: &str) -> u64 {
    let given = std::env::var(name).ok().map(|text| text.parse().unwrap());
    let seed = given.unwrap_or_else(|| getrandom::u64().unwrap() >> 16);
    eprintln!("{name}={seed}");
    seed
}

/// Numbers that look random and are the same for the same seed.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        // Xorshift must not begin with zero, and near seeds should differ at once.
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 >> 8
    }

    /// A number from `range`.
    pub(crate) fn of(&mut self, range: std::ops::Range<u64>) -> u64 {
        range.start + self.next() % (range.end - range.start)
    }

    /// `count` different numbers below `below`.
    pub(crate) fn some(&mut self, count: usize, below: usize) -> Vec<usize> {
        let below = u64::try_from(below).unwrap();
        let mut picked = std::collections::BTreeSet::new();
        for _ in 0..count {
            picked.insert(usize::try_from(self.of(0..below)).unwrap());
        }
        picked.into_iter().collect()
    }
}
