//! What a client sends: read from its stream or from its posts, and delivered in order.
//!
//! ```text
//!   WebSocket ──┐                  ┌── pong, ack, close code ─► the connection itself
//!               ├─► InboundReader ─┼── event ─► the listener of its namespace, as fast as that takes them
//!   posts ──────┘                  └── CONNECT, DISCONNECT, all else ─► the engine
//! ```
//!
//! When a listener takes no more, nothing more is read until it does: a WebSocket's client is held back by TCP, the post
//! of a client that polls is not answered. A connection at rest holds nothing here but where it reads from.

use super::listeners::EventListener;
use super::stream::Inlet;
use super::upgrade::Upgrade;
use super::{Connection, ConnectionState, Phase};
use crate::core::protocol::frame::{self, Opcode};
use crate::core::protocol::inbound::{Inbound, InboundReader, PONG};
use crate::core::protocol::messages::{Malformed, Piece};
use crate::core::protocol::msgpack;
use crate::types::{Ending, Reason};
use bytes::{Buf as _, Bytes, BytesMut};
use std::fmt;
use std::future::Future as _;
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

/// Reads what one client sends.
#[derive(Debug)]
pub(super) struct Incoming {
    source: Source,
    /// While it is in the middle of a packet; between two, a new one knows as much.
    reader: Option<Box<InboundReader>>,
    /// For a new reader.
    has_spoken: bool,
    /// While a listener takes no more.
    paused: Option<Box<Paused>>,
    /// When the buffers of a packet that has begun must be there.
    deadline: Option<Pin<Box<Sleep>>>,
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
        early: Bytes,
    },
    /// Nothing more is read: the client broke the protocol.
    Ended,
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

/// The client broke the protocol, and its connection is being closed.
struct Broken;

impl Incoming {
    /// Reads what is posted.
    pub(super) fn posts() -> Self {
        Self::new(Source::Posts)
    }

    /// Reads a WebSocket; `early` is what was read beyond the handshake.
    pub(super) fn stream(inlet: Inlet, early: Bytes) -> Self {
        Self::new(Source::Stream { inlet, early })
    }

    fn new(source: Source) -> Self {
        Self { source, reader: None, has_spoken: false, paused: None, deadline: None }
    }

    /// Reads and delivers until there is something for the engine, which is appended to `engine`, empty before. False at
    /// the end.
    pub(super) fn poll(
        &mut self,
        connection: &Arc<Connection>,
        cx: &mut Context<'_>,
        engine: &mut BytesMut,
    ) -> Poll<io::Result<bool>> {
        while engine.is_empty() {
            let read = if let Some(paused) = self.paused.take() {
                let Paused { listener, mut rest } = *paused;
                if listener.poll_ready(cx).is_pending() {
                    self.paused = Some(Box::new(Paused { listener, rest }));
                    return connection.lock().pause(cx.waker()).map(|()| Ok(false));
                }
                connection.resume_reading();
                self.read(connection, cx, &mut rest, engine)
            } else {
                let mut bytes = [MaybeUninit::uninit(); READ_MAX];
                let mut received = ReadBuf::uninit(&mut bytes);
                let read = self.poll_source(connection, cx, &mut received);
                if read.is_pending() && self.is_late(cx) {
                    connection.refuse_malformed(Malformed::Late);
                    return Poll::Ready(Ok(false));
                }
                ready!(read)?;
                if received.filled().is_empty() {
                    return Poll::Ready(Ok(false));
                }
                self.read(connection, cx, received.filled_mut(), engine)
            };
            if let Err(Broken) = read {
                self.source = Source::Ended;
                *engine = BytesMut::new();
            }
            if engine.is_empty() {
                self.note_read(connection);
            }
        }
        Poll::Ready(Ok(true))
    }

    /// Whether the time for a packet's buffers is over; `cx` is woken when it is.
    fn is_late(&mut self, cx: &mut Context<'_>) -> bool {
        self.deadline.as_mut().is_some_and(|it| it.as_mut().poll(cx).is_ready())
    }

    /// All that was read has been delivered, and the engine has taken what is its: a post that waits for that is answered.
    pub(super) fn note_read(&self, connection: &Connection) {
        if !matches!(self.source, Source::Stream { .. }) && self.paused.is_none() {
            let mut state = connection.lock();
            if state.polling.inbox.is_empty() {
                state.polling.is_unread = false;
                connection.read.notify_one();
            }
        }
    }

