//! Groups of sockets.

use super::text::{self, TextError};
use super::{SocketId, UserId};
use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;
use thiserror::Error;

/// The name of a room: 1 to 256 bytes of UTF-8 without control characters.
///
/// Two rooms are always there while somebody is in them: [`Room::of_user`] holds the sockets of one user,
/// [`Room::of_socket`] one socket.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Room(Arc<str>);

/// Why a text is not a room name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a room name {0}")]
pub struct RoomError(#[from] TextError);

/// Why nobody can be put into a room of this name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum GrantError {
    /// It is no name of a room.
    #[error(transparent)]
    Name(#[from] RoomError),
    /// It is a user's own.
    #[error("a room `user:…` is its user's own: nobody can be put into it")]
    OfUser,
    /// It is a socket's own.
    #[error("a room that is named like a socket is that socket's own: nobody can be put into it")]
    OfSocket,
}

/// What the name of a room says about who is in it, besides those who were granted a room of this name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoomKind<'a> {
    /// The sockets of the user with this id.
    User(&'a str),
    /// The socket with this id.
    Socket(SocketId),
    /// Nobody else.
    Granted,
}

impl Room {
    /// Longest room name, in bytes.
    pub const BYTES_MAX: usize = 256;
    /// What the name of a user's own room begins with.
    pub const USER_PREFIX: &str = "user:";

    /// Takes the text as it is.
    pub fn parse(text: &str) -> Result<Self, RoomError> {
        text::check(text, Self::BYTES_MAX)?;
        Ok(Self(text.into()))
    }

    /// The same for a room that a socket can be put into: neither a user's nor a socket's own.
    pub fn parse_grantable(text: &str) -> Result<Self, GrantError> {
        let room = Self::parse(text)?;
        match room.kind() {
            RoomKind::User(_) => Err(GrantError::OfUser),
            RoomKind::Socket(_) => Err(GrantError::OfSocket),
            RoomKind::Granted => Ok(room),
        }
    }

    /// The room `user:{id}` of all sockets of one user.
    pub fn of_user(user: &UserId) -> Self {
        Self(format!("{}{user}", Self::USER_PREFIX).into())
    }

    /// The room that holds one socket, named by its public id.
    pub fn of_socket(id: SocketId) -> Self {
        Self(id.to_string().into())
    }

    /// Who is in it by its name.
    pub fn kind(&self) -> RoomKind<'_> {
        if let Some(user) = self.0.strip_prefix(Self::USER_PREFIX) {
            return RoomKind::User(user);
        }
        self.0.parse().map_or(RoomKind::Granted, RoomKind::Socket)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Room {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Room({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::{Room, RoomKind};
    use crate::types::{SocketId, UserId};

    #[test]
    fn a_room_is_of_a_user_or_a_socket_by_its_name_alone() {
        let id = SocketId::from_bytes([7; SocketId::BYTES]);
        let of_user = Room::of_user(&UserId::parse("user:ann").unwrap());
        let granted = |text: &str| Room::parse(text).unwrap();

        assert_eq!(of_user.kind(), RoomKind::User("user:ann"));
        assert_eq!(Room::of_socket(id).kind(), RoomKind::Socket(id));
        assert_eq!(granted("user:").kind(), RoomKind::User(""));
        for text in [
            "user",
            "users:ann",
            "User:ann",
            "org:7",
            "BwcHBwcHBwcHBwcHBwcH",
            "sock_BwcHBwcHBwcHBwcHBwc",
            "sock_room",
        ] {
            assert_eq!(granted(text).kind(), RoomKind::Granted, "{text}");
        }
    }
}
