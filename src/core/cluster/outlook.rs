//! What a node knows of those whom its clients watch, on whatever nodes they are.
//!
//! The truth about a user stands in one place, and is looked at as a whole. Whatever changes it leaves a note there in the same
//! step, with a number higher than all before, as long as some node listens. So:
//!
//! ```text
//!   listen: the number up to which this node has heard ─► look at whom it wants to know ─► notes above that number ─► look again
//! ```
//!
//! A change is either in the look, or its note lies above the number, which was there before the look: there is no hole between
//! the two, and no order to keep, because nothing is carried by a note but a name. What a look answers holds until the next one, as
//! one question is open at a time. A node that may have missed a note looks at all again, and now and then it does so anyway.
//!
//! After an outage or a loss of data, nodes first say again who is there: until then nobody is taken for offline who was known as
//! online.

use super::places::{MovedQuestion, MovedUsers, Places, UserPlaces, UserRooms};
use crate::types::{Timestamp, UserId};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How often is asked for notes.
const LISTEN_EVERY: Duration = Duration::from_millis(100);
/// How often those are looked at again of whom it is not sure that they are offline.
const DOUBT_EVERY: Duration = Duration::from_secs(1);
/// How often all are looked at again: what no note tells of, as from a node of another version, is known then.
const ALL_EVERY: Duration = Duration::from_mins(1);
/// Users in one look, and notes in one answer.
const USERS_MAX: usize = 256;

/// What a node knows of other nodes' users.
#[derive(Debug, Default)]
pub struct Outlook {
    users: BTreeMap<UserId, Outlooked>,
    /// To be looked at.
    stale: BTreeSet<UserId>,
    /// To be looked at a little later.
    doubtful: BTreeSet<UserId>,
    /// The number up to which this node has heard of changes; `None`: it does not listen.
    heard_to: Option<u64>,
    last: LastAsked,
}

#[derive(Debug, Default)]
struct LastAsked {
    listened: Option<Timestamp>,
    doubted: Option<Timestamp>,
    all: Option<Timestamp>,
}

#[derive(Debug, Default)]
struct Outlooked {
    known: Option<SeenUser>,
    /// How many wait for it to be known.
    wanted: usize,
}

/// What is known of a user.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SeenUser {
    /// Whether it is online; who lingers is.
    pub is_online: bool,
    /// The rooms of its sockets; `None` if it has none, or no node has said of any.
    pub rooms: Option<UserRooms>,
}

impl From<UserPlaces> for SeenUser {
    fn from(places: UserPlaces) -> Self {
        Self { is_online: places.is_online, rooms: places.rooms() }
    }
}

/// What is asked next. One question is open at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutlookAsk {
    /// Who has changed.
    Moved(MovedQuestion),
    /// Where these are.
    Places(Vec<UserId>),
}

impl Outlook {
    /// Somebody waits for these to be known. Until [`Outlook::release`] they stay so.
    pub fn want(&mut self, users: &[UserId]) {
        for user in users {
            let entry = self.users.entry(user.clone()).or_default();
            entry.wanted += 1;
            if entry.known.is_none() {
                self.stale.insert(user.clone());
            }
        }
    }

    /// Nobody waits any more; those stay known whom somebody watches.
    pub fn release(&mut self, users: &[UserId]) {
        for user in users {
            if let Some(entry) = self.users.get_mut(user) {
                entry.wanted = entry.wanted.saturating_sub(1);
            }
        }
    }

    /// Whether all of these are known.
    pub fn knows(&self, users: &[UserId]) -> bool {
        users.iter().all(|it| self.user(it).is_some())
    }

    /// What is known of a user.
    pub fn user(&self, user: &UserId) -> Option<&SeenUser> {
        self.users.get(user)?.known.as_ref()
    }

    /// Nothing that is known may be relied on: this node knows another state than there is.
    pub fn renew(&mut self) {
        self.stale.extend(self.users.keys().cloned());
    }

