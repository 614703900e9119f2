//! The engine's end of a connection.

use super::{Connection, Phase, State, Upgrade};
use crate::core::protocol::ack_reader::{AckReader, Heard};
use crate::core::protocol::close_frame::CloseFrames;
use crate::core::protocol::frame;
use crate::core::protocol::inbound_rewrite::{ForeignParser, Mender};
use crate::core::protocol::msgpack;
use crate::types::{Ending, Reason};
use bytes::{Buf as _, Bytes, BytesMut};
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::tcp::OwnedReadHalf;

/// What a client with another parser is told.
const PARSER_UNSUPPORTED: &str = "this server speaks the JSON parser only: load socket.io.js, not socket.io.msgpack.min.js, and set no `parser`";

/// Bytes that are read of a stream at once. They pass through the stack, so that a connection at rest holds none.
const READ_MAX: usize = 4096;

/// What the engine reads a client's frames from and writes its own to. Writing never waits.
#[derive(Debug)]
pub struct EngineStream {
    connection: Arc<Connection>,
    source: Source,
    /// Who reads along, while they are in the middle of something.
    readers: Option<Box<Readers>>,
    /// For a new [`Mender`].
    has_spoken: bool,
    /// What the engine may read before anything else.
    mended: BytesMut,
}

/// Who follows what a client sends, frame by frame.
#[derive(Debug)]
struct Readers {
    /// Hears the acks and pongs that the engine knows nothing of.
    acks: AckReader,
    /// Lets nothing through at which the engine would end the connection for no fault of the client's.
    mender: Mender,
    /// Sees how a WebSocket's client ends it.
    goodbyes: CloseFrames,
}

impl Readers {
    fn is_idle(&self) -> bool {
        let Self { acks, mender, goodbyes } = self;
        acks.is_idle() && mender.is_idle() && goodbyes.is_idle()
    }
}

/// Where the client's frames come from.
#[derive(Debug)]
enum Source {
    /// Polls, until an upgrade.
    Posts,
    /// A WebSocket.
    Stream(Stream),
}

#[derive(Debug)]
struct Stream {
    read: OwnedReadHalf,
    /// What was read beyond the handshake: it comes first.
    early: Bytes,
}

impl EngineStream {
    /// The end of a polling connection.
    pub(super) fn polling(connection: Arc<Connection>) -> Self {
        Self::new(connection, Source::Posts)
    }

    /// The end of a WebSocket; `early` is what was read beyond the handshake.
    pub(super) fn websocket(
        connection: Arc<Connection>,
        stream: OwnedReadHalf,
        early: Bytes,
    ) -> Self {
        connection.traffic.received(early.len());
        Self::new(connection, Source::Stream(Stream { read: stream, early }))
    }

    fn new(connection: Arc<Connection>, source: Source) -> Self {
        Self { connection, source, readers: None, has_spoken: false, mended: BytesMut::new() }
    }

