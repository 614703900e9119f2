//! Which rooms a socket is in, and why: what its credentials grant, what is recorded of its user, and what it has joined and
//! left since.

pub mod granting;
pub mod memberships;
mod moves;
pub mod record;

pub use moves::RoomMoves;

use crate::types::Room;
use memberships::RecordedRooms;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The rooms of one socket, besides its own and its user's.
///
/// ```text
///   granted by credentials + memberships − left + joined − denied = the rooms it is in
/// ```
///
/// Nearly always it is in those that its credentials grant, and then only these are kept.
#[derive(Debug, Clone, Default)]
pub struct SocketRooms {
    /// The rooms it is in, each once.
    current: Arc<[Room]>,
    sources: Option<Box<RoomSources>>,
}

/// Why a socket is in its rooms.
#[derive(Debug, Clone, Default)]
struct RoomSources {
    /// What its credentials grant, as far as it was not taken away since.
    granted: Arc<[Room]>,
    /// What is recorded of its user.
    recorded: RecordedRooms,
    moves: RoomMoves,
}

/// What a change has done to a socket.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct RoomChange {
    /// Rooms it is in now and was not before.
    pub entered: Vec<Room>,
    /// Rooms it was in and is not any more.
    pub exited: Vec<Room>,
    /// Whether it was to join a room for which it has no place.
    pub is_full: bool,
    /// Whether it was to join a room that is denied to its user.
    pub is_denied: bool,
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
        Self { current: rooms, sources: None }
    }

    /// The rooms it is in.
    pub fn current(&self) -> &Arc<[Room]> {
        &self.current
    }

    /// Whether it is in `room`.
    pub fn contains(&self, room: &Room) -> bool {
        self.current.contains(room)
    }

    /// What it has joined and left.
    pub fn moves(&self) -> RoomMoves {
        self.sources.as_ref().map(|it| it.moves.clone()).unwrap_or_default()
    }

    /// Of the rooms it has joined, those in which it would be anyway.
    pub fn joined_anyway(&self) -> BTreeSet<Room> {
        let Some(sources) = &self.sources else { return BTreeSet::new() };
        let RoomSources { granted, recorded, moves } = &**sources;
        let is_in = |room: &&Room| granted.contains(room) || recorded.members.contains(room);
        moves.joined.iter().filter(is_in).cloned().collect()
    }

    /// The rooms it would be in with what another socket has joined and left.
    pub fn with(&self, moves: &RoomMoves) -> Arc<[Room]> {
        let mut other = self.clone();
        other.take_over(moves.clone());
        other.current
    }

    /// It is put into rooms that are not denied to its user, as far as it is in no more than `max` then. `position` is where
    /// the log of recovery stands: what was logged until then was not for it.
    pub fn join(&mut self, rooms: &[Room], max: usize, position: u64) -> RoomChange {
        let change = self.join_as_allowed(rooms, max, position);
        let by_client =
            |sources: &RoomSources| rooms.iter().any(|it| sources.moves.by_client.contains(it));
        if self.sources.as_deref().is_some_and(by_client) {
            self.change(position, |sources| {
                sources.moves.by_client.retain(|it| !rooms.contains(it));
            });
        }
        change
    }

    /// Its client has it join a room that it may join, under the same bounds. Where it is anyway nothing changes.
    pub fn join_by_client(&mut self, room: &Room, max: usize, position: u64) -> RoomChange {
        let change = self.join_as_allowed(std::slice::from_ref(room), max, position);
        if let (Some(sources), true) = (&mut self.sources, change.is_any()) {
            sources.moves.by_client.insert(room.clone());
        }
        change
    }

    /// Whether its client has joined `room` by itself.
    pub fn is_joined_by_client(&self, room: &Room) -> bool {
        self.sources.as_ref().is_some_and(|it| it.moves.by_client.contains(room))
    }

    /// Its client has it leave a room that it has joined by itself. Where something else put it, it stays.
    pub fn leave_by_client(&mut self, room: &Room) -> RoomChange {
        if !self.is_joined_by_client(room) {
            return RoomChange::default();
        }
        self.change(0, |sources| sources.moves.forget_join(room))
    }

    fn join_as_allowed(&mut self, rooms: &[Room], max: usize, position: u64) -> RoomChange {
        let (mut is_full, mut is_denied) = (false, false);
        let mut joined: Vec<Room> = Vec::new();
        for room in rooms {
            let is_in = self.contains(room) || joined.contains(room);
            if !is_in && self.is_denied(room) {
                is_denied = true;
            } else if !is_in && max <= self.current.len() + joined.len() {
                is_full = true;
            } else if !is_in {
                joined.push(room.clone());
            }
        }
        if joined.is_empty() {
            return RoomChange { is_full, is_denied, ..RoomChange::default() };
        }
        let change = self.change(position, |sources| {
            for room in joined {
                sources.moves.left.remove(&room);
                sources.moves.joined.insert(room);
            }
        });
        RoomChange { is_full, is_denied, ..change }
    }

    /// It leaves rooms, also such as it was granted.
    pub fn leave(&mut self, rooms: &[Room]) -> RoomChange {
        let exited: Vec<&Room> = rooms.iter().filter(|it| self.contains(it)).collect();
        if exited.is_empty() {
            return RoomChange::default();
        }
        self.change(0, |RoomSources { granted, recorded, moves }| {
            for room in exited {
                moves.forget_join(room);
                if granted.contains(room) || recorded.members.contains(room) {
                    moves.left.insert(room.clone());
                }
            }
        })
    }

    /// A later credential grants it other rooms. What it has joined and left stays so; but of what its client has joined by
    /// itself it leaves what that may not join any more.
    pub fn regrant(
        &mut self,
        rooms: Arc<[Room]>,
        position: u64,
        may_join: impl Fn(&Room) -> bool,
    ) -> RoomChange {
        self.change(position, |sources| {
            sources.granted = rooms;
            sources.moves.drop_lost(may_join);
        })
    }

    /// It is another user's from now on: that one's credentials grant it these rooms, and this is recorded. Nothing of before is
    /// left.
    pub fn start_anew(&mut self, rooms: Arc<[Room]>, recorded: RecordedRooms) -> RoomChange {
        self.change(0, |sources| {
            *sources = RoomSources { granted: rooms, recorded, moves: RoomMoves::default() };
        })
    }

    /// This is what is recorded of its user now.
    pub fn record(&mut self, recorded: RecordedRooms, position: u64) -> RoomChange {
        if self.sources.is_none() && recorded.is_empty() {
            return RoomChange::default();
        }
        self.change(position, |sources| sources.recorded = recorded)
    }

    /// The same, because its user was put into `room`: having left it before does not count any more.
    pub fn put(&mut self, room: &Room, recorded: RecordedRooms, position: u64) -> RoomChange {
        self.change(position, |sources| {
            sources.moves.left.remove(room);
            sources.recorded = recorded;
        })
    }

    /// The same, because its user was taken out of `room`, which its credentials may have granted, or it may have joined: a
    /// later credential may grant it again.
    pub fn take_out(&mut self, room: &Room, recorded: RecordedRooms) -> RoomChange {
        self.change(0, |sources| {
            if sources.granted.contains(room) {
                sources.granted =
                    sources.granted.iter().filter(|it| *it != room).cloned().collect();
            }
            sources.moves.forget_join(room);
            sources.moves.left.remove(room);
            sources.recorded = recorded;
        })
    }

    /// It goes on where another socket of its session has ended, with what this has joined and left.
    pub fn take_over(&mut self, moves: RoomMoves) {
        if !moves.is_empty() {
            let since = moves.since.clone();
            self.change(0, |sources| sources.moves = moves);
            self.change(0, |sources| sources.moves.since = since);
        }
    }

    fn is_denied(&self, room: &Room) -> bool {
        self.sources.as_ref().is_some_and(|it| it.recorded.denied.contains(room))
    }

    fn change(&mut self, position: u64, change: impl FnOnce(&mut RoomSources)) -> RoomChange {
        let before = Arc::clone(&self.current);
        let mut sources = self.sources.take().unwrap_or_else(|| {
            Box::new(RoomSources { granted: Arc::clone(&before), ..RoomSources::default() })
        });
        change(&mut sources);
        self.current = sources.current();
        let entered: Vec<Room> =
            self.current.iter().filter(|it| !before.contains(it)).cloned().collect();
        let exited = before.iter().filter(|it| !self.current.contains(it)).cloned();
        sources.moves.since.extend(entered.iter().cloned().map(|it| (it, position)));
        sources.moves.since.retain(|room, position| 0 < *position && self.current.contains(room));
        self.sources = sources.has_changes().then_some(sources);
        RoomChange { entered, exited: exited.collect(), ..RoomChange::default() }
    }
}

impl RoomSources {
    fn current(&self) -> Arc<[Room]> {
        let Self { granted, recorded: RecordedRooms { members, denied }, moves } = self;
        if members.is_empty() && denied.is_empty() && moves.is_empty() {
            return Arc::clone(granted);
        }
        let more = members.iter().filter(|it| !granted.contains(it));
        let granted: Vec<Room> = granted.iter().chain(more).cloned().collect();
        let rooms = moves.applied_to(&granted);
        rooms.iter().filter(|it| !denied.contains(it)).cloned().collect()
    }

    /// Whether it is in other rooms than credentials say.
    fn has_changes(&self) -> bool {
        !self.recorded.is_empty() || !self.moves.is_empty()
    }
}

#[cfg(test)]
mod tests;
