//! The engine's end of a loan. It believes to speak with a WebSocket client that says CONNECT once and goes when it is
//! answered.

use super::loan::Loan;
use crate::core::protocol::frame::{self, Content, Cutter};
use crate::core::protocol::packet;
use bytes::{Buf as _, Bytes, BytesMut};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What the engine reads the CONNECT from and writes its answer to. Writing never waits.
#[derive(Debug)]
pub struct EngineStream {
    loan: Arc<Loan>,
    /// The CONNECT, as far as the engine has still to read it.
    unread: Bytes,
    /// Follows what the engine writes.
    cutter: Cutter,
}

impl EngineStream {
    /// The end of a loan for this CONNECT.
    pub(super) fn new(loan: Arc<Loan>, auth: &str) -> Self {
        let connect = packet::connect_request(loan.namespace(), auth);
        let mut unread = BytesMut::new();
        frame::put_client_text(&mut unread, connect.as_bytes());
        Self { loan, unread: unread.freeze(), cutter: Cutter::default() }
    }

    /// The engine is about to get it.
    pub(super) fn begin(&self) {
        self.loan.begin();
    }

    /// The loan.
    pub fn loan(&self) -> &Arc<Loan> {
        &self.loan
    }
}

impl AsyncRead for EngineStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.unread.is_empty() {
            return self.loan.poll_returned(cx).map(Ok);
        }
        let n = self.unread.len().min(buf.remaining());
        buf.put_slice(self.unread.get(..n).unwrap_or_default());
        self.unread.advance(n);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for EngineStream {
    /// Nothing that the engine writes reaches the client: its open packet, pings and close frame are the connection's to
    /// send, and its answers hold its own session id. That it answers is what counts.
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut frames = self.cutter.cut(buf);
        while let Some((_, content)) = frame::take(&mut frames) {
            if matches!(&content, Content::Text(text) if packet::is_answer_to_connect(text)) {
                self.loan.give_back();
            }
        }
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl Drop for EngineStream {
    /// The engine is done. If it has not answered, it never will.
    fn drop(&mut self) {
        self.loan.give_back();
    }
}
