//! The accepted connections, owned under the engine.
//!
//! Every client connection, by WebSocket or long-polling, is a [`Connection`]. It reads what its client sends, hands events
//! to their listeners, answers pings and acks, lets the client leave, and it orders, bounds and closes what goes out. The
//! engine is lent to it for each CONNECT and sees nothing else ([`loan`]). Its answers are replaced, because they hold
//! secrets. Whatever a client does, the engine never waits for it.
//!
//! ```text
//!                          ┌────────────┐ ──events──► listeners
//!   client ◄──WebSocket──► │ Connection │
//!   client ◄──GET / POST─► │            │ ◄──a CONNECT, a verdict──► engine
//!                          └────────────┘
//!                                ▲ events, already encoded
//! ```

mod accepted;
mod acceptor;
mod acks;
mod address;
mod addresses;
mod answer;
mod closing;
mod connections;
mod connects;
mod elsewhere;
mod engine_stream;
mod facts;
mod gate;
mod handshake;
mod heartbeat;
mod homeless;
mod identity;
mod incoming;
mod listeners;
mod loan;
mod old_client;
mod opening;
mod origin;
mod outgoing;
mod owner;
mod polling;
mod pool;
mod posts;
mod pump;
mod relief;
mod responses;
mod send_stall;
mod shared;
mod stream;
mod unfinished;
mod upgrade;
mod vitals;
mod waiting;
mod websocket;

pub use accepted::{Accepted, Moved};
pub use acceptor::{Acceptor, AcceptorConfig};
pub use acks::{AckAsker, AwaitedAck, ReceivedAck, TooManyAcks};
pub use answer::AnswerBytes;
pub use connections::{Connections, LoanCounts, Transports};
pub use elsewhere::{ConnectionNodes, NodeKey, TransferLimits};
pub use engine_stream::EngineStream;
pub use facts::{ClientAddress, Facts};
pub use gate::{HandshakeAnswer, HandshakeGate, Trial};
pub use identity::ConnectionIdentity;
pub use listeners::EventListener;
pub use loan::{Accept, ConnectVerdict, Decision, Loan};
pub use owner::NotOwner;
pub use pump::{Batch, Pump};
pub use vitals::Vitals;
pub use waiting::SharedFrames;

use crate::config::LimitsConfig;
use crate::core::protocol::outbound::{OutboundQueue, QueueFull};
use crate::types::{Ending, Reason, Timestamp, UserId};
use acks::OpenAcks;
use bytes::Bytes;
use connects::OpenLoans;
use listeners::Listeners;
use outgoing::Flushing;
use parking_lot::{Mutex, MutexGuard};
use posts::Polling;
use send_stall::SendStall;
use shared::SharedParts;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::task::Waker;
use std::time::Duration;
use stream::Outlet;
use tokio::sync::Notify;
use vitals::Traffic;

/// One connection of a client.
///
/// What each event that goes out touches stands together, at the end of `traffic` and the beginning of `state`; `repr(C)`
/// keeps the fields in this order, here and in these two. The reason is measured at
/// [`OutboundQueue`].
#[repr(C)]
pub struct Connection {
    traffic: Traffic,
    /// The sending half of the WebSocket, once there is one.
    stream: OnceLock<Outlet>,
    state: Mutex<ConnectionState>,
    /// Names the connection towards its client; whoever knows it can speak for the client. Never shown to others.
    sid: Arc<str>,
    facts: Facts,
    /// What was found out about its client; made where several namespaces may share it.
    identity: OnceLock<Box<ConnectionIdentity>>,
    shared: Arc<SharedParts>,
    /// Wakes a waiting poll; on a WebSocket, whoever sees the connection off.
    poll: Notify,
}

/// Without `sid`, which is a secret, nor what waits for the client, which may hold it.
impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("facts", &self.facts).finish_non_exhaustive()
    }
}

/// The bounds of one connection.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionLimits {
    /// Bytes of one message of the client.
    pub payload_bytes: usize,
    /// Bytes that may wait for the client.
    pub buffer_bytes: usize,
    /// How long the client may take none of them.
    pub stall: Duration,
    /// How long it may take to send the buffers of an event.
    pub body_timeout: Duration,
    /// Bytes of the `auth` of a CONNECT.
    pub auth_bytes: usize,
}

