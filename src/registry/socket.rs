//! One client in one namespace, authenticated.

mod following;
mod seated;

use crate::connection::Connection;
use crate::core::auth::expiry::{CredentialExpiry, ExpiryStep};
use crate::core::emit::audience::Addressee;
use crate::core::inbox::InboxState;
use crate::core::presence::lifecycle::Lifecycle;
use crate::core::presence::session::Grace;
use crate::core::recovery::{Live, Member};
use crate::core::rooms::memberships::RecordedRooms;
use crate::core::rooms::{RoomChange, RoomMoves, SocketRooms};
use crate::types::{DeviceId, Grants, Namespace, Room, SocketId, Timestamp, UserId, WallMs};
use following::SocketRecovery;
use parking_lot::{Mutex, RwLock};
use std::mem;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

const NOT_KICKED: u8 = 0;
const KICKED: u8 = 1;
const KICKED_WITH_GRACE: u8 = 2;

/// One client in one namespace, authenticated. It is never without a user.
#[derive(Debug)]
pub struct Socket {
    /// Its public id.
    pub id: SocketId,
    /// Its namespace.
    pub namespace: Namespace,
    /// Whose it was when it came.
    first_user: UserId,
    /// Whose it is since, if it was a guest's.
    later_user: OnceLock<Box<UserId>>,
    /// What its client calls the tab or device it runs in.
    pub device: Option<DeviceId>,
    /// When it was authenticated.
    pub connected_at: WallMs,
    /// Its connection, which sockets of other namespaces share.
    pub connection: Arc<Connection>,
    /// What its credentials say; a later one replaces it. In which rooms it is, `rooms` says.
    grants: RwLock<Arc<Grants>>,
    /// What happens because its credentials end, if they do.
    expiry: Mutex<Option<Box<CredentialExpiry>>>,
    /// The only place where they stand: whoever needs them asks the socket. Changed while the lifecycle is held.
    rooms: Mutex<SocketRooms>,
    lifecycle: Mutex<Lifecycle>,
    /// Whether it is in its rooms; changed by [`super::Registry`] only.
    is_joined: AtomicBool,
    kick: AtomicU8,
    /// The number of the last logged event that was for it.
    addressed: AtomicU64,
    /// Once it is connected, where there is recovery.
    recovery: OnceLock<Box<SocketRecovery>>,
    /// The ids of the connections whose session it has recovered, the latest first.
    earlier: OnceLock<Box<Box<[SocketId]>>>,
    /// What it was told last of its user's inbox.
    inbox: Mutex<Option<Box<InboxState>>>,
    /// What the backend has attached to it, a JSON object.
    attached: Mutex<Option<Box<Arc<str>>>>,
}

/// What a socket is made of.
#[derive(Debug)]
pub struct SocketParts {
    /// See [`Socket::id`].
    pub id: SocketId,
    /// See [`Socket::namespace`].
    pub namespace: Namespace,
    /// Whose it is.
    pub user: UserId,
    /// See [`Socket::device`].
    pub device: Option<DeviceId>,
    /// See [`Socket::connected_at`].
    pub connected_at: WallMs,
    /// See [`Socket::grants`].
    pub grants: Grants,
    /// See [`Socket::connection`].
    pub connection: Arc<Connection>,
}

impl Live for Arc<Socket> {
    fn id(&self) -> SocketId {
        self.id
    }

    fn user(&self) -> &UserId {
        (**self).user()
    }

    fn member(&self) -> Member {
        let own = self.rooms.lock();
        let (rooms, moves, anyway) = (own.current().to_vec(), own.moves(), own.joined_anyway());
        drop(own);
        let (user, device) = ((**self).user().clone(), self.device.clone());
        Member { user, rooms, ids: self.ids().collect(), device, moves, anyway }
    }

    fn rooms_with(&self, moves: &RoomMoves) -> Arc<[Room]> {
        let grants = self.grants();
        let moves = moves.clone().as_far_as(|room| grants.may_join(room));
        self.rooms.lock().with(&moves)
    }

    fn addressed(&self) -> u64 {
        let addressed = self.addressed.load(Ordering::Relaxed);
        // Until an event with a number follows one without, its client may lack that one.
        if self.is_placed(addressed) { addressed } else { u64::MAX }
    }
}

impl Addressee for Socket {
    fn is_in_namespace(&self, namespace: &Namespace) -> bool {
        self.namespace == *namespace
    }

    fn user(&self) -> &UserId {
        self.user()
    }

