//! How fast one socket may send: events and bytes per second, and single events besides.
//!
//! What has come is paid for over time. Whoever owes more than a burst is not read until enough is paid for; whoever is held
//! back so for too large a part of a minute has to go.

#[cfg(test)]
mod tests;

use crate::types::{EventPattern, Timestamp, millis};
use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::time::Duration;

/// The time over which holding back is added up, and how much of it is too much.
const MINUTE: Duration = Duration::from_mins(1);
/// See [`MINUTE`].
pub const HELD_MAX: Duration = Duration::from_secs(10);
const SECOND_NS: u64 = 1_000_000_000;
const MS_NS: u64 = 1_000_000;

/// A rate, and how much may come at once after a pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// So many in a second.
    pub per_s: NonZeroU32,
    /// So many at once; at least 1.
    pub burst: NonZeroU32,
}

/// The rates of one socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocketRates {
    /// Events.
    pub events: Option<Rate>,
    /// Bytes of events, as they were written, with their buffers.
    pub bytes: Option<Rate>,
    /// Single events, each besides.
    pub single: Vec<EventRate>,
}

/// How fast one socket may send events of some names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRate {
    /// The names.
    pub event: EventPattern,
    /// How fast, all of them together.
    pub rate: Rate,
}

/// What one socket has sent, as far as it is not paid for.
#[derive(Debug)]
pub struct Throttle {
    events: SendMeter,
    bytes: SendMeter,
    /// One for each of [`SocketRates::single`].
    single: Box<[SendMeter]>,
    held: HeldTime,
}

/// Whether a socket may send more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendPace {
    /// Now.
    Go,
    /// Not before this time; then it is to be asked again.
    HoldUntil(Timestamp),
    /// It has been held back for too long: its connection is to be closed.
    TooFast,
}

/// When all that has come would be paid for, in nanoseconds.
#[derive(Debug, Clone, Copy, Default)]
struct SendMeter(u64);

/// How long a socket was held back in the last minute.
#[derive(Debug, Default)]
struct HeldTime {
    /// Since when it is held back, if it is.
    since: Option<Timestamp>,
    /// By second, the oldest first: how many milliseconds of it.
    seconds: VecDeque<(u64, u64)>,
}

impl SocketRates {
    /// Whether a socket may send as fast as it likes.
    pub fn is_unlimited(&self) -> bool {
        self.events.is_none() && self.bytes.is_none() && self.single.is_empty()
    }
}

impl Throttle {
    /// Nothing has come.
    pub fn new(rates: &SocketRates) -> Self {
        let single = vec![SendMeter::default(); rates.single.len()].into();
        Self {
            events: SendMeter::default(),
            bytes: SendMeter::default(),
            single,
            held: HeldTime::default(),
        }
    }

    /// An event has come. `rates` are those that it was made with.
    pub fn take(&mut self, rates: &SocketRates, name: &str, bytes: usize, now: Timestamp) {
        let now = nanos(now);
        if let Some(rate) = rates.events {
            self.events.take(rate, 1, now);
        }
        if let Some(rate) = rates.bytes {
            self.bytes.take(rate, bytes.try_into().unwrap_or(u64::MAX), now);
        }
        for (EventRate { event, rate }, meter) in rates.single.iter().zip(&mut self.single) {
            if event.matches(name) {
                meter.take(*rate, 1, now);
            }
        }
    }

    /// The event that has come is one for other clients, called `sent`: that has a rate of its own, too, unless it is the one
    /// of `name` already.
    pub fn take_sent(&mut self, rates: &SocketRates, (name, sent): (&str, &str), now: Timestamp) {
        for (EventRate { event, rate }, meter) in rates.single.iter().zip(&mut self.single) {
            if event.matches(sent) && !event.matches(name) {
                meter.take(*rate, 1, nanos(now));
            }
        }
    }

    /// Whether the socket may send more.
    pub fn pace(&mut self, rates: &SocketRates, now: Timestamp) -> SendPace {
        let single = rates.single.iter().zip(&self.single);
        let all = single.map(|(it, meter)| (Some(it.rate), *meter));
        let all = all.chain([(rates.events, self.events), (rates.bytes, self.bytes)]);
        let free_at = all.filter_map(|(rate, meter)| Some(meter.free_at(rate?))).max();
        let free_at = Timestamp(free_at.unwrap_or_default().div_ceil(MS_NS));
        if free_at <= now {
            self.held.end(now);
            return SendPace::Go;
        }
        let left = HELD_MAX.saturating_sub(self.held.go_on(now));
        if left.is_zero() {
            return SendPace::TooFast;
        }
        SendPace::HoldUntil(free_at.min(now + left))
    }
}

impl SendMeter {
    fn take(&mut self, rate: Rate, amount: u64, now: u64) {
        let cost = u128::from(amount) * u128::from(SECOND_NS) / u128::from(rate.per_s.get());
        self.0 = self.0.max(now).saturating_add(cost.try_into().unwrap_or(u64::MAX));
    }

    /// When there is room in the burst for one more.
    fn free_at(self, rate: Rate) -> u64 {
        let before = u64::from(rate.burst.get() - 1) * SECOND_NS / u64::from(rate.per_s.get());
        self.0.saturating_sub(before)
    }
}

impl HeldTime {
    /// It is held back now. For how long, in the last minute.
    fn go_on(&mut self, now: Timestamp) -> Duration {
        self.add_up(now);
        self.since = Some(now);
        let first = now.0.saturating_sub(millis(MINUTE)) / 1000;
        while self.seconds.front().is_some_and(|(second, _)| *second < first) {
            self.seconds.pop_front();
        }
        Duration::from_millis(self.seconds.iter().map(|(_, ms)| ms).sum())
    }

    /// It is not held back any more.
    fn end(&mut self, now: Timestamp) {
        self.add_up(now);
        self.since = None;
    }

    /// Adds what has passed since it was looked at last to the seconds in which it did.
    fn add_up(&mut self, now: Timestamp) {
        let Some(Timestamp(mut from)) = self.since.take() else { return };
        // Longer than a minute is no news.
        from = from.max(now.0.saturating_sub(millis(MINUTE)));
        while from < now.0 {
            let second = from / 1000;
            let to = now.0.min((second + 1) * 1000);
            match self.seconds.back_mut() {
                Some((last, ms)) if *last == second => *ms += to - from,
                Some(_) | None => self.seconds.push_back((second, to - from)),
            }
            from = to;
        }
    }
}

fn nanos(now: Timestamp) -> u64 {
    now.0.saturating_mul(MS_NS)
}