impl ConnectionLimits {
    fn of(limits: LimitsConfig) -> Self {
        let LimitsConfig { payload_bytes, buffer_bytes, stall, body_timeout, auth_bytes, .. } =
            limits;
        Self { payload_bytes, buffer_bytes, stall, body_timeout, auth_bytes }
    }
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
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Polling, Self::WebSocket];

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
#[repr(C)]
struct ConnectionState {
    phase: Phase,
    transport: Transport,
    flushing: Flushing,
    /// The heartbeat looks after a while whether the client has joined a namespace.
    is_expected: bool,
    /// Nobody reads what the client sends any more.
    is_let_go: bool,
    /// A listener takes no more: nothing is read.
    is_paused: bool,
    /// The peer ended the stream by itself.
    peer_ended: bool,
    outbound: OutboundQueue,
    /// Those that listen to the client. The task that reads it takes them out and tells them when it ends.
    listeners: Listeners,
    /// The CONNECTs that are not answered.
    loans: Option<Box<OpenLoans>>,
    /// Since when the client has joined no namespace.
    homeless_since: Option<Timestamp>,
    /// Wakes the reader of what the client sends; set while there is nothing to read, or nothing may be read.
    reader: Option<Waker>,
    /// Acks that are awaited, if any are.
    acks: Option<Box<OpenAcks>>,
    send_stall: SendStall,
    /// When it was pinged, if it has not answered since.
    pinged_at: Option<Timestamp>,
    /// It began by polling.
    is_upgraded: bool,
    /// How it ends, once that is known.
    ending: Option<Ending>,
    /// The code of the client's close frame.
    close_code: Option<u16>,
    /// When it was closed.
    closed_at: Option<Timestamp>,
    /// Bytes that waited for the client when it was closed.
    unsent: usize,
    /// Whose it is, once a namespace was joined.
    owner: Option<UserId>,
    /// What it needs only as long as its client polls.
    polling: Option<Box<Polling>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    /// Nothing more is taken; what is pending may leave, then the connection closes.
    Finishing(Reason),
    Closed(Reason),
}

impl Connection {
    /// The secret name of the connection.
    fn sid(&self) -> &Arc<str> {
        &self.sid
    }

    /// What the handshake told of the client.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// What was found out about its client, for further namespaces.
    pub fn identity(&self) -> &ConnectionIdentity {
        self.identity.get_or_init(Box::default)
    }

    /// How the connection reaches its client at the moment.
    pub fn transport(&self) -> Transport {
        self.lock().transport
    }

    /// Why this side closed the connection, or that the peer ended it; `None` if it is open.
    pub fn end_reason(&self) -> Option<Reason> {
        let state = self.lock();
        match state.phase {
            Phase::Finishing(reason) | Phase::Closed(reason) => Some(reason),
            Phase::Open => state.peer_ended.then_some(Reason::TransportClose),
        }
    }

    /// Whether nothing can be sent any more.
    pub fn is_closed(&self) -> bool {
        self.lock().phase != Phase::Open
    }

    /// Whether the transport is down: its sockets know it, or are about to.
    pub fn is_gone(&self) -> bool {
        matches!(self.lock().phase, Phase::Closed(_))
    }

    /// Bytes that wait for the client.
    pub fn queued(&self) -> usize {
        self.lock().outbound.queued()
    }

    /// Sends the answer to a CONNECT, and what must follow it directly, in place of the engine's.
    pub fn answer_connect(self: &Arc<Self>, frames: &Bytes) {
        let mut state = self.lock();
        if state.phase == Phase::Open {
            self.enqueue(&mut state, self.hold(frames.clone()));
        }
    }

    /// Sends an event for this connection alone: one or more whole frames that belong together.
    pub fn send(self: &Arc<Self>, event: &Bytes) -> Sent {
        let mut state = self.lock();
        if state.phase != Phase::Open {
            return Sent::Closed;
        }
        self.transmit(&mut state, event, |rest| self.hold(rest))
    }

    /// Sends an event that others get as well; if it `is_volatile`, only if that is possible without waiting.
    pub fn send_shared(self: &Arc<Self>, event: &SharedFrames, is_volatile: bool) -> Sent {
        let mut state = self.lock();
        if state.phase != Phase::Open {
            return Sent::Closed;
        }
        if is_volatile && !state.outbound.is_clear() {
            return Sent::Dropped;
        }
        self.transmit(&mut state, event.bytes(), |_| event.held().clone())
    }

    /// Takes an event like [`Connection::send`], but leaves the writing to [`Connection::flush_queued`]: short enough to be called
    /// while others wait.
    pub fn queue(&self, event: &Bytes) -> Sent {
        let event = self.hold(event.clone());
        self.queue_locked(&mut self.lock(), &event, false)
    }

    /// `event` counts among what waits already, or is nowhere in memory but in the program.
    fn queue_locked(&self, state: &mut ConnectionState, event: &Bytes, is_volatile: bool) -> Sent {
        if state.phase != Phase::Open {
            return Sent::Closed;
        }
        if is_volatile && !state.outbound.is_clear() {
            return Sent::Dropped;
        }
        self.enqueue(state, event.clone())
    }

    /// Lets frames wait for the client.
    fn enqueue(&self, state: &mut ConnectionState, frames: Bytes) -> Sent {
        match state.outbound.push(frames) {
            Ok(grown) => {
                self.shared.connections.waiting().grow(grown);
                Sent::Yes
            }
            Err(QueueFull) => self.overflow(state),
        }
    }

    /// Writes what was queued, as far as the client takes it now.
    pub fn flush_queued(self: &Arc<Self>) {
        let mut state = self.lock();
        if state.flushing == Flushing::Queued {
            state.flushing = Flushing::None;
        }
        self.flush_now(&mut state);
    }

    fn lock(&self) -> MutexGuard<'_, ConnectionState> {
        self.state.lock()
    }
}

#[cfg(test)]
mod tests;
