//! The accepted connections, owned under the engine.
//!
//! Every client connection, by WebSocket or long-polling, is a [`Wire`]; the engine gets its other end, a
//! [`WireIo`], and believes it speaks to a WebSocket. So there is one place that orders, bounds and closes what goes
//! out, that mends the handshake on its way, and that knows whether a connection is alive; whatever a client does,
//! the engine is never blocked by it.
//!
//! ```text
//!   client ◄──WebSocket──► ┌──────┐              ┌────────┐
//!   client ◄──GET / POST─► │ Wire │ ◄──WireIo──► │ engine │
//!                          └──────┘              └────────┘
//!                              ▲ events, already encoded
//! ```

mod address;
mod connections;
mod door;
mod facts;
mod handshake;
mod io;
mod origin;
mod polling;
mod upgrade;
mod websocket;

pub use connections::Connections;
pub use door::{Door, DoorConfig};
pub use facts::{ClientAddress, Facts};
pub use io::WireIo;

use crate::core::frame;
use crate::core::lane::{Admission, Lane, LaneError};
use crate::tasks::Tasks;
use crate::types::{Namespace, Reason};
use bytes::{Bytes, BytesMut};
use parking_lot::{Mutex, MutexGuard};
use socket2::SockRef;
use std::io as std_io;
use std::io::IoSlice;
use std::net::Shutdown;
use std::sync::{Arc, OnceLock};
use std::task::Waker;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::Notify;

/// A WebSocket close frame with code 1000.
const CLOSE_FRAME: [u8; 4] = [0x88, 0x02, 0x03, 0xe8];
/// Buffers handed to the kernel in one write.
const SLICES_MAX: usize = 64;

/// One connection of a client.
#[derive(Debug)]
pub struct Wire {
    /// Names the connection towards its client; whoever knows it can speak for the client. Never shown to others.
    sid: Box<str>,
    facts: Facts,
    limits: WireLimits,
    tasks: Tasks,
    connections: Connections,
    /// The sending half of the WebSocket, once there is one.
    stream: OnceLock<OwnedWriteHalf>,
    /// Wakes a waiting poll.
    poll: Notify,
    /// Says that the engine has read all that a poll posted.
    read: Notify,
    state: Mutex<State>,
}

/// The bounds of one connection.
#[derive(Debug, Clone, Copy)]
pub struct WireLimits {
    /// Bytes that may wait for the client.
    pub buffer_bytes: usize,
    /// How long the client may take none of them.
    pub stall: Duration,
}

/// How a connection reaches its client at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// HTTP long-polling.
    Polling,
    /// WebSocket.
    WebSocket,
}

impl Transport {
    /// The name in the protocol and in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Polling => "polling",
            Self::WebSocket => "websocket",
        }
    }
}

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// Handed to the kernel, or waiting its turn within the bound.
    Yes,
    /// Volatile, and the client was busy: dropped, as its sender wished.
    Dropped,
    /// The connection is closed, or was closed now because too much was waiting.
    Closed,
}

#[derive(Debug)]
struct State {
    lane: Lane,
    transport: Transport,
    phase: Phase,
    /// The peer ended the stream by itself.
    peer_ended: bool,
    /// Somebody is bound to write what is pending.
    flushing: bool,
    polling: Polling,
}

/// What a connection needs only as long as it polls.
#[derive(Debug, Default)]
struct Polling {
    /// Frames that were posted and that the engine has not read.
    inbox: BytesMut,
    /// The engine, waiting for something to read.
    reader: Option<Waker>,
    /// A poll is waiting.
    is_polled: bool,
    /// A post is being read by the engine.
    is_posted: bool,
    upgrade: Upgrade,
}

/// How far a WebSocket is with taking over.
#[derive(Debug, Default)]
enum Upgrade {
    /// None is trying.
    #[default]
    None,
    /// One has connected.
    Connected,
    /// It works in both directions: the client is about to stop polling.
    Probed,
    /// It has taken over; its receiving half, with what was read beyond the handshake, waits for the engine.
    Done(OwnedReadHalf, Bytes),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    /// Nothing more is taken; what is pending may leave, then the connection closes.
    Finishing(Option<Reason>),
    Closed(Option<Reason>),
}

impl Wire {
    /// The secret name of the connection.
    fn sid(&self) -> &str {
        &self.sid
    }

    /// What the handshake told of the client.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// How the connection reaches its client at the moment.
    pub fn transport(&self) -> Transport {
        self.lock().transport
    }

