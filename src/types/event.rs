//! What is emitted: an event name and its arguments.

use super::text::{self, TextError};
use bytes::Bytes;
use serde_json::value::RawValue;
use std::fmt;
use std::sync::Arc;
use thiserror::Error;

/// The name of an event: 1 to 128 bytes of UTF-8 without control characters, not reserved.
///
/// Cheap to clone: the text is shared.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct EventName(Arc<str>);

/// Why a text is not an event name that may be emitted.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EventNameError {
    /// Empty, too long or with control characters.
    #[error("an event name {0}")]
    Text(#[from] TextError),
    /// One of the names Socket.IO clients give a meaning of their own, or one of ours.
    #[error("`{0}` is reserved: {1}")]
    Reserved(String, &'static str),
}

impl EventName {
    /// Longest event name, in bytes.
    pub const BYTES_MAX: usize = 128;
    /// What the server's own events begin with.
    pub const OWN_PREFIX: &str = "userline:";
    /// Names that a stock client fires by itself; <https://socket.io/docs/v4/emit-cheatsheet/#reserved-events>.
    pub const SOCKET_IO: [&str; 6] = [
        "connect",
        "connect_error",
        "disconnect",
        "disconnecting",
        "newListener",
        "removeListener",
    ];

    /// Takes the text as it is.
    pub fn parse(text: &str) -> Result<Self, EventNameError> {
        text::check(text, Self::BYTES_MAX)?;
        if Self::SOCKET_IO.contains(&text) {
            return Err(EventNameError::Reserved(
                text.into(),
                "Socket.IO clients fire it themselves",
            ));
        }
        if text.starts_with(Self::OWN_PREFIX) {
            let why = "events that begin with `userline:` are the server's own";
            return Err(EventNameError::Reserved(text.into(), why));
        }
        Ok(Self(text.into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text as JSON, quotes included.
    pub fn to_json(&self) -> String {
        // Without control characters, these two are all that JSON writes otherwise.
        let escaped = |c| matches!(c, '"' | '\\');
        let mut json = String::with_capacity(self.0.len() + 2);
        json.push('"');
        for part in self.0.split_inclusive(escaped) {
            match part.strip_suffix(escaped) {
                Some(text) => {
                    json.push_str(text);
                    json.push('\\');
                    json.push_str(part.get(text.len()..).unwrap_or_default());
                }
                None => json.push_str(part),
            }
        }
        json.push('"');
        json
    }
}

impl fmt::Display for EventName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for EventName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EventName({})", self.0)
    }
}

/// The arguments of an event, each the JSON text the sender wrote: number precision and key order included; and the
/// buffers for which there are places in them.
#[derive(Debug, Clone, Default)]
pub struct Payload {
    args: Vec<Box<RawValue>>,
    buffers: Vec<Bytes>,
}

/// More arguments than an event may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("an event has at most {max} arguments, not {len}")]
pub struct PayloadError {
    /// Arguments given.
    pub len: usize,
    /// Arguments allowed.
    pub max: usize,
}

impl Payload {
    /// Most arguments of one event.
    pub const ARGS_MAX: usize = 64;

    /// The arguments in order; none is fine.
    pub fn try_new(args: Vec<Box<RawValue>>) -> Result<Self, PayloadError> {
        if args.len() > Self::ARGS_MAX {
            return Err(PayloadError { len: args.len(), max: Self::ARGS_MAX });
        }
        Ok(Self { args, buffers: Vec::new() })
    }

    /// The same with buffers; the arguments have a place for each, as `core::binary` makes them.
    #[must_use]
    pub fn with_buffers(self, buffers: Vec<Bytes>) -> Self {
        Self { buffers, ..self }
    }

    /// The arguments in order.
    pub fn args(&self) -> &[Box<RawValue>] {
        &self.args
    }

    /// The buffers in order.
    pub fn buffers(&self) -> &[Bytes] {
        &self.buffers
    }
}

#[cfg(test)]
mod tests {
    use super::EventName;

    #[test]
    fn the_json_of_a_name_is_what_serde_would_write() {
        for text in ["x", "order:paid", "\"", "\\", "a\"b\\\\c\"", "ß/\u{2028}", "\u{10348} "] {
            let json = EventName::parse(text).unwrap().to_json();
            assert_eq!(json, serde_json::to_string(text).unwrap());
        }
    }
}
