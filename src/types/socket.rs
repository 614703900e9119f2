//! The public name of a socket.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// The public id of one client in one namespace: what the client sees as `socket.id`, what the API and hooks show.
///
/// 120 random bits, written as [`SocketId::PREFIX`] and 20 characters of URL-safe base64. The prefix keeps it apart from all
/// that people call rooms: document ids of 20 characters are common. It is not the engine's session id, which is a bearer
/// secret of the connection and is never shown.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SocketId([u8; SocketId::BYTES]);

/// The text is no socket id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a socket id is `sock_` and 20 characters of URL-safe base64")]
pub struct SocketIdError;

impl SocketId {
    /// Bytes of an id.
    pub const BYTES: usize = 15;
    /// What its text begins with.
    pub const PREFIX: &str = "sock_";
    /// Characters of its text after that.
    pub const DIGITS: usize = 20;

    /// An id of these bytes, which the caller drew at random.
    pub const fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub const fn bytes(self) -> [u8; Self::BYTES] {
        self.0
    }
}

impl FromStr for SocketId {
    type Err = SocketIdError;

    fn from_str(text: &str) -> Result<Self, SocketIdError> {
        let digits = text.strip_prefix(Self::PREFIX).ok_or(SocketIdError)?;
        if digits.len() != Self::DIGITS {
            return Err(SocketIdError);
        }
        let bytes = URL_SAFE_NO_PAD.decode(digits).map_err(|_| SocketIdError)?;
        Ok(Self(bytes.try_into().map_err(|_| SocketIdError)?))
    }
}

impl fmt::Display for SocketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::PREFIX)?;
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for SocketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SocketId({self})")
    }
}
