//! How what nodes say is written: one byte with the version, then the words in [`postcard`]'s form.
//!
//! A reader that does not know the version, or finds something else than what the version says, learns just that; nothing is
//! half done. Names and JSON are checked like those that come from outside.

mod answers;
mod parts;
mod requests;

use super::words::{NodeMessage, NodeReply};
use crate::core::emit::message::Emit;
use answers::ReplyParts;
use bytes::Bytes;
use requests::MessageParts;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use thiserror::Error;

/// The version that this node writes, and the only one it reads.
const VERSION: u8 = 1;
/// Bytes of one thing that is said, at most: half of what may wait to be said.
pub const BYTES_MAX: usize = 8_000_000;

/// What was said cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum WireError {
    /// Another version of this program has written it.
    #[error("another node speaks version {0} of the cluster's language, and this one {VERSION}")]
    Version(u8),
    /// It is not what the version says.
    #[error("another node said what nobody can read")]
    Garbage,
    /// It has more bytes than may be said at once.
    #[error("at most {BYTES_MAX} bytes can be said to other nodes at once")]
    TooLarge,
}

/// What a message looks like to the others.
pub fn message(message: &NodeMessage) -> Result<Bytes, WireError> {
    write(&MessageParts::of(message))
}

/// What a message that asks for an emit looks like: as [`message`] has it, and the event need not be copied.
pub fn emit(
    question: Option<u64>,
    id: &str,
    emit: &Emit,
    acks: Option<Duration>,
) -> Result<Bytes, WireError> {
    write(&MessageParts::emit(question, id, emit, acks))
}

/// What another node said.
pub fn read_message(bytes: &[u8]) -> Result<NodeMessage, WireError> {
    read::<MessageParts<'_>>(bytes)?.words().ok_or(WireError::Garbage)
}

/// What an answer looks like to whoever asked.
pub fn reply(reply: &NodeReply) -> Result<Bytes, WireError> {
    write(&ReplyParts::of(reply))
}

/// What another node answered.
pub fn read_reply(bytes: &[u8]) -> Result<NodeReply, WireError> {
    read::<ReplyParts<'_>>(bytes)?.words().ok_or(WireError::Garbage)
}

fn write(parts: &impl Serialize) -> Result<Bytes, WireError> {
    let written = postcard::to_extend(parts, vec![VERSION]).map_err(|_| WireError::Garbage)?;
    if BYTES_MAX < written.len() {
        return Err(WireError::TooLarge);
    }
    Ok(written.into())
}

fn read<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, WireError> {
    match bytes.split_first() {
        Some((&VERSION, parts)) => match postcard::take_from_bytes(parts) {
            Ok((parts, [])) => Ok(parts),
            Ok(_) | Err(_) => Err(WireError::Garbage),
        },
        Some((version, _)) => Err(WireError::Version(*version)),
        None => Err(WireError::Garbage),
    }
}

#[cfg(test)]
mod tests;
