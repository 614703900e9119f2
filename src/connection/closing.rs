//! How a connection is ended from this side: at once, or when what is pending has left.
//!
//! How it ends decides whether its client comes back, and clients differ. Measured with seven of them (JavaScript, Java,
//! C++, Python with threads and asyncio, Rust, Go):
//!
//! * All come back after the bare end of a WebSocket, and after an HTTP error in answer to a poll. A close frame without a
//!   code or with 1000 is final for C++, Engine.IO's close packet for Python and Rust. So those who are meant to come back
//!   are sent neither.
//! * All stay away after DISCONNECT, Engine.IO's close packet and a close frame with 1000. Rust does not without the second
//!   of these, C++ not without the third. So who is kicked is sent them all. But first it has time to close the connection
//!   by itself: told everything in one breath, Python and Go take the end for a broken network now and then.

use super::outgoing::Flushing;
use super::{Connection, ConnectionState, Phase, Sent, Transport};
use crate::core::protocol::frame;
use crate::types::{Ending, Reason};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;

/// What ends a WebSocket for good, behind a DISCONNECT: Engine.IO's close packet, and a close frame with code 1000.
const GOODBYE: [u8; 7] = [0x81, 0x01, b'1', 0x88, 0x02, 0x03, 0xe8];
/// How long a client may take to close a connection after its DISCONNECT, and how long after the goodbye.
const LEAVING: Duration = Duration::from_secs(1);
/// Bytes that are thrown away meanwhile: more than are under way on most networks.
const LEAVING_BYTES_MAX: usize = 8 * 1024 * 1024;

impl Connection {
    /// Closes the connection at once, from anywhere. A stock client comes back by itself. What the pump has not come by
    /// for is written before, as far as the client takes it.
    pub fn close(&self, reason: Reason) {
        let mut state = self.lock();
        if state.flushing == Flushing::Queued {
            self.flush_some(&mut state);
        }
        self.close_locked(&mut state, reason);
    }

    /// Takes nothing more, lets what is pending leave within the stall limit, and gives the client time to end the
    /// connection. Who is kicked is told not to come back.
    pub fn finish(self: &Arc<Self>, reason: Reason) {
        self.finish_locked(&mut self.lock(), reason);
    }

    /// The same after the last that the client hears: in one step, so that nothing is sent behind it.
    pub fn finish_with(self: &Arc<Self>, farewell: &Bytes, reason: Reason) {
        let mut state = self.lock();
        let hold = |rest| self.hold(rest);
        if state.phase == Phase::Open && self.transmit(&mut state, farewell, hold) == Sent::Yes {
            self.finish_locked(&mut state, reason);
        }
    }

    fn finish_locked(self: &Arc<Self>, state: &mut ConnectionState, reason: Reason) {
        if state.phase != Phase::Open {
            return;
        }
        state.phase = Phase::Finishing(reason);
        state.abandon_loans();
        match state.transport {
            Transport::WebSocket => {
                // A client's own close frame is answered with its code (RFC 6455 §5.5.1).
                let answer = state.close_code.map(frame::close);
                let say = |it: Bytes| self.transmit(state, &it, |it| it) == Sent::Yes;
                if answer.is_none_or(say) {
                    self.take_leave(state);
                }
            }
            // A client that has sent a close packet does not poll again.
            Transport::Polling if state.ending == Some(Ending::ClosedByClient) => {
                self.close_locked(state, reason);
            }
            // The end is the answer to the next poll: in one body with messages a stock client would take it first, and
            // the messages never.
            Transport::Polling => {
                self.poll.notify_one();
                self.shared.tasks.spawn("connection.finish", Arc::clone(self).wait_for_polls());
            }
        }
    }

    /// If the connection is finishing, sees to it that its WebSocket ends.
    pub(super) fn take_leave(self: &Arc<Self>, state: &mut ConnectionState) {
        let Phase::Finishing(reason) = state.phase else { return };
        // Nobody is there any more: the client has ended the stream, or closed the connection.
        let is_gone = state.peer_ended || state.ending == Some(Ending::ClosedByClient);
        if state.outbound.is_clear() && is_gone {
            return self.close_locked(state, reason);
        }
        self.shared.tasks.spawn("connection.finish", Arc::clone(self).see_off());
    }

