//! The engine's end of a connection. It believes to speak with a WebSocket client, also when the client polls.

use super::Connection;
use super::incoming::Incoming;
use super::stream::Inlet;
use bytes::{Buf as _, Bytes, BytesMut};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What the engine reads a client's frames from and writes its own to. Writing never waits.
#[derive(Debug)]
pub struct EngineStream {
    connection: Arc<Connection>,
    incoming: Incoming,
    /// Frames that the engine has still to read.
    unread: BytesMut,
}

impl EngineStream {
    /// The end of a polling connection.
    pub(super) fn polling(connection: Arc<Connection>) -> Self {
        Self { connection, incoming: Incoming::posts(), unread: BytesMut::new() }
    }

    /// The end of a WebSocket; `early` is what was read beyond the handshake.
    pub(super) fn websocket(connection: Arc<Connection>, inlet: Inlet, early: Bytes) -> Self {
        connection.traffic.received(early.len());
        Self { connection, incoming: Incoming::stream(inlet, early), unread: BytesMut::new() }
    }

    /// The connection.
    pub fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }
}

impl AsyncRead for EngineStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { connection, incoming, unread } = &mut *self;
        if unread.is_empty() && !ready!(incoming.poll(connection, cx, unread))? {
            return Poll::Ready(Ok(())); // the end
        }
        let n = unread.len().min(buf.remaining());
        buf.put_slice(unread.get(..n).unwrap_or_default());
        unread.advance(n);
        if unread.is_empty() {
            *unread = BytesMut::new(); // gives the memory back
            incoming.note_read(connection);
        }
        Poll::Ready(Ok(()))
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
        self.connection.let_go();
    }
}
