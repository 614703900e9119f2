//! As whom a socket is addressed, while it is live and while its client is away.

use super::by_name::AudienceName;
use crate::core::emit::audience::Addressee;
use crate::core::rooms::RoomMoves;
use crate::types::{DeviceId, Namespace, Room, SocketId, UserId};
use std::collections::BTreeSet;
use std::sync::Arc;

/// As whom a socket is addressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its user.
    pub user: UserId,
    /// The rooms it is in, besides its user's and its own.
    pub rooms: Vec<Room>,
    /// Its public ids: its own, and those of the connections it recovered, the latest first.
    pub ids: Vec<SocketId>,
    /// What its client calls the tab or device it runs in.
    pub device: Option<DeviceId>,
    /// Which of its rooms it has joined, and which it has left, since its credentials were read.
    pub moves: RoomMoves,
    /// Of the rooms it has joined, those in which it would be anyway.
    pub anyway: BTreeSet<Room>,
}

/// What the shell keeps of a live session: its socket. What may change while it lives is asked for when it is needed.
pub trait Live {
    /// Its public id.
    fn id(&self) -> SocketId;

    /// Its user.
    fn user(&self) -> &UserId;

    /// As whom it is addressed now.
    fn member(&self) -> Member;

    /// The rooms it would be in with what another socket has joined and left.
    fn rooms_with(&self, moves: &RoomMoves) -> Arc<[Room]> {
        moves.applied_to(&self.member().rooms)
    }

    /// The number of the last logged event that was for it, whether it could take it or not; 0 if none was.
    fn addressed(&self) -> u64;
}

impl Member {
    /// It is in these rooms no more, and stays out of those that it was granted.
    pub(super) fn leave(&mut self, rooms: &[Room]) {
        for room in rooms {
            if !self.rooms.contains(room) {
                continue;
            }
            self.rooms.retain(|it| it != room);
            let is_joined = self.moves.joined.contains(room);
            self.moves.forget_join(room);
            if self.anyway.remove(room) || !is_joined {
                self.moves.left.insert(room.clone());
            }
        }
    }

    /// It is in the room no more, because its user was taken out of it.
    pub(super) fn take_out(&mut self, room: &Room) {
        self.rooms.retain(|it| it != room);
        self.moves.forget_join(room);
        self.moves.left.remove(room);
        self.anyway.remove(room);
    }

    /// It is in the room from now on, with the log at `position`: having left it before does not count any more.
    pub(super) fn put_in(&mut self, room: &Room, position: u64) {
        self.moves.left.remove(room);
        if self.moves.joined.contains(room) {
            self.anyway.insert(room.clone());
        }
        if !self.rooms.contains(room) {
            self.rooms.push(room.clone());
            self.moves.since.insert(room.clone(), position);
        }
    }

    /// The names under which it is addressed, but for those of the rooms that are its user's and its own.
    pub(super) fn names(&self) -> impl Iterator<Item = AudienceName<'_>> {
        let user = [AudienceName::User(&self.user)].into_iter();
        let ids = self.ids.iter().copied().map(AudienceName::Socket);
        user.chain(self.rooms.iter().map(AudienceName::Room)).chain(ids)
    }

    /// The rooms that are its user's and its own.
    pub(super) fn own_rooms(&self) -> impl Iterator<Item = Room> {
        let of_sockets = self.ids.iter().copied().map(Room::of_socket);
        [Room::of_user(&self.user)].into_iter().chain(of_sockets)
    }
}

impl Addressee for Member {
    /// One recovery serves one namespace, and knows no others.
    fn is_in_namespace(&self, _: &Namespace) -> bool {
        true
    }

    fn user(&self) -> &UserId {
        &self.user
    }

    fn device(&self) -> Option<&DeviceId> {
        self.device.as_ref()
    }

    fn ids(&self) -> impl Iterator<Item = SocketId> {
        self.ids.iter().copied()
    }

    fn is_granted(&self, room: &Room) -> bool {
        self.rooms.contains(room)
    }
}
