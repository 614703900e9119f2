//! Sockets come and go: answered, taken in, greeted; let go and remembered.

mod farewell;
mod greeting;
mod returning;
mod seating;
mod sign_in;

pub use farewell::{Farewell, KickCode};
pub(super) use seating::NoSeat;
pub(super) use sign_in::NotSignedIn;

use super::seats::SeatsOfNodes;
use super::sockets::{Sockets, Suspects};
use super::visits::Visits;
use crate::auth::{NotRevoked, Resume};
use crate::cluster::Bus;
use crate::config::SessionsConfig;
use crate::connection::Connection;
use crate::core::auth::resume_families::FamilyNews;
use crate::core::control::seats::SeatLimit;
use crate::core::emit::audience::Audience;
use crate::core::presence::session::{Grace, UserSession};
use crate::core::recovery::{Newcomer, Pid, SessionClaim};
use crate::core::rooms::{RoomChange, SocketRooms};
use crate::entropy;
use crate::presence::{Place, SessionAtUp};
use crate::recovery::{Departure, NamespaceRecovery, Recoveries};
use crate::registry::Socket;
use crate::types::{Grants, Namespace, Reason, Room, UserId};
use bytes::Bytes;
use parking_lot::Mutex;
use returning::Dismissed;
use std::sync::Arc;
use std::time::Duration;

/// How long a client may wait for the store to have room for its news.
const STORE_WAIT: Duration = Duration::from_secs(10);

/// Takes sockets in and lets them go.
#[derive(Debug)]
pub struct Attendance {
    sockets: Sockets,
    recoveries: Recoveries<Arc<Socket>>,
    visits: Visits,
    /// How many connections a user may have.
    seats: Option<SeatLimit>,
    /// Who has them among many nodes; `None`: there are no others, or no limit.
    seats_of_nodes: Option<Box<SeatsOfNodes>>,
    /// Gives clients what they may come back with, where there is that.
    resume: Option<Arc<Resume>>,
    /// The other nodes, if there are any.
    bus: Option<Bus>,
    /// Whose sessions are elsewhere by now.
    dismissed: Mutex<Dismissed>,
}

impl Attendance {
    /// Sockets that are gone are remembered in `visits`; a user may have as many connections as `sessions` says.
    pub fn new(
        sockets: Sockets,
        recoveries: Recoveries<Arc<Socket>>,
        visits: Visits,
        (sessions, resume): (SessionsConfig, Option<Arc<Resume>>),
    ) -> Self {
        let (seats, dismissed) = (sessions.seats, Mutex::default());
        Self {
            sockets,
            recoveries,
            visits,
            seats,
            seats_of_nodes: None,
            resume,
            bus: None,
            dismissed,
        }
    }

    /// The sockets that are gone.
    pub(crate) fn visits(&self) -> &Visits {
        &self.visits
    }

    /// The sockets that are here.
    pub(super) fn sockets(&self) -> &Sockets {
        &self.sockets
    }

    /// Room in the store for the news that the user is online. If there is none for too long, the connection is closed:
    /// a stock client comes back by itself after that, and not after a refusal.
    pub(crate) async fn reserve(&self, connection: &Connection, user: &UserId) -> Option<Place> {
        let place = tokio::time::timeout(STORE_WAIT, self.sockets.presence.reserve_for(user)).await;
        if let Ok(Ok(place)) = place {
            return Some(place);
        }
        tracing::warn!("closed a connection: the store takes nothing");
        connection.close(Reason::ServerShutdown);
        None
    }

    /// Answers an authenticated client, takes its socket in and greets it with `userline:session`; in a cluster, when that
    /// has said which session it is: see [`Attendance::know`]. If it is gone already, nothing happens. Returns whether it has recovered an earlier session.
    pub(crate) fn join(
        &self,
        socket: &Arc<Socket>,
        place: Place,
        claim: Option<SessionClaim<'_>>,
    ) -> bool {
        if socket.connection.is_closed() {
            return false; // kicked in another namespace, for example: nobody came
        }
        if let Some(recovery) = self.recoveries.of(&socket.namespace) {
            // What is replayed follows it as well.
            self.sockets.record_rooms(socket);
            return self.join_recovering(socket, place, claim, recovery);
        }
        socket.connection.answer_connect(&greeting::connect_reply(socket, None));
        if let Some(SessionAtUp::Known(session)) = self.sockets.connect(socket, place) {
            greeting::greet(socket, session, self.resume_token(socket), None);
        }
        false
    }

