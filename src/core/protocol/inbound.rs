//! What one client says, read from its stream once.
//!
//! ```text
//!   text 3…                         Pong
//!   text 40…                        Connect
//!   text 41…                        Disconnect
//!   text 42…, 45… and its buffers   Event
//!   text 43…, 46… and its buffers   Ack
//!   text 1, close frame             Close
//!   WebSocket's own ping            Ping
//!   text b and base64               the same as the binary message
//!   binary, before any text 4…      ForeignParser
//! ```
//!
//! The rules of a packet are those of Node's parser (socket.io-parser 4): the name of an event is a text or a number, the
//! buffers of a packet follow it directly, and whoever breaks them is not listened to any more.

mod packet;

use crate::core::protocol::frame::{NO_CODE, Opcode, PROTOCOL_ERROR};
use crate::core::protocol::messages::{Malformed, MessageReader, Piece, WebSocketMessage};
use crate::core::protocol::{msgpack, polling};
use bytes::Bytes;
use packet::PacketHead;
use serde_json::value::RawValue;
use std::borrow::Cow;

const NO_BASE64: Malformed = Malformed::Packet("a binary message in text is not base64");

/// Something that a client says.
#[derive(Debug)]
pub enum Inbound<'a> {
    /// The answer to a ping, whatever it says besides.
    Pong,
    /// An event, with all its buffers.
    Event(ClientEvent<'a>),
    /// An ack, with all its buffers.
    Ack(ClientAck<'a>),
    /// It wants to join a namespace.
    Connect {
        /// Which one.
        namespace: &'a str,
        /// What it sends along: JSON, or nothing.
        auth: &'a str,
    },
    /// It leaves a namespace.
    Disconnect {
        /// Which one.
        namespace: &'a str,
    },
    /// It closes the connection.
    Close {
        /// The code of its close frame, 1005 if that has none; `None` if it closes by a packet.
        code: Option<u16>,
    },
    /// It wants a pong of WebSocket's own with this payload.
    Ping(&'a [u8]),
    /// It uses another parser than this server (msgpack), in which it wants to join this namespace.
    ForeignParser(String),
    /// Nothing that needs an answer: a part of a packet whose buffers have not all come, a pong that nobody asked for.
    Nothing,
}

/// An event as the client wrote it.
#[derive(Debug)]
pub struct ClientEvent<'a> {
    /// The namespace that it is sent in.
    pub namespace: &'a str,
    /// The name; of an event that is named by a number, its digits.
    pub name: Cow<'a, str>,
    /// The name and the arguments, as they were written.
    pub parts: Vec<&'a RawValue>,
    /// With which id it is to be acked, if the client wants to know.
    pub ack: Option<u64>,
    /// The buffers for which there are places in the arguments.
    pub buffers: &'a [Bytes],
}

/// An ack as the client wrote it.
#[derive(Debug)]
pub struct ClientAck<'a> {
    /// The namespace that it is sent in.
    pub namespace: &'a str,
    /// The id of the event that it answers; a client can write any number there.
    pub id: u64,
    /// Its arguments: a JSON array.
    pub args: &'a RawValue,
    /// The buffers for which there are places in `args`.
    pub buffers: &'a [Bytes],
}

/// Follows what one client says, in pieces of any size.
#[derive(Debug)]
pub struct InboundReader {
    messages: MessageReader,
    /// A packet whose buffers have not all come, or that was handed out last.
    collected: Option<Box<CollectedPacket>>,
    has_spoken: bool,
    bytes_max: usize,
}

#[derive(Debug)]
struct CollectedPacket {
    head: PacketHead,
    text: String,
    buffers: Vec<Bytes>,
    /// Buffers to come.
    missing: usize,
    /// Bytes of the buffers that have come.
    bytes: usize,
}

impl<'a> ClientEvent<'a> {
    /// The arguments, as they were written; `{"_placeholder":true,"num":n}` stands for a buffer.
    pub fn args(&self) -> &[&'a RawValue] {
        self.parts.get(1..).unwrap_or_default()
    }

    /// Bytes of its name, its arguments and their buffers, as they were sent.
    pub fn bytes(&self) -> usize {
        let text: usize = self.parts.iter().map(|it| it.get().len()).sum();
        let buffers: usize = self.buffers.iter().map(Bytes::len).sum();
        text + buffers
    }
}

impl InboundReader {
    /// A reader at the beginning of a message. A message, and all buffers of a packet together, have at most `bytes_max`
    /// bytes. `has_spoken` is what an earlier reader of the same client said.
    pub fn resume(bytes_max: usize, has_spoken: bool) -> Self {
        Self { messages: MessageReader::new(bytes_max), collected: None, has_spoken, bytes_max }
    }

    /// Whether the client has said something that a Socket.IO client says in text.
    pub fn has_spoken(&self) -> bool {
        self.has_spoken
    }

    /// Whether buffers of a packet are still to come.
    pub fn awaits_buffers(&self) -> bool {
        self.collected.as_ref().is_some_and(|it| 0 < it.missing)
    }

