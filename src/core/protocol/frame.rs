//! WebSocket frames (RFC 6455 §5.2) in the two dialects that are needed: unmasked as a server writes them, and with
//! an all-zero mask as a client's are handed to the engine.

use crate::types::saturating_u64;
use bytes::{BufMut, Bytes, BytesMut};

/// FIN and the opcode of a text frame.
const TEXT: u8 = 0x81;
/// FIN and the opcode of a binary frame.
const BINARY: u8 = 0x82;
/// The opcode of a close frame, without FIN.
const CLOSE: u8 = 0x08;
/// What a close frame without a code means (RFC 6455 §7.4.1).
pub const NO_CODE: u16 = 1005;
/// The code for a client that breaks the protocol.
pub const PROTOCOL_ERROR: u16 = 1002;
const MASKED: u8 = 0x80;
/// The length follows in two bytes.
const LEN_16: u8 = 0x7e;
/// The length follows in eight bytes.
const LEN_64: u8 = 0x7f;
/// Longest head of an unmasked frame.
pub const HEAD_MAX: usize = 10;

/// What a frame of a client is, by its opcode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opcode {
    /// More of the message that an earlier frame began.
    Continuation,
    /// A message of text, or its beginning.
    Text,
    /// A message of bytes, or its beginning.
    Binary,
    /// The client closes the connection.
    Close,
    /// The client wants a pong of WebSocket's own.
    Ping,
    /// A pong of WebSocket's own.
    Pong,
}

impl Opcode {
    /// The opcode in the first byte of a frame; `None` if it has no meaning.
    pub fn of(first: u8) -> Option<Self> {
        match first & 0x0f {
            0x0 => Some(Self::Continuation),
            0x1 => Some(Self::Text),
            0x2 => Some(Self::Binary),
            0x8 => Some(Self::Close),
            0x9 => Some(Self::Ping),
            0xa => Some(Self::Pong),
            _ => None,
        }
    }

    /// Whether such a frame may come within a message, and is none itself.
    pub fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }

    /// The first byte of a frame that is a whole message, or a control frame.
    fn first(self) -> u8 {
        match self {
            Self::Continuation => 0x80,
            Self::Text => TEXT,
            Self::Binary => BINARY,
            Self::Close => 0x88,
            Self::Ping => 0x89,
            Self::Pong => 0x8a,
        }
    }
}

/// What a frame holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A text message: an Engine.IO packet.
    Text(Bytes),
    /// A binary message: an attachment.
    Binary(Bytes),
    /// A close frame.
    Close,
    /// WebSocket's own ping, pong or a fragment: nothing the engine sends on its own account.
    Other,
}

/// One unmasked text frame of these parts.
pub fn text(parts: &[&[u8]]) -> Bytes {
    encode(TEXT, parts)
}

/// One unmasked binary frame.
pub fn binary(payload: &[u8]) -> Bytes {
    encode(BINARY, &[payload])
}

/// The close frame that answers one with this code, by the same; 1005 stands for none (RFC 6455 §5.5.1).
pub fn close(code: u16) -> Bytes {
    let code = match code {
        NO_CODE | 1000..=1004 | 1007..=1014 | 3000..=4999 => code,
        _ => PROTOCOL_ERROR,
    };
    let bytes = code.to_be_bytes();
    encode(Opcode::Close.first(), &[if code == NO_CODE { &[] } else { &bytes[..] }])
}

/// WebSocket's own pong, with the payload of the ping that it answers.
pub fn pong(payload: &[u8]) -> Bytes {
    encode(Opcode::Pong.first(), &[payload])
}

/// Appends a client's text frame, masked with zeros: what [`text`] is for the other direction.
pub fn put_client_text(to: &mut BytesMut, payload: &[u8]) {
    put_client_frame(to, Opcode::Text, payload);
}

/// Appends a whole frame of a client, masked with zeros.
pub fn put_client_frame(to: &mut BytesMut, opcode: Opcode, payload: &[u8]) {
    let mask = [0; 4]; // x XOR 0 = x
    to.reserve(HEAD_MAX + mask.len() + payload.len());
    put_head(to, opcode.first(), MASKED, payload.len());
    to.put_slice(&mask);
    to.put_slice(payload);
}

fn encode(first: u8, parts: &[&[u8]]) -> Bytes {
    let len = parts.iter().map(|part| part.len()).sum();
    // To the byte: shared memory needs no more than the bytes then.
    let mut frame = Vec::with_capacity(head_len(len) + len);
    put_head(&mut frame, first, 0, len);
    for part in parts {
        frame.extend_from_slice(part);
    }
    frame.into()
}

