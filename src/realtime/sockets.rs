//! The sockets of this node: presence knows them by user, the registry by namespace, room and id. Here the two change
//! together, and whatever needs both is answered.
//!
//! ```text
//!   connect:    lifecycle held ─► presence up ─► registry join
//!   disconnect: lifecycle held ─► registry leave ─► presence down ─► a reminder, if it was the last one
//!   due:        reminder ─► place in the store's queue ─► presence decides   (reminders.rs)
//!   each:       ─► noted for those who watch the user, if anybody does
//! ```

mod listing;
mod sweep;

pub use listing::NodeCounts;
pub use sweep::Suspects;

use super::gate::Gate;
use super::placing::Placing;
use super::room_book::RoomBook;
use super::watched::Watched;
use crate::clock::Clock;
use crate::cluster::ClusterMember;
use crate::config::PresenceConfig;
use crate::core::auth::expiry::{CredentialExpiry, ExpiryStep};
use crate::core::delivery::granted::granted;
use crate::core::emit::audience::Addressee as _;
use crate::core::presence::session::{Grace, PresenceStatus};
use crate::core::watching::WatchBounds;
use crate::deadlines::{Deadlines, DueReminders, Reminder};
use crate::entropy;
use crate::presence::{Place, Presence, SessionAtUp};
use crate::registry::{FewSockets, ManySockets, Registry, Socket};
use crate::store::PresenceRecords;
use crate::types::{
    Grants, NamePattern, Namespace, Reason, Room, RoomKind, SocketPortrait, Timestamp, UserId,
};
use std::sync::Arc;
use std::time::Duration;

/// The sockets of this node. Cheap to clone; clones share them.
#[derive(Debug, Clone)]
pub struct Sockets {
    /// Which users are online, and their sockets.
    pub presence: Presence<Arc<Socket>>,
    /// Sockets by namespace, room and id.
    pub registry: Registry,
    /// Who may not come in.
    pub gate: Gate,
    /// Who is in which room wherever it connects.
    pub rooms_of_users: RoomBook,
    /// Who is watched by clients.
    pub(super) watched: Watched,
    deadlines: Deadlines,
    config: PresenceConfig,
    clock: Clock,
    /// How long resume tokens live, where there are any.
    resume_ttl: Option<Duration>,
}

impl Sockets {
    /// There are none.
    pub fn new(
        config: PresenceConfig,
        bounds: (WatchBounds, Option<Duration>),
        records: PresenceRecords,
        clock: Clock,
    ) -> Self {
        let deadlines = Deadlines::new(clock.clone());
        let presence = Presence::new(config, records, deadlines.clone(), clock.clone());
        let rooms_of_users = RoomBook::new(clock.clone());
        Self::of((presence, rooms_of_users), deadlines, config, bounds, clock)
    }

    /// The same on a node among many: sessions are the cluster's. See [`Presence::in_cluster`].
    pub fn in_cluster(
        config: PresenceConfig,
        bounds: (WatchBounds, Option<Duration>),
        (member, node_grace): (ClusterMember, Duration),
        clock: Clock,
    ) -> Self {
        let presence = Presence::in_cluster(config, member, node_grace, clock.clone());
        let rooms_of_users = RoomBook::by_room(clock.clone());
        let deadlines = Deadlines::new(clock.clone());
        Self::of((presence, rooms_of_users), deadlines, config, bounds, clock)
    }

    fn of(
        (presence, rooms_of_users): (Presence<Arc<Socket>>, RoomBook),
        deadlines: Deadlines,
        config: PresenceConfig,
        (watches, resume_ttl): (WatchBounds, Option<Duration>),
        clock: Clock,
    ) -> Self {
        Self {
            presence,
            registry: Registry::default(),
            gate: Gate::new(clock.clone()),
            rooms_of_users,
            watched: Watched::new(watches),
            deadlines,
            config,
            clock,
            resume_ttl,
        }
    }

    /// The same, and other nodes are told which of the rooms with such names users are in.
    #[must_use]
    pub fn placing(self, member: ClusterMember, rooms: Vec<NamePattern>) -> Self {
        Self { watched: self.watched.placing(Placing::new(member, rooms)), ..self }
    }

    /// The same, and hooks say who users are.
    #[must_use]
    pub fn portraying(self) -> Self {
        let portray = |it: &Arc<Socket>| granted(&it.granted_rooms(), it.grants().data.as_deref());
        Self { presence: self.presence.portraying(portray), ..self }
    }

