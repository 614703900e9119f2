//! The recent events of one namespace, numbered.

use super::{Member, RecoveryLimits};
use crate::core::emit::audience::Audience;
use crate::types::{Timestamp, saturating_u64};
use bytes::Bytes;
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

/// What a client remembers of an event: its place in the log, written `life.number` in base 36.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offset {
    life: u64,
    number: u64,
}

/// A logged event.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its number; contiguous.
    pub number: u64,
    /// When it was appended.
    pub at: Timestamp,
    /// Who it was for.
    pub audience: Arc<Audience>,
    /// Its frames, offset included.
    pub frame: Bytes,
}

#[derive(Debug)]
pub(super) struct Log {
    life: u64,
    /// The number of the last event, 0 before the first.
    last: u64,
    entries: VecDeque<Entry>,
    bytes: usize,
    /// Events that were forgotten before the window had passed, because there were too many.
    pushed_out: u64,
    limits: RecoveryLimits,
}

impl Log {
    pub(super) fn new(limits: RecoveryLimits, life: u64) -> Self {
        Self { life, last: 0, entries: VecDeque::new(), bytes: 0, pushed_out: 0, limits }
    }

    pub(super) fn append(
        &mut self,
        audience: Arc<Audience>,
        now: Timestamp,
        encode: impl FnOnce(&Offset) -> Bytes,
    ) -> Bytes {
        self.last += 1;
        let frame = encode(&self.head());
        self.bytes += frame.len();
        let entry = Entry { number: self.last, at: now, audience, frame: frame.clone() };
        self.entries.push_back(entry);
        self.expire(now);
        while self.limits.events_max < self.entries.len() || self.limits.bytes_max < self.bytes {
            self.drop_first();
            self.pushed_out += 1;
        }
        frame
    }

    pub(super) fn take_pushed_out(&mut self) -> u64 {
        std::mem::take(&mut self.pushed_out)
    }

    pub(super) fn head(&self) -> Offset {
        Offset { life: self.life, number: self.last }
    }

    pub(super) fn life(&self) -> u64 {
        self.life
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    /// The number of the last event.
    pub(super) fn position(&self) -> u64 {
        self.last
    }

    /// The number in an offset of this log; `None` for any other text.
    pub(super) fn locate(&self, offset: &str) -> Option<u64> {
        let (life, number) = offset.split_once('.')?;
        let life = u64::from_str_radix(life, 36).ok()?;
        let number = u64::from_str_radix(number, 36).ok()?;
        (life == self.life && number <= self.last).then_some(number)
    }

    /// The events after `number` for `member`, and the number of the last of them (0 if there is none); `None` if some
    /// after it are not kept any more.
    pub(super) fn since(&self, number: u64, member: &Member) -> Option<(Vec<Bytes>, u64)> {
        let kept_from = self.entries.front().map_or(self.last, |first| first.number - 1);
        if number < kept_from {
            return None;
        }
        let first = self.entries.partition_point(|entry| entry.number <= number);
        let after = self.entries.iter().skip(first);
        let missed: Vec<&Entry> = after.filter(|entry| entry.audience.includes(member)).collect();
        let last = missed.last().map_or(0, |entry| entry.number);
        Some((missed.iter().map(|entry| entry.frame.clone()).collect(), last))
    }

    pub(super) fn expire(&mut self, now: Timestamp) {
        let window = self.limits.window;
        while self.entries.front().is_some_and(|first| window < now.since(first.at)) {
            self.drop_first();
        }
    }

    /// False, and nothing changed, if the entries are not contiguous up to `last`.
    pub(super) fn restore(
        &mut self,
        life: u64,
        last: u64,
        entries: Vec<Entry>,
        now: Timestamp,
    ) -> bool {
        let len = saturating_u64(entries.len());
        let Some(before) = last.checked_sub(len) else { return false };
        if !entries.iter().map(|entry| entry.number).eq(before + 1..=last) {
            return false;
        }
        (self.life, self.last) = (life, last);
        self.bytes = entries.iter().map(|entry| entry.frame.len()).sum();
        self.entries = entries.into_iter().map(|entry| Entry { at: now, ..entry }).collect();
        true
    }

    fn drop_first(&mut self) {
        if let Some(first) = self.entries.pop_front() {
            self.bytes -= first.frame.len();
        }
    }
}

impl Offset {
    /// The number of the event.
    pub fn number(self) -> u64 {
        self.number
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", Base36(self.life), Base36(self.number))
    }
}

struct Base36(u64);

impl fmt::Display for Base36 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut digits = Vec::with_capacity(13);
        let mut rest = self.0;
        loop {
            let digit = u32::try_from(rest % 36).unwrap_or_default();
            digits.push(char::from_digit(digit, 36).unwrap_or('0'));
            rest /= 36;
            if rest == 0 {
                break;
            }
        }
        f.write_str(&digits.iter().rev().collect::<String>())
    }
}
