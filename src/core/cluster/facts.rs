//! Which users are on this node, and what of that the state has been told.
//!
//! These are facts, not differences: what is said in vain, or twice, does no harm, and what waits to be said is at most one
//! thing per user. So a long outage costs no more than the set of those who are here.

mod ops;

pub use ops::{FactOp, UserDeparture};

use super::sockets::{SocketNews, SocketTold};
use crate::types::{Reason, Timestamp, UserId};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// Users that have gone and are remembered, at most: those before them are forgotten.
const DEPARTED_LEN_MAX: usize = 100_000;

/// What a node knows of its users.
#[derive(Debug, Default)]
pub struct UserFacts {
    users: BTreeMap<UserId, Fact>,
    /// Users of whom something is to be said, in this order; each at most once.
    unsaid: VecDeque<UserId>,
    departed: VecDeque<(Timestamp, UserId, u64, UserDeparture)>,
    /// Of `departed`, those that the state has to be told of again.
    retold: VecDeque<(UserId, u64, UserDeparture)>,
    /// Where hooks tell of sockets.
    sockets: SocketNews,
}

#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent of each other")]
struct Fact {
    presence: LocalPresence,
    /// Whether the state was told that the user is here, or is being told.
    is_said: bool,
    is_queued: bool,
    /// Whether the user's sockets have spoken since this node slept.
    is_verified: bool,
    /// Whether the user was here all the time, though the state has to be told again.
    is_kept: bool,
    /// Whether the state has answered what it was told last.
    is_answered: bool,
    session: Option<u64>,
    /// The session, if the state may have lost it.
    hint: Option<u64>,
    /// The largest number that was given when the state had been told.
    since: Option<u64>,
    end_grace: Option<Reason>,
    /// What hooks say of the user, if they do.
    granted: Option<Arc<str>>,
    /// In which rooms the user's sockets are, where others have to know that, and whether it is still to be said.
    rooms: Option<(Arc<str>, IsUnsaid)>,
}

type IsUnsaid = bool;

#[derive(Debug, Clone, Copy)]
enum LocalPresence {
    Here,
    Gone(UserDeparture),
    /// Never was here: only something about the grace is said.
    Elsewhere,
}

impl UserFacts {
    /// The user has a socket here. Returns the session if the state knows that, so that nothing is said; else
    /// [`UserFacts::applied`] returns it later.
    pub fn up(&mut self, user: &UserId) -> Option<u64> {
        let fact = self.fact(user);
        fact.presence = LocalPresence::Here;
        fact.is_verified = true;
        fact.end_grace = None;
        let known = fact.session.filter(|_| fact.is_said && fact.is_answered);
        self.queue(user);
        known
    }

    /// What hooks say of a user who is here: what a socket was granted.
    pub fn describe(&mut self, user: &UserId, granted: Arc<str>) {
        if let Some(fact) = self.users.get_mut(user) {
            fact.granted = Some(granted);
        }
    }

    /// The user has none any more.
    pub fn down(&mut self, user: &UserId, departure: UserDeparture) {
        let Some(fact) = self.users.get_mut(user) else { return };
        if !matches!(fact.presence, LocalPresence::Here) {
            return;
        }
        fact.presence = LocalPresence::Gone(departure);
        fact.rooms = None;
        self.queue(user);
    }

    /// The user's sockets here are in these rooms.
    pub fn place(&mut self, user: &UserId, rooms: Arc<str>) {
        let Some(fact) = self.users.get_mut(user) else { return };
        let is_known = fact.rooms.as_ref().is_some_and(|(known, _)| *known == rooms);
        if !is_known && matches!(fact.presence, LocalPresence::Here) {
            fact.rooms = Some((rooms, true));
            self.queue(user);
        }
    }

    /// Hooks tell that a socket of the user has come, who is here.
    pub fn socket_came(&mut self, user: &UserId, told: SocketTold) {
        self.sockets.came(user, told);
        self.queue(user);
    }

