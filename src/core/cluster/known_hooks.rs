//! What the node that delivers for an endpoint knows of what waits, so that it need not ask again, and which of that a newer
//! one takes the place of.

#[cfg(test)]
mod tests;

use super::ledger::{ChangeEnd, HookNews, SettledChange, WaitingChange};
use crate::core::delivery::decision::{DeliveryId, PendingHook};
use crate::types::{UserId, WallMs};
use std::collections::{BTreeMap, BTreeSet};

/// Hooks that are known at once. More wait in the place where all nodes keep them: about 20 MB.
const KNOWN_MAX: usize = 100_000;
/// Bytes of bodies that are known at once; with more of them nothing is read until some are sent.
const BYTES_MAX: usize = 32_000_000;

/// The undelivered hooks of one endpoint that its node has read, by their numbers and by their users.
#[derive(Debug, Default)]
pub struct KnownHooks {
    hooks: BTreeMap<DeliveryId, KnownHook>,
    /// Bytes of bodies.
    bytes: usize,
    users: BTreeMap<UserId, BTreeSet<DeliveryId>>,
    /// Those that a newer one has taken the place of, which has not been recorded yet.
    replaced: BTreeMap<DeliveryId, GaveWay>,
}

#[derive(Debug)]
struct KnownHook {
    hook: PendingHook,
    news: HookNews,
    /// Older events that it stands for.
    coalesced: u64,
    /// What is newer than this number is newer than the hook: its own or, if it was put back, one of that moment.
    placed: u64,
    /// It may be on its way: then nothing takes its place, for it may arrive.
    is_out: bool,
}

#[derive(Debug, Clone, Copy)]
struct GaveWay {
    by: DeliveryId,
    attempts: u32,
}

impl KnownHooks {
    /// How many more may be read.
    pub fn room(&self) -> usize {
        if BYTES_MAX <= self.bytes { 0 } else { KNOWN_MAX.saturating_sub(self.hooks.len()) }
    }

    /// One was read. Returns it as its dispatcher knows it.
    pub fn add(&mut self, waiting: &WaitingChange, news: HookNews) -> PendingHook {
        let id = DeliveryId(waiting.number);
        let hook = PendingHook {
            id,
            user: news.user().clone(),
            attempts: waiting.attempts,
            created: waiting.since.unwrap_or_else(|| news.at()),
            next_attempt: waiting.next_attempt,
        };
        // Numbers follow time, in microseconds.
        let placed = waiting.since.map_or(0, |it| it.0.saturating_mul(1000)).max(id.0);
        self.users.entry(news.user().clone()).or_default().insert(id);
        self.bytes += news.bytes();
        let mut known = KnownHook {
            hook: hook.clone(),
            news,
            coalesced: waiting.coalesced,
            placed,
            is_out: false,
        };
        if let Some(old) = self.hooks.remove(&id) {
            self.bytes -= old.news.bytes();
            // It may stand for some of which that is not recorded yet.
            (known.coalesced, known.is_out) = (old.coalesced.max(known.coalesced), old.is_out);
        }
        self.hooks.insert(id, known);
        hook
    }

    /// Lets one that was read take the place of older ones of its user. Returns how many these are.
    pub fn coalesce(&mut self, id: DeliveryId) -> u64 {
        let Some(newer) = self.hooks.get(&id) else { return 0 };
        let older = self.users.get(&newer.hook.user).into_iter().flat_map(|it| it.range(..id));
        let is_replaced = |it: &&DeliveryId| {
            self.hooks.get(it).is_some_and(|it| !it.is_out && newer.replaces(it))
        };
        let older: Vec<DeliveryId> = older.filter(is_replaced).copied().collect();
        let count = older.iter().filter(|it| self.replace(**it, id)).count();
        u64::try_from(count).unwrap_or(u64::MAX)
    }

