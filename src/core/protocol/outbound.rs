//! Everything that goes out on one connection, in order and within a bound.
//!
//! Two sources feed a connection: the engine writes handshakes and replies; events and pings come past it, already
//! encoded. What a client may rely on is the order in which things were *asked for*, whichever way they went.
//!
//! ```text
//!   event ──admit──► held ──(packets handed to the engine before it have passed)──┐
//!              └──(nothing to wait for)─────────────────────────────────────────► pending ──► transport
//!   engine ──engine──(whole frames, handshakes mended)────────────────────────────┘
//! ```
//!
//! * Whoever hands a packet to the engine says so first ([`OutboundQueue::issue`]); an event admitted after that is held
//!   until as many packets have passed.
//! * When the engine's reply to a CONNECT comes by, the caller answers in its place ([`Step::Connect`]). A socket that
//!   is only then made known to others can get no event before its reply.
//! * A packet and its binary attachments are one unit: nothing goes between.
//! * Pings have no order.

mod frames;

use crate::core::protocol::frame::{self, Content, Cutter};
use crate::core::protocol::packet::{self, Passing};
use crate::types::Namespace;
use bytes::{Buf as _, Bytes};
use frames::Frames;
use std::collections::VecDeque;
use std::io::IoSlice;
use thiserror::Error;

/// The outgoing side of one connection. What each event touches stands together and first: of thousands of connections,
/// each piece of memory that has to be fetched counts.
#[derive(Debug)]
#[repr(C)]
pub struct OutboundQueue {
    /// Bytes in `held` and `pending`.
    queued: usize,
    queued_max: usize,
    /// Packets handed to the engine …
    issued: u32,
    /// … and seen leaving it, attachments included.
    passed: u32,
    /// Binary frames still to come of the packet that is passing.
    attachments: u32,
    said_goodbye: bool,
    /// Bytes on their way out; the first may be the rest of a frame.
    pending: Frames,
    /// Events waiting for packets of the engine, each with the count it waits for; oldest first.
    held: VecDeque<(u32, Bytes)>,
    cutter: Cutter,
    /// What the client gets in place of the engine's open packet, which tells a secret.
    open: Option<Bytes>,
    /// What the client gets in place of the engine's refusal of a CONNECT, by namespace.
    refusals: Vec<(Namespace, Bytes)>,
    /// Whole frames of the engine that wait while a CONNECT is answered.
    cut: Bytes,
}

/// What becomes of an event.
#[derive(Debug, PartialEq, Eq)]
pub enum Admission {
    /// It is the transport's turn: write it, or [`OutboundQueue::push`] what cannot be written now.
    Go,
    /// It is kept and will follow by itself.
    Held,
    /// More bytes are waiting than the bound allows; it was not taken, the connection must be closed.
    Full,
}

/// How far the engine's bytes were followed.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// To their end.
    Done,
    /// To the engine's reply to the CONNECT of this namespace, which the client must not see: it tells the engine's
    /// session id. Answer in its place ([`OutboundQueue::push`]), then go on with [`OutboundQueue::resume`].
    Connect(String),
}

/// More bytes are waiting than the bound allows: the connection must be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("more bytes are waiting for the client than the limit allows")]
pub struct Full;

impl OutboundQueue {
    /// A connection on which at most `queued_max` bytes may wait, and whose client is greeted with `open`.
    pub fn new(open: Bytes, queued_max: usize) -> Self {
        Self {
            cutter: Cutter::default(),
            open: Some(open),
            refusals: Vec::new(),
            cut: Bytes::new(),
            issued: 0,
            passed: 0,
            attachments: 0,
            held: VecDeque::new(),
            pending: Frames::default(),
            queued: 0,
            queued_max,
            said_goodbye: false,
        }
    }

    /// Says what to send when the engine refuses the next CONNECT of `namespace`.
    pub fn prepare_refusal(&mut self, namespace: Namespace, refusal: Bytes) {
        self.refusals.push((namespace, refusal));
    }

    /// A packet is about to be handed to the engine: later events wait for it.
    pub fn issue(&mut self) {
        self.issued = self.issued.wrapping_add(1);
    }

    /// An event, as one or more whole frames.
    pub fn admit(&mut self, event: &Bytes) -> Admission {
        if self.is_open() {
            return Admission::Go;
        }
        if self.exceeds(event.len()) {
            return Admission::Full;
        }
        self.queued += event.len();
        self.held.push_back((self.issued, event.clone()));
        Admission::Held
    }

    /// The engine wrote `piece`: frames in pieces of any size. What may go out is pending afterwards.
    pub fn engine(&mut self, piece: &[u8]) -> Result<Step, Full> {
        self.cut = self.cutter.cut(piece);
        self.resume()
    }

    /// Follows the engine's bytes further, after a CONNECT was answered.
    pub fn resume(&mut self) -> Result<Step, Full> {
        while let Some((frame, content)) = frame::take(&mut self.cut) {
            match self.pass(frame, &content) {
                Passed::Frame(frame) => self.push(frame)?,
                Passed::Connect(namespace) => return Ok(Step::Connect(namespace)),
            }
            self.release();
        }
        self.cut = Bytes::new(); // gives the memory back
        Ok(Step::Done)
    }

