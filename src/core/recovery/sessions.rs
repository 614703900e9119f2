//! Sessions by their secret names, live ones and those whose client is away.

use super::absent::Absent;
use super::{Live, Member, RecoveryLimits};
use crate::core::emit::audience::Audience;
use crate::types::{Room, SocketId, Target, Timestamp, UserId};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::time::Duration;

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
pub struct DetachedSession {
    /// As whom it was addressed.
    pub member: Member,
    /// The last event before it began.
    pub began_at: u64,
    /// The last logged event that was for its connection.
    pub addressed: u64,
    /// The last event of the log when the connection was gone.
    pub cut_off_at: u64,
}

/// What a client may come back to.
#[derive(Debug)]
pub(super) enum RecoverySession<S> {
    /// The socket has it. The number is that of the last event before the session began: where a client that has seen
    /// none starts.
    Live(S, u64),
    /// Its client is away. The number is its place among those that are.
    Away(Box<DetachedSession>, u64),
}

impl<S: Live> RecoverySession<S> {
    pub(super) fn user(&self) -> &UserId {
        match self {
            Self::Live(socket, _) => socket.user(),
            Self::Away(session, _) => &session.member.user,
        }
    }

    /// The last event before it began.
    pub(super) fn began_at(&self) -> u64 {
        match self {
            Self::Live(_, began_at) => *began_at,
            Self::Away(session, _) => session.began_at,
        }
    }

    /// The last event that was for the connection, and where the log stood when the connection was gone; it stands at
    /// `position` now.
    pub(super) fn addressed(&self, position: u64) -> (u64, u64) {
        match self {
            Self::Live(socket, _) => (socket.addressed(), position),
            Self::Away(session, _) => (session.addressed, session.cut_off_at),
        }
    }

    /// Whether the socket with this id has it, or had it last.
    fn is_of(&self, id: SocketId) -> bool {
        match self {
            Self::Live(socket, _) => socket.id() == id,
            Self::Away(session, _) => session.member.ids.first() == Some(&id),
        }
    }

    /// The session as it is if its client is away from now on, with the log at `position`.
    fn detached(&self, position: u64) -> DetachedSession {
        match self {
            Self::Live(socket, began_at) => {
                let (member, began_at) = (socket.member(), *began_at);
                let addressed = socket.addressed();
                DetachedSession { member, began_at, addressed, cut_off_at: position }
            }
            Self::Away(session, _) => (**session).clone(),
        }
    }
}

#[derive(Debug)]
pub(super) struct Sessions<S> {
    by_pid: BTreeMap<Pid, RecoverySession<S>>,
    /// Those whose clients are away, and since when, in the order in which they went.
    away: BTreeMap<u64, (Timestamp, Pid)>,
    /// Their places, by user.
    away_of: BTreeMap<UserId, BTreeSet<u64>>,
    /// How many have gone away so far.
    departures: u64,
    /// The members of those that are away.
    absent: Absent,
    limits: RecoveryLimits,
}

impl<S: Live> Sessions<S> {
    pub(super) fn new(limits: RecoveryLimits) -> Self {
        let (by_pid, away, away_of) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { by_pid, away, away_of, departures: 0, absent: Absent::default(), limits }
    }

    /// How long a client may be away.
    pub(super) fn window(&self) -> Duration {
        self.limits.window
    }

    pub(super) fn len(&self) -> usize {
        self.by_pid.len()
    }

    pub(super) fn insert(&mut self, pid: Pid, socket: S, began_at: u64) {
        self.by_pid.insert(pid, RecoverySession::Live(socket, began_at));
    }

    /// The session of this user, if it is live or its window has not passed.
    pub(super) fn find(
        &mut self,
        pid: &Pid,
        user: &UserId,
        now: Timestamp,
    ) -> Option<&RecoverySession<S>> {
        self.expire(now);
        self.by_pid.get(pid).filter(|session| session.user() == user)
    }

    /// Whether an event for `target` may be for a client that is away.
    pub(super) fn is_any_away_in(&self, target: &Target) -> bool {
        self.absent.is_any_in(target)
    }

    pub(super) fn detach(&mut self, pid: &Pid, id: SocketId, position: u64, now: Timestamp) {
        let is_its =
            |it: &&RecoverySession<S>| matches!(it, RecoverySession::Live(..)) && it.is_of(id);
        let Some(session) = self.by_pid.get(pid).filter(is_its) else { return };
        let session = session.detached(position);
        self.put_away(pid.clone(), session, now);
    }

    /// Takes out the session that the socket with this id has, as it is if its client is away from now on.
    pub(super) fn take(
        &mut self,
        pid: &Pid,
        id: SocketId,
        position: u64,
    ) -> Option<DetachedSession> {
        self.by_pid.get(pid).filter(|session| session.is_of(id))?;
        self.remove(pid).map(|session| session.detached(position))
    }

    /// The session, if a socket has it.
    pub(super) fn live(&self, pid: &Pid) -> Option<&S> {
        match self.by_pid.get(pid)? {
            RecoverySession::Live(socket, _) => Some(socket),
            RecoverySession::Away(..) => None,
        }
    }

    /// Those that sockets have; with `pid` those behind it.
    pub(super) fn live_after(&self, pid: Option<&Pid>) -> impl Iterator<Item = (&Pid, &S)> {
        let start = pid.map_or(Bound::Unbounded, Bound::Excluded);
        self.by_pid.range::<Pid, _>((start, Bound::Unbounded)).filter_map(live)
    }

