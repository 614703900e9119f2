//! One user: the roster of this node and the session machine, composed.

use crate::core::control::seats::{self, SeatLimit, Seated, Seating, Standing};
use crate::core::presence::roster::{Added, Removed, Roster};
use crate::core::presence::session::{PresenceStatus, SessionMachine, Up, UserSession};
use crate::core::recovery::Pid;
use crate::types::{
    Change, Moment, Portrait, Reason, SocketId, Timestamp, UserId, UserNews, WallMs,
};
use std::mem;
use std::sync::Arc;
use std::time::Duration;

/// One user. The roster has sockets if and only if the session is online.
#[derive(Debug)]
pub(super) struct PresenceEntry<S> {
    roster: Roster<S>,
    session: EntrySession,
    /// Sockets that have a seat and are not here yet; only where seats are counted.
    coming: Option<Box<Roster<S>>>,
    /// What hooks say, or have still to say; of most there is nothing.
    told: Option<Box<ToldOfUser>>,
}

/// What hooks say of a user.
#[derive(Debug, Default)]
struct ToldOfUser {
    /// Who the user is, as far as it is not in its sockets.
    portrait: Portrait,
    /// What waits for a place in the store's queue, in the order in which it happened: ends of sockets.
    untold: Vec<UserNews>,
}

/// Where it is decided when a user's session begins and ends.
#[derive(Debug)]
enum EntrySession {
    /// Here.
    Own(SessionMachine),
    /// In the cluster, which has said so much.
    Shared(Option<UserSession>),
}

/// A socket has come.
#[derive(Debug)]
pub(super) enum EntryUp {
    /// What that means was decided here.
    Decided(Up),
    /// The cluster decides, and has to be told if this is the user's first one here.
    Shared {
        /// What it has said so far.
        session: Option<UserSession>,
        /// Whether it has to be told.
        is_first: bool,
    },
}

/// The last socket of a user is gone.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum EntryDown {
    /// [`PresenceEntry::expire`] is due then.
    Due(Timestamp),
    /// The cluster has to be told.
    LastHere,
}

impl<S> PresenceEntry<S> {
    /// A user who is offline.
    pub(super) fn new(user: UserId) -> Self {
        Self::of(EntrySession::Own(SessionMachine::new(user)))
    }

    /// A user who has no socket here, and whose session is the cluster's.
    pub(super) fn shared() -> Self {
        Self::of(EntrySession::Shared(None))
    }

    /// See [`SessionMachine::ghost`].
    pub(super) fn ghost(
        user: UserId,
        session: UserSession,
        ended_at: WallMs,
        deadline: Timestamp,
    ) -> Self {
        Self::of(EntrySession::Own(SessionMachine::ghost(user, session, ended_at, deadline)))
    }

    fn of(session: EntrySession) -> Self {
        Self { roster: Roster::default(), session, coming: None, told: None }
    }

    /// A socket came; a repeat changes nothing.
    pub(super) fn up(&mut self, id: SocketId, socket: S, at: Moment) -> EntryUp {
        self.stays_away(id);
        let added = self.roster.add(id, socket);
        let own = match &mut self.session {
            EntrySession::Own(own) => own,
            EntrySession::Shared(session) => {
                return EntryUp::Shared { session: *session, is_first: added == Added::First };
            }
        };
        EntryUp::Decided(match (added, own.status()) {
            (Added::Another | Added::Known, PresenceStatus::Online(session)) => {
                Up { session, news: None }
            }
            _ => own.up(at),
        })
    }

    /// The cluster has said which session the user is in. Returns whether that was awaited.
    pub(super) fn know(&mut self, said: UserSession) -> bool {
        match &mut self.session {
            EntrySession::Shared(session) => session.replace(said).is_none(),
            EntrySession::Own(_) => false,
        }
    }

    /// A socket is gone. Returns what follows if it was the last one.
    pub(super) fn down(
        &mut self,
        id: SocketId,
        reason: Reason,
        grace: Duration,
        at: Moment,
    ) -> Option<EntryDown> {
        match (self.roster.remove(id), &mut self.session) {
            (Removed::Unknown | Removed::Others, _) => None,
            (Removed::Last, EntrySession::Own(own)) => {
                own.down(reason, grace, at).map(EntryDown::Due)
            }
            (Removed::Last, EntrySession::Shared(session)) => {
                // Whoever comes next may be in another one.
                *session = None;
                Some(EntryDown::LastHere)
            }
        }
    }

    /// See [`SessionMachine::end_grace`].
    pub(super) fn end_grace(&mut self, reason: Reason, now: Timestamp) -> Option<Timestamp> {
        self.own()?.end_grace(reason, now)
    }

