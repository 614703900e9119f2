//! Acks and pongs as clients send them, read from the stream of their frames.
//!
//! The engine knows only acks that it asked for itself; ours it ignores, and the pings are ours, too. So the stream is
//! followed here: frame by frame, masked (RFC 6455 §5.2), and not a byte further than it takes to see that a message is
//! neither.
//!
//! ```text
//!   43/chat,7[arg,…]        43 ack · its namespace, nothing for / · the id that was sent along · the arguments
//!   461-7[{"_placeholder":true,"num":0}]   46 the same with buffers, which follow in binary messages
//!   3                       pong
//! ```

use crate::types::saturating_u64;
use bytes::Bytes;
use serde_json::value::RawValue;

/// Buffers of one ack; the engine takes no more either.
const BUFFERS_MAX: usize = 64;
/// The packet that answers a ping.
const PONG: &[u8] = b"3";
/// Longest head of a masked frame.
const HEAD_MAX: usize = 14;

/// An ack of a client.
#[derive(Debug, Clone)]
pub struct HeardAck {
    /// The namespace it was sent in.
    pub namespace: String,
    /// The id it answers to; anybody can write any number there.
    pub id: u64,
    /// Its arguments: a JSON array, as the client wrote it.
    pub args: Box<RawValue>,
    /// The buffers for which there are places in `args`.
    pub buffers: Vec<Bytes>,
}

/// What is heard of a client.
#[derive(Debug, Clone)]
pub enum Heard {
    /// An ack.
    Ack(HeardAck),
    /// It is alive.
    Pong,
}

/// Follows what one client sends, in pieces of any size.
#[derive(Debug)]
pub struct AckReader {
    /// The beginning of a frame's head.
    head: [u8; HEAD_MAX],
    head_len: usize,
    /// The frame whose payload is being read.
    frame: Frame,
    /// The message that is being read, over its fragments.
    message: Message,
    /// An ack whose buffers are still to come.
    partial: Option<Box<Partial>>,
    /// Bytes of one message that are looked at; longer ones are passed over.
    bytes_max: usize,
}

#[derive(Debug, Default)]
struct Frame {
    mask: [u8; 4],
    /// Bytes of the payload that were read.
    position: usize,
    /// Bytes of the payload to come.
    left: u64,
    is_last: bool,
    /// A ping, pong or close, which may come between the fragments of a message.
    is_control: bool,
}

#[derive(Debug, Default)]
enum Message {
    /// Not looked at.
    #[default]
    Other,
    /// May be an ack or a pong.
    Text(Vec<u8>),
    /// A buffer of `partial`.
    Binary(Vec<u8>),
}

#[derive(Debug)]
struct Partial {
    ack: HeardAck,
    missing: usize,
}

impl AckReader {
    /// Has read nothing. Messages longer than `bytes_max` are passed over.
    pub fn new(bytes_max: usize) -> Self {
        Self {
            head: [0; HEAD_MAX],
            head_len: 0,
            frame: Frame::default(),
            message: Message::Other,
            partial: None,
            bytes_max,
        }
    }

    /// Whether it is between two messages, where it knows as much as a new one.
    pub fn is_idle(&self) -> bool {
        let is_waiting = matches!(self.message, Message::Text(_) | Message::Binary(_));
        self.head_len == 0 && self.frame.left == 0 && !is_waiting && self.partial.is_none()
    }

    /// Reads the next piece of the stream; `hear` gets what it completes. What is not an ack as a stock client writes it
    /// is passed over: the engine sees it too, and closes what breaks the protocol.
    pub fn read(&mut self, mut piece: &[u8], hear: &mut impl FnMut(Heard)) {
        while !piece.is_empty() {
            if self.frame.left == 0 {
                let Some((byte, rest)) = piece.split_first() else { return };
                piece = rest;
                if !self.take_head(*byte) {
                    continue;
                }
            } else {
                let left = usize::try_from(self.frame.left).unwrap_or(usize::MAX);
                let (payload, rest) = piece.split_at(left.min(piece.len()));
                piece = rest;
                self.take_payload(payload);
            }
            if self.frame.left == 0 && self.frame.is_last && !self.frame.is_control {
                self.end_message(hear);
            }
        }
    }

