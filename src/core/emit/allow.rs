//! What a sender may emit, and to whom.

use super::message::Emit;
use crate::types::{NamePattern, Room, RoomKind, Target, UserId};
use thiserror::Error;

/// What a sender may emit, and to whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowList {
    /// Users that it may name, also by their own rooms. Only with `*` among them may it name sockets: whose these are is
    /// not known before.
    pub users: Vec<NamePattern>,
    /// Rooms that it may name. Everybody in a namespace only with `*` both here and among the users.
    pub rooms: Vec<NamePattern>,
    /// Events that it may emit.
    pub events: Vec<NamePattern>,
}

/// An emit that its sender may not make.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{field}: {what} is not in the allow-list of its sender")]
pub struct NotAllowed {
    /// The field of the emit, such as `to.rooms`.
    pub field: &'static str,
    /// What it names; users are not named, so that what is remembered of it need not be erased with them.
    pub what: String,
}

impl AllowList {
    /// Allows all there is.
    pub fn everything() -> Self {
        let any = || vec![NamePattern::any()];
        Self { users: any(), rooms: any(), events: any() }
    }

    /// Whether nothing is forbidden.
    pub fn is_everything(&self) -> bool {
        is_any(&self.users) && is_any(&self.rooms) && is_any(&self.events)
    }

    /// Whether its sender may name `user`.
    pub fn has_user(&self, user: &UserId) -> bool {
        allows(&self.users, user.as_str())
    }

    /// Whether its sender may name every user.
    pub fn has_all_users(&self) -> bool {
        is_any(&self.users)
    }

    /// Whether its sender may name every room.
    pub fn has_all_rooms(&self) -> bool {
        is_any(&self.rooms)
    }

    /// Whether its sender may name `room`: one that is a user's or a socket's own like these.
    pub fn has_room(&self, room: &Room) -> bool {
        match room.kind() {
            RoomKind::User(user) => allows(&self.users, user),
            RoomKind::Socket(_) => is_any(&self.users),
            RoomKind::Granted => allows(&self.rooms, room.as_str()),
        }
    }

    /// Whether its sender may make this emit. Whom it leaves out does not matter.
    pub fn check(&self, emit: &Emit) -> Result<(), NotAllowed> {
        if !allows(&self.events, emit.event.as_str()) {
            return Err(NotAllowed { field: "event", what: format!("`{}`", emit.event) });
        }
        self.check_target(&emit.audience.target)
    }

    /// Whether its sender may have sockets join or leave these rooms.
    pub fn check_rooms(&self, rooms: &[Room]) -> Result<(), NotAllowed> {
        match rooms.iter().find(|it| !allows(&self.rooms, it.as_str())) {
            Some(room) => Err(NotAllowed { field: "rooms", what: format!("`{room}`") }),
            None => Ok(()),
        }
    }

    /// Whether its sender may name these.
    pub fn check_target(&self, target: &Target) -> Result<(), NotAllowed> {
        let (any_user, any_room) = (is_any(&self.users), is_any(&self.rooms));
        let refuse = |field, what: String| Err(NotAllowed { field, what });
        if target.all && !(any_user && any_room) {
            return refuse("to.all", "everybody".to_owned());
        }
        if target.users.iter().any(|it| !self.has_user(it)) {
            return refuse("to.users", "one of these".to_owned());
        }
        let refused = target.rooms.iter().find(|room| !self.has_room(room));
        if let Some(room) = refused {
            let what = match room.kind() {
                RoomKind::User(_) => "the room of a user".to_owned(),
                RoomKind::Socket(_) | RoomKind::Granted => format!("`{room}`"),
            };
            return refuse("to.rooms", what);
        }
        match target.sockets.first() {
            Some(socket) if !any_user => refuse("to.sockets", format!("`{socket}`")),
            Some(_) | None => Ok(()),
        }
    }
}

fn allows(patterns: &[NamePattern], name: &str) -> bool {
    patterns.iter().any(|it| it.matches(name))
}

fn is_any(patterns: &[NamePattern]) -> bool {
    patterns.iter().any(NamePattern::is_any)
}

#[cfg(test)]
mod tests;
