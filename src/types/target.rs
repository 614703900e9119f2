//! Who an emit is for.

use super::{DeviceId, Room, SocketId, UserId};

/// Who an emit is for: the union of the lists, each socket once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Target {
    /// All sockets of these users.
    pub users: Vec<UserId>,
    /// All sockets in these rooms.
    pub rooms: Vec<Room>,
    /// These sockets.
    pub sockets: Vec<SocketId>,
    /// Every socket of the namespace; the lists do not matter then.
    pub all: bool,
}

/// Who of the target is left out. Names that nobody has are no error.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Except {
    /// All sockets of these users.
    pub users: Vec<UserId>,
    /// All sockets in these rooms.
    pub rooms: Vec<Room>,
    /// These sockets.
    pub sockets: Vec<SocketId>,
    /// All sockets of clients that gave themselves one of these names.
    pub devices: Vec<DeviceId>,
}

impl Target {
    /// Names in it; everybody counts as one.
    pub fn names(&self) -> usize {
        let Self { users, rooms, sockets, all } = self;
        users.len() + rooms.len() + sockets.len() + usize::from(*all)
    }
}

impl Except {
    /// Names in it.
    pub fn names(&self) -> usize {
        let Self { users, rooms, sockets, devices } = self;
        users.len() + rooms.len() + sockets.len() + devices.len()
    }

    /// Nobody is left out.
    pub fn is_empty(&self) -> bool {
        self.names() == 0
    }
}
