//! What a client sends: read from its stream or from its posts, and delivered in order.
//!
//! ```text
//!   WebSocket ──┐                  ┌── event ─► the listener of its namespace, as fast as that takes them
//!               ├─► InboundReader ─┼── CONNECT ─► the engine, on loan
//!   posts ──────┘                  └── all else ─► the connection itself
//! ```
//!
//! When a listener takes no more, nothing more is read until it does: a WebSocket's client is held back by TCP, the post
//! of a client that polls is not answered. A connection at rest holds nothing here but where it reads from.

use super::listeners::{EventListener, Listeners};
use super::pool::NoRoom;
use super::posts::PostedBytes;
use super::stream::Inlet;
use super::unfinished::{TakenRoom, count_refused};
use super::{Connection, ConnectionState, Phase};
use crate::core::protocol::frame;
use crate::core::protocol::inbound::{Inbound, InboundReader};
use crate::core::protocol::messages::{Malformed, Piece};
use crate::core::protocol::msgpack;
use crate::tasks::WorkTurn;
use crate::types::{Ending, Reason};
use bytes::Bytes;
use std::fmt;
use std::io;
use std::mem::{self, MaybeUninit};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use tokio::io::ReadBuf;
use tokio::time::Sleep;

/// What a client with another parser is told.
const PARSER_UNSUPPORTED: &str = "this server speaks the JSON parser only: load socket.io.js, not socket.io.msgpack.min.js, and set no `parser`";

/// Bytes that are read at once. They pass through the stack, so that a connection at rest holds none.
const READ_MAX: usize = 4096;

/// Reads what one client sends, until its connection ends; then all that listen to it hear of that. Each connection has one,
/// as a task.
#[derive(Debug)]
pub(super) struct Incoming {
    connection: Arc<Connection>,
    source: Source,
    /// While it is in the middle of a packet; between two, a new one knows as much.
    begun: Option<Box<BegunPacket>>,
    /// For a new reader.
    has_spoken: bool,
    /// While a listener takes no more.
    paused: Option<Box<Paused>>,
    /// When the buffers of a packet that has begun must be there.
    deadline: Option<Pin<Box<Sleep>>>,
}

/// The reader in the middle of a packet, and the room that what has come of it takes.
#[derive(Debug)]
struct BegunPacket {
    reader: InboundReader,
    room: TakenRoom,
}

/// Where the client's frames come from.
#[derive(Debug)]
enum Source {
    /// Polls, until an upgrade.
    Posts,
    /// A WebSocket.
    Stream {
        inlet: Inlet,
        /// What was read beyond the handshake: it comes first.
        early: Option<Box<Bytes>>,
    },
    /// Nothing more is read: the client closes, or broke the protocol.
    Ended,
    /// The connection has ended for this reason, and thousands may have at once: those who listen hear of it in turn.
    Leaving { turn: Option<WorkTurn>, reason: Reason },
}

/// Why nothing is read at the moment.
struct Paused {
    /// It takes no more.
    listener: Arc<dyn EventListener>,
    /// What was read already and comes next.
    rest: Vec<u8>,
}

impl fmt::Debug for Paused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Paused").field("rest", &self.rest.len()).finish_non_exhaustive()
    }
}

/// Nothing that the client says counts any more.
struct Over;

impl Incoming {
    /// Reads what is posted.
    pub(super) fn posts(connection: Arc<Connection>) -> Self {
        Self::new(connection, Source::Posts)
    }

    /// Reads a WebSocket; `early` is what was read beyond the handshake.
    pub(super) fn stream(connection: Arc<Connection>, inlet: Inlet, early: Bytes) -> Self {
        connection.received(early.len());
        let early = Some(early).filter(|it| !it.is_empty()).map(Box::new);
        Self::new(connection, Source::Stream { inlet, early })
    }

    fn new(connection: Arc<Connection>, source: Source) -> Self {
        let (begun, paused, deadline) = (None, None, None);
        Self { connection, source, begun, has_spoken: false, paused, deadline }
    }

