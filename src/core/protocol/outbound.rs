//! Everything that goes out on one connection, in order and within a bound: whole frames, already encoded.
//!
//! The transport takes of them what it can. A frame of which it has taken a part goes on before anything else does.

mod frames;

use crate::core::protocol::frame;
use bytes::{Buf as _, Bytes};
use frames::Frames;
use std::io::IoSlice;
use thiserror::Error;

/// The outgoing side of one connection.
///
/// The fields that every event touches stand first and together (`repr(C)` keeps them so): in an emit to thousands of
/// connections each line of memory that has to be fetched counts. With this order, and those of `Connection` and its
/// parts, a delivery read 9.0 lines instead of 15.8 (callgrind, 2,000 sockets).
#[derive(Debug)]
#[repr(C)]
pub struct OutboundQueue {
    /// Bytes in `pending`.
    queued: usize,
    queued_max: usize,
    /// Bytes on their way out; the first may be the rest of a frame.
    pending: Frames,
}

/// More bytes are waiting than the bound allows: the connection must be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("more bytes are waiting for the client than the limit allows")]
pub struct QueueFull;

impl OutboundQueue {
    /// A connection on which at most `queued_max` bytes may wait.
    pub fn new(queued_max: usize) -> Self {
        Self { queued: 0, queued_max, pending: Frames::default() }
    }

    /// Appends one or more whole frames, or the rest of one that the transport has begun to take. Returns the bytes that the
    /// queue takes more for itself, see [`OutboundQueue::overhead`].
    pub fn push(&mut self, bytes: Bytes) -> Result<usize, QueueFull> {
        if self.queued_max < self.queued.saturating_add(bytes.len()) {
            return Err(QueueFull);
        }
        self.queued += bytes.len();
        Ok(self.pending.push_back(bytes))
    }

    /// Nothing is pending: the next frame may be written at once.
    pub fn is_clear(&self) -> bool {
        self.pending.is_empty()
    }

    /// Bytes that wait.
    pub fn queued(&self) -> usize {
        self.queued
    }

    /// Bytes of memory that the queue takes for itself, besides what waits: for short events as much as these.
    pub fn overhead(&self) -> usize {
        self.pending.overhead()
    }

    /// What waits, in the order in which it leaves.
    pub fn pending(&self) -> impl Iterator<Item = &Bytes> {
        self.pending.iter()
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

    /// The transport took the first `n` pending bytes. Returns the bytes that the queue takes less for itself.
    #[must_use]
    pub fn wrote(&mut self, mut n: usize) -> usize {
        self.queued = self.queued.saturating_sub(n);
        let mut freed = 0;
        while let Some(first) = self.pending.front_mut() {
            if n < first.len() {
                first.advance(n);
                break;
            }
            n -= first.len();
            freed += self.pending.pop_front();
        }
        freed
    }

    /// Takes pending frames, up to about `bytes_max` (one at least) and up to `frames_max`: what a poll is answered with.
    /// An event whose buffers do not fit spans several polls. Returns as well the bytes that the queue takes less for itself.
    pub fn take_frames(&mut self, bytes_max: usize, frames_max: usize) -> (Vec<Bytes>, usize) {
        let mut taken = Vec::new();
        let (mut bytes, mut freed) = (0, 0);
        while taken.len() < frames_max
            && let Some(first) = self.pending.front_mut()
        {
            if 0 < bytes && bytes_max < bytes + first.len() {
                break;
            }
            match frame::take(first) {
                Some((frame, _)) => {
                    bytes += frame.len();
                    taken.push(frame);
                }
                // Only whole frames are pending on a connection that polls.
                None => bytes += first.split_off(0).len(),
            }
            if first.is_empty() {
                freed += self.pending.pop_front();
            }
        }
        self.queued = self.queued.saturating_sub(bytes);
        (taken, freed)
    }

    /// Forgets all that waits: the connection is closed. Returns the bytes that the queue took for itself.
    #[must_use]
    pub fn clear(&mut self) -> usize {
        let freed = self.overhead();
        (self.pending, self.queued) = (Frames::default(), 0);
        freed
    }
}

#[cfg(test)]
mod tests;