    /// Nobody watches anybody: only those stay for whom somebody waits.
    pub fn rest(&mut self) {
        if self.users.values().any(|it| it.wanted == 0) {
            self.users.retain(|_, it| 0 < it.wanted);
        }
        if self.users.is_empty() {
            *self = Self::default();
        }
    }

    /// A user is forgotten.
    pub fn erase(&mut self, user: &UserId) {
        self.users.remove(user);
        self.stale.remove(user);
        self.doubtful.remove(user);
    }

    /// Whether there is nobody to know of.
    pub fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    /// When something is asked again, if nothing else happens.
    pub fn next_at(&self) -> Option<Timestamp> {
        if self.is_empty() { None } else { self.last.listened.map(|it| it + LISTEN_EVERY) }
    }

    /// What is asked now, if anything. Whom nobody watches, as `is_watched` says, and for whom nobody waits, is looked at no more.
    pub fn next(
        &mut self,
        now: Timestamp,
        is_watched: impl Fn(&UserId) -> bool,
    ) -> Option<OutlookAsk> {
        if self.is_empty() {
            return None;
        }
        let is_due = |last: Option<Timestamp>, every| last.is_none_or(|it| every <= now.since(it));
        if is_due(self.last.doubted, DOUBT_EVERY) {
            self.last.doubted = Some(now);
            self.stale.append(&mut self.doubtful);
        }
        if is_due(self.last.all, ALL_EVERY) {
            self.last.all = Some(now);
            self.renew();
        }
        if self.heard_to.is_none() || is_due(self.last.listened, LISTEN_EVERY) {
            self.last.listened = Some(now);
            let after = self.heard_to;
            return Some(OutlookAsk::Moved(MovedQuestion { after, users_max: USERS_MAX }));
        }
        let mut users = Vec::new();
        while users.len() < USERS_MAX {
            let Some(user) = self.stale.pop_first() else { break };
            match self.users.get(&user) {
                Some(entry) if 0 < entry.wanted || is_watched(&user) => users.push(user),
                Some(_) => self.erase(&user),
                None => {}
            }
        }
        (!users.is_empty()).then_some(OutlookAsk::Places(users))
    }

    /// A question was not answered: it is asked again.
    pub fn failed(&mut self, ask: OutlookAsk) {
        match ask {
            OutlookAsk::Moved(_) => {}
            OutlookAsk::Places(users) => self.stale.extend(users),
        }
    }

    /// Who has changed.
    pub fn heard(&mut self, moved: MovedUsers) {
        match moved.users {
            None => self.renew(),
            Some(users) => {
                if users.len() == USERS_MAX {
                    // There may be more.
                    self.last.listened = None;
                }
                self.stale.extend(users.into_iter().filter(|it| self.users.contains_key(it)));
            }
        }
        self.heard_to = Some(moved.number);
    }

    /// Where `users` are. Returns those of whom something else is known than before.
    pub fn looked(&mut self, users: Vec<UserId>, places: Places) -> Vec<UserId> {
        let mut changed = Vec::new();
        for (user, at) in users.into_iter().zip(places.users) {
            // It may have been erased meanwhile.
            let Some(entry) = self.users.get_mut(&user) else { continue };
            let is_whole = places.is_settled && at.nodes.iter().all(Option::is_some);
            let mut seen = SeenUser::from(at);
            if let Some(before) = entry.known.as_ref().filter(|it| it.is_online && !is_whole) {
                // What is missing may be said yet.
                seen.is_online |= !places.is_settled;
                if let Some(rooms) = before.rooms.clone().filter(|_| seen.is_online) {
                    seen.rooms.get_or_insert_default().join(rooms);
                }
            }
            if !places.is_settled {
                self.doubtful.insert(user.clone());
            }
            if entry.known.as_ref() != Some(&seen) {
                entry.known = Some(seen);
                changed.push(user);
            }
        }
        changed
    }
}

#[cfg(test)]
mod tests;
