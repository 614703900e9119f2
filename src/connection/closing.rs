//! How a connection is ended from this side: at once, or when what is pending has left.

use super::listeners::Listeners;
use super::outgoing::Flushing;
use super::{Connection, ConnectionState, Phase, Sent, Transport};
use crate::types::{Ending, Reason};
use bytes::Bytes;
use smallvec::SmallVec;
use std::sync::Arc;

/// A WebSocket close frame with code 1000.
const CLOSE_FRAME: [u8; 4] = [0x88, 0x02, 0x03, 0xe8];

impl Connection {
    /// Closes the connection at once, from anywhere. A stock client comes back by itself. What the pump has not come by
    /// for is written before, as far as the client takes it.
    pub fn close(&self, reason: Reason) {
        let mut state = self.lock();
        if state.flushing == Flushing::Queued {
            self.flush_some(&mut state);
        }
        self.close_locked(&mut state, Some(reason));
    }

    /// Takes nothing more, lets what is pending leave within the stall limit, then closes.
    pub fn finish(self: &Arc<Self>, reason: Reason) {
        self.finish_for(Some(reason));
    }

    pub(super) fn finish_for(self: &Arc<Self>, reason: Option<Reason>) {
        let mut state = self.lock();
        if state.phase != Phase::Open {
            return;
        }
        state.phase = Phase::Finishing(reason);
        state.accepts = SmallVec::new();
        match state.transport {
            // No client is there to read a close frame.
            Transport::WebSocket if state.peer_ended && state.outbound.is_clear() => {
                return self.close_locked(&mut state, reason);
            }
            Transport::WebSocket => {
                let close = Bytes::from_static(&CLOSE_FRAME);
                let is_sent = state.outbound.has_close_frame();
                if !is_sent && self.transmit(&mut state, &close) != Sent::Yes {
                    return;
                }
                if state.outbound.is_clear() {
                    return self.close_locked(&mut state, reason);
                }
            }
            // A client that has sent a close packet does not poll again.
            Transport::Polling if state.ending == Some(Ending::ClosedByClient) => {
                return self.close_locked(&mut state, reason);
            }
            // The close packet is the answer to the next poll: in one body with messages a stock client would take it
            // first, and the messages never.
            Transport::Polling => self.poll.notify_one(),
        }
        drop(state);
        let connection = Arc::clone(self);
        self.tasks.spawn("connection.finish", async move {
            tokio::time::sleep(connection.limits.stall).await;
            let mut state = connection.lock();
            state.note(Ending::Stalled);
            connection.close_locked(&mut state, reason);
        });
    }

    pub(super) fn close_locked(&self, state: &mut ConnectionState, reason: Option<Reason>) {
        if matches!(state.phase, Phase::Closed(_)) {
            return;
        }
        let reason = match state.phase {
            Phase::Finishing(earlier) => earlier.or(reason),
            Phase::Open | Phase::Closed(_) => reason,
        };
        state.phase = Phase::Closed(reason);
        state.closed_at = Some(self.now());
        state.unsent = state.outbound.queued();
        state.outbound.clear();
        state.accepts = SmallVec::new();
        state.acks = Vec::new(); // tells those who wait
        state.listeners = Listeners::default(); // they hold this connection
        state.polling.forget_posts();
        if let Some(reader) = state.reader.take() {
            reader.wake();
        }
        self.poll.notify_one();
        self.read.notify_one();
        if let Some(stream) = self.stream.get() {
            stream.shutdown();
        }
        self.connections.remove(&self.sid, state.transport);
    }
}