    /// A session as it is if its client is away from now on, with the log at `position`.
    pub(super) fn one(&self, pid: &Pid, position: u64) -> Option<DetachedSession> {
        self.by_pid.get(pid).map(|it| it.detached(position))
    }

    pub(super) fn end(&mut self, pid: &Pid, id: SocketId) {
        if self.by_pid.get(pid).is_some_and(|session| session.is_of(id)) {
            self.remove(pid);
        }
    }

    pub(super) fn expire(&mut self, now: Timestamp) {
        let window = self.limits.window;
        while self.away.first_key_value().is_some_and(|(_, (at, _))| window < now.since(*at)) {
            self.drop_first();
        }
    }

    /// All sessions, by name, as if their clients were away now, with the log at `position`.
    pub(super) fn all(&self, position: u64) -> Vec<(Pid, DetachedSession)> {
        self.by_pid.iter().map(|(pid, it)| (pid.clone(), it.detached(position))).collect()
    }

    pub(super) fn restore(&mut self, sessions: Vec<(Pid, DetachedSession)>, now: Timestamp) {
        for (pid, session) in sessions {
            self.put_away(pid, session, now);
        }
    }

    /// Takes a session out.
    pub(super) fn remove(&mut self, pid: &Pid) -> Option<RecoverySession<S>> {
        let session = self.by_pid.remove(pid)?;
        if let RecoverySession::Away(session, place) = &session {
            self.absent.remove(&session.member);
            self.away.remove(place);
            let user = &session.member.user;
            if let Some(places) = self.away_of.get_mut(user) {
                places.remove(place);
                if places.is_empty() {
                    self.away_of.remove(user);
                }
            }
        }
        Some(session)
    }

    /// Ends the sessions of a user whose clients are away. Returns the ids that these had.
    pub(super) fn erase(&mut self, user: &UserId) -> Vec<SocketId> {
        let mut ids = Vec::new();
        for place in self.away_of.get(user).cloned().unwrap_or_default() {
            let pid = self.away.get(&place).map(|(_, pid)| pid.clone());
            let session = pid.and_then(|pid| self.remove(&pid));
            if let Some(RecoverySession::Away(session, _)) = session {
                ids.extend(session.member.ids);
            }
        }
        ids
    }

    /// The sessions of a user whose clients are away are not in `room` any more.
    pub(super) fn take_out(&mut self, user: &UserId, room: &Room) {
        for place in self.away_of.get(user).into_iter().flatten() {
            let session = self.away.get(place).and_then(|(_, pid)| self.by_pid.get_mut(pid));
            let Some(RecoverySession::Away(session, _)) = session else { continue };
            self.absent.remove(&session.member);
            session.member.take_out(room);
            self.absent.add(&session.member);
        }
    }

    /// The sessions of a user whose clients are away are in `room` from now on, with the log at `position`: having left it before
    /// does not count any more.
    pub(super) fn put_in(&mut self, user: &UserId, room: &Room, position: u64) {
        for place in self.away_of.get(user).into_iter().flatten() {
            let session = self.away.get(place).and_then(|(_, pid)| self.by_pid.get_mut(pid));
            let Some(RecoverySession::Away(session, _)) = session else { continue };
            self.absent.remove(&session.member);
            session.member.put_in(room, position);
            self.absent.add(&session.member);
        }
    }

    /// The sessions of an audience whose clients are away are in none of `rooms` any more, and stay out of those that they were
    /// granted as long as they last.
    pub(super) fn leave(&mut self, audience: &Audience, rooms: &[Room]) {
        let Self { by_pid, away, absent, .. } = self;
        if !absent.is_any_in(&audience.target) {
            return;
        }
        for (_, pid) in away.values() {
            let Some(RecoverySession::Away(session, _)) = by_pid.get_mut(pid) else { continue };
            let member = &mut session.member;
            let is_in_any = rooms.iter().any(|it| member.rooms.contains(it));
            if !is_in_any || !audience.includes(member) {
                continue;
            }
            absent.remove(member);
            member.leave(rooms);
            absent.add(member);
        }
    }

    fn put_away(&mut self, pid: Pid, session: DetachedSession, now: Timestamp) {
        self.departures += 1;
        let user = session.member.user.clone();
        self.absent.add(&session.member);
        self.away.insert(self.departures, (now, pid.clone()));
        self.away_of.entry(user.clone()).or_default().insert(self.departures);
        self.by_pid.insert(pid, RecoverySession::Away(Box::new(session), self.departures));
        // Whoever comes and goes as fast as it can makes nobody else forgotten.
        if let Some(first) = self.beyond_share(&user) {
            self.drop_place(first);
        }
        if self.limits.sessions_max < self.away.len() {
            self.drop_first();
        }
    }

    /// The place of the user's session that has been away longest, if the user has more than may be.
    fn beyond_share(&self, user: &UserId) -> Option<u64> {
        let places = self.away_of.get(user)?;
        let is_beyond = self.limits.sessions_per_user < places.len();
        places.first().copied().filter(|_| is_beyond)
    }

    /// Forgets the session that has been away longest.
    fn drop_first(&mut self) {
        if let Some((place, _)) = self.away.first_key_value() {
            self.drop_place(*place);
        }
    }

    fn drop_place(&mut self, place: u64) {
        if let Some((_, pid)) = self.away.remove(&place) {
            self.remove(&pid);
        }
    }
}

fn live<'a, S>((pid, it): (&'a Pid, &'a RecoverySession<S>)) -> Option<(&'a Pid, &'a S)> {
    match it {
        RecoverySession::Live(socket, _) => Some((pid, socket)),
        RecoverySession::Away(..) => None,
    }
}