    /// See [`SessionMachine::expire`].
    pub(super) fn expire(&mut self, at: Moment) -> Option<Change> {
        let mut news = self.own()?.expire(at)?;
        news.portrait =
            self.told.as_mut().map(|it| mem::take(&mut it.portrait)).unwrap_or_default();
        Some(news)
    }

    /// What is known of the user beside its sockets.
    pub(super) fn set_portrait(&mut self, portrait: Portrait) {
        if portrait != Portrait::default() {
            self.told.get_or_insert_default().portrait = portrait;
        }
    }

    /// Keeps what the user's socket was granted, if it is the only one: it may be about to go.
    pub(super) fn keep_granted(&mut self, portray: fn(&S) -> Arc<str>) {
        if let Some(granted) = self.only_socket().map(portray) {
            self.told.get_or_insert_default().portrait.granted = Some(granted);
        }
    }

    /// What was kept so.
    pub(super) fn take_granted(&mut self) -> Option<Arc<str>> {
        self.told.as_mut()?.portrait.granted.take()
    }

    /// What the backend attaches to the session, from now on.
    pub(super) fn set_attached(&mut self, attached: Arc<str>) {
        self.told.get_or_insert_default().portrait.attached = Some(attached);
    }

    /// What the backend has attached to the session.
    pub(super) fn attached(&self) -> Option<&Arc<str>> {
        self.told.as_ref()?.portrait.attached.as_ref()
    }

    /// Keeps news until there is a place for it.
    pub(super) fn keep_untold(&mut self, news: UserNews) {
        self.told.get_or_insert_default().untold.push(news);
    }

    /// What waits for a place.
    pub(super) fn take_untold(&mut self) -> Vec<UserNews> {
        self.told.as_mut().map(|it| mem::take(&mut it.untold)).unwrap_or_default()
    }

    /// Whether anything waits for a place.
    pub(super) fn has_untold(&self) -> bool {
        self.told.as_ref().is_some_and(|it| !it.untold.is_empty())
    }

    /// The session, unless the user is offline.
    pub(super) fn session(&self) -> Option<UserSession> {
        match self.status() {
            PresenceStatus::Offline => None,
            PresenceStatus::Online(session) | PresenceStatus::Lingering(session) => Some(session),
        }
    }

    /// The user's socket, if there is exactly one.
    pub(super) fn only_socket(&self) -> Option<&S> {
        let mut sockets = self.roster.sockets();
        let first = sockets.next();
        first.filter(|_| sockets.next().is_none())
    }

    /// A socket that had a seat is here, or does not come.
    pub(super) fn stays_away(&mut self, id: SocketId) {
        let Some(coming) = &mut self.coming else { return };
        if coming.remove(id) == Removed::Last {
            self.coming = None;
        }
    }

    /// Nothing is known of the user.
    pub(super) fn is_vacant(&self) -> bool {
        let is_gone = match &self.session {
            EntrySession::Own(own) => own.status() == PresenceStatus::Offline,
            EntrySession::Shared(_) => self.roster.sockets().next().is_none(),
        };
        is_gone && self.coming.is_none() && !self.has_untold()
    }

    /// The user's status; where the cluster decides, as far as it has said: until it has, the user is not online.
    pub(super) fn status(&self) -> PresenceStatus {
        match &self.session {
            EntrySession::Own(own) => own.status(),
            EntrySession::Shared(session) => {
                session.map_or(PresenceStatus::Offline, PresenceStatus::Online)
            }
        }
    }

    fn own(&mut self) -> Option<&mut SessionMachine> {
        match &mut self.session {
            EntrySession::Own(own) => Some(own),
            EntrySession::Shared(_) => None,
        }
    }

    pub(super) fn roster(&self) -> &Roster<S> {
        &self.roster
    }
}

impl<S: Seated + Clone> PresenceEntry<S> {
    /// Looks for a seat for a socket that wants to come, and gives it that if there is one. The sockets that have to go for
    /// it do not count any more.
    pub(super) fn seat(
        &mut self,
        id: SocketId,
        socket: S,
        claim: Option<&Pid>,
        limit: SeatLimit,
    ) -> Seating<S> {
        self.forget_lost();
        let coming = self.coming.iter().flat_map(|it| it.sockets());
        let seating = seats::find(self.roster.sockets().chain(coming), &socket, claim, limit);
        if let Seating::Seat { replaced, evicted, .. } = &seating {
            replaced.iter().for_each(Seated::replace);
            evicted.iter().for_each(Seated::evict);
            self.coming.get_or_insert_default().add(id, socket);
        }
        seating
    }

    /// Forgets sockets that were to come and whose connection is gone.
    pub(super) fn forget_lost(&mut self) {
        let Some(coming) = &mut self.coming else { return };
        if !coming.retain(|it| it.standing() != Standing::Leaving) {
            self.coming = None;
        }
    }
}

#[cfg(test)]
mod tests;
