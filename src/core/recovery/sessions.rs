//! Sessions by their secret names, live ones and those whose client is away.

use super::absent::Absent;
use super::{Live, Member, RecoveryLimits};
use crate::types::{SocketId, Target, Timestamp, UserId};
use std::collections::{BTreeMap, VecDeque};

/// The secret name of a session: what the client gets as `pid`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pid(Box<str>);

impl Pid {
    /// The longest name a client is believed to have been given.
    pub const BYTES_MAX: usize = 64;

    /// A name that was drawn at random, or that a client sent.
    pub fn new(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }

    /// The text, for its own client only.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Pid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[hidden]")
    }
}

/// A session whose client is away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detached {
    /// As whom it was addressed.
    pub member: Member,
    /// The last event before it began.
    pub began_at: u64,
    /// The last logged event that was for its connection.
    pub addressed: u64,
    /// The last event of the log when the connection was gone.
    pub cut_off_at: u64,
}

#[derive(Debug)]
pub(super) struct Session<S> {
    pub(super) member: Member,
    /// The connection, unless the client is away.
    pub(super) socket: Option<S>,
    /// The last event before it began: where a client that has seen none starts.
    pub(super) began_at: u64,
    absence: Option<Absence>,
}

/// Since when a client is away, and what had been for it by then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Absence {
    since: Timestamp,
    addressed: u64,
    cut_off_at: u64,
}

impl<S: Live> Session<S> {
    /// The last event that was for the connection, and where the log stood when the connection was gone; it stands at
    /// `position` now.
    pub(super) fn addressed(&self, position: u64) -> (u64, u64) {
        match (&self.absence, &self.socket) {
            (Some(absence), _) => (absence.addressed, absence.cut_off_at),
            (None, Some(socket)) => (socket.addressed(), position),
            (None, None) => (position, 0),
        }
    }

    fn detached(&self, position: u64) -> Detached {
        let (addressed, cut_off_at) = self.addressed(position);
        Detached { member: self.member.clone(), began_at: self.began_at, addressed, cut_off_at }
    }
}

#[derive(Debug)]
pub(super) struct Sessions<S> {
    by_pid: BTreeMap<Pid, Session<S>>,
    /// Sessions in the order in which they were detached; those that came back are skipped.
    detached: VecDeque<(Timestamp, Pid)>,
    /// The members of those that are detached.
    absent: Absent,
    limits: RecoveryLimits,
}

impl<S: Live> Sessions<S> {
    pub(super) fn new(limits: RecoveryLimits) -> Self {
        let (by_pid, detached) = (BTreeMap::new(), VecDeque::new());
        Self { by_pid, detached, absent: Absent::default(), limits }
    }

    pub(super) fn len(&self) -> usize {
        self.by_pid.len()
    }

    pub(super) fn insert(&mut self, pid: Pid, member: Member, socket: S, began_at: u64) {
        let session = Session { member, socket: Some(socket), began_at, absence: None };
        self.by_pid.insert(pid, session);
    }

    /// The session of this user, if it is live or its window has not passed.
    pub(super) fn find(&mut self, pid: &Pid, user: &UserId, now: Timestamp) -> Option<&Session<S>> {
        self.expire(now);
        self.by_pid.get(pid).filter(|session| session.member.user == *user)
    }

    /// Whether an event for `target` may be for somebody who is away.
    pub(super) fn is_any_away_in(&self, target: &Target) -> bool {
        self.absent.is_any_in(target)
    }

    pub(super) fn detach(&mut self, pid: &Pid, id: SocketId, position: u64, now: Timestamp) {
        let Some(session) = self.by_pid.get_mut(pid) else { return };
        if session.member.ids.first() != Some(&id) || session.absence.is_some() {
            return;
        }
        let (addressed, cut_off_at) = session.addressed(position);
        session.socket = None;
        session.absence = Some(Absence { since: now, addressed, cut_off_at });
        self.absent.add(&session.member);
        self.detached.push_back((now, pid.clone()));
        while self.limits.sessions_max < self.detached.len() {
            self.drop_first();
        }
    }

    pub(super) fn end(&mut self, pid: &Pid, id: SocketId) {
        if self.by_pid.get(pid).is_some_and(|session| session.member.ids.first() == Some(&id)) {
            self.remove(pid);
        }
    }

    pub(super) fn expire(&mut self, now: Timestamp) {
        let window = self.limits.window;
        while self.detached.front().is_some_and(|(at, _)| window < now.since(*at)) {
            self.drop_first();
        }
    }

    /// All sessions, by name, as if their clients were away now, with the log at `position`.
    pub(super) fn all(&self, position: u64) -> Vec<(Pid, Detached)> {
        self.by_pid.iter().map(|(pid, it)| (pid.clone(), it.detached(position))).collect()
    }

    pub(super) fn restore(&mut self, sessions: Vec<(Pid, Detached)>, now: Timestamp) {
        for (pid, Detached { member, began_at, addressed, cut_off_at }) in sessions {
            let absence = Some(Absence { since: now, addressed, cut_off_at });
            self.absent.add(&member);
            self.by_pid.insert(pid.clone(), Session { member, socket: None, began_at, absence });
            self.detached.push_back((now, pid));
        }
    }

    /// Forgets the session that has been away longest, unless it came back.
    fn drop_first(&mut self) {
        let Some((at, pid)) = self.detached.pop_front() else { return };
        if self
            .by_pid
            .get(&pid)
            .is_some_and(|it| it.absence.is_some_and(|absence| absence.since == at))
        {
            self.remove(&pid);
        }
    }

    /// Takes a session out.
    pub(super) fn remove(&mut self, pid: &Pid) -> Option<Session<S>> {
        let session = self.by_pid.remove(pid)?;
        if session.absence.is_some() {
            self.absent.remove(&session.member);
        }
        Some(session)
    }
}
