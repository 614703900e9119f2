//! The client's own name for where it runs.

use super::text::{self, TextError};
use std::fmt;
use std::sync::Arc;
use thiserror::Error;

/// The name a client gave to its tab or device: 1 to 128 bytes of UTF-8 without control characters. It stays the same
/// over reconnects, which a socket's id does not; nobody has proved it, so it may leave somebody out, never let
/// somebody in.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeviceId(Arc<str>);

/// Why a text is not the name of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a device id {0}")]
pub struct DeviceIdError(#[from] TextError);

impl DeviceId {
    /// Longest name, in bytes.
    pub const BYTES_MAX: usize = 128;

    /// Takes the text as it is.
    pub fn parse(text: &str) -> Result<Self, DeviceIdError> {
        text::check(text, Self::BYTES_MAX)?;
        Ok(Self(text.into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeviceId({})", self.0)
    }
}
