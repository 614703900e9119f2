//! Who is online: one entry for each user, in which the roster of this node and the session machine stand together.
//!
//! ```text
//!   socket ─► ┌ entry of its user, held ────────────────────┐
//!             │ roster: first? last? ─► session machine ─► news ─► place in the store's queue
//!             └─────────────────────────────────────────────┘
//! ```
//!
//! The one concurrent map of users is touched here and nowhere else. Every rule is one call on one entry, made while the
//! entry is held; nothing waits meanwhile. The news that a call returns is handed to the store before the entry is let
//! go, so the order of one user's news is the order of what happened.
//!
//! On a node among many the roster stays, and the cluster decides: it is told of a user's first socket here and of the last,
//! while the entry is held, and says which session that is.

mod attached;
mod entry;
mod listing;
mod news;
mod seats;

pub use listing::{StateFilter, UserEntry, UserStatus};

use crate::clock::Clock;
use crate::cluster::{ClusterMember, Unattached};
use crate::config::PresenceConfig;
use crate::core::cluster::facts::UserDeparture;
use crate::core::presence::roster::Roster;
use crate::core::presence::session::{Grace, PresenceStatus, Up, UserSession};
use crate::deadlines::{Deadlines, Reminder};
use crate::store::{Closed, Permit, PresenceRecords};
use crate::types::{Portrait, Reason, SocketId, SocketPortrait, UserId, WallMs};
use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use entry::{EntryDown, EntryUp, PresenceEntry};
use smallvec::SmallVec;
use std::sync::Arc;
use std::time::Duration;

/// Sockets of one user; a second one is rare, a third rarer.
pub type UserSockets<S> = SmallVec<[S; 2]>;

/// Who is online. `S` is what is wanted back for each socket of this node. Cheap to clone.
#[derive(Debug)]
pub struct Presence<S> {
    /// Boxed, because a table of entries is half empty at times.
    users: Arc<DashMap<UserId, Box<PresenceEntry<S>>>>,
    sessions: SessionKeeper,
    config: PresenceConfig,
    /// What hooks say of who a user is, by one of its sockets; `None` where they do not say that.
    portray: Option<fn(&S) -> Arc<str>>,
    /// What hooks say of a socket; `None` where it is no news that sockets come and go.
    portray_socket: Option<fn(&S) -> SocketPortrait>,
    /// Whether it is news that guests come and go.
    tells_of_guests: bool,
    clock: Clock,
}

/// Where it is decided when sessions begin and end.
#[derive(Debug, Clone)]
enum SessionKeeper {
    /// Here, because this node is alone.
    Embedded { deadlines: Deadlines, records: PresenceRecords },
    /// Where all nodes agree. This one says who has a socket here.
    Cluster {
        member: ClusterMember,
        /// How long users stay online without a socket whose node stops.
        node_grace: Duration,
    },
}

/// Room for the news that one fact may be; none is needed where the cluster has the news.
#[derive(Debug)]
pub struct Place(Option<Permit>);

/// The session of a user whose socket has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionAtUp {
    /// Known at once.
    Known(UserSession),
    /// The cluster says it later; then [`Presence::know`] returns the user's sockets.
    Awaited,
}

/// A user who was online when an earlier life of this process ended.
#[derive(Debug, Clone)]
pub struct Ghost {
    /// The user.
    pub user: UserId,
    /// The session that is still open.
    pub session: UserSession,
    /// Who the user was, as far as hooks say.
    pub portrait: Portrait,
}

impl<S> Clone for Presence<S> {
    fn clone(&self) -> Self {
        let (users, sessions) = (Arc::clone(&self.users), self.sessions.clone());
        let clock = self.clock.clone();
        Self { users, sessions, clock, ..*self }
    }
}

impl<S: Clone> Presence<S> {
    /// Nobody is online. Whose grace runs out is a reminder in `deadlines`: whoever watches these calls
    /// [`Presence::expire`].
    pub fn new(
        config: PresenceConfig,
        records: PresenceRecords,
        deadlines: Deadlines,
        clock: Clock,
    ) -> Self {
        Self::kept_by(SessionKeeper::Embedded { deadlines, records }, config, clock)
    }

    /// Nobody is here. Who is online is the cluster's to say, which is told by `member`; users of a node that stops
    /// have `node_grace` to come back elsewhere.
    pub fn in_cluster(
        config: PresenceConfig,
        member: ClusterMember,
        node_grace: Duration,
        clock: Clock,
    ) -> Self {
        Self::kept_by(SessionKeeper::Cluster { member, node_grace }, config, clock)
    }

    fn kept_by(sessions: SessionKeeper, config: PresenceConfig, clock: Clock) -> Self {
        Self {
            users: Arc::default(),
            sessions,
            config,
            portray: None,
            portray_socket: None,
            tells_of_guests: true,
            clock,
        }
    }

