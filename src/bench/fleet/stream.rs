//! A TCP stream that never waits, with what it could not take yet.

use bytes::{Buf as _, BytesMut};
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::SocketAddr;

/// A stream and what is still to be written to it.
#[derive(Debug)]
pub(crate) struct QueuedStream {
    tcp: TcpStream,
    is_connected: bool,
    pub(crate) out: BytesMut,
}

/// What reading came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum StreamRead {
    /// This many bytes, and there may be more.
    Some(usize),
    /// This many bytes, and nothing more for now.
    Last(usize),
    /// Nothing for now.
    Nothing,
    /// The other side has ended the stream.
    End,
}

impl QueuedStream {
    /// Begins to connect; what is put into `out` is written as soon as that is done.
    pub(crate) fn connect(
        address: SocketAddr,
        registry: &Registry,
        token: Token,
    ) -> io::Result<Self> {
        let mut tcp = TcpStream::connect(address)?;
        registry.register(&mut tcp, token, Interest::READABLE | Interest::WRITABLE)?;
        Ok(Self { tcp, is_connected: false, out: BytesMut::new() })
    }

    /// Writes what is to be written, as far as the kernel takes it.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        if !self.is_connected && !self.finish_connect()? {
            return Ok(());
        }
        while !self.out.is_empty() {
            match self.tcp.write(&self.out) {
                Ok(n) => self.out.advance(n),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.out.clear();
        Ok(())
    }

    /// Reads what has come; `Last` promises that the poll will tell of more.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<StreamRead> {
        loop {
            return match self.tcp.read(buffer) {
                Ok(0) => Ok(StreamRead::End),
                Ok(n) if n < buffer.len() => Ok(StreamRead::Last(n)),
                Ok(n) => Ok(StreamRead::Some(n)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(StreamRead::Nothing),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => Err(error),
            };
        }
    }

    /// The way a stream that does not wait is asked whether it is connected.
    fn finish_connect(&mut self) -> io::Result<bool> {
        if let Some(error) = self.tcp.take_error()? {
            return Err(error);
        }
        match self.tcp.peer_addr() {
            Ok(_) => {
                self.tcp.set_nodelay(true)?;
                self.is_connected = true;
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::NotConnected => Ok(false),
            Err(error) => Err(error),
        }
    }
}
