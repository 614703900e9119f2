//! A memory with bounds: beyond so many entries or bytes the oldest goes, and after a time each goes by itself.
//!
//! ```text
//!   by_age  3: 42   5: 43   7: 42  …    every entry, in the order in which they came
//!   by_key  42: 3 7    43: 5  …         the same by key, each key's oldest first
//! ```

use crate::types::Timestamp;
use std::borrow::Borrow;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// Entries that one call forgets because of their age at most, so that no call takes long.
const EXPIRE_MAX: usize = 1000;

/// How much is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryBounds {
    /// Entries in all; beyond, the oldest is forgotten, whatever its key. Zero remembers nothing.
    pub entries_max: usize,
    /// Entries of one key; beyond, the oldest of this key is forgotten. Zero remembers nothing.
    pub entries_per_key: usize,
    /// Bytes of all entries, as whoever adds them counts them; beyond, the oldest is forgotten.
    pub bytes_max: usize,
    /// How long an entry is remembered: it is over when so much time has passed.
    pub keep: Duration,
}

impl MemoryBounds {
    /// No bounds at all.
    pub const NONE: Self = Self {
        entries_max: usize::MAX,
        entries_per_key: usize::MAX,
        bytes_max: usize::MAX,
        keep: Duration::MAX,
    };
}

/// What is remembered, by key. A key may have several entries.
#[derive(Debug)]
pub struct BoundedMemory<K, V> {
    bounds: MemoryBounds,
    by_age: BTreeMap<u64, Entry<K, V>>,
    by_key: BTreeMap<K, VecDeque<u64>>,
    /// The number of the next entry.
    next: u64,
    bytes: usize,
}

#[derive(Debug)]
struct Entry<K, V> {
    key: K,
    value: V,
    bytes: usize,
    since: Timestamp,
}

impl<K: Ord + Clone, V> BoundedMemory<K, V> {
    /// Nothing is remembered yet.
    pub fn new(bounds: MemoryBounds) -> Self {
        Self { bounds, by_age: BTreeMap::new(), by_key: BTreeMap::new(), next: 0, bytes: 0 }
    }

    /// Remembers one more, and forgets what has to go for it. What alone has more bytes than there may be is forgotten
    /// at once, after all that came before it: there are no holes.
    pub fn add(&mut self, key: K, value: V, bytes: usize, now: Timestamp) {
        self.expire(now);
        if self.bounds.entries_max == 0 || self.bounds.entries_per_key == 0 {
            return;
        }
        let number = self.next;
        self.next += 1;
        let of_key = self.by_key.entry(key.clone()).or_default();
        of_key.push_back(number);
        let is_over_its_share = self.bounds.entries_per_key < of_key.len();
        if is_over_its_share && let Some(oldest) = of_key.pop_front() {
            self.take_out(oldest);
        }
        self.bytes = self.bytes.saturating_add(bytes);
        self.by_age.insert(number, Entry { key, value, bytes, since: now });
        self.shrink();
    }

    /// Changes the latest entry of `key`, which then has `bytes`. Returns whether there is one.
    pub fn update<Q>(&mut self, key: &Q, bytes: usize, change: impl FnOnce(&mut V)) -> bool
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        let latest = self.by_key.get(key).and_then(VecDeque::back);
        let Some(entry) = latest.and_then(|number| self.by_age.get_mut(number)) else {
            return false;
        };
        change(&mut entry.value);
        self.bytes = self.bytes.saturating_sub(entry.bytes).saturating_add(bytes);
        entry.bytes = bytes;
        self.shrink();
        true
    }

    /// Changes every entry: `change` answers how many bytes it has from then on.
    pub fn revise(&mut self, mut change: impl FnMut(&K, &mut V) -> usize) {
        for entry in self.by_age.values_mut() {
            let bytes = change(&entry.key, &mut entry.value);
            self.bytes = self.bytes.saturating_sub(entry.bytes).saturating_add(bytes);
            entry.bytes = bytes;
        }
        self.shrink();
    }

    /// Forgets every entry that `is_meant`.
    pub fn erase_where(&mut self, is_meant: impl Fn(&V) -> bool) {
        let bytes = &mut self.bytes;
        self.by_age.retain(|_, entry| {
            let is_kept = !is_meant(&entry.value);
            *bytes = bytes.saturating_sub(if is_kept { 0 } else { entry.bytes });
            is_kept
        });
        self.by_key.retain(|_, numbers| {
            numbers.retain(|number| self.by_age.contains_key(number));
            !numbers.is_empty()
        });
    }

    /// Forgets every entry of `key`.
    pub fn erase<Q>(&mut self, key: &Q)
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        for number in self.by_key.remove(key).unwrap_or_default() {
            self.take_out(number);
        }
    }

    /// The entries of `key` that are not over, the latest first.
    pub fn of<Q>(&self, key: &Q, now: Timestamp) -> impl Iterator<Item = &V>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        let numbers = self.by_key.get(key).into_iter().flatten().rev();
        let entries = numbers.filter_map(|number| self.by_age.get(number));
        entries.filter(move |entry| !self.is_over(entry, now)).map(|entry| &entry.value)
    }

    /// All entries that were not forgotten yet, the latest first.
    pub fn iter(&self) -> impl Iterator<Item = &V> {
        self.by_age.values().rev().map(|entry| &entry.value)
    }

    /// Forgets what is over, up to 1000 entries; returns whether there may be more.
    pub fn expire(&mut self, now: Timestamp) -> bool {
        for _ in 0..EXPIRE_MAX {
            let oldest = self.by_age.first_key_value();
            if oldest.is_none_or(|(_, entry)| !self.is_over(entry, now)) {
                return false;
            }
            self.forget_oldest();
        }
        true
    }

    /// Forgets the oldest entry. Returns whether there was one.
    pub fn forget_oldest(&mut self) -> bool {
        let Some((oldest, _)) = self.by_age.first_key_value() else { return false };
        // It is its key's oldest as well.
        if let Some(key) = self.take_out(*oldest)
            && let Some(numbers) = self.by_key.get_mut(&key)
        {
            numbers.pop_front();
            if numbers.is_empty() {
                self.by_key.remove(&key);
            }
        }
        true
    }

    /// Entries in all, those that are over and not forgotten yet included.
    pub fn len(&self) -> usize {
        self.by_age.len()
    }

    /// Nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.by_age.is_empty()
    }

    fn is_over(&self, entry: &Entry<K, V>, now: Timestamp) -> bool {
        self.bounds.keep <= now.since(entry.since)
    }

    fn shrink(&mut self) {
        let MemoryBounds { entries_max, bytes_max, .. } = self.bounds;
        while (entries_max < self.by_age.len() || bytes_max < self.bytes) && self.forget_oldest() {}
    }

    /// Takes an entry out of `by_age`, and its bytes out of the sum.
    fn take_out(&mut self, number: u64) -> Option<K> {
        let Entry { key, bytes, .. } = self.by_age.remove(&number)?;
        self.bytes = self.bytes.saturating_sub(bytes);
        Some(key)
    }
}

#[cfg(test)]
mod tests;