    /// Takes over those who were online at the end of an earlier life: they have the startup grace from now on, so
    /// call it when clients can connect. `ended_at` is when that life was last known.
    /// In a cluster there are none: its other nodes let the users of a dead one go.
    pub fn recover(&self, ghosts: impl IntoIterator<Item = Ghost>, ended_at: WallMs) {
        let SessionKeeper::Embedded { deadlines, .. } = &self.sessions else { return };
        let grace = self.config.startup_grace.max(self.config.grace);
        let deadline = self.clock.now() + grace;
        for Ghost { user, session, portrait } in ghosts {
            // Whoever was quick enough to connect before has an entry already.
            if let Entry::Vacant(entry) = self.users.entry(user.clone()) {
                let ghost = PresenceEntry::ghost(user.clone(), session, ended_at, deadline);
                let mut ghost = Box::new(ghost);
                ghost.set_portrait(portrait);
                entry.insert(ghost);
                deadlines.add(deadline, Reminder::Grace(user));
            }
        }
    }

    /// Waits until the news of one fact can be taken.
    pub async fn reserve(&self) -> Result<Place, Closed> {
        Ok(Place(match &self.sessions {
            SessionKeeper::Embedded { records, .. } => Some(records.reserve().await?),
            SessionKeeper::Cluster { .. } => None,
        }))
    }

    /// The same for a fact that this user brings about; see [`PresenceRecords::reserve_for`].
    pub async fn reserve_for(&self, user: &UserId) -> Result<Place, Closed> {
        Ok(Place(match &self.sessions {
            SessionKeeper::Embedded { records, .. } => Some(records.reserve_for(user).await?),
            SessionKeeper::Cluster { .. } => None,
        }))
    }

    /// A socket of the user has come, if `may_enter` says so, which is asked while nothing else happens to the user; it may
    /// look and not lock what is locked before presence. Returns the user's session, which begins if the user was offline.
    pub fn up(
        &self,
        user: &UserId,
        (id, socket): (SocketId, S),
        place: Place,
        may_enter: impl FnOnce() -> bool,
    ) -> Option<SessionAtUp> {
        let entry = self.users.entry(user.clone());
        if !may_enter() {
            return None;
        }
        let mut entry = entry.or_insert_with(|| Box::new(self.new_entry(user)));
        let is_new = entry.roster().get(id).is_none();
        let told = if is_new { self.socket_portrait(user, &socket) } else { None };
        let session = match entry.up(id, socket, self.clock.moment()) {
            EntryUp::Decided(Up { session, news }) => {
                self.tell_come(user, &mut entry, (session, news), (told, place));
                Some(session)
            }
            EntryUp::Shared { session, is_first } => {
                let session = if is_first { self.tell_up(user, &mut entry) } else { session };
                self.tell_shared(user, told, None);
                session
            }
        };
        Some(session.map_or(SessionAtUp::Awaited, SessionAtUp::Known))
    }

    /// A socket of the user is gone; a repeat changes nothing.
    pub fn down(&self, user: &UserId, id: SocketId, reason: Reason, grace: Grace) {
        let grace = match grace {
            Grace::Skip => Duration::ZERO,
            Grace::Keep => self.grace(reason),
        };
        let Entry::Occupied(mut entry) = self.users.entry(user.clone()) else { return };
        if let Some(portray) = self.portray {
            entry.get_mut().keep_granted(portray);
        }
        let at = self.clock.moment();
        let has_news = self.tell_end((user, id), entry.get_mut(), (at, reason));
        let down = entry.get_mut().down(id, reason, grace, at);
        match (&self.sessions, down) {
            (SessionKeeper::Cluster { member, .. }, Some(EntryDown::LastHere)) => {
                let departure = UserDeparture { grace, reason, closed_at: at.wall };
                member.down(user, departure, entry.get_mut().take_granted());
                if entry.get().is_vacant() {
                    entry.remove();
                }
            }
            (SessionKeeper::Embedded { deadlines, .. }, down) => {
                drop(entry);
                let due = match down {
                    Some(EntryDown::Due(due)) => Some(due),
                    Some(EntryDown::LastHere) | None => None,
                };
                for due in due.into_iter().chain(has_news.then_some(at.now)) {
                    deadlines.add(due, Reminder::Grace(user.clone()));
                }
            }
            (SessionKeeper::Cluster { .. }, _) => {}
        }
    }

    /// Ends the grace of a user without sockets at once; the news follows. Returns whether the user was lingering; in a
    /// cluster, whether it has no socket here, so that it may be.
    pub fn end_grace(&self, user: &UserId, reason: Reason) -> bool {
        match &self.sessions {
            SessionKeeper::Cluster { member, .. } => {
                member.end_grace(user, reason);
                !self.users.contains_key(user)
            }
            SessionKeeper::Embedded { deadlines, .. } => {
                let Some(mut entry) = self.users.get_mut(user) else { return false };
                let due = entry.end_grace(reason, self.clock.now());
                drop(entry);
                if let Some(due) = due {
                    deadlines.add(due, Reminder::Grace(user.clone()));
                }
                due.is_some()
            }
        }
    }