    fn device(&self) -> Option<&DeviceId> {
        self.device.as_ref()
    }

    /// Its own id first.
    fn ids(&self) -> impl Iterator<Item = SocketId> {
        [self.id].into_iter().chain(self.earlier_ids().iter().copied())
    }

    fn is_granted(&self, room: &Room) -> bool {
        self.rooms.lock().contains(room)
    }
}

impl Socket {
    /// A socket that is not in the registry yet.
    pub fn new(parts: SocketParts) -> Self {
        let SocketParts { id, namespace, user, device, connected_at, grants, connection } = parts;
        let rooms = SocketRooms::granted(Arc::clone(&grants.rooms));
        Self {
            id,
            namespace,
            first_user: user,
            later_user: OnceLock::new(),
            device,
            connected_at,
            connection,
            grants: RwLock::new(Arc::new(grants)),
            expiry: Mutex::default(),
            rooms: Mutex::new(rooms),
            lifecycle: Mutex::default(),
            is_joined: AtomicBool::new(false),
            kick: AtomicU8::new(NOT_KICKED),
            addressed: AtomicU64::new(0),
            recovery: OnceLock::new(),
            earlier: OnceLock::new(),
            inbox: Mutex::default(),
            attached: Mutex::default(),
        }
    }

    /// Whose it is. What was a guest's may become a user's, once; else it is the same for ever.
    pub fn user(&self) -> &UserId {
        self.later_user.get().map_or(&self.first_user, |it| it)
    }

    /// Whether it was a guest's and is a user's now.
    pub fn has_signed_in(&self) -> bool {
        self.later_user.get().is_some()
    }

    /// What was a guest's is this user's from now on; only the first call counts. Only while it is here, see [`Socket::while_here`].
    pub fn sign_in(&self, user: UserId) {
        self.later_user.get_or_init(|| Box::new(user));
    }

    /// From now on this is what its user is granted and what is recorded of it, and nothing is left of the rooms of before. The
    /// index of rooms has to follow.
    pub fn start_anew(&self, grants: Grants, recorded: RecordedRooms) -> RoomChange {
        let rooms = Arc::clone(&grants.rooms);
        self.set_grants(Arc::new(grants));
        self.change_rooms(|own| own.start_anew(rooms, recorded))
    }

    /// What it was told of an inbox was told of another user's.
    pub fn forget_inbox(&self) {
        *self.inbox.lock() = None;
    }

    /// What its credentials grant it now. In which rooms it is, [`Socket::granted_rooms`] says.
    pub fn grants(&self) -> Arc<Grants> {
        Arc::clone(&self.grants.read())
    }

    pub(super) fn set_grants(&self, grants: Arc<Grants>) {
        *self.grants.write() = grants;
    }

    /// From now on this happens because its credentials end. Returns the reminder that is not needed any more.
    pub fn set_expiry(&self, expiry: Option<CredentialExpiry>) -> Option<Timestamp> {
        let old = mem::replace(&mut *self.expiry.lock(), expiry.map(Box::new));
        old.and_then(|it| it.reminder())
    }

    /// A reminder has come: what is due because its credentials end, and when it is to be reminded again if it is not
    /// closed.
    pub fn expiry_due(&self, now: Timestamp) -> (ExpiryStep, Option<Timestamp>) {
        let mut expiry = self.expiry.lock();
        let Some(it) = expiry.as_mut() else { return (ExpiryStep::Nothing, None) };
        match it.due(now) {
            step @ (ExpiryStep::Warn | ExpiryStep::Renew) => (step, it.reminder()),
            step @ (ExpiryStep::Nothing | ExpiryStep::Close) => (step, None),
        }
    }

    /// The rooms it is in, besides its own and its user's.
    pub fn granted_rooms(&self) -> Arc<[Room]> {
        Arc::clone(self.rooms.lock().current())
    }

    /// The rooms it is in, sorted, without those that every socket has.
    pub fn rooms(&self) -> Vec<Room> {
        if !self.is_joined() {
            return Vec::new();
        }
        let mut rooms = self.granted_rooms().to_vec();
        rooms.push(Room::of_user(self.user()));
        rooms.sort();
        rooms.dedup();
        rooms
    }

    /// It is being kicked: whatever ends its connection, it was that.
    pub fn kick(&self, grace: Grace) {
        let kick = match grace {
            Grace::Skip => KICKED,
            Grace::Keep => KICKED_WITH_GRACE,
        };
        self.kick.store(kick, Ordering::Relaxed);
    }