    /// The same of one that goes. If `is_cut_off`, and it was not said that it came, neither is said.
    pub fn socket_went(&mut self, user: &UserId, told: SocketTold, is_cut_off: bool) {
        self.sockets.went(user, told, is_cut_off);
        self.queue(user);
    }

    /// Nobody has a socket here any more.
    pub fn all_down(&mut self, departure: UserDeparture) {
        let here = self.users.iter().filter(|(_, it)| matches!(it.presence, LocalPresence::Here));
        let here: Vec<UserId> = here.map(|(user, _)| user.clone()).collect();
        for user in here {
            self.down(&user, departure);
        }
    }

    /// If the user lingers, that ends now.
    pub fn end_grace(&mut self, user: &UserId, reason: Reason) {
        let fact = self.fact(user);
        fact.end_grace = Some(reason);
        self.queue(user);
    }

    /// What is to be said next; it counts as said.
    pub fn take(&mut self, max: usize) -> Vec<FactOp> {
        let mut ops = Vec::new();
        while ops.len() < max {
            let Some((user, session, departure)) = self.retold.pop_front() else { break };
            // Whoever came back is told of by its presence.
            let is_here =
                self.users.get(&user).is_some_and(|it| matches!(it.presence, LocalPresence::Here));
            if !is_here {
                ops.push(FactOp::Departed { user, session, departure });
            }
        }
        while ops.len() < max {
            let Some(user) = self.unsaid.pop_front() else { break };
            let Some(fact) = self.users.get_mut(&user) else { continue };
            fact.is_queued = false;
            let (was_said, is_here) = (fact.is_said, matches!(fact.presence, LocalPresence::Here));
            if is_here && !was_said && fact.is_verified {
                fact.is_said = true;
                fact.is_answered = false;
                ops.extend(fact.description());
                let (hint, is_kept) = (fact.hint, fact.is_kept);
                ops.push(FactOp::Up { user: user.clone(), hint, is_kept });
            }
            if let (true, true, Some((rooms, is_unsaid))) = (is_here, fact.is_said, &mut fact.rooms)
                && (std::mem::take(is_unsaid) || !was_said)
            {
                ops.push(FactOp::Place { user: user.clone(), rooms: Arc::clone(rooms) });
            }
            // Sockets are told of after the user has come, and before it goes.
            if !is_here || fact.is_said {
                let news = self.sockets.take(&user, max);
                let op = |op| FactOp::Socket { user: user.clone(), op };
                ops.extend(news.into_iter().map(op));
                if self.sockets.has(&user) {
                    fact.is_queued = true;
                    self.unsaid.push_back(user);
                    continue;
                }
            }
            if let LocalPresence::Gone(departure) = fact.presence
                && was_said
            {
                fact.is_said = false;
                ops.extend(fact.description());
                ops.push(FactOp::Down { user: user.clone(), departure });
            }
            if let Some(reason) = fact.end_grace.take() {
                ops.push(FactOp::EndGrace { user: user.clone(), reason });
            }
            // One that was told of as gone stays until that is answered, for its session.
            if !is_here && !was_said {
                self.users.remove(&user);
            }
        }
        ops
    }

    /// The state has applied `ops`. Returns the session of each user that is here.
    pub fn applied(
        &mut self,
        ops: &[FactOp],
        (sessions, head): (&[u64], u64),
        now: Timestamp,
    ) -> Vec<(UserId, u64)> {
        let mut sessions = sessions.iter();
        let mut known = Vec::new();
        for op in ops {
            match op {
                FactOp::Up { user, .. } => {
                    let Some(session) = sessions.next() else { break };
                    if let Some(fact) = self.users.get_mut(user) {
                        fact.session = Some(*session);
                        fact.is_answered = true;
                        fact.hint = None;
                        fact.is_kept = false;
                        fact.since.get_or_insert(head);
                        known.push((user.clone(), *session));
                    }
                }
                FactOp::Down { user, departure } => self.departed(user, *departure, now),
                FactOp::Place { .. }
                | FactOp::EndGrace { .. }
                | FactOp::Departed { .. }
                | FactOp::Describe { .. }
                | FactOp::Socket { .. } => {}
            }
        }
        known
    }

