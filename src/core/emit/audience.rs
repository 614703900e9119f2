//! Who an emit is for. One rule for all who ask: the emitter, the recovery log, inboxes, reports, lists of emits.

use crate::types::{DeviceId, Except, Namespace, Room, RoomKind, SocketId, Target, UserId};
use std::collections::HashSet;
use std::hash::Hash;

/// Who an emit is for: those of `target` in `namespace` whom `except` does not leave out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audience {
    /// The namespace of the sockets.
    pub namespace: Namespace,
    /// Who gets it.
    pub target: Target,
    /// Who of these does not.
    pub except: Except,
}

/// What an emit may be for: a socket, a recovery session whose client is away, or a user as such.
pub trait Addressee {
    /// Whether it gets what is emitted in `namespace`. A user as such does in every one.
    fn is_in_namespace(&self, namespace: &Namespace) -> bool;
    /// Its user.
    fn user(&self) -> &UserId;
    /// What its client calls the tab or device it runs in.
    fn device(&self) -> Option<&DeviceId>;
    /// The socket ids it is known by: its own, and those of the connections whose session it has recovered.
    fn ids(&self) -> impl Iterator<Item = SocketId>;
    /// Whether it was granted a room of this name.
    fn is_granted(&self, room: &Room) -> bool;

    /// Whether it is in `room`: one that it was granted, its user's, or its own.
    fn is_in(&self, room: &Room) -> bool {
        let is_there_by_name = match room.kind() {
            RoomKind::User(user) => self.user().as_str() == user,
            RoomKind::Socket(id) => self.ids().any(|it| it == id),
            RoomKind::Granted => false,
        };
        is_there_by_name || self.is_granted(room)
    }
}

/// A user as such, here or not: in its own room only, and without sockets.
impl Addressee for UserId {
    fn is_in_namespace(&self, _: &Namespace) -> bool {
        true
    }

    fn user(&self) -> &UserId {
        self
    }

    fn device(&self) -> Option<&DeviceId> {
        None
    }

    fn ids(&self) -> impl Iterator<Item = SocketId> {
        [].into_iter()
    }

    fn is_granted(&self, _: &Room) -> bool {
        false
    }
}

impl Audience {
    /// Whether the emit is for `who`.
    pub fn includes(&self, who: &impl Addressee) -> bool {
        let Target { users, rooms, sockets, all } = &self.target;
        let is_named = || Names::list(users, rooms, sockets, &[]).include(who);
        who.is_in_namespace(&self.namespace) && (*all || is_named()) && !self.leaves_out(who)
    }

    /// Whether `except` names `who`, whether the target does or not.
    pub fn leaves_out(&self, who: &impl Addressee) -> bool {
        let Except { users, rooms, sockets, devices } = &self.except;
        Names::list(users, rooms, sockets, devices).include(who)
    }

    /// [`Audience::leaves_out`] for very many: what it takes to look names up fast is made once.
    pub fn left_out(&self) -> LeftOut<'_> {
        let Except { users, rooms, sockets, devices } = &self.except;
        let is_nobody = self.except.is_empty();
        LeftOut((!is_nobody).then(|| Box::new(Names::sets(users, rooms, sockets, devices))))
    }

    /// The same without a user, who had sockets of these ids; `None` if it does not name the user.
    pub fn without(&self, user: &UserId, ids: &[SocketId]) -> Option<Self> {
        let is_erased = |room: &Room| match room.kind() {
            RoomKind::User(it) => it == user.as_str(),
            RoomKind::Socket(id) => ids.contains(&id),
            RoomKind::Granted => false,
        };
        let erase =
            |users: &mut Vec<UserId>, rooms: &mut Vec<Room>, sockets: &mut Vec<SocketId>| {
                users.retain(|it| it != user);
                rooms.retain(|it| !is_erased(it));
                sockets.retain(|it| !ids.contains(it));
            };
        let mut audience = self.clone();
        let Target { users, rooms, sockets, .. } = &mut audience.target;
        erase(users, rooms, sockets);
        let Except { users, rooms, sockets, .. } = &mut audience.except;
        erase(users, rooms, sockets);
        (audience != *self).then_some(audience)
    }
}

/// Who is left out of an emit; `None` if nobody is, which then costs nothing to ask.
#[derive(Debug)]
pub struct LeftOut<'a>(Option<Box<Names<'a>>>);

impl LeftOut<'_> {
    /// Whether `who` is left out.
    pub fn includes(&self, who: &impl Addressee) -> bool {
        self.0.as_ref().is_some_and(|names| names.include(who))
    }
}

/// The lists of a target or of who is left out.
#[derive(Debug)]
struct Names<'a> {
    users: Lookup<'a, UserId>,
    rooms: &'a [Room],
    sockets: Lookup<'a, SocketId>,
    devices: Lookup<'a, DeviceId>,
}

impl<'a> Names<'a> {
    /// For one question.
    fn list(
        users: &'a [UserId],
        rooms: &'a [Room],
        sockets: &'a [SocketId],
        devices: &'a [DeviceId],
    ) -> Self {
        let (users, sockets) = (Lookup::List(users), Lookup::List(sockets));
        Self { users, rooms, sockets, devices: Lookup::List(devices) }
    }

    /// For many questions.
    fn sets(
        users: &'a [UserId],
        rooms: &'a [Room],
        sockets: &'a [SocketId],
        devices: &'a [DeviceId],
    ) -> Self {
        let (users, sockets) = (Lookup::set(users), Lookup::set(sockets));
        Self { users, rooms, sockets, devices: Lookup::set(devices) }
    }

    fn include(&self, who: &impl Addressee) -> bool {
        self.users.contains(who.user())
            || !self.sockets.is_empty() && who.ids().any(|id| self.sockets.contains(&id))
            || who.device().is_some_and(|device| self.devices.contains(device))
            || self.rooms.iter().any(|room| who.is_in(room))
    }
}

/// Names to look up.
#[derive(Debug)]
enum Lookup<'a, T> {
    List(&'a [T]),
    Set(HashSet<&'a T>),
}

/// Names that are compared one by one faster than a set is asked.
const LIST_MAX: usize = 4;

impl<'a, T: Eq + Hash> Lookup<'a, T> {
    fn set(names: &'a [T]) -> Self {
        if names.len() <= LIST_MAX { Self::List(names) } else { Self::Set(names.iter().collect()) }
    }

    fn is_empty(&self) -> bool {
        match self {
            Self::List(names) => names.is_empty(),
            Self::Set(names) => names.is_empty(),
        }
    }

    fn contains(&self, name: &T) -> bool {
        match self {
            Self::List(names) => names.contains(name),
            Self::Set(names) => names.contains(name),
        }
    }
}

#[cfg(test)]
mod tests;
