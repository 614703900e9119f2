//! Mends what clients send on its way to the engine, without which some of them would be thrown out.
//!
//! * The engine reads the name of an event only if JSON writes it without an escape, and ends the connection otherwise.
//!   `say "hi"` has one, and so has every name beyond ASCII that python-socketio sends. Such an event gets a plain name
//!   in front of its own: `42["say \"hi\"",1]` becomes `42["=","say \"hi\"",1]`. The mark is as long as a mask, so what
//!   follows it keeps its place in the mask and need not be touched.
//! * A client with another parser (msgpack) begins with a binary message, which means nothing here. It is told apart.
//!
//! ```text
//!   frame ──head──► text, 42 or 45: held until the end of the name, then passed, perhaps with the mark
//!                   binary, before anything else was said: held, and handed out as [`ForeignParser`]
//!                   all else: passed as it comes
//! ```

use crate::core::protocol::frame;
use crate::core::protocol::msgpack;
use bytes::BytesMut;

/// The name of an event whose own name follows as its first argument. What begins with it is marked, too: so no client
/// can send it.
pub const MARK: &str = "=";
/// The mark as it is put in.
const INSERT: [u8; 4] = *b"\"=\",";
/// Bytes in which the name of an event ends, or else it is marked unread.
const NAME_MAX: usize = 1024;
/// Bytes of a foreign parser's first message that are looked at.
const FOREIGN_MAX: usize = 64 * 1024;

/// The client uses another parser than this server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignParser {
    /// The namespace that it wants to join, if it speaks msgpack.
    pub namespace: String,
}

/// Follows what one client sends, in pieces of any size.
#[derive(Debug, Default)]
pub struct Mender {
    /// The head of the frame, as far as it has come.
    head: Vec<u8>,
    frame: Option<Frame>,
    /// The payload of a frame that is held, as it came.
    held: Vec<u8>,
    /// The client has said something that a Socket.IO client says in text.
    has_spoken: bool,
}

#[derive(Debug)]
struct Frame {
    mask: [u8; 4],
    is_masked: bool,
    len: u64,
    /// Bytes of the payload to come.
    left: u64,
    held_for: Held,
}

/// Why a frame is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Held {
    /// It is not.
    No,
    /// Its event's name may need the mark.
    Name,
    /// It may be of another parser.
    Foreign,
}

/// What is to be done with a text message.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Pass,
    /// The mark belongs here.
    Mark(usize),
    /// More must be read; where the mark would belong, if that is known.
    Wait(Option<usize>),
}

impl Mender {
    /// Goes on at the beginning of a frame; `has_spoken` is what an earlier one said.
    pub fn resume(has_spoken: bool) -> Self {
        Self { has_spoken, ..Self::default() }
    }

    /// Whether the client has said something that a Socket.IO client says in text.
    pub fn has_spoken(&self) -> bool {
        self.has_spoken
    }

    /// Whether it is between two frames, where [`Mender::resume`] makes as good a one.
    pub fn is_idle(&self) -> bool {
        self.head.is_empty() && self.frame.is_none() && self.held.is_empty()
    }

    /// Reads the next piece of the stream and appends what the engine may have of it to `out`.
    pub fn read(&mut self, mut piece: &[u8], out: &mut BytesMut) -> Result<(), ForeignParser> {
        while let Some((byte, rest)) = piece.split_first() {
            let Some(frame) = &mut self.frame else {
                piece = rest;
                self.take_head(*byte, out);
                continue;
            };
            let room = match frame.held_for {
                Held::No => usize::MAX,
                Held::Name => NAME_MAX.saturating_sub(self.held.len()),
                Held::Foreign => FOREIGN_MAX.saturating_sub(self.held.len()),
            };
            let len = usize::try_from(frame.left).unwrap_or(usize::MAX).min(room);
            let (payload, rest) = piece.split_at(len.min(piece.len()));
            piece = rest;
            frame.left -= u64::try_from(payload.len()).unwrap_or(frame.left);
            let held_for = frame.held_for;
            match held_for {
                Held::No => out.extend_from_slice(payload),
                Held::Name | Held::Foreign => self.held.extend_from_slice(payload),
            }
            self.go_on(out)?;
        }
        Ok(())
    }

