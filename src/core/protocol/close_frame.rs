//! Whether a WebSocket client says goodbye: its frames are followed as they go by, without keeping any.
//!
//! A browser that closes a tab sends a close frame; a crash, a lost network or an impatient proxy does not. So this is
//! what tells them apart (RFC 6455 §5.5.1, §7.4).

use crate::types::saturating_u64;
use smallvec::SmallVec;

/// Opcode of a close frame.
const CLOSE: u8 = 0x08;
const OPCODE: u8 = 0x0f;
const MASKED: u8 = 0x80;
const LEN: u8 = 0x7f;
/// The length follows in two bytes.
const LEN_16: u8 = 126;
/// The length follows in eight bytes.
const LEN_64: u8 = 127;
/// What a close frame without a code means.
const NO_CODE: u16 = 1005;

/// Follows the frames of one client.
#[derive(Debug, Default)]
pub struct CloseFrames {
    /// The head of a frame, as far as it has come; of a close frame also the code. At most 16 bytes.
    head: SmallVec<[u8; 16]>,
    /// Bytes of the payload that are still to come.
    rest: u64,
}

/// The head of a frame.
struct Head {
    /// Bytes of the payload that follow it.
    rest: u64,
    /// The code, if it is a close frame.
    goodbye: Option<u16>,
}

impl CloseFrames {
    /// Whether it is between two frames, where it knows as much as a new one.
    pub fn is_idle(&self) -> bool {
        self.head.is_empty() && self.rest == 0
    }

    /// Follows the next bytes of the stream, in pieces of any size. Returns the code of a close frame that they
    /// complete; 1005 if it says none.
    pub fn see(&mut self, mut bytes: &[u8]) -> Option<u16> {
        let mut goodbye = None;
        loop {
            let skipped = usize::try_from(self.rest).unwrap_or(usize::MAX).min(bytes.len());
            bytes = bytes.get(skipped..).unwrap_or_default();
            self.rest = self.rest.saturating_sub(saturating_u64(skipped));
            let Some((first, others)) = bytes.split_first() else { return goodbye };
            bytes = others;
            self.head.push(*first);
            if let Some(head) = read(&self.head) {
                self.head.clear();
                self.rest = head.rest;
                goodbye = goodbye.or(head.goodbye);
            }
        }
    }
}

/// The head, once it is complete.
fn read(bytes: &[u8]) -> Option<Head> {
    let (first, second) = (*bytes.first()?, *bytes.get(1)?);
    let (len, end) = match second & LEN {
        LEN_16 => (u64::from(u16::from_be_bytes(*bytes.get(2..)?.first_chunk()?)), 4),
        LEN_64 => (u64::from_be_bytes(*bytes.get(2..)?.first_chunk()?), 10),
        len => (u64::from(len), 2),
    };
    let mask: [u8; 4] =
        if second & MASKED == 0 { [0; 4] } else { *bytes.get(end..)?.first_chunk()? };
    let end = if second & MASKED == 0 { end } else { end + 4 };
    if first & OPCODE != CLOSE || len < 2 {
        bytes.get(..end)?;
        let goodbye = (first & OPCODE == CLOSE).then_some(NO_CODE);
        return Some(Head { rest: len, goodbye });
    }
    let code: [u8; 2] = *bytes.get(end..)?.first_chunk()?;
    let code = u16::from_be_bytes([code[0] ^ mask[0], code[1] ^ mask[1]]);
    Some(Head { rest: len - 2, goodbye: Some(code) })
}

#[cfg(test)]
mod tests;