    /// The cluster has said which session a user is in. Returns the user's sockets if they waited for that.
    pub fn know(&self, user: &UserId, session: UserSession) -> UserSockets<S> {
        let Some(mut entry) = self.users.get_mut(user) else { return UserSockets::new() };
        if entry.know(session) {
            entry.roster().sockets().cloned().collect()
        } else {
            UserSockets::new()
        }
    }

    /// What the reminder of a grace means: the user is offline now, if the grace has run out; and what waits for a place is
    /// told.
    pub fn expire(&self, user: UserId, place: Place) {
        let Entry::Occupied(mut entry) = self.users.entry(user) else { return };
        let change = entry.get_mut().expire(self.clock.moment());
        let change = change.filter(|it| self.is_told_of(&it.user));
        Self::tell_change(entry.get_mut(), change, place);
        if entry.get().is_vacant() {
            entry.remove();
        }
    }

    /// A socket that had a seat does not come.
    pub fn stays_away(&self, user: &UserId, id: SocketId) {
        let Entry::Occupied(mut entry) = self.users.entry(user.clone()) else { return };
        entry.get_mut().stays_away(id);
        if entry.get().is_vacant() {
            entry.remove();
        }
    }

    /// What is known of these users, in the same order.
    pub async fn status(&self, users: &[UserId]) -> Result<Vec<UserStatus>, Unattached> {
        let here = |user| {
            let (status, sockets) = self.here(user);
            UserStatus { status, sockets: sockets.len() }
        };
        match &self.sessions {
            SessionKeeper::Embedded { .. } => Ok(users.iter().map(here).collect()),
            SessionKeeper::Cluster { member, .. } => {
                let statuses = member.presence(users).await?;
                let sockets = users.iter().map(|it| self.here(it).1.len());
                let both = statuses.into_iter().zip(sockets);
                Ok(both.map(|(status, sockets)| UserStatus { status, sockets }).collect())
            }
        }
    }

    /// A user's status as far as this node knows it, and the user's sockets on this node in the order they came.
    pub fn here(&self, user: &UserId) -> (PresenceStatus, UserSockets<S>) {
        let Some(entry) = self.users.get(user) else {
            return (PresenceStatus::Offline, UserSockets::new());
        };
        (entry.status(), entry.roster().sockets().cloned().collect())
    }

    /// The sockets on this node of the user with this id, in the order they came.
    pub fn sockets(&self, user: &str) -> UserSockets<S> {
        let entry = self.users.get(user);
        entry.map(|it| it.roster().sockets().cloned().collect()).unwrap_or_default()
    }

    /// Calls `see` with each user who is online or lingering, in no particular order. The entry is held meanwhile: `see`
    /// may look, and call nothing that locks.
    pub fn for_each(&self, mut see: impl FnMut(PresenceStatus, &Roster<S>)) {
        for entry in &*self.users {
            see(entry.status(), entry.roster());
        }
    }

    /// Forgets what names a user who is offline: reminders only. Returns whether the user is.
    ///
    /// For a user who is not, nothing is done: kick, end the grace and wait for the news first, which others must hear.
    pub fn erase(&self, user: &UserId) -> bool {
        let is_offline = self.here(user).0 == PresenceStatus::Offline;
        if let (true, SessionKeeper::Embedded { deadlines, .. }) = (is_offline, &self.sessions) {
            deadlines.erase(user);
        }
        is_offline
    }

    fn new_entry(&self, user: &UserId) -> PresenceEntry<S> {
        match &self.sessions {
            SessionKeeper::Embedded { .. } => PresenceEntry::new(user.clone()),
            SessionKeeper::Cluster { .. } => PresenceEntry::shared(),
        }
    }

    /// The cluster has to hear that the user is here. Returns the session if the cluster has said it already.
    fn tell_up(&self, user: &UserId, entry: &mut PresenceEntry<S>) -> Option<UserSession> {
        let SessionKeeper::Cluster { member, .. } = &self.sessions else { return None };
        let granted = self.portray.and_then(|it| entry.only_socket().map(it));
        let session = member.up(user, granted).map(UserSession::numbered)?;
        entry.know(session);
        Some(session)
    }

    /// How long a user stays online after a socket that ended like this.
    fn grace(&self, reason: Reason) -> Duration {
        match &self.sessions {
            // Its users all have to find another node at once.
            SessionKeeper::Cluster { node_grace, .. } if reason == Reason::ServerShutdown => {
                self.config.grace.max(*node_grace)
            }
            SessionKeeper::Embedded { .. } | SessionKeeper::Cluster { .. } => self.config.grace,
        }
    }
}

#[cfg(test)]
mod tests;
