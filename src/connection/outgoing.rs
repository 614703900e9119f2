//! What goes out: written at once where nothing is pending, else as the client takes it, within the bounds.

use super::stream::Outlet;
use super::vitals::ending_of;
use super::{Connection, ConnectionState, Phase, Sent, Transport};
use crate::types::{Ending, Reason};
use bytes::Bytes;
use std::io::{self, IoSlice};
use std::sync::Arc;

/// Buffers handed to the kernel in one write.
const SLICES_MAX: usize = 64;
/// How often within `limits.stall` it is looked whether a client takes something.
pub(super) const STALL_LOOKS: u32 = 4;

/// What will write the bytes that are pending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Flushing {
    /// Nothing: none are pending, or they wait for a poll.
    #[default]
    None,
    /// The pump, in its next round. A caller that writes before may write all of them.
    Queued,
    /// A task that waits until the kernel takes more.
    Blocked,
}

/// In which way a client takes too little.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slow {
    /// More is waiting than may.
    Overflow,
    /// It took nothing within the stall limit.
    Stalled,
    /// More is waiting for all clients than may, and of that most for it.
    Crowded,
}

impl Connection {
    /// Too much is waiting for a client that takes too little.
    pub(super) fn overflow(&self, state: &mut ConnectionState) -> Sent {
        self.close_slow(state, Slow::Overflow);
        Sent::Closed
    }

    /// Closes the connection of a client that takes too little, and counts it, once.
    pub(super) fn close_slow(&self, state: &mut ConnectionState, slow: Slow) {
        if matches!(state.phase, Phase::Closed(_)) {
            return;
        }
        let queued_bytes = state.outbound.queued();
        let ending = match slow {
            Slow::Overflow => {
                tracing::info!(queued_bytes, "closing a slow consumer: buffer full");
                Ending::BufferFull
            }
            Slow::Stalled => {
                tracing::info!(
                    queued_bytes,
                    "closing a slow consumer: it took nothing within the stall limit"
                );
                Ending::Stalled
            }
            Slow::Crowded => {
                tracing::info!(
                    queued_bytes,
                    "closing a slow consumer: limits.waiting_bytes is reached, and it owes most"
                );
                metrics::counter!("userline_waiting_relieved_total").increment(1);
                Ending::Crowded
            }
        };
        metrics::counter!("userline_slow_consumers_total").increment(1);
        state.note(ending);
        self.close_locked(state, Reason::SlowConsumer);
    }

    /// Writing to the stream failed.
    fn write_failed(&self, state: &mut ConnectionState, error: &io::Error) {
        if self.stream_failed(state, error) {
            return;
        }
        let is_orderly = ending_of(error) == Ending::EndOfStream;
        let reason = if is_orderly { Reason::TransportClose } else { Reason::TransportError };
        self.close_locked(state, reason);
    }

    /// Writes `bytes`, whose turn it is, past what is pending if nothing is, or behind it. What has to wait counts as `hold` makes
    /// it, whole: as long as a part is there, all is.
    pub(super) fn transmit(
        self: &Arc<Self>,
        state: &mut ConnectionState,
        bytes: &Bytes,
        hold: impl FnOnce(Bytes) -> Bytes,
    ) -> Sent {
        let mut done = 0;
        if let (Some(stream), true) = (self.open_stream(state), state.outbound.is_clear()) {
            match stream.try_write(bytes) {
                Ok(n) => done = n,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => {
                    self.write_failed(state, &error);
                    return Sent::Closed;
                }
            }
        }
        self.traffic.sent(done);
        if done == bytes.len() {
            return Sent::Yes;
        }
        let sent = self.enqueue(state, hold(bytes.clone()).slice(done..));
        if sent == Sent::Yes {
            match state.flushing {
                Flushing::Queued => self.flush_now(state),
                Flushing::None | Flushing::Blocked => self.flush_soon(state),
            }
        }
        sent
    }

