//! Clients join rooms by themselves, as far as rules over their credentials let them, and leave these again.

use super::attendance::Attendance;
use super::permissions::{NotAnswered, Permissions};
use crate::core::permission::question::Wish;
use crate::core::rooms::{RoomChange, SocketRooms};
use crate::registry::Socket;
use crate::types::{NamePattern, Room};
use std::sync::Arc;
use thiserror::Error;

/// Lets clients join rooms.
#[derive(Debug)]
pub struct Joining {
    attendance: Arc<Attendance>,
    /// There are rules.
    is_on: bool,
    /// About which rooms the backend is asked.
    asked: Option<(Vec<NamePattern>, Permissions)>,
    /// Rooms that a socket may be in, its own and its user's not counted.
    rooms_max: usize,
}

/// Why a client is not in a room that it wanted to join, or still in one that it wanted to leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum MayNotMove {
    /// No client joins any.
    #[error("clients cannot join rooms here (`rooms.join`)")]
    Off,
    /// No rule lets it, or the room is denied to its user.
    #[error("this client may not join this room")]
    Join,
    /// It is there because somebody else put it there.
    #[error("a client can leave only what it has joined by itself")]
    Leave,
    /// It is in as many rooms as allowed.
    #[error("the socket is in {0} rooms, and `limits.rooms_per_socket` allows no more")]
    Full(usize),
    /// The backend does not say whether it may.
    #[error(transparent)]
    NotAnswered(#[from] NotAnswered),
}

impl MayNotMove {
    /// The stable name of the error.
    pub fn code(self) -> &'static str {
        match self {
            Self::Off | Self::Join | Self::Leave => "not_allowed",
            Self::Full(_) => "too_many_rooms",
            Self::NotAnswered(why) => why.code(),
        }
    }
}

impl Joining {
    /// Those in `attendance`, each in at most `rooms_max` rooms; none of them if there are no rules.
    pub fn new(attendance: Arc<Attendance>, is_on: bool, rooms_max: usize) -> Self {
        Self { attendance, is_on, asked: None, rooms_max }
    }

    /// The backend is asked about rooms of these names.
    #[must_use]
    pub fn asking(self, names: Vec<NamePattern>, permissions: Permissions) -> Self {
        Self { asked: Some((names, permissions)), ..self }
    }

    /// Whether the backend is asked before a client joins `room`.
    pub fn asks(&self, room: &Room) -> bool {
        self.asked_about(room).is_some()
    }

    /// The client of `socket` joins a room, if its credentials let it. When this is answered it is in. `None` if the backend
    /// has to be asked: [`Joining::join`].
    pub fn join_at_once(
        &self,
        socket: &Arc<Socket>,
        room: &Room,
    ) -> Option<Result<(), MayNotMove>> {
        let may_join = || socket.grants().may_join(room);
        (!self.asks(room)).then(|| self.enter(socket, room, may_join))
    }

    /// The same, if the backend lets it, where that is asked.
    pub async fn join(&self, socket: &Arc<Socket>, room: &Room) -> Result<(), MayNotMove> {
        if let Some(answered) = self.join_at_once(socket, room) {
            return answered;
        }
        if let Some(permissions) = self.asked_about(room)
            && !socket.granted_rooms().contains(room)
            && !permissions.ask(socket, Wish::Join(room)).await?.allowed.is_all()
        {
            return Err(MayNotMove::Join);
        }
        self.enter(socket, room, || true)
    }

    /// It leaves one that it has joined. When this is answered it is out. It need not be in.
    pub fn leave(&self, socket: &Arc<Socket>, room: &Room) -> Result<(), MayNotMove> {
        self.change(socket, |own, _| {
            let change = own.leave_by_client(room);
            if own.contains(room) { Err(MayNotMove::Leave) } else { Ok(change) }
        })
    }

    fn asked_about(&self, room: &Room) -> Option<&Permissions> {
        let (names, permissions) = self.asked.as_ref()?;
        names.iter().any(|it| it.matches(room.as_str())).then_some(permissions)
    }

    fn enter(
        &self,
        socket: &Arc<Socket>,
        room: &Room,
        may_join: impl FnOnce() -> bool,
    ) -> Result<(), MayNotMove> {
        self.change(socket, |own, position| {
            if own.contains(room) {
                return Ok(RoomChange::default());
            }
            // Looked at here, where no later credentials can come between.
            if !may_join() {
                return Err(MayNotMove::Join);
            }
            let change = own.join_by_client(room, self.rooms_max, position);
            match change {
                RoomChange { is_denied: true, .. } => Err(MayNotMove::Join),
                RoomChange { is_full: true, .. } => Err(MayNotMove::Full(self.rooms_max)),
                RoomChange { .. } => Ok(change),
            }
        })
    }

    fn change(
        &self,
        socket: &Arc<Socket>,
        change: impl FnOnce(&mut SocketRooms, u64) -> Result<RoomChange, MayNotMove>,
    ) -> Result<(), MayNotMove> {
        if !self.is_on {
            return Err(MayNotMove::Off);
        }
        let mut answer = Ok(());
        self.attendance.change_rooms(socket, |own, position| {
            let changed = change(own, position);
            answer = changed.as_ref().map(|_| ()).map_err(|why| *why);
            changed.unwrap_or_default()
        });
        answer
    }
}