    /// Reads and delivers until the end.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let read = if let Some(paused) = self.paused.take() {
                let Paused { listener, mut rest } = *paused;
                if listener.poll_ready(cx).is_pending() {
                    self.paused = Some(Box::new(Paused { listener, rest }));
                    return self.connection.lock().pause(cx.waker()).map(Ok);
                }
                self.connection.resume_reading();
                self.read(cx, &mut rest)
            } else {
                let mut bytes = [MaybeUninit::uninit(); READ_MAX];
                let mut received = ReadBuf::uninit(&mut bytes);
                let read = self.poll_source(cx, &mut received);
                if read.is_pending() && self.is_late(cx) {
                    self.connection.refuse_malformed(Malformed::Late);
                    return Poll::Ready(Ok(()));
                }
                ready!(read)?;
                if received.filled().is_empty() {
                    return Poll::Ready(Ok(()));
                }
                self.read(cx, received.filled_mut())
            };
            if let Err(Over) = read {
                self.source = Source::Ended;
            }
            self.note_read();
        }
    }

    /// Whether the time for a packet's buffers is over; `cx` is woken when it is.
    fn is_late(&mut self, cx: &mut Context<'_>) -> bool {
        self.deadline.as_mut().is_some_and(|it| it.as_mut().poll(cx).is_ready())
    }

    /// If all that was posted has been delivered, the post that waits for that is answered.
    fn note_read(&self) {
        if !matches!(self.source, Source::Stream { .. }) && self.paused.is_none() {
            self.connection.lock().posts_delivered();
        }
    }

    /// Delivers each thing that `piece` completes.
    fn read(&mut self, cx: &mut Context<'_>, piece: &mut [u8]) -> Result<(), Over> {
        let (reader, room) = self.begun.take().map(|it| (it.reader, it.room)).unzip();
        let connection = &self.connection;
        let bytes_max = connection.shared.limits.payload_bytes;
        let mut reader =
            reader.unwrap_or_else(|| InboundReader::resume(bytes_max, self.has_spoken));
        let mut piece = Piece::new(piece);
        let mut full = None;
        while full.is_none() {
            match reader.next(&mut piece) {
                Ok(None) => break,
                Ok(Some(Inbound::Event(event))) => {
                    self.deadline = None;
                    let listener = connection.deliver(&event);
                    full = listener.filter(|it| it.poll_ready(cx).is_pending());
                }
                Ok(Some(other)) => connection.take_inbound(&other)?,
                Err(malformed) => {
                    connection.refuse_malformed(malformed);
                    return Err(Over);
                }
            }
        }
        self.has_spoken = reader.has_spoken();
        if !reader.awaits_buffers() {
            self.deadline = None;
        } else if self.deadline.is_none() {
            self.deadline =
                Some(Box::pin(tokio::time::sleep(connection.shared.limits.body_timeout)));
        }
        if !reader.is_idle() {
            let mut room = room.unwrap_or_else(|| connection.no_room_yet(&connection.lock()));
            if let Err(NoRoom) = room.resize(reader.held()) {
                connection.refuse_unfinished();
                return Err(Over);
            }
            self.begun = Some(Box::new(BegunPacket { reader, room }));
        }
        self.paused =
            full.map(|listener| Box::new(Paused { listener, rest: piece.rest().to_vec() }));
        Ok(())
    }

    /// Reads what comes next, wherever it comes from; nothing at the end.
    fn poll_source(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let connection = &self.connection;
        if matches!(self.source, Source::Posts) {
            match connection.lock().take_posted(cx.waker(), buf) {
                PostedBytes::Read => return Poll::Ready(Ok(())),
                PostedBytes::Nothing => return Poll::Pending,
                PostedBytes::Upgraded(stream) => {
                    let (inlet, early) = *stream;
                    let early = Some(early).filter(|it| !it.is_empty()).map(Box::new);
                    self.source = Source::Stream { inlet, early };
                }
            }
        }
        let Source::Stream { inlet, early } = &mut self.source else {
            return Poll::Ready(Ok(()));
        };
        if let Some(mut bytes) = early.take() {
            let n = bytes.len().min(buf.remaining());
            buf.put_slice(&bytes.split_to(n));
            *early = Some(bytes).filter(|it| !it.is_empty());
            return Poll::Ready(Ok(()));
        }
        let result = ready!(inlet.poll_read(cx, buf));
        match &result {
            Ok(()) if buf.filled().is_empty() => connection.lock().peer_ended(),
            Ok(()) => connection.received(buf.filled().len()),
            Err(error) => {
                connection.stream_failed(&mut connection.lock(), error);
            }
        }
        Poll::Ready(result)
    }
}