    /// The cluster has said which session a user is in: sockets that waited for that are greeted.
    pub(super) fn know(&self, user: &UserId, session: UserSession) {
        for socket in self.sockets.presence.know(user, session) {
            let (resume, recovery) =
                (self.resume_token(&socket), self.recoveries.of(&socket.namespace));
            match recovery {
                None => greeting::greet(&socket, session, resume, None),
                Some(recovery) => recovery.announce(|head| {
                    greeting::greet(&socket, session, resume, Some(&socket.offset_at(head)));
                }),
            }
            socket.connection.flush_queued();
        }
    }

    /// The same where there is recovery. What is logged so far is replayed in the bytes that follow the reply, what is
    /// logged later finds the socket in the registry.
    fn join_recovering(
        &self,
        socket: &Arc<Socket>,
        place: Place,
        claim: Option<SessionClaim<'_>>,
        recovery: &NamespaceRecovery<Arc<Socket>>,
    ) -> bool {
        let fresh = Pid::new(entropy::secret());
        let mut resume = self.resume_token(socket);
        let newcomer = Newcomer { socket: Arc::clone(socket), fresh };
        let attached = recovery.attach(newcomer, claim, |attached| {
            socket.begin_session(attached.pid.clone(), recovery.follower(&attached.head));
            socket.set_earlier_ids(attached.earlier.clone());
            socket.take_over(attached.moves.clone());
            socket.address(attached.last_missed);
            let reply = greeting::connect_reply(socket, Some(&attached.pid));
            let frames = [&[reply][..], &attached.missed].concat();
            socket.connection.answer_connect(&Bytes::from(frames.concat()));
            let session = self.sockets.connect(socket, place);
            if let Some(SessionAtUp::Known(session)) = session {
                greeting::greet(socket, session, resume.take(), Some(&attached.head));
            }
            session.is_some()
        });
        if self.bus.is_some() && self.dismissed.lock().includes(socket.id) {
            socket.connection.close(Reason::Replaced);
        }
        // Last, so that the user is never without a socket.
        let replaced =
            attached.replaced.filter(|old| !Arc::ptr_eq(&old.connection, &socket.connection));
        if let Some(old) = replaced {
            old.connection.close(Reason::Replaced);
        }
        attached.outcome.is_recovered()
    }

    /// Changes the rooms of a socket, if it is here. Where there is recovery, nothing is logged meanwhile, and `change` gets the
    /// place where the log stands.
    pub(super) fn change_rooms(
        &self,
        socket: &Arc<Socket>,
        change: impl FnOnce(&mut SocketRooms, u64) -> RoomChange,
    ) -> Option<RoomChange> {
        let registry = &self.sockets.registry;
        let changed = match self.recoveries.of(&socket.namespace) {
            None => socket.while_here(|| registry.change_rooms(socket, |it| change(it, 0))),
            Some(recovery) => recovery.in_turn(|position| {
                socket.while_here(|| registry.change_rooms(socket, |it| change(it, position)))
            }),
        };
        if changed.as_ref().is_some_and(RoomChange::is_any) {
            self.sockets.watched.note_grants(socket);
            self.note_session(socket);
        }
        changed
    }

    /// Takes the sessions of a user whose clients are away out of a room.
    pub(super) fn take_out_absent(
        &self,
        user: &UserId,
        room: &Room,
        namespace: Option<&Namespace>,
    ) {
        self.recoveries.take_out(user, room, namespace);
    }

    /// Puts the sessions of a user whose clients are away into a room.
    pub(super) fn put_in_absent(&self, user: &UserId, room: &Room, namespace: Option<&Namespace>) {
        self.recoveries.put_in(user, room, namespace);
    }

    /// Takes the sessions of an audience whose clients are away out of rooms. Whoever of it is not away then is among what `find`
    /// finds.
    pub(super) fn leave_absent<T>(
        &self,
        audience: &Audience,
        rooms: &[Room],
        find: impl FnOnce() -> T,
    ) -> T {
        match self.recoveries.of(&audience.namespace) {
            None => find(),
            Some(recovery) => recovery.leave(audience, rooms, find),
        }
    }

    /// A later credential grants a socket something else; see [`Sockets::regrant`].
    pub(super) fn regrant(&self, socket: &Arc<Socket>, grants: Grants) -> bool {
        match self.recoveries.of(&socket.namespace) {
            None => self.sockets.regrant(socket, grants, 0),
            Some(recovery) => {
                let is_here =
                    recovery.in_turn(|position| self.sockets.regrant(socket, grants, position));
                self.note_session(socket);
                is_here
            }
        }
    }

