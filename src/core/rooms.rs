//! Which rooms a socket is in, and why: what its credentials grant, and what was changed since.

mod moves;

pub use moves::RoomMoves;

use crate::types::Room;
use std::sync::Arc;

/// The rooms of one socket, besides its own and its user's.
///
/// ```text
///   granted by credentials − left + joined = the rooms it is in
/// ```
///
/// Nearly always nothing has changed since it came, and then only the list is kept.
#[derive(Debug, Clone, Default)]
pub struct SocketRooms {
    /// The rooms it is in, each once.
    current: Arc<[Room]>,
    changed: Option<Box<ChangedRooms>>,
}

#[derive(Debug, Clone, Default)]
struct ChangedRooms {
    /// What its credentials grant.
    granted: Arc<[Room]>,
    moves: RoomMoves,
}

/// What a change has done to a socket.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct RoomChange {
    /// Rooms it is in now and was not before.
    pub entered: Vec<Room>,
    /// Rooms it was in and is not any more.
    pub exited: Vec<Room>,
    /// Whether it was to enter a room for which it has no place.
    pub is_full: bool,
}

impl RoomChange {
    /// Whether it is in other rooms than before.
    pub fn is_any(&self) -> bool {
        !self.entered.is_empty() || !self.exited.is_empty()
    }
}

impl SocketRooms {
    /// Rooms that credentials grant, each once.
    pub fn granted(rooms: Arc<[Room]>) -> Self {
        Self { current: rooms, changed: None }
    }

    /// The rooms it is in.
    pub fn current(&self) -> &Arc<[Room]> {
        &self.current
    }

    /// Whether it is in `room`.
    pub fn contains(&self, room: &Room) -> bool {
        self.current.contains(room)
    }

    /// What was changed since its credentials granted it rooms.
    pub fn moves(&self) -> RoomMoves {
        self.changed.as_ref().map(|it| it.moves.clone()).unwrap_or_default()
    }

    /// It joins rooms, as far as it is in no more than `max` then. `position` is where the log of recovery stands: what was
    /// logged until then was not for it.
    pub fn join(&mut self, rooms: &[Room], max: usize, position: u64) -> RoomChange {
        let mut len = self.current.len();
        let mut change = RoomChange::default();
        for room in rooms {
            if self.contains(room) || change.entered.contains(room) {
                continue;
            }
            if len < max {
                len += 1;
                change.entered.push(room.clone());
            } else {
                change.is_full = true;
            }
        }
        if !change.entered.is_empty() {
            self.change(|_, moves| moves.join(&change.entered, position));
        }
        change
    }

    /// It leaves rooms, also such as its credentials grant.
    pub fn leave(&mut self, rooms: &[Room]) -> RoomChange {
        let exited: Vec<Room> = rooms.iter().filter(|it| self.contains(it)).cloned().collect();
        if !exited.is_empty() {
            self.change(|granted, moves| moves.leave(&exited, granted));
        }
        RoomChange { exited, ..RoomChange::default() }
    }

    /// A later credential grants it other rooms. What it has joined and left stays so.
    pub fn regrant(&mut self, rooms: Arc<[Room]>) -> RoomChange {
        let before = Arc::clone(&self.current);
        match &mut self.changed {
            None => self.current = rooms,
            Some(changed) => {
                changed.granted = rooms;
                self.current = changed.moves.applied_to(&changed.granted);
            }
        }
        let entered = self.current.iter().filter(|it| !before.contains(it)).cloned();
        let exited = before.iter().filter(|it| !self.current.contains(it)).cloned();
        RoomChange { entered: entered.collect(), exited: exited.collect(), is_full: false }
    }

    /// It goes on where another socket of its session has ended, with the rooms that this has joined and left.
    pub fn take_over(&mut self, moves: RoomMoves) {
        if !moves.is_empty() {
            self.change(|_, own| *own = moves);
        }
    }

    fn change(&mut self, change: impl FnOnce(&[Room], &mut RoomMoves)) {
        let fresh = || {
            let granted = Arc::clone(&self.current);
            Box::new(ChangedRooms { granted, moves: RoomMoves::default() })
        };
        let mut changed = self.changed.take().unwrap_or_else(fresh);
        let ChangedRooms { granted, moves } = &mut *changed;
        change(granted, moves);
        self.current = moves.applied_to(granted);
        self.changed = Some(changed);
    }
}

#[cfg(test)]
mod tests;
