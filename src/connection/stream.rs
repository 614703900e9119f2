//! The byte stream under a WebSocket: what can be done with it, in two halves. Only here and in [`super::accepted`] is
//! it known to be TCP.

use bytes::BytesMut;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::SockRef;
use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead as _, AsyncReadExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

/// Bytes that are thrown away at once.
const CHUNK_BYTES: usize = 1024;

/// The half that is read.
#[derive(Debug)]
pub(super) struct Inlet(OwnedReadHalf);

/// The half that is written to.
#[derive(Debug)]
pub(super) struct Outlet(OwnedWriteHalf);

/// Takes a stream apart.
pub(super) fn split(tcp: TcpStream) -> (Inlet, Outlet) {
    let (read, write) = tcp.into_split();
    (Inlet(read), Outlet(write))
}

impl Inlet {
    /// Reads what is there; nothing at the end.
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }

    /// Waits for more and appends it to `bytes`; says how much, 0 at the end.
    pub(super) async fn read(&mut self, bytes: &mut BytesMut) -> io::Result<usize> {
        self.0.read_buf(bytes).await
    }
}

impl Outlet {
    /// Writes what the kernel takes of `bytes` now.
    pub(super) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    /// Writes what the kernel takes of these now, in order.
    pub(super) fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(slices)
    }

    /// Waits until the kernel takes more.
    pub(super) async fn writable(&self) -> io::Result<()> {
        self.0.writable().await
    }

    /// Ends this side: the client reads all that was written, then the end, and may still send.
    pub(super) fn end(&self) {
        SockRef::from(self.tcp()).shutdown(Shutdown::Write).ok();
    }

    /// Throws away what the client still sends, until its end, or until that was `bytes_max` bytes. To be called when
    /// nobody reads the other half any more.
    pub(super) async fn drain(&self, bytes_max: usize) {
        let mut chunk = [0; CHUNK_BYTES];
        let mut drained = 0;
        while drained < bytes_max && self.tcp().readable().await.is_ok() {
            match self.tcp().try_read(&mut chunk) {
                Ok(0) => return,
                Ok(n) => drained += n,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
    }

    /// Ends the stream in both directions, which also wakes its reader. An error means that it is down already.
    pub(super) fn shutdown(&self) {
        SockRef::from(self.tcp()).shutdown(Shutdown::Both).ok();
    }

    /// Whether the kernel holds bytes that it has not sent, because the client's window is full.
    ///
    /// There is no question for that without unsafe code. But with the option `TCP_NOTSENT_LOWAT` at 1 a stream is
    /// writable only while it has no such bytes, so it is set, the stream is asked whether it is writable, and it is set
    /// back. Nothing may be written meanwhile.
    pub(super) fn has_unsent(&self) -> io::Result<bool> {
        let socket = SockRef::from(self.tcp());
        socket.set_tcp_notsent_lowat(1)?;
        let mut asked = [PollFd::new(self.tcp(), PollFlags::OUT)];
        let ready = poll(&mut asked, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }));
        socket.set_tcp_notsent_lowat(0)?; // the system's own
        Ok(ready? == 0)
    }

    fn tcp(&self) -> &TcpStream {
        self.0.as_ref()
    }
}