    /// Bytes whose turn it is, but that the transport does not want yet.
    pub fn push(&mut self, bytes: Bytes) -> Result<(), Full> {
        if self.exceeds(bytes.len()) {
            return Err(Full);
        }
        self.queued += bytes.len();
        self.pending.push_back(bytes);
        Ok(())
    }

    /// The engine's own close frame has gone by: a second one would break the protocol.
    pub fn said_goodbye(&self) -> bool {
        self.said_goodbye
    }

    /// Nothing is pending: the next frame may be written at once.
    pub fn is_clear(&self) -> bool {
        self.pending.is_empty()
    }

    /// Nothing waits at all, neither for the transport nor for the engine.
    pub fn is_idle(&self) -> bool {
        self.pending.is_empty() && self.is_open()
    }

    /// Bytes that wait.
    pub fn queued(&self) -> usize {
        self.queued
    }

    /// What is pending, if it is one piece: nearly always it is.
    pub fn only_pending(&self) -> Option<&Bytes> {
        self.pending.only()
    }

    /// Fills `slices` with the beginning of what is pending and returns how many were filled.
    pub fn pending_slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut filled = 0;
        for (bytes, slot) in self.pending.iter().zip(slices) {
            *slot = IoSlice::new(bytes);
            filled += 1;
        }
        filled
    }

    /// The transport took the first `n` pending bytes.
    pub fn wrote(&mut self, mut n: usize) {
        self.queued = self.queued.saturating_sub(n);
        while let Some(first) = self.pending.front_mut() {
            if n < first.len() {
                first.advance(n);
                break;
            }
            n -= first.len();
            self.pending.pop_front();
        }
    }

    /// Takes whole pending frames, up to about `bytes_max` (one at least): what a poll is answered with.
    pub fn take_frames(&mut self, bytes_max: usize) -> Vec<Bytes> {
        let mut taken = Vec::new();
        let mut bytes = 0;
        while let Some(first) = self.pending.front_mut() {
            if 0 < bytes && bytes_max < bytes + first.len() {
                break;
            }
            bytes += first.len();
            taken.extend(self.pending.pop_front());
        }
        self.queued = self.queued.saturating_sub(bytes);
        taken
    }

    /// Forgets all that waits: the connection is closed.
    pub fn clear(&mut self) {
        (self.held, self.pending, self.queued) = (VecDeque::new(), Frames::default(), 0);
        self.cut = Bytes::new();
    }

    /// What the client gets in place of a frame of the engine; counts packets.
    fn pass(&mut self, frame: Bytes, content: &Content) -> Passed {
        match content {
            Content::Text(text) => match packet::passing(text) {
                Passing::Open => return Passed::Frame(self.open.take().unwrap_or(frame)),
                Passing::Connect(namespace) => return Passed::Connect(namespace.to_owned()),
                Passing::ConnectError(namespace) => return Passed::Frame(self.refusal(namespace)),
                Passing::Packet { attachments: 0 } => self.passed = self.passed.wrapping_add(1),
                Passing::Packet { attachments } => self.attachments = attachments,
                Passing::Other => {}
            },
            Content::Binary(_) if 0 < self.attachments => {
                self.attachments -= 1;
                self.passed = self.passed.wrapping_add(u32::from(self.attachments == 0));
            }
            Content::Close => self.said_goodbye = true,
            Content::Binary(_) | Content::Other => {}
        }
        Passed::Frame(frame)
    }

    /// The refusal that was prepared; the engine by itself refuses only namespaces that do not exist.
    fn refusal(&mut self, namespace: &str) -> Bytes {
        match self.refusals.iter().position(|(it, _)| it.as_str() == namespace) {
            Some(index) => self.refusals.remove(index).1,
            None => packet::invalid_namespace(namespace),
        }
    }

    /// Moves the events whose packets have passed from `held` to `pending`.
    fn release(&mut self) {
        while self.attachments == 0
            && self.held.front().is_some_and(|(after, _)| has_passed(self.passed, *after))
        {
            if let Some((_, event)) = self.held.pop_front() {
                self.pending.push_back(event);
            }
        }
        if self.held.is_empty() {
            self.held = VecDeque::new(); // gives the memory back
        }
    }

    /// An event may go out now.
    fn is_open(&self) -> bool {
        self.attachments == 0 && self.held.is_empty() && has_passed(self.passed, self.issued)
    }

    fn exceeds(&self, more: usize) -> bool {
        self.queued_max < self.queued.saturating_add(more)
    }
}

/// What became of a frame of the engine.
enum Passed {
    /// This goes to the client.
    Frame(Bytes),
    /// The reply to the CONNECT of this namespace: to be answered by the caller.
    Connect(String),
}

/// Whether the count `passed` has reached `after`; counts wrap, and never are 2³¹ apart.
fn has_passed(passed: u32, after: u32) -> bool {
    passed.wrapping_sub(after) < u32::MAX / 2
}

#[cfg(test)]
mod tests;