    /// What the client of a socket may come back with.
    pub(super) fn resume_token(&self, socket: &Socket) -> Option<String> {
        self.resume.as_ref()?.token(socket.user(), &socket.grants())
    }

    /// Lets a socket go; repeats change nothing. `reason` is why its connection ended, as far as that is known.
    pub fn leave(&self, socket: &Socket, reason: Reason) {
        let reason = match (socket.kicked(), reason) {
            (Some(_), _) => Reason::Kicked,
            // Another socket of the connection was.
            (None, Reason::Kicked) => Reason::TransportClose,
            (None, reason) => reason,
        };
        let leave = || {
            let was_here = self.sockets.disconnect(socket, reason);
            socket.connection.forget_acks(&socket.namespace);
            was_here
        };
        let recovery = self.recoveries.of(&socket.namespace);
        let was_here = match socket.pid().zip(recovery) {
            None => leave(),
            Some((pid, recovery)) => {
                let is_for_good = matches!(reason, Reason::ClientDisconnect | Reason::Kicked);
                let departure = if is_for_good { Departure::ForGood } else { Departure::Away };
                recovery.detach(pid, socket.id, departure, leave)
            }
        };
        if let Some(seats) = &self.seats_of_nodes {
            seats.leave(socket.user(), socket.id);
        }
        if was_here {
            self.visits.remember(socket, reason);
            let (user, id) = (socket.user(), socket.id);
            tracing::debug!(user.id = %user, socket.id = %id, %reason, "socket disconnected");
            metrics::counter!("userline_disconnects_total", "reason" => reason.as_str())
                .increment(1);
        }
    }

    /// Disconnects sockets for good: their clients are told, and do not come back by themselves. They are gone at once,
    /// whenever their clients hear of it, and the connection of each is closed with it.
    pub(super) fn expel(&self, sockets: &[Arc<Socket>], farewell: Farewell<'_>, grace: Grace) {
        let farewell = farewell.payload();
        for socket in sockets {
            socket.kick(grace);
        }
        let mut kicked: Vec<&Arc<Socket>> = sockets.iter().collect();
        kicked.sort_by_key(|it| Arc::as_ptr(&it.connection));
        for its in kicked.chunk_by(|one, other| Arc::ptr_eq(&one.connection, &other.connection)) {
            farewell::say(its, &farewell);
        }
        for socket in sockets {
            self.leave(socket, Reason::Kicked);
        }
    }

    /// Forgets what names a user whose sockets are gone: what recovery keeps, the visits, and reminders. Returns whether
    /// the user is offline; if not, reminders stay. Copies of what all nodes agree on follow that.
    pub(super) fn erase(&self, user: &UserId) -> bool {
        self.recoveries.erase(user);
        self.visits.erase(user);
        if let Some(seats) = &self.seats_of_nodes {
            seats.erase(user);
        }
        if self.bus.is_none() {
            self.sockets.gate.change(|known| known.erase(user));
            self.sockets.rooms_of_users.change(|known| known.erase(user));
        }
        self.sockets.presence.erase(user)
    }

    /// No resume token of a user counts any more who is about to be erased. Returns what has to be kept of that, in one step with
    /// the rest.
    pub(super) fn revoke_for_erasure(&self, user: &UserId) -> Option<FamilyNews> {
        self.resume.as_ref().and_then(|resume| resume.erase(user))
    }

    /// The same where all nodes agree.
    pub(super) async fn revoke_where_all_agree(&self, user: &UserId) -> Result<(), NotRevoked> {
        match &self.resume {
            Some(resume) => resume.erase_where_all_agree(user).await,
            None => Ok(()),
        }
    }

    /// Looks again and again, as long as it runs, for sockets that are here without a connection, and lets them go. Each
    /// is counted in `userline_audit_removals_total`, which must stay 0. Also forgets old visits.
    pub async fn run_sweep(self: Arc<Self>) {
        let mut suspects = Suspects::default();
        loop {
            tokio::time::sleep(self.sockets.sweep_interval()).await;
            for socket in self.sockets.sweep(&mut suspects) {
                tracing::warn!(socket.id = %socket.id, "a socket was registered without a connection");
                metrics::counter!("userline_audit_removals_total").increment(1);
                self.leave(&socket, Reason::Audit);
            }
            self.visits.forget_old();
            match &self.seats_of_nodes {
                Some(seats) => seats.forget_lost(),
                None if self.seats.is_some() => self.sockets.presence.forget_lost(),
                None => {}
            }
        }
    }
}

#[cfg(test)]
mod tests;