/// The head of a client's frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientHead {
    /// FIN and the opcode.
    pub first: u8,
    /// Bytes of the payload.
    pub len: u64,
    /// What the payload is masked with.
    pub mask: Option<[u8; 4]>,
}

/// Reads the head that stands at the beginning of `bytes`, once it is complete, and its length.
pub fn client_head(bytes: &[u8]) -> Option<(ClientHead, usize)> {
    let [first, second, rest @ ..] = bytes else { return None };
    let (len, rest) = match second & !MASKED {
        LEN_16 => (u64::from(u16::from_be_bytes(*rest.first_chunk()?)), rest.get(2..)?),
        LEN_64 => (u64::from_be_bytes(*rest.first_chunk()?), rest.get(8..)?),
        len => (u64::from(len), rest),
    };
    let (mask, rest) = if second & MASKED == 0 {
        (None, rest)
    } else {
        rest.split_first_chunk().map(|(mask, rest)| (Some(*mask), rest))?
    };
    Some((ClientHead { first: *first, len, mask }, bytes.len() - rest.len()))
}

/// Bytes of the head of an unmasked frame.
fn head_len(len: usize) -> usize {
    match len {
        0..=125 => 2,
        126..=0xffff => 4,
        _ => HEAD_MAX,
    }
}

fn put_head(to: &mut impl BufMut, first: u8, mask: u8, len: usize) {
    to.put_u8(first);
    match (u8::try_from(len), u16::try_from(len)) {
        (Ok(len @ 0..=125), _) => to.put_u8(mask | len),
        (_, Ok(len)) => {
            to.put_u8(mask | LEN_16);
            to.put_u16(len);
        }
        (_, Err(_)) => {
            to.put_u8(mask | LEN_64);
            to.put_u64(saturating_u64(len));
        }
    }
}

/// The bytes of the unmasked frame that stands at the beginning of `bytes` (head, whole), once its head is complete.
fn measure(bytes: &[u8]) -> Option<(usize, usize)> {
    let (head, len) = match bytes {
        [_, LEN_16, a, b, ..] => (4, usize::from(u16::from_be_bytes([*a, *b]))),
        [_, LEN_64, rest @ ..] => {
            let len = u64::from_be_bytes(*rest.first_chunk()?);
            (10, usize::try_from(len).unwrap_or(usize::MAX))
        }
        [_, LEN_16, ..] => return None,
        [_, len, ..] => (2, usize::from(*len)),
        _ => return None,
    };
    Some((head, len.saturating_add(head)))
}

/// Splits the first whole frame off `bytes`: its opcode, its payload and what follows it; nothing is copied. `None` if
/// it is not complete.
pub fn split(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (head, whole) = measure(bytes)?;
    let (frame, rest) = bytes.split_at_checked(whole)?;
    let payload = frame.get(head..)?;
    Some((frame.first()? & 0x0f, payload, rest))
}

/// Takes the first whole frame off `bytes` and returns it with its content; `None` if there is none.
pub fn take(bytes: &mut Bytes) -> Option<(Bytes, Content)> {
    let (head, whole) = measure(bytes)?;
    if bytes.len() < whole {
        return None;
    }
    let frame = bytes.split_to(whole);
    let payload = frame.slice(head..);
    let content = match frame.first() {
        Some(&TEXT) => Content::Text(payload),
        Some(&BINARY) => Content::Binary(payload),
        Some(first) if first & 0x0f == CLOSE => Content::Close,
        _ => Content::Other,
    };
    Some((frame, content))
}

/// Cuts a stream of unmasked frames, written in pieces of any size, into whole frames.
#[derive(Debug, Default)]
pub struct Cutter {
    /// The beginning of a frame whose rest is still to come; no allocation while empty.
    partial: BytesMut,
}

impl Cutter {
    /// Takes the next piece of the stream and returns the whole frames it completes, back to back.
    pub fn cut(&mut self, piece: &[u8]) -> Bytes {
        if self.partial.is_empty() {
            let whole = whole_frames(piece);
            let (frames, rest) = piece.split_at(whole);
            self.partial.extend_from_slice(rest);
            return Bytes::copy_from_slice(frames);
        }
        self.partial.extend_from_slice(piece);
        let whole = whole_frames(&self.partial);
        let frames = self.partial.split_to(whole).freeze();
        if self.partial.is_empty() {
            self.partial = BytesMut::new(); // gives the memory back
        }
        frames
    }
}

/// Bytes of the whole frames at the beginning of `bytes`.
fn whole_frames(bytes: &[u8]) -> usize {
    let mut end = 0;
    while let Some((_, whole)) = bytes.get(end..).and_then(measure) {
        match end.checked_add(whole) {
            Some(next) if next <= bytes.len() => end = next,
            _ => break,
        }
    }
    end
}

#[cfg(test)]
pub(super) mod tests;
