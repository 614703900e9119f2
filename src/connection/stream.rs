//! The byte stream under a WebSocket: what can be done with it, in two halves. Only here and in [`super::accepted`] is
//! it known to be TCP.

use bytes::BytesMut;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::system::uname;
use socket2::SockRef;
use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::pin::Pin;
use std::sync::LazyLock;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead as _, AsyncReadExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

/// More than any kernel holds for a client.
const UNSENT_MAX: u32 = 1 << 30;
/// Bytes that are thrown away at once.
const CHUNK_BYTES: usize = 1024;

/// The half that is read.
#[derive(Debug)]
pub(super) struct Inlet(OwnedReadHalf);

/// The half that is written to. It is there until the end.
#[derive(Debug)]
pub(super) struct Outlet(Option<OwnedWriteHalf>);

impl Drop for Outlet {
    /// tokio would shut the stream down once more: it is down, or the system does that when the other half goes, too.
    fn drop(&mut self) {
        if let Some(half) = self.0.take() {
            half.forget();
        }
    }
}

/// What the kernel holds and has not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unsent {
    /// All is on its way, or has arrived.
    Nothing,
    /// So many bytes; on systems before Linux 4.20 up to twice as many as there are.
    Bytes(u32),
    /// So many that it is about to take no more: it does not say how many.
    Full,
}

/// Whether the kernel counts unsent bytes twice when it is asked if a stream is writable, so that who waits for that is not
/// woken too often. It does since Linux 4.20; where somebody has brought that to an earlier one, more is named than there is.
fn counts_twice() -> bool {
    static COUNTS_TWICE: LazyLock<bool> = LazyLock::new(|| {
        let release = uname().release().to_string_lossy().into_owned();
        let mut parts = release.split(['.', '-']).map_while(|it| it.parse::<u32>().ok());
        (4, 20) <= (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
    });
    *COUNTS_TWICE
}

/// Takes a stream apart.
pub(super) fn split(tcp: TcpStream) -> (Inlet, Outlet) {
    let (read, write) = tcp.into_split();
    (Inlet(read), Outlet(Some(write)))
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
        self.tcp()?.try_write(bytes)
    }

    /// Writes what the kernel takes of these now, in order.
    pub(super) fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.tcp()?.try_write_vectored(slices)
    }

    /// Writes what the kernel takes of these now, even if it was last seen to take nothing and has not said since that it does:
    /// it says so only when much of its buffer is free.
    pub(super) fn write_unasked(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        SockRef::from(self.tcp()?).send_vectored(slices)
    }

    /// Waits until the kernel says that it takes more.
    pub(super) async fn writable(&self) -> io::Result<()> {
        self.tcp()?.writable().await
    }

    /// Ends this side: the client reads all that was written, then the end, and may still send.
    pub(super) fn end(&self) {
        self.shut(Shutdown::Write);
    }

    /// Throws away what the client still sends, until its end, or until that was `bytes_max` bytes. To be called when
    /// nobody reads the other half any more.
    pub(super) async fn drain(&self, bytes_max: usize) {
        let mut chunk = [0; CHUNK_BYTES];
        let mut drained = 0;
        let Ok(tcp) = self.tcp() else { return };
        while drained < bytes_max && tcp.readable().await.is_ok() {
            match tcp.try_read(&mut chunk) {
                Ok(0) => return,
                Ok(n) => drained += n,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
    }

    /// Ends the stream in both directions, which also wakes its reader. An error means that it is down already.
    pub(super) fn shutdown(&self) {
        self.shut(Shutdown::Both);
    }

    fn shut(&self, how: Shutdown) {
        self.tcp().and_then(|tcp| SockRef::from(tcp).shutdown(how)).ok();
    }

    /// What the kernel holds and has not sent, because the client's window is full.
    ///
    /// There is no question for that without unsafe code. But with the option `TCP_NOTSENT_LOWAT` a stream is writable
    /// only while it has fewer such bytes, so it is set, the stream is asked whether it is writable, and it is set back.
    /// Most have none, which is one question; for the others the number is found by halving. Nothing may be written
    /// meanwhile.
    pub(super) fn unsent(&self) -> io::Result<Unsent> {
        let tcp = self.tcp()?;
        let socket = SockRef::from(tcp);
        let has_fewer_than = |bytes: u32| {
            socket.set_tcp_notsent_lowat(bytes)?;
            let mut asked = [PollFd::new(tcp, PollFlags::OUT)];
            let ready = poll(&mut asked, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }));
            Ok::<_, io::Error>(ready? != 0)
        };
        let unsent = (|| {
            if has_fewer_than(1)? {
                return Ok(Unsent::Nothing);
            }
            if !has_fewer_than(UNSENT_MAX)? {
                return Ok(Unsent::Full);
            }
            let (mut least, mut beyond) = (1, UNSENT_MAX);
            while 1 < beyond - least {
                let middle = u32::midpoint(least, beyond);
                if has_fewer_than(middle)? { beyond = middle } else { least = middle }
            }
            Ok(Unsent::Bytes(if counts_twice() { least / 2 } else { least }))
        })();
        socket.set_tcp_notsent_lowat(0)?; // the system's own
        unsent
    }

    fn tcp(&self) -> io::Result<&TcpStream> {
        let half = self.0.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        Ok(half.as_ref())
    }
}