    /// Writes what is pending, as far as the client takes it now; the rest follows by itself.
    pub(super) fn flush_now(self: &Arc<Self>, state: &mut ConnectionState) {
        if state.flushing != Flushing::Blocked && !self.flush_some(state) {
            self.flush_soon(state);
        }
    }

    /// Sees to it that what is pending leaves: by the next poll, or by a task that waits for the kernel.
    pub(super) fn flush_soon(self: &Arc<Self>, state: &mut ConnectionState) {
        match state.transport {
            Transport::Polling => self.poll.notify_one(),
            Transport::WebSocket if state.flushing == Flushing::Blocked => {}
            Transport::WebSocket => {
                state.flushing = Flushing::Blocked;
                self.shared.tasks.spawn("connection.flush", Arc::clone(self).flush());
            }
        }
    }

    /// Writes what is pending as the kernel takes it; closes when it takes nothing for too long.
    ///
    /// The kernel calls a stream writable when a third of its buffer is free. With a large buffer and a slow client that is long
    /// after there is room again, so now and then it is tried all the same.
    async fn flush(self: Arc<Self>) {
        let Some(stream) = self.stream.get() else { return };
        let stall = self.shared.limits.stall;
        let (mut looked_at, mut taken_at) = (self.now(), self.now());
        loop {
            let writable = tokio::time::timeout(stall / STALL_LOOKS, stream.writable()).await;
            let mut state = self.lock();
            let (before, now) = (self.traffic.bytes_out(), self.now());
            match writable {
                Ok(Ok(())) => looked_at = now,
                Ok(Err(error)) => return self.write_failed(&mut state, &error),
                // The room that is found may be there since the last look.
                Err(_) => self.write_unasked(&mut state, stream),
            }
            if self.flush_some(&mut state) {
                return;
            }
            if before < self.traffic.bytes_out() {
                taken_at = looked_at;
            }
            looked_at = now;
            if taken_at + stall <= now {
                return self.close_slow(&mut state, Slow::Stalled);
            }
        }
    }

    /// Writes what the kernel takes though it does not call the stream writable.
    fn write_unasked(&self, state: &mut ConnectionState, stream: &Outlet) {
        let mut slices = [IoSlice::new(&[]); SLICES_MAX];
        let filled = state.outbound.pending_slices(&mut slices);
        match stream.write_unasked(slices.get(..filled).unwrap_or_default()) {
            Ok(n) => self.wrote(state, n),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => self.write_failed(state, &error),
        }
    }

    /// The kernel took the first `n` of the pending bytes.
    fn wrote(&self, state: &mut ConnectionState, n: usize) {
        self.traffic.sent(n);
        self.shared.connections.waiting().shrink(state.outbound.wrote(n));
    }

    /// Writes what the kernel takes. True if nothing is left to write.
    pub(super) fn flush_some(&self, state: &mut ConnectionState) -> bool {
        let Some(stream) = self.open_stream(state) else {
            if !state.outbound.is_clear() {
                self.poll.notify_one();
            }
            return true;
        };
        while !state.outbound.is_clear() {
            // A write of one piece costs the system less than a vectored one.
            let written = if let Some(one) = state.outbound.only_pending() {
                stream.try_write(one)
            } else {
                let mut slices = [IoSlice::new(&[]); SLICES_MAX];
                let filled = state.outbound.pending_slices(&mut slices);
                stream.try_write_vectored(slices.get(..filled).unwrap_or_default())
            };
            match written {
                Ok(n) => self.wrote(state, n),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
                Err(error) => self.write_failed(state, &error),
            }
        }
        if state.flushing == Flushing::Blocked {
            state.flushing = Flushing::None;
        }
        if matches!(state.phase, Phase::Finishing(_)) {
            self.poll.notify_one();
        }
        true
    }

    /// The stream to write to, if the transport is a WebSocket that is not closed.
    fn open_stream(&self, state: &ConnectionState) -> Option<&Outlet> {
        let is_open =
            state.transport == Transport::WebSocket && !matches!(state.phase, Phase::Closed(_));
        self.stream.get().filter(|_| is_open)
    }
}