    /// Whether it was kicked, and what that means for its user's grace.
    pub fn kicked(&self) -> Option<Grace> {
        match self.kick.load(Ordering::Relaxed) {
            KICKED => Some(Grace::Skip),
            KICKED_WITH_GRACE => Some(Grace::Keep),
            _ => None,
        }
    }

    /// A logged event with this number is for it.
    pub fn address(&self, number: u64) {
        self.addressed.fetch_max(number, Ordering::Relaxed);
    }

    /// Gives it the ids of the connections whose session it has recovered, the latest first; only the first call
    /// counts, and only before it is in the registry.
    pub fn set_earlier_ids(&self, ids: Vec<SocketId>) {
        self.earlier.get_or_init(|| Box::new(ids.into_boxed_slice()));
    }

    /// This is what is recorded of its user; only before it is in the registry.
    pub fn record_rooms(&self, recorded: RecordedRooms) {
        self.rooms.lock().record(recorded, 0);
    }

    /// It takes over the rooms that those have joined and left, but for those that its client may not join any more; only
    /// before it is in the registry.
    pub fn take_over(&self, moves: RoomMoves) {
        let grants = self.grants();
        let moves = moves.as_far_as(|room| grants.may_join(room));
        self.rooms.lock().take_over(moves);
    }

    /// The ids of the connections whose session it has recovered, the latest first: whoever knows it by one of these
    /// still means it.
    pub fn earlier_ids(&self) -> &[SocketId] {
        self.earlier.get().map(|ids| &***ids).unwrap_or_default()
    }

    /// Calls `tell` if `state` is newer than what the socket was told last of its user's inbox. Tellers take turns, so
    /// that what is told last is the newest.
    pub fn tell_inbox(&self, state: InboxState, tell: impl FnOnce()) {
        let mut told = self.inbox.lock();
        if told.as_ref().is_none_or(|last| last.revision < state.revision) {
            *told = Some(Box::new(state));
            tell();
        }
    }

    /// Calls `tell` with the newer of `state` and what the socket was told last, in turn with other tellers.
    pub fn tell_newest_inbox<T>(&self, state: InboxState, tell: impl FnOnce(InboxState) -> T) -> T {
        let mut told = self.inbox.lock();
        let last = told.as_deref().copied().filter(|last| state.revision < last.revision);
        let newest = last.unwrap_or(state);
        *told = Some(Box::new(newest));
        tell(newest)
    }

    /// Attaches what `change` makes of what is attached.
    pub fn attach<E>(
        &self,
        change: impl FnOnce(Option<&str>) -> Result<Arc<str>, E>,
    ) -> Result<Arc<str>, E> {
        let mut attached = self.attached.lock();
        let new = change(attached.as_ref().map(|it| &***it))?;
        *attached = Some(Box::new(Arc::clone(&new)));
        Ok(new)
    }

    /// What the backend has attached to it, a JSON object.
    pub fn attached(&self) -> Option<Arc<str>> {
        self.attached.lock().as_deref().cloned()
    }

    /// Has `take_in` register it, if it is new: neither registered before nor gone. Nothing else happens to it meanwhile.
    pub fn register<T>(&self, take_in: impl FnOnce() -> T) -> Option<T> {
        let mut lifecycle = self.lifecycle.lock();
        lifecycle.register().then(take_in)
    }

    /// Has `change` change it, if it is registered; it stays that meanwhile. `None` if it is not.
    pub fn while_here<T>(&self, change: impl FnOnce() -> T) -> Option<T> {
        let lifecycle = self.lifecycle.lock();
        lifecycle.is_registered().then(change)
    }

    /// It is gone, for good: has `let_go` take it out if it is registered. Returns whether it was.
    pub fn close(&self, let_go: impl FnOnce()) -> bool {
        let mut lifecycle = self.lifecycle.lock();
        let was_registered = lifecycle.close();
        if was_registered {
            let_go();
        }
        was_registered
    }

    pub(super) fn change_rooms(
        &self,
        change: impl FnOnce(&mut SocketRooms) -> RoomChange,
    ) -> RoomChange {
        change(&mut self.rooms.lock())
    }

    /// Whether it is in its rooms.
    pub fn is_joined(&self) -> bool {
        self.is_joined.load(Ordering::Relaxed)
    }

    pub(super) fn set_joined(&self, is_joined: bool) {
        self.is_joined.store(is_joined, Ordering::Relaxed);
    }
}
