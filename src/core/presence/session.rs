//! Presence of one user: who is connected, since when, and when "gone" is final.
//!
//! ```text
//!             first socket: Online                 last socket gone
//!   Absent ────────────────────────► Online ──────────────────────────► Lingering
//!     ▲                                ▲                                  │   │
//!     │                                └────── socket within the grace ───┘   │
//!     └───────────────────── deadline passed: Offline ────────────────────────┘
//! ```
//!
//! Lingering counts as online for everybody outside. A session is the time between an Online and its Offline; its
//! name is the sequence number of the Online.

use crate::types::{Change, ChangeKind, Moment, Reason, Seq, SocketId, Timestamp, UserId, WallMs};
use smallvec::SmallVec;
use std::time::Duration;

/// Presence of one user. `S` is whatever the shell wants to find beside each socket.
#[derive(Debug)]
pub struct Presence<S> {
    user: UserId,
    state: State<S>,
}

#[derive(Debug)]
enum State<S> {
    Absent,
    Online { session: Session, sockets: Sockets<S> },
    Lingering { session: Session, linger: Linger },
}

/// In the order they came; a user rarely has more than two.
type Sockets<S> = SmallVec<[(SocketId, S); 1]>;

/// The time during which a user never was without a socket for longer than the grace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session {
    /// The sequence number of its `online`.
    pub id: Seq,
    /// When it began.
    pub since: WallMs,
}

/// How a user without sockets will go offline.
#[derive(Debug, Clone, Copy)]
struct Linger {
    deadline: Timestamp,
    reason: Reason,
    socket_closed_at: WallMs,
}

/// What the outside sees of a user's presence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// No session.
    Offline,
    /// At least one socket.
    Online(Session),
    /// No socket, and the grace is still running.
    Lingering(Session),
}

/// What the removal of a socket meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removed {
    /// The socket was not there: a repeat or a latecomer, nothing happened.
    Unknown,
    /// Other sockets of the user remain.
    Others,
    /// It was the last one; [`Presence::expire`] is due at this time.
    Last(Timestamp),
}

impl<S> Presence<S> {
    /// A user nobody has heard of.
    pub fn new(user: UserId) -> Self {
        Self { user, state: State::Absent }
    }

    /// A user who was online when an earlier life of this process ended at `ended_at`: lingers until `deadline`.
    pub fn ghost(user: UserId, session: Session, ended_at: WallMs, deadline: Timestamp) -> Self {
        let linger = Linger { deadline, reason: Reason::ServerRestart, socket_closed_at: ended_at };
        Self { user, state: State::Lingering { session, linger } }
    }

    /// A socket came. Returns the news if the user was offline; a socket that is already there changes nothing.
    pub fn connect(&mut self, id: SocketId, socket: S, at: Moment) -> Option<Change> {
        match std::mem::replace(&mut self.state, State::Absent) {
            State::Absent => {
                let session = Session { id: at.seq, since: at.wall };
                self.state = State::Online { session, sockets: [(id, socket)].into() };
                Some(self.change(session, at, ChangeKind::Online))
            }
            State::Lingering { session, linger: _ } => {
                self.state = State::Online { session, sockets: [(id, socket)].into() };
                None
            }
            State::Online { session, mut sockets } => {
                if !sockets.iter().any(|(it, _)| *it == id) {
                    sockets.push((id, socket));
                }
                self.state = State::Online { session, sockets };
                None
            }
        }
    }

    /// A socket is gone; if it was the last one, the user lingers for `grace`.
    pub fn disconnect(
        &mut self,
        id: SocketId,
        reason: Reason,
        grace: Duration,
        at: Moment,
    ) -> Removed {
        let State::Online { session, sockets } = &mut self.state else { return Removed::Unknown };
        let Some(index) = sockets.iter().position(|(it, _)| *it == id) else {
            return Removed::Unknown;
        };
        drop(sockets.remove(index));
        if !sockets.is_empty() {
            return Removed::Others;
        }
        let session = *session;
        let deadline = at.now + grace;
        let linger = Linger { deadline, reason, socket_closed_at: at.wall };
        self.state = State::Lingering { session, linger };
        Removed::Last(deadline)
    }

    /// Ends the grace of a lingering user at once; returns when [`Presence::expire`] is due, if the user lingers.
    pub fn end_grace(&mut self, reason: Reason, now: Timestamp) -> Option<Timestamp> {
        let State::Lingering { linger, .. } = &mut self.state else { return None };
        linger.deadline = linger.deadline.min(now);
        linger.reason = reason;
        Some(linger.deadline)
    }

    /// Makes a lingering user offline if the deadline has passed, and returns the news.
    pub fn expire(&mut self, at: Moment) -> Option<Change> {
        let State::Lingering { session, linger } = &self.state else { return None };
        if at.now < linger.deadline {
            return None;
        }
        let (session, linger) = (*session, *linger);
        self.state = State::Absent;
        let kind = ChangeKind::Offline {
            reason: linger.reason,
            online_since: session.since,
            last_socket_closed_at: linger.socket_closed_at,
        };
        Some(self.change(session, at, kind))
    }

    /// When [`Presence::expire`] is due, if the user lingers.
    pub fn deadline(&self) -> Option<Timestamp> {
        match &self.state {
            State::Absent | State::Online { .. } => None,
            State::Lingering { linger, .. } => Some(linger.deadline),
        }
    }

    /// What the outside sees.
    pub fn status(&self) -> Status {
        match &self.state {
            State::Absent => Status::Offline,
            State::Online { session, .. } => Status::Online(*session),
            State::Lingering { session, .. } => Status::Lingering(*session),
        }
    }

    /// Nothing is known of the user: the entry can be forgotten.
    pub fn is_absent(&self) -> bool {
        matches!(self.state, State::Absent)
    }

    /// The user's sockets in the order they came.
    pub fn sockets(&self) -> impl Iterator<Item = &S> {
        let sockets: &[(SocketId, S)] = match &self.state {
            State::Online { sockets, .. } => sockets,
            State::Absent | State::Lingering { .. } => &[],
        };
        sockets.iter().map(|(_, socket)| socket)
    }

    fn change(&self, session: Session, at: Moment, kind: ChangeKind) -> Change {
        Change { user: self.user.clone(), seq: at.seq, session: session.id, at: at.wall, kind }
    }
}

#[cfg(test)]
mod tests;
