//! The engine's end of a connection.

use super::{Phase, Upgrade, Wire};
use bytes::{Buf as _, Bytes, BytesMut};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::tcp::OwnedReadHalf;

/// What the engine reads a client's frames from and writes its own to. Writing never waits.
#[derive(Debug)]
pub struct WireIo {
    wire: Arc<Wire>,
    source: Source,
}

/// Where the client's frames come from.
#[derive(Debug)]
enum Source {
    /// Polls, until an upgrade.
    Posts,
    /// A WebSocket; first what was read of it beyond the handshake.
    Stream(OwnedReadHalf, Bytes),
}

impl WireIo {
    /// The end of a polling connection.
    pub(super) fn polling(wire: Arc<Wire>) -> Self {
        Self { wire, source: Source::Posts }
    }

    /// The end of a WebSocket; `early` is what was read beyond the handshake.
    pub(super) fn websocket(wire: Arc<Wire>, stream: OwnedReadHalf, early: Bytes) -> Self {
        Self { wire, source: Source::Stream(stream, early) }
    }

    /// The connection.
    pub fn wire(&self) -> &Arc<Wire> {
        &self.wire
    }

    /// Reads what was posted; `None` after an upgrade.
    fn poll_posts(
        &mut self,
        cx: &Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Option<Poll<io::Result<()>>> {
        let mut state = self.wire.lock();
        let is_closed = matches!(state.phase, Phase::Closed(_));
        let polling = &mut state.polling;
        if !polling.inbox.is_empty() {
            let n = polling.inbox.len().min(buf.remaining());
            buf.put_slice(&polling.inbox.split_to(n));
            if polling.inbox.is_empty() {
                polling.inbox = BytesMut::new(); // gives the memory back
                self.wire.read.notify_one();
            }
            return Some(Poll::Ready(Ok(())));
        }
        match std::mem::take(&mut polling.upgrade) {
            Upgrade::Done(stream, early) => {
                self.source = Source::Stream(stream, early);
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
}

impl AsyncRead for WireIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if matches!(this.source, Source::Posts)
            && let Some(result) = this.poll_posts(cx, buf)
        {
            return result;
        }
        let Source::Stream(stream, early) = &mut this.source else { return Poll::Ready(Ok(())) };
        if !early.is_empty() {
            let n = early.len().min(buf.remaining());
            buf.put_slice(early.get(..n).unwrap_or_default());
            early.advance(n);
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        let result = Pin::new(stream).poll_read(cx, buf);
        if matches!(result, Poll::Ready(Ok(()))) && buf.filled().len() == before {
            this.wire.lock().peer_ended = true;
        }
        result
    }
}

impl AsyncWrite for WireIo {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(self.wire.engine_wrote(buf).map(|()| buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.wire.finish_for(None);
        Poll::Ready(Ok(()))
    }
}

impl Drop for WireIo {
    /// The engine is done with the connection; what is pending may still leave.
    fn drop(&mut self) {
        self.wire.finish_for(None);
        // Nobody reads any more: a post that waits for its reader is answered.
        self.wire.lock().polling.inbox = BytesMut::new();
        self.wire.read.notify_one();
    }
}