    /// The same, and hooks tell that sockets come and go.
    #[must_use]
    pub fn telling_of_sockets(self) -> Self {
        Self { presence: self.presence.telling_of_sockets(socket_portrait), ..self }
    }

    /// The same, and nobody is told that guests come and go.
    #[must_use]
    pub fn silent_about_guests(self) -> Self {
        Self { presence: self.presence.silent_about_guests(), ..self }
    }

    /// What is due, for one task each. After a standstill nothing is due for a while, at most the grace. Call it once.
    pub(super) fn watch_deadlines(&self) -> Vec<DueReminders> {
        self.deadlines.watch(self.config.grace)
    }

    /// A reminder of the end of a socket's credentials has come: what is due. While the socket is here there is one reminder
    /// on its way, unless its connection is to be closed.
    pub(super) fn expiry_due(&self, socket: &Socket) -> ExpiryStep {
        let due = socket.while_here(|| {
            let (step, again) = socket.expiry_due(self.clock.now());
            if let Some(at) = again {
                self.deadlines.add(at, Reminder::Expiry(socket.id));
            }
            step
        });
        due.unwrap_or(ExpiryStep::Nothing)
    }

    /// Takes a socket in, with its own room, its user's and the granted ones. `None` if it is gone already, or its user
    /// has been barred since it was authenticated: then its connection is closed, and when the client comes back it is told.
    pub fn connect(&self, socket: &Arc<Socket>, place: Place) -> Option<SessionAtUp> {
        let (id, user) = (&socket.id, socket.user());
        // A guest's connection may have become a user's since.
        let is_its = || !socket.connection.is_anothers(user);
        let may_enter = || {
            self.record_rooms(socket);
            self.gate.check(user, socket.grants().issued_at).is_none() && is_its()
        };
        let connected = socket.register(|| {
            let session = self.presence.up(user, (*id, Arc::clone(socket)), place, may_enter)?;
            self.registry.join(socket);
            self.await_expiry(socket, &socket.grants());
            Some(session)
        });
        match connected {
            None => self.presence.stays_away(user, *id),
            Some(None) => socket.connection.close(Reason::Kicked),
            Some(Some(_)) => self.watched.note(user),
        }
        connected.flatten()
    }

    /// What was a guest's socket is `user`'s from now on, which has been granted this: the guest has one less, and the user one
    /// more. It is in the rooms of the user and in no others. `None` if it is gone; or if the user has been barred, and then its
    /// connection is closed, and when the client comes back it is told.
    pub(super) fn sign_in(
        &self,
        socket: &Arc<Socket>,
        user: &UserId,
        grants: Grants,
        place: Place,
    ) -> Option<SessionAtUp> {
        let (guest, issued_at) = (socket.user().clone(), grants.issued_at);
        let signed_in = socket.while_here(|| {
            self.presence.down(&guest, socket.id, Reason::SignedIn, Grace::Skip);
            self.await_expiry(socket, &grants);
            let mut moved = None;
            let may_enter = || {
                let recorded = self.rooms_of_users.of(user, &socket.namespace);
                // In this order: whoever sees the user sees what it was granted.
                moved = Some(socket.start_anew(grants, recorded));
                socket.sign_in(user.clone());
                self.gate.check(user, issued_at).is_none()
            };
            let session = self.presence.up(user, (socket.id, Arc::clone(socket)), place, may_enter);
            if let Some(moved) = moved {
                self.registry.follow(socket, &moved);
            }
            session
        });
        self.watched.note(&guest);
        self.watched.note_grants(socket);
        match signed_in {
            None => self.presence.stays_away(user, socket.id),
            Some(None) => socket.connection.close(Reason::Revoked),
            Some(Some(_)) => {}
        }
        signed_in.flatten()
    }

    /// Gives a socket that is not here yet the rooms that are recorded of its user.
    pub(super) fn record_rooms(&self, socket: &Socket) {
        socket.record_rooms(self.rooms_of_users.of(socket.user(), &socket.namespace));
    }

    /// Lets a socket go. Repeats and latecomers change nothing. Returns whether it was here.
    pub fn disconnect(&self, socket: &Socket, reason: Reason) -> bool {
        let was_here = socket.close(|| {
            self.registry.leave(socket);
            self.await_expiry(socket, &Grants::default());
            let grace = socket.kicked().unwrap_or(Grace::Keep);
            self.presence.down(socket.user(), socket.id, reason, grace);
        });
        if was_here {
            self.watched.note_end(socket);
        }
        was_here
    }