    /// The node goes on as a new incarnation, of which the state knows no users yet. If it lost what came after a number,
    /// it is told of the sessions that were known, and of those who left within `remember`.
    pub fn assert_again(&mut self, lost_after: Option<u64>, remember: Duration, now: Timestamp) {
        self.unsaid.clear();
        self.sockets.assert_again(lost_after.is_some());
        let mut gone = Vec::new();
        self.users.retain(|user, fact| {
            fact.is_said = false;
            fact.is_queued = true;
            if let Some(common) = lost_after {
                fact.hint = fact.session;
                fact.is_kept = fact.since.is_some_and(|since| since <= common);
            }
            fact.since = None;
            match fact.presence {
                LocalPresence::Here => {}
                LocalPresence::Elsewhere => fact.is_queued = fact.end_grace.is_some(),
                LocalPresence::Gone(departure) => {
                    // The earlier life of this node is let go; with it this user, unless that is lost.
                    fact.is_queued = false;
                    gone.extend(fact.session.map(|session| (user.clone(), session, departure)));
                }
            }
            if fact.is_queued {
                self.unsaid.push_back(user.clone());
            }
            fact.is_queued
        });
        for (user, session, departure) in gone {
            self.remember(user, session, departure, now);
        }
        if lost_after.is_some() {
            self.departed.retain(|(at, ..)| now.since(*at) <= remember);
            let again = self.departed.iter();
            self.retold =
                again.map(|(_, user, session, it)| (user.clone(), *session, *it)).collect();
        }
    }

    /// The node slept: whose sockets it has, nobody knows until they speak.
    pub fn slept(&mut self) {
        for fact in self.users.values_mut() {
            fact.is_verified = false;
        }
    }

    /// A socket of the user has spoken.
    pub fn verified(&mut self, user: &UserId) {
        if let Some(fact) = self.users.get_mut(user)
            && !std::mem::replace(&mut fact.is_verified, true)
        {
            self.queue(user);
        }
    }

    /// Whether the state was told everything.
    pub fn is_said(&self) -> bool {
        self.unsaid.is_empty() && self.retold.is_empty()
    }

    fn fact(&mut self, user: &UserId) -> &mut Fact {
        self.users.entry(user.clone()).or_insert(Fact {
            presence: LocalPresence::Elsewhere,
            is_said: false,
            is_queued: false,
            is_verified: true,
            is_kept: false,
            is_answered: false,
            session: None,
            hint: None,
            since: None,
            end_grace: None,
            granted: None,
            rooms: None,
        })
    }

    fn queue(&mut self, user: &UserId) {
        if let Some(fact) = self.users.get_mut(user)
            && !std::mem::replace(&mut fact.is_queued, true)
        {
            self.unsaid.push_back(user.clone());
        }
    }

    /// The state knows that the user is gone.
    fn departed(&mut self, user: &UserId, departure: UserDeparture, now: Timestamp) {
        let Some(fact) = self.users.get(user) else { return };
        let session = fact.session;
        // Back already, or something is to be said yet: the next batch says it.
        if !matches!(fact.presence, LocalPresence::Here) && !fact.is_queued {
            self.users.remove(user);
        }
        if let Some(session) = session {
            self.remember(user.clone(), session, departure, now);
        }
    }

    fn remember(&mut self, user: UserId, session: u64, departure: UserDeparture, now: Timestamp) {
        if self.departed.len() == DEPARTED_LEN_MAX {
            self.departed.pop_front();
        }
        self.departed.push_back((now, user, session, departure));
    }

    /// Forgets those who left longer ago than `remember`.
    pub fn forget(&mut self, remember: Duration, now: Timestamp) {
        while self.departed.front().is_some_and(|(at, ..)| remember < now.since(*at)) {
            self.departed.pop_front();
        }
    }
}

impl Fact {
    fn description(&self) -> Option<FactOp> {
        self.granted.clone().map(|granted| FactOp::Describe { granted })
    }
}

#[cfg(test)]
mod tests;