    /// Closes a connection whose client does not poll.
    async fn wait_for_polls(self: Arc<Self>) {
        tokio::time::sleep(self.shared.limits.stall).await;
        let mut state = self.lock();
        if state.transport == Transport::Polling {
            state.note(Ending::Stalled);
            self.close_finishing(&mut state);
        }
    }

    /// Ends a WebSocket when all that is pending is written, and the client has had its time.
    async fn see_off(self: Arc<Self>) {
        if self.is_written().await {
            let client_left = tokio::time::timeout(LEAVING, self.until(|state| state.is_let_go));
            if self.lock().is_for_good() && client_left.await.is_err() {
                self.say_goodbye();
            }
            tokio::time::timeout(LEAVING, self.client_left()).await.ok();
        } else {
            self.lock().note(Ending::Stalled);
        }
        self.close_finishing(&mut self.lock());
    }

    fn say_goodbye(self: &Arc<Self>) {
        self.transmit(&mut self.lock(), &Bytes::from_static(&GOODBYE), |it| it);
    }

    /// Waits until nothing is pending; false if that takes longer than the stall limit.
    async fn is_written(&self) -> bool {
        let written = self.until(|state| state.outbound.is_clear());
        tokio::time::timeout(self.shared.limits.stall, written).await.is_ok()
    }

    /// Waits until the client has ended the stream, and throws away what it still sends. A stream that is closed while bytes
    /// of its client are unread is reset, which overtakes what the client has not read yet.
    async fn client_left(&self) {
        let Some(stream) = self.stream.get() else { return };
        let is_for_good = self.lock().is_for_good();
        if !is_for_good {
            stream.end();
        }
        self.until(|state| state.is_let_go).await;
        if is_for_good {
            stream.end();
        }
        stream.drain(LEAVING_BYTES_MAX).await;
    }

    /// Waits until `is_so`, or until the connection is closed. On a WebSocket only, and for one caller.
    async fn until(&self, is_so: impl Fn(&ConnectionState) -> bool) {
        let is_over =
            |state: &ConnectionState| is_so(state) || matches!(state.phase, Phase::Closed(_));
        while !is_over(&self.lock()) {
            self.poll.notified().await;
        }
    }

    /// Nobody reads what the client sends any more.
    pub(super) fn let_go(&self) {
        let mut state = self.lock();
        state.is_let_go = true;
        state.reader = None;
        // A post that waits to be read is answered.
        state.forget_posts();
        self.poll.notify_one();
    }

    /// Closes the connection if it is finishing, for the reason it has for that.
    fn close_finishing(&self, state: &mut ConnectionState) {
        if let Phase::Finishing(reason) = state.phase {
            self.close_locked(state, reason);
        }
    }

    /// Closes the connection; one that is finishing has its reason already.
    pub(super) fn close_locked(&self, state: &mut ConnectionState, reason: Reason) {
        let reason = match state.phase {
            Phase::Closed(_) => return,
            Phase::Finishing(earlier) => earlier,
            Phase::Open => reason,
        };
        state.phase = Phase::Closed(reason);
        state.closed_at = Some(self.now());
        state.unsent = state.outbound.queued();
        state.forget_outbound(self.shared.connections.waiting());
        self.is_homeless_no_more(state);
        state.abandon_loans();
        state.acks = None; // tells those who wait
        state.forget_posts();
        if let Some(reader) = state.reader.take() {
            reader.wake();
        }
        self.poll.notify_one();
        if let Some(stream) = self.stream.get() {
            stream.shutdown();
        }
        self.is_nobodys_guest(state);
        self.shared.connections.remove(&self.sid, state.transport);
    }
}

impl ConnectionState {
    /// The connection has ended, or is ending, so that its client does not come back.
    pub(super) fn is_for_good(&self) -> bool {
        matches!(self.phase, Phase::Finishing(Reason::Kicked) | Phase::Closed(Reason::Kicked))
    }
}
