//! Users who are blocked, and users of whom only newer tokens count: one entry for each, in force until it ends.

use crate::core::page::Page;
use crate::types::{UserId, WallMs, millis};
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;

/// Keeps a user out, whatever the credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// What the user is told.
    pub reason: Option<Arc<str>>,
    /// The name of the API key that did it.
    pub by: Arc<str>,
    /// Since when.
    pub since: WallMs,
    /// When it ends; `None`: when it is lifted.
    pub until: Option<WallMs>,
}

/// What is held against a user.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Restriction {
    /// The block, if there is one.
    pub block: Option<Block>,
    /// Tokens that were issued before this time do not count, nor those that do not say when they were.
    pub not_before: Option<WallMs>,
}

/// Why a user may not come in.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Barred {
    /// The user is blocked.
    #[error("the user is blocked")]
    Blocked {
        /// What the user is told.
        reason: Option<Arc<str>>,
        /// When the block ends.
        until: Option<WallMs>,
    },
    /// The token is one of those that were revoked.
    #[error("the token has been revoked: it was issued too early, or does not say when (`iat`)")]
    Revoked,
}

/// All restrictions, by user.
#[derive(Debug, Default)]
pub struct Restrictions {
    users: BTreeMap<UserId, Restriction>,
    held: Held,
}

/// How much is held against users, with blocks that have ended and are not forgotten yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Held {
    /// Users who are blocked.
    pub blocks: usize,
    /// Users of whom only newer tokens count.
    pub not_befores: usize,
}

impl Restriction {
    /// Whether nothing is held against the user.
    pub fn is_empty(&self) -> bool {
        self.block.is_none() && self.not_before.is_none()
    }

    /// What is left of it at the time `now`.
    #[must_use]
    pub fn at(self, now: WallMs) -> Self {
        Self { block: self.block.filter(|it| it.is_in_force(now)), ..self }
    }

    /// What is left of it that still matters, where nothing counts that was issued `age` ago or earlier, if there is such an age.
    #[must_use]
    pub fn that_matters(self, age: Option<Duration>, now: WallMs) -> Self {
        let left = self.at(now);
        let not_before = left.not_before.filter(|first| !is_over(*first, age, now));
        Self { not_before, ..left }
    }

    fn check(&self, issued_at: Option<WallMs>, now: WallMs) -> Option<Barred> {
        if let Some(Block { reason, until, .. }) =
            self.block.as_ref().filter(|it| it.is_in_force(now))
        {
            return Some(Barred::Blocked { reason: reason.clone(), until: *until });
        }
        let is_revoked = self.not_before.is_some_and(|first| issued_at.is_none_or(|it| it < first));
        is_revoked.then_some(Barred::Revoked)
    }
}

impl Held {
    fn add(&mut self, restriction: &Restriction) {
        self.blocks += usize::from(restriction.block.is_some());
        self.not_befores += usize::from(restriction.not_before.is_some());
    }

    fn take(&mut self, restriction: &Restriction) {
        self.blocks -= usize::from(restriction.block.is_some());
        self.not_befores -= usize::from(restriction.not_before.is_some());
    }
}

/// Whether nothing that was issued before `first` counts any more, because it was at least `age` ago.
fn is_over(first: WallMs, age: Option<Duration>, now: WallMs) -> bool {
    age.is_some_and(|age| first.0.saturating_add(millis(age)) <= now.0)
}

impl Block {
    /// Whether it has not ended.
    pub fn is_in_force(&self, now: WallMs) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

impl Restrictions {
    /// Whether a user may come in with credentials that were issued at `issued_at`, if that is known; else why not.
    pub fn check(&self, user: &UserId, issued_at: Option<WallMs>, now: WallMs) -> Option<Barred> {
        self.users.get(user)?.check(issued_at, now)
    }

    /// What is held against a user at the time `now`.
    pub fn of(&self, user: &UserId, now: WallMs) -> Restriction {
        self.users.get(user).cloned().unwrap_or_default().at(now)
    }

    /// What is recorded of a user, with a block that has ended.
    pub fn record(&self, user: &UserId) -> Restriction {
        self.users.get(user).cloned().unwrap_or_default()
    }

    /// Users of whom something is recorded.
    pub fn users(&self) -> impl Iterator<Item = &UserId> {
        self.users.keys()
    }

    /// Replaces what is held against a user. Returns what was recorded.
    pub fn set(&mut self, user: UserId, restriction: Restriction) -> Restriction {
        self.held.add(&restriction);
        let old = if restriction.is_empty() {
            self.users.remove(&user)
        } else {
            self.users.insert(user, restriction)
        };
        let old = old.unwrap_or_default();
        self.held.take(&old);
        old
    }

    /// Whether something may be held against a user, where that is allowed against `max` users.
    pub fn has_room_for(&self, user: &UserId, max: usize) -> bool {
        self.users.len() < max || self.users.contains_key(user)
    }

    /// Blocks in force, in the order of their users, after `after`.
    pub fn blocks(
        &self,
        after: Option<&UserId>,
        limit: usize,
        now: WallMs,
    ) -> Page<(UserId, Block)> {
        let first = after.map_or(Bound::Unbounded, Bound::Excluded);
        let later = self.users.range::<UserId, _>((first, Bound::Unbounded));
        let mut blocks = later.filter_map(|(user, it)| {
            Some((user.clone(), it.block.clone().filter(|it| it.is_in_force(now))?))
        });
        let items = blocks.by_ref().take(limit).collect();
        Page { items, has_more: blocks.next().is_some() }
    }

    /// Users of whom something is known that does not matter any more, at most `limit`; see [`Restriction::that_matters`].
    pub fn ended(&self, limit: usize, age: Option<Duration>, now: WallMs) -> Vec<UserId> {
        let has_ended = |it: &Restriction| {
            it.block.as_ref().is_some_and(|it| !it.is_in_force(now))
                || it.not_before.is_some_and(|first| is_over(first, age, now))
        };
        let ended = self.users.iter().filter(|(_, it)| has_ended(it));
        ended.map(|(user, _)| user.clone()).take(limit).collect()
    }

    /// Forgets a user.
    pub fn erase(&mut self, user: &UserId) {
        let old = self.users.remove(user);
        self.held.take(&old.unwrap_or_default());
    }

    /// How much is held against users.
    pub fn held(&self) -> Held {
        self.held
    }

    /// Users of whom something is held.
    pub fn len(&self) -> usize {
        self.users.len()
    }

    /// Nothing is held against anybody.
    pub fn is_empty(&self) -> bool {
        self.users.is_empty()
    }
}

#[cfg(test)]
mod tests;
