//! The recent events of one namespace, numbered, and found by the names they were for.

use super::by_name::{AudienceName, ByName};
use super::{Lost, Member, Offset, RecoveryLimits};
use crate::core::emit::audience::Audience;
use crate::types::{Room, SocketId, Target, Timestamp, UserId};
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::Arc;

/// What a name in the audience of an event is counted as, besides its own length: what it takes in memory at the most,
/// in the audience and in the index (218 bytes were measured with names that stand in one event each, 84 with the same in
/// all).
const NAME_BYTES: usize = 200;

/// A logged event.
#[derive(Debug, Clone)]
pub struct LogEntry {
    /// Its number. They count up: by one, unless they are given by a cluster.
    pub number: u64,
    /// When it was appended.
    pub at: Timestamp,
    /// Who it was for.
    pub audience: Arc<Audience>,
    /// Its frames, offset included.
    pub frame: Bytes,
}

/// What a client missed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Missed {
    /// The frames, in order.
    pub(super) frames: Vec<Bytes>,
    /// The number of the last of these; 0 if there is none.
    pub(super) last: u64,
}

#[derive(Debug)]
pub(super) struct RecoveryLog {
    life: u64,
    /// The number of the last event, 0 before the first; in a cluster, up to where its log was read.
    last: u64,
    /// Of what came after this number nothing is missing here; `u64::MAX` until that is known.
    complete_from: u64,
    entries: VecDeque<LogEntry>,
    index: NameIndex,
    bytes: usize,
    /// Events that were forgotten before the window had passed, because there were too many.
    pushed_out: u64,
    limits: RecoveryLimits,
}

/// The numbers of the entries for everybody, and of those for each name, in ascending order.
#[derive(Debug, Default)]
struct NameIndex {
    all: Numbers,
    by_name: ByName<Numbers>,
}

type Numbers = VecDeque<u64>;

impl RecoveryLog {
    pub(super) fn new(limits: RecoveryLimits, life: u64) -> Self {
        let (entries, index) = (VecDeque::new(), NameIndex::default());
        Self { life, last: 0, complete_from: 0, entries, index, bytes: 0, pushed_out: 0, limits }
    }

    /// The log of a cluster, of which nothing was read.
    pub(super) fn unread(limits: RecoveryLimits, life: u64) -> Self {
        Self { complete_from: u64::MAX, ..Self::new(limits, life) }
    }

    pub(super) fn append(
        &mut self,
        audience: Arc<Audience>,
        now: Timestamp,
        encode: impl FnOnce(&Offset) -> Bytes,
    ) -> Bytes {
        self.hear(self.last + 1, audience, now, encode)
    }

    /// The same with a number that was given to it. One that was heard before changes nothing.
    pub(super) fn hear(
        &mut self,
        number: u64,
        audience: Arc<Audience>,
        now: Timestamp,
        encode: impl FnOnce(&Offset) -> Bytes,
    ) -> Bytes {
        let frame = encode(&Offset { life: self.life, number });
        if number <= self.last {
            return frame;
        }
        self.read_to(number);
        self.push(LogEntry { number, at: now, audience, frame: frame.clone() });
        self.expire(now);
        while self.limits.events_max < self.entries.len() || self.limits.bytes_max < self.bytes {
            self.drop_first();
            self.pushed_out += 1;
        }
        frame
    }

    /// All up to this number was read.
    pub(super) fn read_to(&mut self, number: u64) {
        if self.complete_from == u64::MAX {
            self.complete_from = number.saturating_sub(1);
        }
        self.last = self.last.max(number);
    }

    /// What came after `number` follows, and all of it; before that, nothing is known.
    pub(super) fn begin(&mut self, number: u64) {
        (self.complete_from, self.last) = (number, self.last.max(number));
    }

    /// Some of what follows is missing, up to what is heard next.
    pub(super) fn skip(&mut self) {
        self.complete_from = u64::MAX;
    }

    /// Something up to this number may be missing.
    pub(super) fn lacks_some_to(&mut self, number: u64) {
        self.complete_from = self.complete_from.max(number);
    }

