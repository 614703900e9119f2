//! Whom a watcher may see because the backend said so: for a while, after which the backend is asked again.
//!
//! ```text
//!   permit ──────── ask_at: asked again ───── until: ends, unless an answer came
//!              └─► answered: a new permit    └─► not answered: asked again a little later
//! ```

#[cfg(test)]
mod tests;

use crate::types::{Timestamp, UserId};
use std::collections::BTreeSet;

/// For how long an answer of the backend is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PermitTerm {
    /// When it is asked again.
    pub ask_at: Timestamp,
    /// When what it allowed ends.
    pub until: Timestamp,
}

/// What has become due of a watcher's permit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PermitDue {
    /// The backend is to be asked again.
    Ask,
    /// Nobody is seen by it any more.
    Ended,
}

/// Whom one watcher may see.
#[derive(Debug)]
pub(super) struct SightPermit {
    /// The watcher's user, about whom the backend was asked.
    viewer: UserId,
    users: BTreeSet<UserId>,
    until: Timestamp,
    /// `None` while the backend is being asked.
    ask_at: Option<Timestamp>,
}

impl SightPermit {
    pub(super) fn new(viewer: UserId, allowed: BTreeSet<UserId>, term: PermitTerm) -> Self {
        let PermitTerm { ask_at, until } = term;
        Self { viewer, users: allowed, until, ask_at: Some(ask_at) }
    }

    /// The backend was asked whether `viewer` may see those `asked`, and allows these. Of others nothing was said.
    pub(super) fn answer(
        &mut self,
        viewer: UserId,
        (asked, allowed): (&[UserId], BTreeSet<UserId>),
        term: PermitTerm,
        is_again: bool,
    ) {
        if self.viewer != viewer {
            self.users.clear();
            self.viewer = viewer;
        }
        for user in asked {
            self.users.remove(user);
        }
        // One time for all: that of the answer which ends first.
        let others_until = (!self.users.is_empty()).then_some(self.until);
        self.until = others_until.map_or(term.until, |it| it.min(term.until));
        self.users.extend(allowed);
        self.ask_at = match self.ask_at {
            Some(at) if !is_again => Some(at.min(term.ask_at)),
            None if !is_again => None,
            Some(_) | None => Some(term.ask_at),
        };
    }

    /// The backend is to be asked at this time.
    pub(super) fn ask_at(&mut self, at: Timestamp) {
        self.ask_at = Some(at);
    }

    /// The same, unless it is being asked already.
    pub(super) fn ask_soon(&mut self) {
        self.ask_at = self.ask_at.map(|_| Timestamp::default());
    }

    pub(super) fn forget(&mut self, user: &UserId) {
        self.users.remove(user);
    }

    /// Whether `viewer` may see `user`.
    pub(super) fn allows(&self, viewer: &UserId, user: &UserId, now: Timestamp) -> bool {
        self.viewer == *viewer && now < self.until && self.users.contains(user)
    }

    /// When something becomes due; `None` if only an answer can do that.
    pub(super) fn due_at(&self) -> Option<Timestamp> {
        let ends_at = (!self.users.is_empty()).then_some(self.until);
        [ends_at, self.ask_at].into_iter().flatten().min()
    }

    /// What is due, the end first.
    pub(super) fn due(&mut self, now: Timestamp) -> Option<PermitDue> {
        if !self.users.is_empty() && self.until <= now {
            self.users.clear();
            return Some(PermitDue::Ended);
        }
        if self.ask_at.is_some_and(|it| it <= now) {
            self.ask_at = None;
            return Some(PermitDue::Ask);
        }
        None
    }
}