    /// Whether it is between two packets, where it knows as much as a new reader.
    pub fn is_idle(&self) -> bool {
        self.messages.is_idle() && !self.awaits_buffers()
    }

    /// Bytes that it keeps of what is not complete.
    pub fn held(&self) -> usize {
        self.messages.held() + self.collected.as_ref().map_or(0, |it| it.held())
    }

    /// The next thing that `piece`, the next part of the stream, completes; `None` if it completes nothing. What was read
    /// is unmasked there. After an error the reader is of no more use.
    pub fn next<'s, 'p: 's>(
        &'s mut self,
        piece: &mut Piece<'p>,
    ) -> Result<Option<Inbound<'s>>, Malformed> {
        self.collected = self.collected.take().filter(|it| 0 < it.missing);
        let Some(message) = self.messages.next(piece)? else { return Ok(None) };
        let inbound = match message {
            WebSocketMessage::Text(text) if text.starts_with('b') => {
                let base64 = text.as_bytes().get(1..).unwrap_or_default();
                let bytes = polling::from_base64(base64).map_err(|_| NO_BASE64)?;
                binary(&mut self.collected, self.has_spoken, self.bytes_max, &bytes)?
            }
            WebSocketMessage::Text(text) => {
                if text.starts_with('4') {
                    self.has_spoken = true;
                    if self.collected.is_some() {
                        return Err(Malformed::Packet("a packet comes in place of a buffer"));
                    }
                }
                match PacketHead::parse(text)? {
                    Some(head) if 0 < head.buffers => {
                        self.collected = Some(Box::new(CollectedPacket::begin(head, text)));
                        Inbound::Nothing
                    }
                    Some(head) => head.read(text, &[])?,
                    None => other(text)?,
                }
            }
            WebSocketMessage::Binary(bytes) => {
                binary(&mut self.collected, self.has_spoken, self.bytes_max, bytes)?
            }
            WebSocketMessage::Control(Opcode::Close, payload) => {
                Inbound::Close { code: Some(close_code(payload)) }
            }
            WebSocketMessage::Control(Opcode::Ping, payload) => Inbound::Ping(payload),
            WebSocketMessage::Control(_, _) => Inbound::Nothing,
        };
        Ok(Some(inbound))
    }
}

/// What a binary message is: a buffer of `collected`, or the first words of a client with another parser.
fn binary<'s>(
    collected: &'s mut Option<Box<CollectedPacket>>,
    has_spoken: bool,
    bytes_max: usize,
    bytes: &[u8],
) -> Result<Inbound<'s>, Malformed> {
    match collected {
        Some(collected) => {
            collected.add(bytes, bytes_max)?;
            if 0 < collected.missing {
                return Ok(Inbound::Nothing);
            }
            collected.head.read(&collected.text, &collected.buffers)
        }
        None if has_spoken => Err(Malformed::Packet("a buffer belongs to no packet")),
        None => Ok(Inbound::ForeignParser(msgpack::namespace(bytes))),
    }
}

impl CollectedPacket {
    fn begin(head: PacketHead, text: &str) -> Self {
        let missing = head.buffers;
        Self { head, text: text.to_owned(), buffers: Vec::new(), missing, bytes: 0 }
    }

    fn held(&self) -> usize {
        self.text.len() + self.bytes + self.buffers.len() * size_of::<Bytes>()
    }

    fn add(&mut self, buffer: &[u8], bytes_max: usize) -> Result<(), Malformed> {
        self.bytes += buffer.len();
        if bytes_max < self.bytes {
            return Err(Malformed::TooLarge);
        }
        self.buffers.push(Bytes::copy_from_slice(buffer));
        self.missing -= 1;
        Ok(())
    }
}

/// The code of a close frame. What stands for none may not be written.
fn close_code(payload: &[u8]) -> u16 {
    match payload.first_chunk().map(|it| u16::from_be_bytes(*it)) {
        None => NO_CODE,
        Some(NO_CODE) => PROTOCOL_ERROR,
        Some(code) => code,
    }
}

/// What a text is that is neither an event nor an ack.
fn other(text: &str) -> Result<Inbound<'_>, Malformed> {
    match text.as_bytes() {
        [b'3', ..] => Ok(Inbound::Pong),
        [b'1', ..] => Ok(Inbound::Close { code: None }),
        [b'4', b'0', ..] => {
            let (namespace, auth) = packet::namespace(text.get(2..).unwrap_or_default());
            Ok(Inbound::Connect { namespace, auth })
        }
        [b'4', b'1', ..] => {
            let (namespace, _) = packet::namespace(text.get(2..).unwrap_or_default());
            Ok(Inbound::Disconnect { namespace })
        }
        [b'2', rest @ ..] if rest != b"probe" => Ok(Inbound::Nothing),
        // The Swift client sends the one that was to end its polls.
        polling::NOOP => Ok(Inbound::Nothing),
        _ => Err(Malformed::Packet("it is of a kind that no client sends here")),
    }
}

#[cfg(test)]
mod tests;