    /// Delivers each thing that `piece` completes.
    fn read(
        &mut self,
        connection: &Arc<Connection>,
        cx: &mut Context<'_>,
        piece: &mut [u8],
        engine: &mut BytesMut,
    ) -> Result<(), Broken> {
        let reader = self.reader.take().map(|it| *it);
        let bytes_max = connection.limits.payload_bytes;
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
                Ok(Some(Inbound::ForeignParser(namespace))) => {
                    connection.refuse_parser(&namespace);
                    return Err(Broken);
                }
                Ok(Some(close @ Inbound::Close { .. })) => {
                    connection.take_inbound(&close, engine);
                    // Nothing that follows it counts (RFC 6455 §5.5.1).
                    self.source = Source::Ended;
                    return Ok(());
                }
                Ok(Some(other)) => connection.take_inbound(&other, engine),
                Err(malformed) => {
                    connection.refuse_malformed(malformed);
                    return Err(Broken);
                }
            }
        }
        self.has_spoken = reader.has_spoken();
        if !reader.awaits_buffers() {
            self.deadline = None;
        } else if self.deadline.is_none() {
            self.deadline = Some(Box::pin(tokio::time::sleep(connection.limits.body_timeout)));
        }
        self.reader = (!reader.is_idle()).then(|| Box::new(reader));
        self.paused =
            full.map(|listener| Box::new(Paused { listener, rest: piece.rest().to_vec() }));
        Ok(())
    }

    /// Reads what comes next, wherever it comes from; nothing at the end.
    fn poll_source(
        &mut self,
        connection: &Connection,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if matches!(self.source, Source::Posts) {
            match connection.lock().take_posted(cx.waker(), buf) {
                PostedBytes::Read => return Poll::Ready(Ok(())),
                PostedBytes::Nothing => return Poll::Pending,
                PostedBytes::Upgraded(stream) => {
                    let (inlet, early) = *stream;
                    self.source = Source::Stream { inlet, early };
                }
            }
        }
        let Source::Stream { inlet, early } = &mut self.source else {
            return Poll::Ready(Ok(()));
        };
        if !early.is_empty() {
            let n = early.len().min(buf.remaining());
            buf.put_slice(early.get(..n).unwrap_or_default());
            early.advance(n);
            return Poll::Ready(Ok(()));
        }
        let result = ready!(inlet.poll_read(cx, buf));
        match &result {
            Ok(()) if buf.filled().is_empty() => connection.lock().peer_ended(),
            Ok(()) => connection.traffic.received(buf.filled().len()),
            Err(error) => {
                connection.stream_failed(&mut connection.lock(), error);
            }
        }
        Poll::Ready(result)
    }
}

/// What is there of what a client posted.
enum PostedBytes {
    /// Something was read, or this is the end.
    Read,
    /// Nothing yet.
    Nothing,
    /// The client has moved to this WebSocket; behind it is what was read beyond the handshake.
    Upgraded(Box<(Inlet, Bytes)>),
}

impl Connection {
    /// Takes what is neither an event nor the end.
    fn take_inbound(&self, inbound: &Inbound<'_>, engine: &mut BytesMut) {
        match inbound {
            Inbound::Pong => {
                self.pong_received();
                frame::put_client_text(engine, PONG.as_bytes());
            }
            Inbound::Ack(ack) => self.ack_received(ack),
            Inbound::Disconnect { namespace, packet } => {
                self.lock().left(namespace);
                frame::put_client_text(engine, packet.as_bytes());
            }
            Inbound::Close { code, payload } => {
                self.lock().close_received(Some(*code));
                frame::put_client_frame(engine, Opcode::Close, payload);
            }
            Inbound::Other(opcode, payload) => frame::put_client_frame(engine, *opcode, payload),
            Inbound::Noop | Inbound::Incomplete | Inbound::Event(_) | Inbound::ForeignParser(_) => {
            }
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

    /// The client uses another parser: it is told so in its own words, at which a stock client does not try again.
    fn refuse_parser(self: &Arc<Self>, namespace: &str) {
        metrics::counter!("userline_foreign_parsers_total").increment(1);
        if self.connections.is_first_foreign_parser() {
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

    /// Reads what was posted. If nothing is there, `reader` is woken when something is.
    fn take_posted(&mut self, reader: &Waker, buf: &mut ReadBuf<'_>) -> PostedBytes {
        let polling = &mut self.polling;
        if !polling.inbox.is_empty() {
            let n = polling.inbox.len().min(buf.remaining());
            buf.put_slice(&polling.inbox.split_to(n));
            if polling.inbox.is_empty() {
                polling.inbox = BytesMut::new(); // gives the memory back
            }
            return PostedBytes::Read;
        }
        match mem::take(&mut polling.upgrade) {
            Upgrade::Done(stream) => return PostedBytes::Upgraded(stream),
            under_way @ (Upgrade::None | Upgrade::Connected | Upgrade::Probed) => {
                polling.upgrade = under_way;
            }
        }
        if matches!(self.phase, Phase::Closed(_)) {
            return PostedBytes::Read; // the end
        }
        self.reader = Some(reader.clone());
        PostedBytes::Nothing
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
        self.outbound.expect_close_frame();
    }
}
