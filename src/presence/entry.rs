//! One user: the roster of this node and the session machine, composed.

use crate::core::presence::roster::{Added, Removed, Roster};
use crate::core::presence::session::{PresenceStatus, SessionMachine, Up, UserSession};
use crate::types::Change;
use crate::types::{Moment, Reason, SocketId, Timestamp, UserId, WallMs};
use std::time::Duration;

/// One user. The roster has sockets if and only if the session is online.
#[derive(Debug)]
pub(super) struct PresenceEntry<S> {
    roster: Roster<S>,
    session: SessionMachine,
}

impl<S> PresenceEntry<S> {
    /// A user who is offline.
    pub(super) fn new(user: UserId) -> Self {
        Self { roster: Roster::default(), session: SessionMachine::new(user) }
    }

    /// See [`SessionMachine::ghost`].
    pub(super) fn ghost(
        user: UserId,
        session: UserSession,
        ended_at: WallMs,
        deadline: Timestamp,
    ) -> Self {
        let session = SessionMachine::ghost(user, session, ended_at, deadline);
        Self { roster: Roster::default(), session }
    }

    /// A socket came; a repeat changes nothing.
    pub(super) fn up(&mut self, id: SocketId, socket: S, at: Moment) -> Up {
        match (self.roster.add(id, socket), self.session.status()) {
            (Added::Another | Added::Known, PresenceStatus::Online(session)) => {
                Up { session, news: None }
            }
            _ => self.session.up(at),
        }
    }

    /// A socket is gone. Returns when [`PresenceEntry::expire`] is due, if it was the last one.
    pub(super) fn down(
        &mut self,
        id: SocketId,
        reason: Reason,
        grace: Duration,
        at: Moment,
    ) -> Option<Timestamp> {
        match self.roster.remove(id) {
            Removed::Unknown | Removed::Others => None,
            Removed::Last => self.session.down(reason, grace, at),
        }
    }

    /// See [`SessionMachine::end_grace`].
    pub(super) fn end_grace(&mut self, reason: Reason, now: Timestamp) -> Option<Timestamp> {
        self.session.end_grace(reason, now)
    }

    /// See [`SessionMachine::expire`].
    pub(super) fn expire(&mut self, at: Moment) -> Option<Change> {
        self.session.expire(at)
    }

    pub(super) fn status(&self) -> PresenceStatus {
        self.session.status()
    }

    pub(super) fn roster(&self) -> &Roster<S> {
        &self.roster
    }
}

#[cfg(test)]
mod tests;
