//! The result of authentication.

use super::{NamePattern, ResumeTicket, Room, UserId, WallMs};
use serde_json::value::RawValue;
use std::sync::Arc;

/// Who a socket is, as authentication said; a client event never changes it.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The user.
    pub user: UserId,
    /// What its credentials grant the socket.
    pub grants: Grants,
}

/// What credentials grant a socket. One value, so that a later credential can replace all of it at once.
#[derive(Debug, Clone, Default)]
pub struct Grants {
    /// Rooms the socket is in, besides its own and its user's.
    pub rooms: Arc<[Room]>,
    /// Rooms that its client may join by itself, be it after a question to the backend.
    pub joinable: Arc<[NamePattern]>,
    /// What the backend wants to see beside the socket in the API; a JSON value as it was written.
    pub data: Option<Box<RawValue>>,
    /// When the credentials end.
    pub expires_at: Option<WallMs>,
    /// When the credentials were issued, if they say so.
    pub issued_at: Option<WallMs>,
    /// What lets its client come back without them, where that is possible.
    pub resume: Option<Box<ResumeTicket>>,
}

impl Grants {
    /// Whether its client may join `room` by itself, be it after a question to the backend.
    pub fn may_join(&self, room: &Room) -> bool {
        self.joinable.iter().any(|it| it.matches(room.as_str()))
    }
}
