//! The session machine of one user: online or not, since when, and when "gone" is final.
//!
//! ```text
//!             first socket: Online                 last socket gone
//!   Offline ───────────────────────► Online ──────────────────────────► Lingering
//!      ▲                               ▲                                  │   │
//!      │                               └────── socket within the grace ───┘   │
//!      └──────────────────── deadline passed: Offline ────────────────────────┘
//! ```
//!
//! Lingering counts as online for everybody outside. A session is the time between an Online and its Offline; its
//! name is the sequence number of the Online.
//!
//! It is told facts, not differences: "there is a socket" and "there is none". To say one twice changes nothing.

use crate::types::{Change, ChangeKind, Moment, Portrait, Reason, Seq, Timestamp, UserId, WallMs};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The session machine of one user.
#[derive(Debug)]
pub struct SessionMachine {
    user: UserId,
    state: SessionState,
}

#[derive(Debug)]
enum SessionState {
    Offline,
    Online(UserSession),
    Lingering { session: UserSession, linger: Linger },
}

/// The time during which a user never was without a socket for longer than the grace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserSession {
    /// The sequence number of its `user.online`.
    pub id: Seq,
    /// When it began.
    pub since: WallMs,
}

impl UserSession {
    /// The one of this number. Numbers follow time, in microseconds, so it says when it began.
    pub fn numbered(number: u64) -> Self {
        Self { id: Seq(number), since: WallMs(number / 1000) }
    }
}

/// How a user without sockets will go offline.
#[derive(Debug, Clone, Copy)]
struct Linger {
    deadline: Timestamp,
    reason: Reason,
    socket_closed_at: WallMs,
}

/// What the outside sees of a user's presence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PresenceStatus {
    /// No session.
    Offline,
    /// At least one socket.
    Online(UserSession),
    /// No socket, and the grace is still running.
    Lingering(UserSession),
}

/// Whether a user without sockets keeps the grace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grace {
    /// Offline at once.
    Skip,
    /// The grace runs as usual.
    Keep,
}

/// A user has a socket.
#[derive(Debug, PartialEq, Eq)]
pub struct Up {
    /// The session that goes on, or that has begun with it.
    pub session: UserSession,
    /// The news, if one has begun.
    pub news: Option<Change>,
}

impl SessionMachine {
    /// A user who is offline.
    pub fn new(user: UserId) -> Self {
        Self { user, state: SessionState::Offline }
    }

    /// A user who was online when an earlier life of this process ended at `ended_at`: lingers until `deadline`.
    pub fn ghost(
        user: UserId,
        session: UserSession,
        ended_at: WallMs,
        deadline: Timestamp,
    ) -> Self {
        let linger = Linger { deadline, reason: Reason::ServerRestart, socket_closed_at: ended_at };
        Self { user, state: SessionState::Lingering { session, linger } }
    }

    /// The user has a socket.
    pub fn up(&mut self, at: Moment) -> Up {
        let (session, news) = match self.state {
            SessionState::Offline => {
                let session = UserSession { id: at.seq, since: at.wall };
                (session, Some(self.change(session, at, ChangeKind::Online)))
            }
            SessionState::Online(session) | SessionState::Lingering { session, .. } => {
                (session, None)
            }
        };
        self.state = SessionState::Online(session);
        Up { session, news }
    }

    /// The user has no socket any more, and lingers for `grace`. Returns when [`SessionMachine::expire`] is due, if the
    /// user was online.
    pub fn down(&mut self, reason: Reason, grace: Duration, at: Moment) -> Option<Timestamp> {
        let SessionState::Online(session) = self.state else { return None };
        let deadline = at.now + grace;
        let linger = Linger { deadline, reason, socket_closed_at: at.wall };
        self.state = SessionState::Lingering { session, linger };
        Some(deadline)
    }

    /// Ends the grace of a lingering user at once. Returns when [`SessionMachine::expire`] is due, if the user lingers.
    pub fn end_grace(&mut self, reason: Reason, now: Timestamp) -> Option<Timestamp> {
        let SessionState::Lingering { linger, .. } = &mut self.state else { return None };
        linger.deadline = linger.deadline.min(now);
        linger.reason = reason;
        Some(linger.deadline)
    }

    /// Makes a lingering user offline if the deadline has passed, and returns the news.
    pub fn expire(&mut self, at: Moment) -> Option<Change> {
        let SessionState::Lingering { session, linger } = self.state else { return None };
        if at.now < linger.deadline {
            return None;
        }
        self.state = SessionState::Offline;
        let kind = ChangeKind::Offline {
            reason: linger.reason,
            online_since: session.since,
            last_socket_closed_at: linger.socket_closed_at,
        };
        Some(self.change(session, at, kind))
    }

    /// What the outside sees.
    pub fn status(&self) -> PresenceStatus {
        match self.state {
            SessionState::Offline => PresenceStatus::Offline,
            SessionState::Online(session) => PresenceStatus::Online(session),
            SessionState::Lingering { session, .. } => PresenceStatus::Lingering(session),
        }
    }

    fn change(&self, session: UserSession, at: Moment, kind: ChangeKind) -> Change {
        let (user, portrait) = (self.user.clone(), Portrait::default());
        Change { user, seq: at.seq, session: session.id, at: at.wall, kind, portrait }
    }
}

#[cfg(test)]
mod tests;
