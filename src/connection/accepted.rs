//! An accepted connection, as long as it speaks HTTP.

use super::stream::{self, Inlet, Outlet};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
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
    moved: Arc<Moved>,
    end: Option<LingeringEnd>,
}

/// Whether bytes have moved over a connection since this was asked last.
#[derive(Debug, Default)]
pub struct Moved {
    is_read: AtomicBool,
    is_written: AtomicBool,
}

impl Moved {
    /// The client has sent something.
    pub fn read(&self) {
        self.is_read.store(true, Ordering::Relaxed);
    }

    /// The kernel took something for the client.
    pub fn written(&self) {
        self.is_written.store(true, Ordering::Relaxed);
    }

    /// Whether the client has sent anything.
    pub fn take_read(&self) -> bool {
        self.is_read.swap(false, Ordering::Relaxed)
    }

    /// Whether the kernel took anything for the client.
    pub fn take_written(&self) -> bool {
        self.is_written.swap(false, Ordering::Relaxed)
    }
}

/// Our side has said all; what the client still says is thrown away.
#[derive(Debug)]
struct LingeringEnd {
    deadline: Pin<Box<Sleep>>,
    bytes: usize,
}

impl Accepted {
    /// Takes a connection that was just accepted.
    pub fn new(tcp: TcpStream) -> Self {
        Self { tcp, moved: Arc::default(), end: None }
    }

    /// Tells whether bytes move, also while hyper has the connection.
    pub fn moved(&self) -> Arc<Moved> {
        Arc::clone(&self.moved)
    }

    /// Waits until the client has said something, or is gone. It is looked whether it has: streams are called readable
    /// that have nothing to read, and hyper takes 16 KB for each of which it reads.
    pub async fn readable(&self) -> io::Result<()> {
        self.tcp.peek(&mut [0]).await.map(drop)
    }

    /// Gives the stream back, for another protocol.
    pub(super) fn into_halves(self) -> (Inlet, Outlet) {
        stream::split(self.tcp)
    }
}

impl AsyncRead for Accepted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = ready!(Pin::new(&mut self.tcp).poll_read(cx, buf));
        if before < buf.filled().len() {
            self.moved.read();
        }
        Poll::Ready(read)
    }
}

impl AsyncWrite for Accepted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.tcp).poll_write(cx, buf));
        self.moved.written();
        Poll::Ready(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.tcp).poll_write_vectored(cx, bufs));
        self.moved.written();
        Poll::Ready(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    /// Ends our side, then waits for the client to end its own; within bounds.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { tcp, end, .. } = self.get_mut();
        if end.is_none() {
            ready!(Pin::new(&mut *tcp).poll_shutdown(cx))?;
        }
        let end = end.get_or_insert_with(LingeringEnd::begin);
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

impl LingeringEnd {
    fn begin() -> Self {
        Self { deadline: Box::pin(tokio::time::sleep(LINGER)), bytes: 0 }
    }
}
