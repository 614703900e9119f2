//! The WebSocket messages of one client, read from its stream (RFC 6455 §5): heads, masks, fragments, limits.
//!
//! The stream comes in pieces of any size. The head of each frame is parsed once and each byte of a payload is unmasked
//! once, where it lies: a message that lies whole in one piece is handed out without being copied, and only one that does
//! not is collected. What no client may send is an error, found as early as the protocol can tell: at the head of a frame,
//! before its payload has come.

use crate::core::protocol::frame::{self, ClientHead, Opcode};
use std::mem;
use thiserror::Error;

/// FIN: the last frame of a message.
const FIN: u8 = 0x80;
const RESERVED: u8 = 0x70;
/// Longest head of a masked frame.
const HEAD_MAX: usize = 14;
/// Longest payload of a control frame.
const CONTROL_MAX: usize = 125;
/// Bytes that are reserved at first for a message which does not come in one piece.
const RESERVE_MIN: usize = 1024;

/// A message, or a control frame that came between or within messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebSocketMessage<'a> {
    /// A message of text.
    Text(&'a str),
    /// A message of bytes.
    Binary(&'a [u8]),
    /// A close, ping or pong frame, with its payload.
    Control(Opcode, &'a [u8]),
}

/// The client broke the protocol: nothing more of its stream can be understood, the connection must be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Malformed {
    /// A frame that no client may send, here or at all.
    #[error("a WebSocket frame breaks the protocol: {0}")]
    Frame(&'static str),
    /// A message, or the buffers of an event, are larger than the limit.
    #[error("a message is larger than the limit")]
    TooLarge,
    /// A message of text is not UTF-8.
    #[error("a text message is not UTF-8")]
    Utf8,
    /// The buffers of an event did not come within `limits.body_timeout`.
    #[error("the buffers of an event came too late")]
    Late,
    /// A message is no packet of Socket.IO, or not one that may come now.
    #[error("a packet breaks the protocol: {0}")]
    Packet(&'static str),
}

/// A part of a client's stream. What was read is taken off its front.
#[derive(Debug)]
pub struct Piece<'p>(&'p mut [u8]);

impl<'p> Piece<'p> {
    /// These bytes, of which none was read.
    pub fn new(bytes: &'p mut [u8]) -> Self {
        Self(bytes)
    }

    /// What was not read.
    pub fn rest(&self) -> &[u8] {
        self.0
    }

    /// Takes up to `len` bytes off.
    fn take(&mut self, len: usize) -> &'p mut [u8] {
        let bytes = mem::take(&mut self.0);
        let len = len.min(bytes.len());
        let (taken, rest) = bytes.split_at_mut(len);
        self.0 = rest;
        taken
    }
}

/// Follows the stream of one client.
#[derive(Debug)]
pub struct MessageReader {
    /// The beginning of a frame's head, if it has not come whole.
    head: [u8; HEAD_MAX],
    head_len: usize,
    /// The frame whose payload is being read.
    frame: Option<PartialFrame>,
    /// What the unfinished message is, text or binary.
    message: Option<Opcode>,
    /// The payload of the unfinished message, as far as it has come.
    payload: Vec<u8>,
    /// The same of the unfinished control frame.
    control: Vec<u8>,
    /// What was handed out last was collected in `payload` or `control`, and is to be forgotten.
    is_handed_out: bool,
    bytes_max: usize,
}

#[derive(Debug)]
struct PartialFrame {
    opcode: Opcode,
    is_last: bool,
    mask: [u8; 4],
    /// Bytes of the payload that were read.
    position: usize,
    /// Bytes of the payload that are still to come.
    missing: usize,
}

impl MessageReader {
    /// A reader at the beginning of a frame, for messages of at most `bytes_max` bytes.
    pub fn new(bytes_max: usize) -> Self {
        Self {
            head: [0; HEAD_MAX],
            head_len: 0,
            frame: None,
            message: None,
            payload: Vec::new(),
            control: Vec::new(),
            is_handed_out: false,
            bytes_max,
        }
    }

    /// Whether it is between two messages, where it knows as much as a new reader.
    pub fn is_idle(&self) -> bool {
        self.head_len == 0 && self.frame.is_none() && self.message.is_none()
    }

    /// Bytes that it keeps of what is not complete.
    pub fn held(&self) -> usize {
        self.payload.capacity() + self.control.capacity()
    }

    /// The next message that `piece`, the next part of the stream, completes; `None` if it completes none. What was read
    /// is unmasked there. After an error the reader is of no more use.
    pub fn next<'s, 'p: 's>(
        &'s mut self,
        piece: &mut Piece<'p>,
    ) -> Result<Option<WebSocketMessage<'s>>, Malformed> {
        self.forget_handed_out();
        loop {
            let mut frame = match self.frame.take() {
                Some(frame) => frame,
                None => match self.take_head(piece) {
                    Some(head) => self.begin(&head)?,
                    None => return Ok(None),
                },
            };
            let is_new = frame.position == 0;
            let payload = piece.take(frame.missing);
            frame.unmask(payload);
            let (opcode, is_last, missing) = (frame.opcode, frame.is_last, frame.missing);
            let is_control = opcode.is_control();
            if is_new && missing == 0 && is_last && opcode != Opcode::Continuation {
                // Nearly always: it lies whole in this piece.
                return message(opcode, payload).map(Some);
            }
            self.collect(is_control, payload, missing);
            if 0 < missing {
                self.frame = Some(frame);
                return Ok(None);
            }
            if is_control {
                self.is_handed_out = true;
                return message(opcode, &self.control).map(Some);
            }
            let begun = *self.message.get_or_insert(opcode);
            if is_last {
                self.message = None;
                self.is_handed_out = true;
                return message(begun, &self.payload).map(Some);
            }
        }
    }

    /// The head of the next frame, once it has come whole.
    fn take_head(&mut self, piece: &mut Piece<'_>) -> Option<ClientHead> {
        if self.head_len == 0
            && let Some((head, len)) = frame::client_head(piece.rest())
        {
            piece.take(len);
            return Some(head);
        }
        while let [byte] = piece.take(1) {
            if let Some(place) = self.head.get_mut(self.head_len) {
                *place = *byte;
            }
            self.head_len += 1;
            let head = self.head.get(..self.head_len).and_then(frame::client_head);
            if let Some((head, _)) = head {
                self.head_len = 0;
                return Some(head);
            }
        }
        None
    }

    /// Begins to read a frame, if its head is one that a client may send now.
    fn begin(&mut self, head: &ClientHead) -> Result<PartialFrame, Malformed> {
        let is_last = head.first & FIN != 0;
        if head.first & RESERVED != 0 {
            return Err(Malformed::Frame("reserved bits are set"));
        }
        let Some(mask) = head.mask else { return Err(Malformed::Frame("it is not masked")) };
        let opcode = Opcode::of(head.first).ok_or(Malformed::Frame("its opcode is unknown"))?;
        let missing = usize::try_from(head.len).map_err(|_| Malformed::TooLarge)?;
        let is_control = opcode.is_control();
        if is_control && (!is_last || CONTROL_MAX < missing) {
            return Err(Malformed::Frame("a control frame is long or a fragment"));
        }
        if !is_control && self.message.is_some() != (opcode == Opcode::Continuation) {
            return Err(Malformed::Frame("a message is not finished, or none has begun"));
        }
        if !is_control && self.bytes_max < self.payload.len().saturating_add(missing) {
            return Err(Malformed::TooLarge);
        }
        Ok(PartialFrame { opcode, is_last, mask, position: 0, missing })
    }

    /// Keeps a part of a payload of which `missing` bytes are still to come.
    fn collect(&mut self, is_control: bool, part: &[u8], missing: usize) {
        let to = if is_control { &mut self.control } else { &mut self.payload };
        let free = to.capacity() - to.len();
        if free < part.len() {
            // Doubled, so that little is moved; but never beyond what was announced, however much that is.
            let announced = part.len() + missing;
            let doubled = to.len().max(part.len()).max(RESERVE_MIN);
            to.reserve_exact(announced.min(doubled));
        }
        to.extend_from_slice(part);
    }

    fn forget_handed_out(&mut self) {
        if mem::take(&mut self.is_handed_out) {
            let handed_out =
                if self.control.is_empty() { &mut self.payload } else { &mut self.control };
            *handed_out = Vec::new(); // gives the memory back
        }
    }
}