    /// Adds a byte to the head of a frame.
    fn take_head(&mut self, byte: u8, out: &mut BytesMut) {
        self.head.push(byte);
        let Some(head) = frame::client_head(&self.head) else { return };
        let held_for = match head.first & 0x0f {
            1 => Held::Name,
            2 if !self.has_spoken => Held::Foreign,
            _ => Held::No,
        };
        if held_for == Held::No || head.len == 0 {
            out.extend_from_slice(&self.head);
            self.head = Vec::new();
        }
        self.frame = (0 < head.len).then_some(Frame {
            mask: head.mask.unwrap_or_default(),
            is_masked: head.mask.is_some(),
            len: head.len,
            left: head.len,
            held_for,
        });
    }

    /// Lets go what need not be held any longer.
    fn go_on(&mut self, out: &mut BytesMut) -> Result<(), ForeignParser> {
        let Some(frame) = &mut self.frame else { return Ok(()) };
        let is_whole = frame.left == 0;
        match frame.held_for {
            Held::No => {}
            Held::Name => {
                let text = unmasked(&self.held, frame.mask);
                self.has_spoken |= text.first() == Some(&b'4');
                let place = match judge(&text) {
                    Verdict::Pass => None,
                    Verdict::Mark(place) => Some(place),
                    Verdict::Wait(place) if is_whole || NAME_MAX <= text.len() => place,
                    Verdict::Wait(_) => return Ok(()),
                };
                frame.held_for = Held::No;
                self.release(place, out);
            }
            Held::Foreign if is_whole || FOREIGN_MAX <= self.held.len() => {
                let namespace = msgpack::namespace(&unmasked(&self.held, frame.mask));
                return Err(ForeignParser { namespace });
            }
            Held::Foreign => return Ok(()),
        }
        if is_whole {
            self.frame = None;
        }
        Ok(())
    }

    /// Lets the held beginning of the frame go, with the mark at `place`.
    fn release(&mut self, place: Option<usize>, out: &mut BytesMut) {
        let (head, held) = (std::mem::take(&mut self.head), std::mem::take(&mut self.held));
        let parts = place.and_then(|place| held.split_at_checked(place));
        let (Some((before, after)), Some(frame)) = (parts, &self.frame) else {
            out.extend_from_slice(&head);
            return out.extend_from_slice(&held);
        };
        let first = head.first().copied().unwrap_or_default();
        let len = usize::try_from(frame.len).unwrap_or(usize::MAX).saturating_add(INSERT.len());
        frame::put_client_head(out, first, frame.is_masked.then_some(frame.mask), len);
        out.extend_from_slice(before);
        let mask = frame.mask.iter().cycle().skip(before.len() % 4);
        out.extend(INSERT.iter().zip(mask).map(|(byte, mask)| byte ^ mask));
        out.extend_from_slice(after);
    }
}

fn unmasked(payload: &[u8], mask: [u8; 4]) -> Vec<u8> {
    payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect()
}

/// Looks at the beginning of a text message.
fn judge(text: &[u8]) -> Verdict {
    let rest = match text {
        [b'4', b'2', rest @ ..] => rest,
        [b'4', b'5', rest @ ..] => match after_digits(rest) {
            [b'-', rest @ ..] => rest,
            [] => return Verdict::Wait(None),
            _ => return Verdict::Pass,
        },
        [] | [b'4'] => return Verdict::Wait(None),
        _ => return Verdict::Pass,
    };
    let rest = match rest {
        [b'/', ..] => match rest.iter().position(|byte| *byte == b',') {
            Some(comma) => rest.get(comma + 1..).unwrap_or_default(),
            None => return Verdict::Wait(None),
        },
        _ => rest,
    };
    let args = match after_digits(rest) {
        [b'[', args @ ..] => args,
        [] => return Verdict::Wait(None),
        _ => return Verdict::Pass,
    };
    let place = text.len() - args.len();
    let name = match args.trim_ascii_start() {
        [b'"', name @ ..] => name,
        [] => return Verdict::Wait(Some(place)),
        _ => return Verdict::Pass,
    };
    if name.first() == MARK.as_bytes().first() {
        return Verdict::Mark(place);
    }
    match name.iter().find(|byte| matches!(byte, b'"' | b'\\')) {
        Some(b'"') => Verdict::Pass,
        Some(_) => Verdict::Mark(place),
        None => Verdict::Wait(Some(place)),
    }
}

fn after_digits(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(bytes.len());
    bytes.get(end..).unwrap_or_default()
}

#[cfg(test)]
mod tests;
