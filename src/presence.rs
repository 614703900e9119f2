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

mod entry;
mod listing;

pub use listing::{StateFilter, UserEntry, UserStatus};

use crate::clock::Clock;
use crate::config::PresenceConfig;
use crate::core::control::seats::{SeatLimit, Seated, Seating};
use crate::core::presence::roster::Roster;
use crate::core::presence::session::{Grace, PresenceStatus, UserSession};
use crate::core::recovery::Pid;
use crate::deadlines::{Deadlines, Reminder};
use crate::store::{Attaching, Closed, Committed, Permit, PresenceRecords};
use crate::types::{Portrait, Reason, SocketId, UserId, WallMs};
use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use entry::PresenceEntry;
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
    deadlines: Deadlines,
    config: PresenceConfig,
    records: PresenceRecords,
    /// What hooks say of who a user is, by one of its sockets; `None` where they do not say that.
    portray: Option<fn(&S) -> Arc<str>>,
    /// Whether it is news that guests come and go.
    tells_of_guests: bool,
    clock: Clock,
}

/// Room for the news that one fact may be.
#[derive(Debug)]
pub struct Place(Permit);

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
        let (users, deadlines) = (Arc::clone(&self.users), self.deadlines.clone());
        let (records, clock) = (self.records.clone(), self.clock.clone());
        let Self { config, portray, tells_of_guests, .. } = *self;
        Self { users, deadlines, config, records, portray, tells_of_guests, clock }
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
        let (users, tells_of_guests) = (Arc::default(), true);
        Self { users, deadlines, config, records, portray: None, tells_of_guests, clock }
    }

    /// The same, and nobody is told that guests come and go: that is kept in memory alone.
    #[must_use]
    pub fn silent_about_guests(self) -> Self {
        Self { tells_of_guests: false, ..self }
    }

    /// The same, and hooks say who a user is: what `portray` makes of the socket with which it came, and of the last that
    /// went.
    #[must_use]
    pub fn portraying(self, portray: fn(&S) -> Arc<str>) -> Self {
        Self { portray: Some(portray), ..self }
    }

    /// Takes over those who were online at the end of an earlier life: they have the startup grace from now on, so
    /// call it when clients can connect. `ended_at` is when that life was last known.
    pub fn recover(&self, ghosts: impl IntoIterator<Item = Ghost>, ended_at: WallMs) {
        let grace = self.config.startup_grace.max(self.config.grace);
        let deadline = self.clock.now() + grace;
        for Ghost { user, session, portrait } in ghosts {
            // Whoever was quick enough to connect before has an entry already.
            if let Entry::Vacant(entry) = self.users.entry(user.clone()) {
                let ghost = PresenceEntry::ghost(user.clone(), session, ended_at, deadline);
                let mut ghost = Box::new(ghost);
                ghost.set_portrait(portrait);
                entry.insert(ghost);
                self.deadlines.add(deadline, Reminder::Grace(user));
            }
        }
    }

    /// Waits until the news of one fact can be taken.
    pub async fn reserve(&self) -> Result<Place, Closed> {
        self.records.reserve().await.map(Place)
    }

    /// The same for a fact that this user brings about; see [`PresenceRecords::reserve_for`].
    pub async fn reserve_for(&self, user: &UserId) -> Result<Place, Closed> {
        self.records.reserve_for(user).await.map(Place)
    }

    fn is_told_of(&self, user: &UserId) -> bool {
        self.tells_of_guests || !user.is_guest()
    }

    /// A socket of the user has come, if `may_enter` says so, which is asked while nothing else happens to the user; it may
    /// look and not lock what is locked before presence. Returns the user's session, which begins if the user was offline.
    pub fn up(
        &self,
        user: &UserId,
        (id, socket): (SocketId, S),
        place: Place,
        may_enter: impl FnOnce() -> bool,
    ) -> Option<UserSession> {
        let entry = self.users.entry(user.clone());
        if !may_enter() {
            return None;
        }
        let mut entry = entry.or_insert_with(|| Box::new(PresenceEntry::new(user.clone())));
        let up = entry.up(id, socket, self.clock.moment());
        if let Some(mut news) = up.news {
            news.portrait.granted = self.portray.and_then(|it| entry.only_socket().map(it));
            if self.is_told_of(user) {
                place.0.record(news);
            }
        }
        Some(up.session)
    }

    /// A socket of the user is gone; a repeat changes nothing.
    pub fn down(&self, user: &UserId, id: SocketId, reason: Reason, grace: Grace) {
        let grace = match grace {
            Grace::Skip => Duration::ZERO,
            Grace::Keep => self.config.grace,
        };
        let Some(mut entry) = self.users.get_mut(user) else { return };
        if let Some(portray) = self.portray {
            entry.keep_granted(portray);
        }
        let due = entry.down(id, reason, grace, self.clock.moment());
        drop(entry);
        if let Some(due) = due {
            self.deadlines.add(due, Reminder::Grace(user.clone()));
        }
    }

    /// Ends the grace of a user without sockets at once; the news follows. Returns whether the user was lingering.
    pub fn end_grace(&self, user: &UserId, reason: Reason) -> bool {
        let Some(mut entry) = self.users.get_mut(user) else { return false };
        let due = entry.end_grace(reason, self.clock.now());
        drop(entry);
        if let Some(due) = due {
            self.deadlines.add(due, Reminder::Grace(user.clone()));
        }
        due.is_some()
    }

    /// What the reminder of a grace means: the user is offline now, if the grace has run out.
    pub fn expire(&self, user: UserId, place: Place) {
        let Entry::Occupied(mut entry) = self.users.entry(user) else { return };
        if let Some(news) = entry.get_mut().expire(self.clock.moment())
            && self.is_told_of(&news.user)
        {
            place.0.record(news);
        }
        if entry.get().is_vacant() {
            entry.remove();
        }
    }

    /// Attaches something to the session of a user: `change` makes of what is attached what is from then on, while nothing
    /// else happens to the user. `None` if the user has none. The answer comes when it is on disk.
    pub fn attach<E>(
        &self,
        user: &UserId,
        place: Place,
        change: impl FnOnce(Option<&str>) -> Result<Arc<str>, E>,
    ) -> Option<Result<(Arc<str>, Committed), E>> {
        let mut entry = self.users.get_mut(user)?;
        let session = entry.session()?.id;
        Some(change(entry.attached().map(|it| &**it)).map(|attached| {
            entry.set_attached(Arc::clone(&attached));
            let to = Attaching { user: user.clone(), session, attached: Arc::clone(&attached) };
            (attached, place.0.attach(to))
        }))
    }

    /// What is attached to the session of a user.
    pub fn attached(&self, user: &UserId) -> Option<Arc<str>> {
        self.users.get(user)?.attached().cloned()
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
    #[expect(clippy::unused_async, reason = "where many nodes agree on sessions, they are asked")]
    pub async fn status(&self, users: &[UserId]) -> Vec<UserStatus> {
        let status = |user| {
            let (status, sockets) = self.here(user);
            UserStatus { status, sockets: sockets.len() }
        };
        users.iter().map(status).collect()
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
        if is_offline {
            self.deadlines.erase(user);
        }
        is_offline
    }
}

impl<S: Seated + Clone> Presence<S> {
    /// Looks for a seat for a socket that wants to come, and gives it that if there is one: until it is here, says that it
    /// [stays away](Presence::stays_away), or its connection ends. Nothing else happens to the user meanwhile, so there are
    /// never more seats than the limit. The sockets that have to go for it are the caller's to let go.
    pub fn seat(
        &self,
        user: &UserId,
        (id, socket): (SocketId, S),
        claim: Option<&Pid>,
        limit: SeatLimit,
    ) -> Seating<S> {
        let new = || Box::new(PresenceEntry::new(user.clone()));
        let mut entry = self.users.entry(user.clone()).or_insert_with(new);
        entry.seat(id, socket, claim, limit)
    }

    /// Forgets sockets that were to come and whose connections are gone, with those users of whom nothing else is known.
    pub fn forget_lost(&self) {
        self.users.retain(|_, entry| {
            entry.forget_lost();
            !entry.is_vacant()
        });
    }
}

#[cfg(test)]
mod tests;