impl PartialFrame {
    /// Unmasks the next part of the payload.
    fn unmask(&mut self, part: &mut [u8]) {
        let mut mask = self.mask;
        mask.rotate_left(self.position % 4);
        self.position += part.len();
        self.missing -= part.len();
        // What polls posted has a mask that changes nothing.
        if mask == [0; 4] {
            return;
        }
        let [a, b, c, d] = mask;
        let wide = [a, b, c, d, a, b, c, d];
        let mut words = part.chunks_exact_mut(wide.len());
        for word in &mut words {
            for (byte, mask) in word.iter_mut().zip(wide) {
                *byte ^= mask;
            }
        }
        for (byte, mask) in words.into_remainder().iter_mut().zip(wide) {
            *byte ^= mask;
        }
    }
}

fn message(opcode: Opcode, payload: &[u8]) -> Result<WebSocketMessage<'_>, Malformed> {
    match opcode {
        Opcode::Text => {
            let text = std::str::from_utf8(payload).map_err(|_| Malformed::Utf8)?;
            Ok(WebSocketMessage::Text(text))
        }
        Opcode::Binary | Opcode::Continuation => Ok(WebSocketMessage::Binary(payload)),
        Opcode::Close | Opcode::Ping | Opcode::Pong => {
            Ok(WebSocketMessage::Control(opcode, payload))
        }
    }
}

#[cfg(test)]
mod tests;