    /// Adds a byte to the head of a frame; true if that is complete now.
    fn take_head(&mut self, byte: u8) -> bool {
        if let Some(place) = self.head.get_mut(self.head_len) {
            *place = byte;
        }
        self.head_len += 1;
        let [first, second, long @ ..] = &self.head;
        let mask_len = if second & 0x80 == 0 { 0 } else { 4 };
        let len_len = match second & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        if self.head_len < 2 + len_len + mask_len {
            return false;
        }
        let (len, mask) = long.split_at(len_len);
        let left = match len {
            [] => u64::from(second & 0x7f),
            len => len.iter().fold(0, |n, byte| (n << 8) | u64::from(*byte)),
        };
        let mask = mask.first_chunk().filter(|_| 0 < mask_len).copied().unwrap_or_default();
        let (is_last, opcode) = (first & 0x80 != 0, first & 0x0f);
        self.frame = Frame { mask, position: 0, left, is_last, is_control: 8 <= opcode };
        self.head_len = 0;
        match opcode {
            1 => {
                self.message = Message::Text(Vec::new());
                self.partial = None;
            }
            2 if self.partial.is_some() => self.message = Message::Binary(Vec::new()),
            2 => self.message = Message::Other,
            _ => {}
        }
        true
    }

    fn take_payload(&mut self, payload: &[u8]) {
        let Frame { mask, position, left, is_control, .. } = &mut self.frame;
        let start = *position;
        *position += payload.len();
        *left = left.saturating_sub(saturating_u64(payload.len()));
        let (is_text, bytes) = match (&mut self.message, *is_control) {
            (Message::Text(bytes), false) => (true, bytes),
            (Message::Binary(bytes), false) => (false, bytes),
            (Message::Other, _) | (_, true) => return,
        };
        let clear = payload.iter().zip(mask.iter().cycle().skip(start % 4)).map(|(b, m)| b ^ m);
        // Most messages are neither: they are not copied.
        let mut first = bytes.iter().copied().chain(clear.clone());
        let is_other = is_text && !could_matter(first.next(), first.next());
        if is_other || self.bytes_max < bytes.len() + payload.len() {
            self.message = Message::Other;
        } else {
            bytes.extend(clear);
        }
    }

    fn end_message(&mut self, hear: &mut impl FnMut(Heard)) {
        match std::mem::take(&mut self.message) {
            Message::Other => self.partial = None,
            Message::Text(text) if text == PONG => hear(Heard::Pong),
            Message::Text(text) => match parse(&text) {
                Some((ack, 0)) => hear(Heard::Ack(ack)),
                Some((ack, missing)) => self.partial = Some(Box::new(Partial { ack, missing })),
                None => {}
            },
            Message::Binary(bytes) => {
                let Some(mut partial) = self.partial.take() else { return };
                partial.ack.buffers.push(bytes.into());
                partial.missing -= 1;
                if partial.missing == 0 {
                    hear(Heard::Ack(partial.ack));
                } else {
                    self.partial = Some(partial);
                }
            }
        }
    }
}

/// Whether a text that begins with these bytes, as far as they are there, may be an ack or a pong.
fn could_matter(first: Option<u8>, second: Option<u8>) -> bool {
    match first {
        None => true,
        Some(b'3') => second.is_none(),
        Some(first) => first == b'4' && second.is_none_or(|it| it == b'3' || it == b'6'),
    }
}

/// Reads an ack and how many buffers follow.
fn parse(text: &[u8]) -> Option<(HeardAck, usize)> {
    let text = std::str::from_utf8(text).ok()?;
    let (missing, rest) = match text.strip_prefix("43") {
        Some(rest) => (0, rest),
        None => text.strip_prefix("46")?.split_once('-').and_then(|(n, rest)| {
            let n = n.parse().ok().filter(|n| *n <= BUFFERS_MAX)?;
            Some((n, rest))
        })?,
    };
    let (namespace, rest) = if rest.starts_with('/') { rest.split_once(',')? } else { ("/", rest) };
    let (id, args) = rest.split_at(rest.find('[')?);
    let args = RawValue::from_string(args.to_owned()).ok()?;
    let namespace = namespace.to_owned();
    Some((HeardAck { namespace, id: id.parse().ok()?, args, buffers: Vec::new() }, missing))
}

#[cfg(test)]
mod tests;