    /// From now on it is the log of another life, which has of this one what came up to `number`.
    pub(super) fn rewind(&mut self, life: u64, number: u64) {
        let entries = std::mem::take(&mut self.entries);
        let (pushed_out, complete_from) = (self.pushed_out, self.complete_from.min(number));
        let last = self.last.min(number);
        *self = Self { last, complete_from, pushed_out, ..Self::new(self.limits, life) };
        for entry in entries {
            if entry.number <= number {
                self.push(entry);
            }
        }
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

    pub(super) fn entries(&self) -> impl Iterator<Item = &LogEntry> {
        self.entries.iter()
    }

    /// The number of the last event.
    pub(super) fn position(&self) -> u64 {
        self.last
    }

    /// The number in an offset of this log; `None` for any other text.
    pub(super) fn locate(&self, offset: &str) -> Option<u64> {
        let Offset { life, number } = Offset::parse(offset)?;
        (life == self.life && number <= self.last).then_some(number)
    }

    /// What came after `number` for `member`. Looks at no event that was for others only.
    pub(super) fn since(&self, number: u64, member: &Member) -> Result<Missed, Lost> {
        if number < self.complete_from {
            return Err(Lost::Truncated);
        }
        let (mut missed, mut bytes) = (Missed::default(), 0);
        for number in self.index.naming(member, number) {
            let place = self.entries.binary_search_by_key(&number, |it| it.number).ok();
            let Some(entry) = place.and_then(|place| self.entries.get(place)) else { continue };
            if entry.audience.leaves_out(member) {
                continue;
            }
            bytes += entry.frame.len();
            if self.limits.replay_bytes_max < bytes {
                return Err(Lost::TooMuch);
            }
            missed.frames.push(entry.frame.clone());
            missed.last = number;
        }
        Ok(missed)
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
        entries: Vec<LogEntry>,
        now: Timestamp,
    ) -> bool {
        let len = u64::try_from(entries.len()).unwrap_or(u64::MAX);
        let Some(before) = last.checked_sub(len) else { return false };
        if !entries.iter().map(|entry| entry.number).eq(before + 1..=last) {
            return false;
        }
        *self = Self { last, complete_from: before, ..Self::new(self.limits, life) };
        for entry in entries {
            self.push(LogEntry { at: now, ..entry });
        }
        true
    }

    /// Forgets a user, who had sockets of these ids: no entry names the user any more, and the content of those that
    /// were for nobody else is gone. They keep their numbers.
    pub(super) fn erase(&mut self, user: &UserId, ids: &[SocketId]) {
        let entries = std::mem::take(&mut self.entries);
        let (last, complete_from, pushed_out) = (self.last, self.complete_from, self.pushed_out);
        *self = Self { last, complete_from, pushed_out, ..Self::new(self.limits, self.life) };
        for mut entry in entries {
            if let Some(audience) = entry.audience.without(user, ids) {
                entry.audience = Arc::new(audience);
            }
            if entry.audience.target.names() == 0 {
                entry.frame = Bytes::new();
            }
            self.push(entry);
        }
    }

    fn push(&mut self, entry: LogEntry) {
        self.bytes += entry.bytes();
        self.index.add(&entry);
        self.entries.push_back(entry);
    }

    fn drop_first(&mut self) {
        if let Some(first) = self.entries.pop_front() {
            self.bytes -= first.bytes();
            self.lacks_some_to(first.number);
            self.index.remove_first(&first);
        }
    }
}

impl LogEntry {
    /// What it is counted as: its frame and all names of its audience.
    fn bytes(&self) -> usize {
        let Audience { target, except, .. } = &*self.audience;
        let texts =
            [&target.users, &except.users].into_iter().flatten().map(|it| it.as_str().len());
        let rooms =
            [&target.rooms, &except.rooms].into_iter().flatten().map(|it| it.as_str().len());
        let devices = except.devices.iter().map(|it| it.as_str().len());
        let names = target.names() + except.names();
        let texts: usize = texts.chain(rooms).chain(devices).sum();
        self.frame.len() + NAME_BYTES * names + texts
    }
}

impl NameIndex {
    fn add(&mut self, entry: &LogEntry) {
        let number = entry.number;
        let add = |numbers: &mut Numbers| {
            // A name may stand in the list twice.
            if numbers.back() != Some(&number) {
                numbers.push_back(number);
            }
        };
        if entry.audience.target.all {
            add(&mut self.all);
        }
        for name in names(&entry.audience.target) {
            self.by_name.change(name, add);
        }
    }

    /// Removes what [`NameIndex::add`] has added for the oldest entry there is.
    fn remove_first(&mut self, entry: &LogEntry) {
        let number = entry.number;
        let remove = |numbers: &mut Numbers| {
            if numbers.front() == Some(&number) {
                numbers.pop_front();
            }
        };
        remove(&mut self.all);
        for name in names(&entry.audience.target) {
            self.by_name.change(name, remove);
        }
    }

    /// The numbers after `after` of the entries that name `member`, whether they leave it out or not, in order. What was
    /// for a room before it joined that was not for it.
    fn naming(&self, member: &Member, after: u64) -> Vec<u64> {
        let own_rooms: Vec<Room> = member.own_rooms().collect();
        let names = member.names().chain(own_rooms.iter().map(AudienceName::Room));
        let since = |name: AudienceName<'_>| match name {
            AudienceName::Room(room) => after.max(member.moves.since(room)),
            AudienceName::User(_) | AudienceName::Socket(_) => after,
        };
        let lists = names.filter_map(|name| Some((self.by_name.get(name)?, since(name))));
        let mut numbers = Vec::new();
        for (list, after) in lists.chain([(&self.all, after)]) {
            let first = list.partition_point(|number| *number <= after);
            numbers.extend(list.range(first..));
        }
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    }
}

fn names(target: &Target) -> impl Iterator<Item = AudienceName<'_>> {
    let Target { users, rooms, sockets, all: _ } = target;
    let sockets = sockets.iter().copied().map(AudienceName::Socket);
    users.iter().map(AudienceName::User).chain(rooms.iter().map(AudienceName::Room)).chain(sockets)
}

#[cfg(test)]
mod tests;