    /// Lets a newer one take the place of this one, if there is one. It is not on its way.
    pub fn give_way(&mut self, id: DeliveryId) -> bool {
        let Some(older) = self.hooks.get(&id) else { return false };
        let newer =
            self.users.get(&older.hook.user).into_iter().flat_map(|it| it.range(id..).rev());
        let replaces = |it: &&DeliveryId| self.hooks.get(it).is_some_and(|it| it.replaces(older));
        newer.copied().find(|it| replaces(&it)).is_some_and(|by| self.replace(id, by))
    }

    fn replace(&mut self, id: DeliveryId, by: DeliveryId) -> bool {
        let Some(KnownHook { hook, coalesced, .. }) = self.remove(id) else { return false };
        if let Some(newer) = self.hooks.get_mut(&by) {
            newer.coalesced += 1 + coalesced;
        }
        for it in self.replaced.values_mut().filter(|it| it.by == id) {
            it.by = by;
        }
        self.replaced.insert(id, GaveWay { by, attempts: hook.attempts });
        true
    }

    /// What is to be recorded of those that were replaced, the oldest first; with `of`, of those that this one stands for.
    pub fn replaced(&self, of: Option<DeliveryId>) -> Vec<SettledChange> {
        let all = self.replaced.iter().filter(|(_, it)| of.is_none_or(|by| by == it.by));
        all.map(|(id, it)| it.settled(*id)).collect()
    }

    /// What is to be recorded of this one, if it was replaced.
    pub fn replacement(&self, id: DeliveryId) -> Option<SettledChange> {
        self.replaced.get(&id).map(|it| it.settled(id))
    }

    /// These were recorded.
    pub fn forget_replaced(&mut self, settled: &[SettledChange]) {
        for it in settled.iter().filter(|it| matches!(it.end, ChangeEnd::Replaced { .. })) {
            self.replaced.remove(&DeliveryId(it.number));
        }
    }

    /// What one tells, and how many older events it stands for. From now on it may be on its way.
    pub fn send(&mut self, id: DeliveryId) -> Option<(&HookNews, u64)> {
        let known = self.hooks.get_mut(&id)?;
        known.is_out = true;
        Some((&known.news, known.coalesced))
    }

    /// One is tried again.
    pub fn again(&mut self, id: DeliveryId, attempts: u32, at: Option<WallMs>) {
        if let Some(KnownHook { hook, is_out, .. }) = self.hooks.get_mut(&id) {
            (hook.attempts, hook.next_attempt, *is_out) = (attempts, at, false);
        }
    }

    /// One waits no more.
    pub fn end(&mut self, id: DeliveryId) {
        self.remove(id);
    }

    fn remove(&mut self, id: DeliveryId) -> Option<KnownHook> {
        let known = self.hooks.remove(&id)?;
        self.bytes -= known.news.bytes();
        if let Some(of_user) = self.users.get_mut(&known.hook.user) {
            of_user.remove(&id);
            if of_user.is_empty() {
                self.users.remove(&known.hook.user);
            }
        }
        Some(known)
    }

    /// None of a user waits any more.
    pub fn erase(&mut self, user: &UserId) {
        for id in self.users.get(user).cloned().unwrap_or_default() {
            self.remove(id);
        }
    }

    /// The oldest one of a user.
    pub fn next_of(&self, user: &UserId) -> Option<PendingHook> {
        let id = self.users.get(user)?.first()?;
        self.hooks.get(id).map(|it| it.hook.clone())
    }

    /// Those with a number over `after`, ascending, at most `limit`.
    pub fn after(&self, after: DeliveryId, limit: usize) -> Vec<PendingHook> {
        let next = DeliveryId(after.0.saturating_add(1));
        self.hooks.range(next..).take(limit).map(|(_, it)| it.hook.clone()).collect()
    }
}

impl KnownHook {
    fn replaces(&self, older: &Self) -> bool {
        older.placed < self.hook.id.0 && self.news.replaces(&older.news)
    }
}

impl GaveWay {
    fn settled(self, id: DeliveryId) -> SettledChange {
        let end = ChangeEnd::Replaced { by: self.by.0, attempts: self.attempts };
        SettledChange { number: id.0, end, error: None }
    }
}