    /// A later credential grants a socket something else, at once. Returns whether it is here. If its user has been barred
    /// since that credential was looked at, its connection is closed, and when the client comes back it is told. `position` is
    /// where the log of recovery stands.
    pub fn regrant(&self, socket: &Arc<Socket>, grants: Grants, position: u64) -> bool {
        let issued_at = grants.issued_at;
        let regranted = socket.while_here(|| {
            self.await_expiry(socket, &grants);
            self.registry.regrant(socket, grants, position);
        });
        self.watched.note_grants(socket);
        // Afterwards, so that whoever bars the user meanwhile sees what was granted here, or is seen.
        if self.gate.check(socket.user(), issued_at).is_some() {
            socket.connection.close(Reason::Revoked);
        }
        regranted.is_some()
    }

    /// The credentials of a socket end, or its resume token, as these grants say. Called while its lifecycle is held, so that a
    /// socket that is gone leaves no reminder.
    fn await_expiry(&self, socket: &Socket, grants: &Grants) {
        let (expires_at, life) = (grants.expires_at, grants.resume.as_ref().and(self.resume_ttl));
        let expiry = (expires_at.is_some() || life.is_some()).then(|| {
            let times = (self.clock.now(), self.clock.wall());
            let chance = u32::from_be_bytes(entropy::bytes());
            CredentialExpiry::new(expires_at, life, times, chance)
        });
        let reminder = expiry.and_then(|it| it.reminder());
        if let Some(at) = socket.set_expiry(expiry) {
            self.deadlines.take_back(at, &Reminder::Expiry(socket.id));
        }
        if let Some(at) = reminder {
            self.deadlines.add(at, Reminder::Expiry(socket.id));
        }
    }

    /// The users of whom a socket's client has sent something since `since`.
    pub(super) fn heard_since(&self, since: Timestamp) -> Vec<UserId> {
        let mut heard = Vec::new();
        self.presence.for_each(|_, roster| {
            let mut speaking = roster.sockets().filter(|it| since <= it.connection.heard_at());
            heard.extend(speaking.next().map(|it| it.user().clone()));
        });
        heard
    }

    /// The users who have a socket here.
    pub(super) fn users_here(&self) -> Vec<UserId> {
        let mut users = Vec::new();
        self.presence.for_each(|_, roster| {
            users.extend(roster.sockets().next().map(|it| it.user().clone()));
        });
        users
    }

    /// A user's status and sockets, in the order they came.
    pub fn user(&self, user: &UserId) -> (PresenceStatus, FewSockets) {
        self.presence.here(user)
    }

    /// The sockets of a user in `namespace` that can be written to.
    pub fn reachable(&self, user: &UserId, namespace: &Namespace) -> FewSockets {
        let (_, mut sockets) = self.user(user);
        sockets.retain(|it| it.namespace == *namespace && !it.connection.is_closed());
        sockets
    }

    /// The sockets in a room, in no particular order.
    pub fn room(&self, namespace: &Namespace, room: &Room) -> ManySockets {
        let granted = self.registry.granted(namespace, room);
        let mut implied = self.implied(namespace, room);
        implied.retain(|it| !it.is_granted(room));
        match (implied.as_slice(), &*granted) {
            ([], _) => granted,
            (implied, granted) => [implied, granted].concat().into(),
        }
    }

    /// How long to wait between two sweeps.
    pub fn sweep_interval(&self) -> Duration {
        self.config.sweep_interval
    }

    /// The sockets that are in a room because of its name: those of the user, or of the id, that it is named after.
    fn implied(&self, namespace: &Namespace, room: &Room) -> FewSockets {
        match room.kind() {
            RoomKind::User(user) => {
                let mut sockets = self.presence.sockets(user);
                sockets.retain(|it| it.namespace == *namespace && it.is_joined());
                sockets
            }
            RoomKind::Socket(id) => self.registry.known_as(namespace, id),
            RoomKind::Granted => FewSockets::new(),
        }
    }
}

fn socket_portrait(socket: &Arc<Socket>) -> SocketPortrait {
    let facts = socket.connection.facts();
    SocketPortrait {
        id: socket.id,
        namespace: socket.namespace.clone(),
        device: socket.device.clone(),
        address: facts.address,
        user_agent: facts.user_agent.clone(),
        transport: socket.connection.vitals().transport.as_str(),
        connected_at: socket.connected_at,
        granted: None,
        attached: socket.attached(),
    }
}

#[cfg(test)]
mod tests;
