//! An accepted connection, as long as it speaks HTTP.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

/// How long a client may go on sending a request that was answered already.
const LINGER: Duration = Duration::from_secs(5);
/// How many bytes of it are taken and thrown away.
const LINGER_BYTES_MAX: usize = 64 * 1024 * 1024;
/// How many at once.
const CHUNK_BYTES: usize = 8 * 1024;

/// An accepted connection, as hyper gets it.
///
/// Its end waits for the client's: an answer that is given before the request has come in whole (too large, not
/// allowed) would else be lost, because the system resets a connection that is closed with bytes unread, and a reset
/// overtakes the answer (RFC 9112 §9.6).
#[derive(Debug)]
pub struct Accepted {
    tcp: TcpStream,
    end: Option<End>,
}

/// Our side has said all; what the client still says is thrown away.
#[derive(Debug)]
struct End {
    deadline: Pin<Box<Sleep>>,
    bytes: usize,
}

impl Accepted {
    /// Takes a connection that was just accepted.
    pub fn new(tcp: TcpStream) -> Self {
        Self { tcp, end: None }
    }

    /// Gives it back, for another protocol.
    pub(super) fn into_inner(self) -> TcpStream {
        self.tcp
    }
}

impl AsyncRead for Accepted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_read(cx, buf)
    }
}

impl AsyncWrite for Accepted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    /// Ends our side, then waits for the client to end its own; within bounds.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { tcp, end } = self.get_mut();
        if end.is_none() {
            ready!(Pin::new(&mut *tcp).poll_shutdown(cx))?;
        }
        let end = end.get_or_insert_with(End::begin);
        loop {
            if LINGER_BYTES_MAX <= end.bytes || end.deadline.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Ok(()));
            }
            let mut chunk = [0; CHUNK_BYTES];
            let mut buf = ReadBuf::new(&mut chunk);
            // An error is an end, too.
            let read = ready!(Pin::new(&mut *tcp).poll_read(cx, &mut buf));
            if read.is_err() || buf.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            end.bytes += buf.filled().len();
        }
    }
}

impl End {
    fn begin() -> Self {
        Self { deadline: Box::pin(tokio::time::sleep(LINGER)), bytes: 0 }
    }
}
