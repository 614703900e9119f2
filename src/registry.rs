//! Who is here: users with their presence, sockets, and the rooms they are in.
//!
//! One concurrent map from user to the pure presence machine of that user ([`crate::core::presence::session`]), touched here
//! and nowhere else. Every rule is one call on one entry, made while the entry is held; nothing waits meanwhile. The
//! news that a call returns is handed to the store before the entry is let go, so that the order of one user's news
//! is the order of the calls.

mod deadlines;
mod listing;
mod rooms;
mod socket;
mod sweep;

pub use listing::{Counts, Page, RoomEntry, StateFilter, UserEntry};
pub use socket::{Grace, Socket, SocketParts};
pub use sweep::Suspects;

use crate::clock::Clock;
use crate::config::PresenceConfig;
use crate::core::emit::audience::Addressee as _;
use crate::core::presence::session::{Presence, Removed, Session, Status};
use crate::core::presence::standstill::StandstillGuard;
use crate::store::{Closed, Permit, Store};
use crate::types::{Namespace, Reason, Room, RoomKind, SocketId, UserId, WallMs};
use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use deadlines::Deadlines;
use rooms::Rooms;
use smallvec::SmallVec;
use std::sync::Arc;
use std::time::Duration;

/// Sockets of one user; a second one is rare, a third rarer.
pub type UserSockets = SmallVec<[Arc<Socket>; 2]>;

/// Sockets of one room, at one moment.
pub type Sockets = Arc<[Arc<Socket>]>;

/// Who is here. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Registry {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    users: DashMap<UserId, Presence<Arc<Socket>>>,
    rooms: Rooms,
    deadlines: Deadlines,
    config: PresenceConfig,
    store: Store,
    clock: Clock,
}

/// A user who was online when an earlier life of this process ended.
#[derive(Debug, Clone)]
pub struct Ghost {
    /// Who.
    pub user: UserId,
    /// The session that is still open.
    pub session: Session,
}

impl Registry {
    /// Nobody is here.
    pub fn new(config: PresenceConfig, store: Store, clock: Clock) -> Self {
        let inner = Inner {
            users: DashMap::new(),
            rooms: Rooms::default(),
            deadlines: Deadlines::default(),
            config,
            store,
            clock,
        };
        Self { inner: Arc::new(inner) }
    }

    /// Takes over those who were online at the end of an earlier life: they have the startup grace from now on, so
    /// call it when clients can connect. `ended_at` is when that life was last known.
    pub fn recover(&self, ghosts: impl IntoIterator<Item = Ghost>, ended_at: WallMs) {
        let grace = self.inner.config.startup_grace.max(self.inner.config.grace);
        let deadline = self.inner.clock.now() + grace;
        for Ghost { user, session } in ghosts {
            // Whoever was quick enough to connect before is a vacant entry no more.
            if let Entry::Vacant(entry) = self.inner.users.entry(user.clone()) {
                entry.insert(Presence::ghost(user.clone(), session, ended_at, deadline));
                self.inner.deadlines.add(deadline, user);
            }
        }
    }

    /// Waits until the store can take the news that [`Registry::connect`] may have.
    pub async fn reserve(&self) -> Result<Permit, Closed> {
        self.inner.store.reserve().await
    }

    /// Takes a socket in, with its own room, its user's and the granted ones. `None` if it is gone already.
    pub fn connect(&self, socket: &Arc<Socket>, permit: Permit) -> Option<Session> {
        let mut lifecycle = socket.lifecycle();
        if !lifecycle.register() {
            return None;
        }
        let session = self.bring_online(socket, permit);
        self.inner.rooms.join(socket);
        Some(session)
    }

    fn bring_online(&self, socket: &Arc<Socket>, permit: Permit) -> Session {
        let user = &socket.user;
        let mut entry =
            self.inner.users.entry(user.clone()).or_insert_with(|| Presence::new(user.clone()));
        let moment = self.inner.clock.moment();
        if let Some(news) = entry.connect(socket.id, Arc::clone(socket), moment) {
            permit.record(news);
        }
        match entry.status() {
            Status::Online(session) | Status::Lingering(session) => session,
            Status::Offline => Session { id: moment.seq, since: moment.wall },
        }
    }