impl Future for Incoming {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if !matches!(self.source, Source::Leaving { .. }) {
            let end = ready!(self.poll_end(cx));
            let reason = if end.is_ok() { Reason::TransportClose } else { Reason::TransportError };
            self.source = Source::Leaving { turn: self.connection.shared.leaves.turn(), reason };
        }
        if let Source::Leaving { turn, reason } = &mut self.source {
            if let Some(turn) = turn {
                ready!(Pin::new(turn).poll(cx));
            }
            let reason = *reason;
            self.connection.stop_reading(reason);
        }
        Poll::Ready(())
    }
}

impl Drop for Incoming {
    /// However the task ends, nobody goes on listening to what is not read.
    fn drop(&mut self) {
        self.connection.stop_reading(Reason::TransportClose);
    }
}

impl Connection {
    /// Takes what is not an event.
    fn take_inbound(self: &Arc<Self>, inbound: &Inbound<'_>) -> Result<(), Over> {
        match inbound {
            Inbound::Pong => self.pong_received(),
            Inbound::Ack(ack) => self.ack_received(ack),
            Inbound::Connect { namespace, auth } => self.connect_received(namespace, auth),
            Inbound::Disconnect { namespace } => self.disconnect_received(namespace),
            Inbound::Ping(payload) => {
                self.send(&frame::pong(payload));
            }
            // Nothing that follows it counts (RFC 6455 §5.5.1).
            Inbound::Close { code } => {
                self.lock().close_received(*code);
                return Err(Over);
            }
            Inbound::ForeignParser(namespace) => {
                self.refuse_parser(namespace);
                return Err(Over);
            }
            Inbound::Nothing | Inbound::Event(_) => {}
        }
        Ok(())
    }

    /// The client is not read any more: whoever listens to it hears why, and what is pending may still leave. Repeats
    /// change nothing.
    fn stop_reading(self: &Arc<Self>, reason: Reason) {
        // First, so that nobody can join any more.
        self.finish(reason);
        self.let_go();
        let listeners = mem::take(&mut self.lock().listeners);
        let reason = self.end_reason().unwrap_or(reason);
        for listener in Listeners::into_all(listeners) {
            listener.leave(reason);
        }
    }

    /// The client may be read again. While it was not, it could not answer a ping.
    fn resume_reading(&self) {
        let mut state = self.lock();
        state.is_paused = false;
        if state.pinged_at.is_some() {
            state.pinged_at = Some(self.now());
        }
    }

    /// The client broke the protocol.
    fn refuse_malformed(self: &Arc<Self>, malformed: Malformed) {
        tracing::debug!(%malformed, "closing a connection");
        self.finish(Reason::TransportError);
    }

    /// What clients have begun to send is as much as it may be, and this one sends more. A stock client comes back.
    fn refuse_unfinished(self: &Arc<Self>) {
        count_refused("message");
        self.lock().note(Ending::NoRoom);
        self.finish(Reason::TransportError);
    }

    /// The client uses another parser: it is told so in its own words, at which a stock client does not try again.
    fn refuse_parser(self: &Arc<Self>, namespace: &str) {
        metrics::counter!("userline_foreign_parsers_total").increment(1);
        if self.shared.connections.is_first_foreign_parser() {
            tracing::warn!(
                "refused a client with another parser than JSON: it must load socket.io.js, not \
                 socket.io.msgpack.min.js, and set no `parser`; further ones are only counted in \
                 userline_foreign_parsers_total"
            );
        }
        let refusal = msgpack::connect_error(namespace, "parser_unsupported", PARSER_UNSUPPORTED);
        self.send(&frame::binary(&refusal));
        self.finish(Reason::TransportError);
    }
}

impl ConnectionState {
    /// Nothing is read until `reader` is woken; ready if the connection is closed.
    fn pause(&mut self, reader: &Waker) -> Poll<()> {
        if matches!(self.phase, Phase::Closed(_)) {
            return Poll::Ready(());
        }
        self.is_paused = true;
        self.reader = Some(reader.clone());
        Poll::Pending
    }

    /// The stream has ended. If this side closed it, that says nothing of the peer.
    fn peer_ended(&mut self) {
        self.peer_ended |= !matches!(self.phase, Phase::Closed(_));
        self.note(Ending::EndOfStream);
    }

    /// The client has closed the connection: by a close frame with this code, or by a close packet, which has none.
    pub(super) fn close_received(&mut self, code: Option<u16>) {
        self.note(Ending::ClosedByClient);
        self.close_code = self.close_code.or(code);
    }
}