    /// Why this side closed the connection, or that the peer ended it; `None` if the engine knows better.
    pub fn end_reason(&self) -> Option<Reason> {
        let state = self.lock();
        match state.phase {
            Phase::Finishing(Some(reason)) | Phase::Closed(Some(reason)) => Some(reason),
            Phase::Open | Phase::Finishing(None) | Phase::Closed(None) => {
                state.peer_ended.then_some(Reason::TransportClose)
            }
        }
    }

    /// Whether nothing can be sent any more.
    pub fn is_closed(&self) -> bool {
        self.lock().phase != Phase::Open
    }

    /// Bytes that wait for the client.
    pub fn queued(&self) -> usize {
        self.lock().lane.queued()
    }

    /// Says what the client gets when the engine accepts the CONNECT of `namespace`; events wait for it.
    pub fn prepare_accept(&self, namespace: &Namespace, reply: Bytes) {
        self.lock().lane.prepare_reply(namespace.clone(), reply, true);
    }

    /// Says what the client gets when the engine refuses the CONNECT of `namespace`.
    pub fn prepare_refusal(&self, namespace: &Namespace, reply: Bytes) {
        self.lock().lane.prepare_reply(namespace.clone(), reply, false);
    }

    /// Hands a packet to the engine by `hand_over`; events sent later do not overtake it. If the engine refuses, the
    /// packet is lost and the order with it: the connection is closed.
    pub fn through_engine<E>(&self, hand_over: impl FnOnce() -> Result<(), E>) {
        self.lock().lane.issue();
        if hand_over().is_err() {
            self.close(Reason::SlowConsumer);
        }
    }

    /// Sends an event: one or more whole frames that belong together.
    pub fn send(self: &Arc<Self>, event: &Bytes) -> Sent {
        let mut state = self.lock();
        if state.phase != Phase::Open {
            return Sent::Closed;
        }
        match state.lane.admit(event) {
            Admission::Go => self.transmit(&mut state, event),
            Admission::Held => Sent::Yes,
            Admission::Full => self.overflow(&mut state),
        }
    }

    /// Sends an event if that is possible without waiting.
    pub fn send_volatile(self: &Arc<Self>, event: &Bytes) -> Sent {
        let mut state = self.lock();
        if state.phase != Phase::Open {
            return Sent::Closed;
        }
        if !state.lane.is_idle() {
            return Sent::Dropped;
        }
        self.transmit(&mut state, event)
    }

    /// Closes the connection at once, from anywhere. A stock client comes back by itself.
    pub fn close(&self, reason: Reason) {
        self.close_locked(&mut self.lock(), Some(reason));
    }

    /// Takes nothing more, lets what is pending leave within the stall limit, then closes.
    pub fn finish(self: &Arc<Self>, reason: Reason) {
        self.finish_for(Some(reason));
    }