    /// Lets a socket go. Repeats and latecomers change nothing. Returns whether it was here.
    pub fn disconnect(&self, socket: &Socket, reason: Reason) -> bool {
        let mut lifecycle = socket.lifecycle();
        if !lifecycle.close() {
            return false;
        }
        self.inner.rooms.leave(socket);
        let grace = match socket.kicked() {
            Some(Grace::Skip) => Duration::ZERO,
            Some(Grace::Keep) | None => self.inner.config.grace,
        };
        let Some(mut entry) = self.inner.users.get_mut(&socket.user) else { return true };
        let removed = entry.disconnect(socket.id, reason, grace, self.inner.clock.moment());
        drop(entry);
        if let Removed::Last(deadline) = removed {
            self.inner.deadlines.add(deadline, socket.user.clone());
        }
        true
    }

    /// Ends the grace of a user without sockets at once; the news follows. Returns whether there was one.
    pub fn end_grace(&self, user: &UserId, reason: Reason) -> bool {
        let Some(mut entry) = self.inner.users.get_mut(user) else { return false };
        let due = entry.end_grace(reason, self.inner.clock.now());
        drop(entry);
        if let Some(due) = due {
            self.inner.deadlines.add(due, user.clone());
        }
        due.is_some()
    }

    /// A user's status and sockets, in the order they came.
    pub fn user(&self, user: &UserId) -> (Status, UserSockets) {
        let Some(entry) = self.inner.users.get(user) else {
            return (Status::Offline, SmallVec::new());
        };
        (entry.status(), entry.sockets().cloned().collect())
    }

    /// The sockets in a room, in no particular order.
    pub fn room(&self, namespace: &Namespace, room: &Room) -> Sockets {
        let granted = self.inner.rooms.granted(namespace, room);
        let mut implied = self.inner.implied(namespace, room);
        implied.retain(|it| !it.granted.contains(room));
        match (implied.as_slice(), &*granted) {
            ([], _) => granted,
            (implied, granted) => [implied, granted].concat().into(),
        }
    }

    /// All sockets of a namespace, in no particular order.
    pub fn everyone(&self, namespace: &Namespace) -> Sockets {
        self.inner.rooms.everyone(namespace)
    }

    /// The socket of `namespace` with this id, or the one that has recovered its session: while both are there, the
    /// older one is about to go.
    pub fn socket_in(&self, namespace: &Namespace, id: SocketId) -> Option<Arc<Socket>> {
        // How many recoveries ago a socket was called that; the more, the newer it is.
        let age = |socket: &Arc<Socket>| socket.ids().position(|it| it == id);
        self.inner.rooms.known_as(namespace, id).into_iter().max_by_key(age)
    }

    /// The socket with this id, in whichever of `namespaces` it is.
    pub fn socket(&self, id: SocketId, namespaces: &[Namespace]) -> Option<Arc<Socket>> {
        namespaces.iter().find_map(|namespace| self.socket_in(namespace, id))
    }

    /// Makes those offline whose grace has run out, as long as it runs. After a standstill, of the process or of the
    /// store, it waits for those who knocked meanwhile.
    pub async fn run_deadlines(self) {
        let Inner { clock, config, .. } = &*self.inner;
        let mut pulse = StandstillGuard::new(clock.now(), config.grace);
        loop {
            let user = self.inner.deadlines.next(clock, &mut pulse).await;
            let Ok(permit) = self.inner.store.reserve().await else { return };
            // While the store had no room, nobody who knocked could be let in either.
            let now = clock.now();
            if now < pulse.beat(now) {
                self.inner.deadlines.add(now, user);
                continue;
            }
            self.expire(user, permit);
        }
    }

    fn expire(&self, user: UserId, permit: Permit) {
        let Entry::Occupied(mut entry) = self.inner.users.entry(user) else { return };
        if let Some(news) = entry.get_mut().expire(self.inner.clock.moment()) {
            permit.record(news);
        }
        if entry.get().is_absent() {
            entry.remove();
        }
    }
}

impl Inner {
    /// The sockets that are in a room because of its name: those of the user, or of the id, that it is named after.
    fn implied(&self, namespace: &Namespace, room: &Room) -> UserSockets {
        match room.kind() {
            RoomKind::User(user) => {
                let Some(entry) = self.users.get(user) else { return UserSockets::new() };
                let is_here = |it: &&Arc<Socket>| it.namespace == *namespace && it.is_joined();
                entry.sockets().filter(is_here).cloned().collect()
            }
            RoomKind::Socket(id) => self.rooms.known_as(namespace, id),
            RoomKind::Granted => UserSockets::new(),
        }
    }
}

#[cfg(test)]
mod tests;