    /// The connection.
    pub fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    /// Reads what was posted; `None` after an upgrade.
    fn poll_posts(
        &mut self,
        cx: &Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Option<Poll<io::Result<()>>> {
        let mut state = self.connection.lock();
        let is_closed = matches!(state.phase, Phase::Closed(_));
        let polling = &mut state.polling;
        if !polling.inbox.is_empty() {
            let n = polling.inbox.len().min(buf.remaining());
            buf.put_slice(&polling.inbox.split_to(n));
            if polling.inbox.is_empty() {
                polling.inbox = BytesMut::new(); // gives the memory back
            }
            return Some(Poll::Ready(Ok(())));
        }
        match std::mem::take(&mut polling.upgrade) {
            Upgrade::Done(stream) => {
                let (read, early) = *stream;
                self.source = Source::Stream(Stream { read, early });
                return None;
            }
            under_way @ (Upgrade::None | Upgrade::Connected | Upgrade::Probed) => {
                polling.upgrade = under_way;
            }
        }
        if is_closed {
            return Some(Poll::Ready(Ok(()))); // end of stream
        }
        polling.reader = Some(cx.waker().clone());
        Some(Poll::Pending)
    }

    /// The engine has all that was read; a post that waits for that is answered.
    fn note_read(&self) {
        if matches!(self.source, Source::Posts) && self.connection.lock().polling.inbox.is_empty() {
            self.connection.read.notify_one();
        }
    }

    /// Reads along with the engine, and mends what it gets. Those who read are nearly always done with a message when
    /// they have read what came: so they live on the stack, and a connection at rest holds none.
    fn mend(&mut self, came: &[u8]) -> Result<(), ForeignParser> {
        let Self { connection, source, readers, has_spoken, mended } = self;
        let mut now = readers.take().map_or_else(
            || Readers {
                acks: AckReader::new(connection.limits.buffer_bytes),
                mender: Mender::resume(*has_spoken),
                goodbyes: CloseFrames::default(),
            },
            |it| *it,
        );
        if matches!(source, Source::Stream(_)) {
            connection.follow(&mut now.goodbyes, came);
        }
        now.acks.read(came, &mut |heard| match heard {
            Heard::Ack(ack) => connection.hear_ack(ack),
            Heard::Pong => connection.hear_pong(),
        });
        mended.reserve(came.len());
        now.mender.read(came, mended)?;
        *has_spoken = now.mender.has_spoken();
        if !now.is_idle() {
            *readers = Some(Box::new(now));
        }
        Ok(())
    }

    /// Reads what comes next, wherever it comes from.
    fn poll_source(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if matches!(self.source, Source::Posts)
            && let Some(result) = self.poll_posts(cx, buf)
        {
            return result;
        }
        let Self { connection, source, .. } = self;
        let Source::Stream(stream) = source else { return Poll::Ready(Ok(())) };
        if !stream.early.is_empty() {
            let n = stream.early.len().min(buf.remaining());
            buf.put_slice(stream.early.get(..n).unwrap_or_default());
            stream.early.advance(n);
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        let result = std::task::ready!(Pin::new(&mut stream.read).poll_read(cx, buf));
        match &result {
            Ok(()) if buf.filled().len() == before => connection.lock().peer_ended(),
            Ok(()) => connection.traffic.received(buf.filled().len() - before),
            Err(error) => {
                connection.stream_failed(&mut connection.lock(), error);
            }
        }
        Poll::Ready(result)
    }
}

impl AsyncRead for EngineStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.mended.is_empty() {
            let mut bytes = [MaybeUninit::uninit(); READ_MAX];
            let mut came = ReadBuf::uninit(&mut bytes);
            std::task::ready!(self.poll_source(cx, &mut came))?;
            let came = came.filled();
            if came.is_empty() {
                return Poll::Ready(Ok(())); // the end
            }
            if let Err(foreign) = self.mend(came) {
                self.mended = BytesMut::new();
                self.connection.refuse_parser(&foreign.namespace);
                self.note_read();
                return Poll::Ready(Ok(())); // the engine has nothing more to read
            }
        }
        let n = self.mended.len().min(buf.remaining());
        buf.put_slice(self.mended.get(..n).unwrap_or_default());
        self.mended.advance(n);
        if self.mended.is_empty() {
            self.mended = BytesMut::new(); // gives the memory back
            self.note_read();
        }
        Poll::Ready(Ok(()))
    }
}

impl Connection {
    /// The engine read `came`.
    fn follow(&self, goodbyes: &mut CloseFrames, came: &[u8]) {
        if let Some(code) = goodbyes.see(came) {
            self.lock().said_goodbye(Some(code));
        }
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

impl State {
    /// The stream has ended. If this side closed it, that says nothing of the peer.
    fn peer_ended(&mut self) {
        self.peer_ended |= !matches!(self.phase, Phase::Closed(_));
        self.note(Ending::EndOfStream);
    }

    /// The client said goodbye; with a code if by WebSocket.
    pub(super) fn said_goodbye(&mut self, code: Option<u16>) {
        self.note(Ending::Goodbye);
        self.close_code = self.close_code.or(code);
    }
}

impl AsyncWrite for EngineStream {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(self.connection.engine_wrote(buf).map(|()| buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.connection.finish_for(None);
        Poll::Ready(Ok(()))
    }
}

impl Drop for EngineStream {
    /// The engine is done with the connection; what is pending may still leave.
    fn drop(&mut self) {
        self.connection.finish_for(None);
        // Nobody reads any more: a post that waits for its reader is answered.
        self.connection.lock().polling.inbox = BytesMut::new();
        self.connection.read.notify_one();
    }
}