    fn finish_for(self: &Arc<Self>, reason: Option<Reason>) {
        let mut state = self.lock();
        if state.phase != Phase::Open {
            return;
        }
        state.phase = Phase::Finishing(reason);
        let goodbye = match state.transport {
            Transport::WebSocket => Bytes::from_static(&CLOSE_FRAME),
            Transport::Polling => frame::text(&[b"1"]),
        };
        if self.transmit(&mut state, &goodbye) != Sent::Yes {
            return;
        }
        if state.lane.is_clear() {
            return self.close_locked(&mut state, reason);
        }
        drop(state);
        let wire = Arc::clone(self);
        self.tasks.spawn("wire.finish", async move {
            tokio::time::sleep(wire.limits.stall).await;
            wire.close_locked(&mut wire.lock(), reason);
        });
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Too much is waiting for a client that takes too little.
    fn overflow(&self, state: &mut State) -> Sent {
        tracing::info!(queued_bytes = state.lane.queued(), "closing a slow consumer: buffer full");
        metrics::counter!("userline_slow_consumers_total").increment(1);
        self.close_locked(state, Some(Reason::SlowConsumer));
        Sent::Closed
    }

    /// Writes `bytes`, whose turn it is, past what is pending if nothing is, or behind it.
    fn transmit(self: &Arc<Self>, state: &mut State, bytes: &Bytes) -> Sent {
        let mut done = 0;
        if let (Some(stream), true) = (self.open_stream(state), state.lane.is_clear()) {
            match stream.try_write(bytes) {
                Ok(n) => done = n,
                Err(error) if error.kind() == std_io::ErrorKind::WouldBlock => {}
                Err(_) => {
                    self.close_locked(state, None);
                    return Sent::Closed;
                }
            }
        }
        if done == bytes.len() {
            return Sent::Yes;
        }
        match state.lane.push(bytes.slice(done..)) {
            Ok(()) => {
                self.flush_soon(state);
                Sent::Yes
            }
            Err(LaneError::Full | LaneError::UnexpectedReply) => self.overflow(state),
        }
    }

    /// The engine wrote `piece`.
    fn engine_wrote(self: &Arc<Self>, piece: &[u8]) -> std_io::Result<()> {
        let mut state = self.lock();
        if matches!(state.phase, Phase::Closed(_)) {
            return Err(std_io::ErrorKind::BrokenPipe.into());
        }
        match state.lane.engine(piece) {
            Ok(()) => {}
            Err(LaneError::Full) => drop(self.overflow(&mut state)),
            Err(error @ LaneError::UnexpectedReply) => {
                tracing::error!(%error, "closing a connection");
                self.close_locked(&mut state, Some(Reason::TransportError));
            }
        }
        if !state.flushing && !self.flush_some(&mut state) {
            self.flush_soon(&mut state);
        }
        Ok(())
    }

    /// Sees to it that what is pending leaves: by the next poll, or by a task that waits for the kernel.
    fn flush_soon(self: &Arc<Self>, state: &mut State) {
        match state.transport {
            Transport::Polling => self.poll.notify_one(),
            Transport::WebSocket if state.flushing => {}
            Transport::WebSocket => {
                state.flushing = true;
                self.tasks.spawn("wire.flush", Arc::clone(self).flush());
            }
        }
    }

    /// Writes what is pending as the kernel takes it; closes when it takes nothing for too long.
    async fn flush(self: Arc<Self>) {
        let Some(stream) = self.stream.get() else { return };
        loop {
            match tokio::time::timeout(self.limits.stall, stream.writable()).await {
                Ok(Ok(())) => {
                    if self.flush_some(&mut self.lock()) {
                        return;
                    }
                }
                Ok(Err(_)) => return self.close_locked(&mut self.lock(), None),
                Err(_) => {
                    tracing::info!(
                        "closing a slow consumer: it took nothing within the stall limit"
                    );
                    metrics::counter!("userline_slow_consumers_total").increment(1);
                    return self.close(Reason::SlowConsumer);
                }
            }
        }
    }

    /// Writes what the kernel takes. True if nothing is left to write.
    fn flush_some(&self, state: &mut State) -> bool {
        let Some(stream) = self.open_stream(state) else {
            if !state.lane.is_clear() {
                self.poll.notify_one();
            }
            return true;
        };
        while !state.lane.is_clear() {
            let mut slices = [IoSlice::new(&[]); SLICES_MAX];
            let filled = state.lane.pending_slices(&mut slices);
            let written = stream.try_write_vectored(slices.get(..filled).unwrap_or_default());
            match written {
                Ok(n) => state.lane.wrote(n),
                Err(error) if error.kind() == std_io::ErrorKind::WouldBlock => return false,
                Err(_) => self.close_locked(state, None),
            }
        }
        state.flushing = false;
        if let Phase::Finishing(reason) = state.phase {
            self.close_locked(state, reason);
        }
        true
    }

    /// The stream to write to, if the transport is a WebSocket that is not closed.
    fn open_stream(&self, state: &State) -> Option<&OwnedWriteHalf> {
        let is_open =
            state.transport == Transport::WebSocket && !matches!(state.phase, Phase::Closed(_));
        self.stream.get().filter(|_| is_open)
    }

    fn close_locked(&self, state: &mut State, reason: Option<Reason>) {
        if matches!(state.phase, Phase::Closed(_)) {
            return;
        }
        let reason = match state.phase {
            Phase::Finishing(earlier) => earlier.or(reason),
            Phase::Open | Phase::Closed(_) => reason,
        };
        state.phase = Phase::Closed(reason);
        state.lane.clear();
        state.polling.inbox = BytesMut::new();
        if let Some(reader) = state.polling.reader.take() {
            reader.wake();
        }
        self.poll.notify_one();
        self.read.notify_one();
        if let Some(stream) = self.stream.get() {
            let tcp: &TcpStream = stream.as_ref();
            // Both ways: the engine's reader and ours wake up. An error means that it is down already.
            SockRef::from(tcp).shutdown(Shutdown::Both).ok();
        }
        self.connections.remove(&self.sid);
    }
}
