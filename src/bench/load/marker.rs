//! What a benchmark's event carries, so that whoever gets it can check order and measure time:
//! `ub:STREAM:SEQ:MICROS:` and filling.

use std::io::Write as _;
use std::time::Duration;

const BEGIN: &[u8] = b"ub:";
/// Longest marker: three numbers with their colons. A payload that is meant to be shorter is as long as its marker.
pub(crate) const BYTES_MAX: usize = 3 + 10 + 1 + 10 + 1 + 20 + 1;

/// Names one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Marker {
    /// Whose numbering: that of a publisher, or of a user.
    pub(crate) stream: u32,
    /// Number of the event in its stream, from 0.
    pub(crate) seq: u32,
    /// When it was published, by the generator's clock.
    pub(crate) at: Duration,
}

impl Marker {
    /// Replaces `out` by the payload of an event: the marker, filled up to `bytes`.
    pub(crate) fn write(self, bytes: usize, out: &mut Vec<u8>) {
        out.clear();
        let Self { stream, seq, at } = self;
        // Writing to memory does not fail.
        write!(out, "ub:{stream}:{seq}:{}:", at.as_micros()).ok();
        out.resize(out.len().max(bytes), b'x');
    }

    /// Finds the marker in a packet; `None` if the packet is not one of the benchmark's events.
    pub(crate) fn find(packet: &[u8]) -> Option<Self> {
        let at = packet.windows(BEGIN.len()).position(|it| it == BEGIN)?;
        let rest = packet.get(at + BEGIN.len()..)?;
        let (stream, rest) = number(rest)?;
        let (seq, rest) = number(rest)?;
        let (micros, _) = number(rest)?;
        let (stream, seq) = (u32::try_from(stream).ok()?, u32::try_from(seq).ok()?);
        Some(Self { stream, seq, at: Duration::from_micros(micros) })
    }
}

/// Digits up to a colon, and what follows it.
fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value: u64 = 0;
    for (index, byte) in bytes.iter().enumerate() {
        match byte {
            b'0'..=b'9' => value = value.checked_mul(10)?.checked_add(u64::from(byte - b'0'))?,
            b':' if 0 < index => return Some((value, bytes.get(index + 1..)?)),
            _ => return None,
        }
    }
    None
}
