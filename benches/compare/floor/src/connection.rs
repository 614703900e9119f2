//! One connection: HTTP until it is upgraded, WebSocket from then on.

use std::io::{ErrorKind, Read as _, Write as _};

use mio::net::TcpStream;

use crate::protocol::{self, Emit, Request};

/// The connection is over, or has broken the protocol.
#[derive(Debug)]
pub struct Gone;

/// What a connection asks of the server.
pub enum Input {
    /// An emit by HTTP.
    Emit(Emit),
    /// A CONNECT of this user.
    Connect(String),
}

pub struct Connection {
    stream: TcpStream,
    /// Bytes of a request or frame that is not whole yet.
    held: Vec<u8>,
    upgraded: bool,
    /// The user, and the place in the log up to which everything is written.
    admitted: Option<(String, u64)>,
    broken: bool,
}

impl Connection {
    pub fn new(stream: TcpStream) -> Self {
        Self { stream, held: Vec::new(), upgraded: false, admitted: None, broken: false }
    }

    pub fn stream(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    pub fn user(&self) -> Option<&str> {
        self.admitted.as_ref().map(|(user, _)| user.as_str())
    }

    pub fn offset(&self) -> Option<u64> {
        self.admitted.as_ref().filter(|_| !self.broken).map(|(_, offset)| *offset)
    }

    pub fn admit(&mut self, user: String, offset: u64) {
        self.admitted = Some((user, offset));
        self.write(&protocol::frame(br#"40{"sid":"floor"}"#));
    }

    /// What the connection asks next; `None` when it has nothing more to read.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<Option<Input>, Gone> {
        loop {
            if let Some(input) = self.next()? {
                return Ok(Some(input));
            }
            match self.stream.read(buffer) {
                Ok(0) => return Err(Gone),
                Ok(length) => self.held.extend_from_slice(&buffer[..length]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if self.held.is_empty() {
                        self.held = Vec::new();
                    }
                    return Ok(None);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Err(Gone),
            }
        }
    }

    /// What is whole of what is held.
    fn next(&mut self) -> Result<Option<Input>, Gone> {
        while !self.held.is_empty() {
            if !self.upgraded {
                let Some((request, length)) = protocol::request(&self.held).ok_or(Gone)? else {
                    return Ok(None);
                };
                self.held.drain(..length);
                match request {
                    Request::Emit(emit) => return Ok(Some(Input::Emit(emit))),
                    Request::Upgrade(answer) => {
                        self.upgraded = true;
                        self.write(&answer);
                    }
                }
                continue;
            }
            let Some((payload, length)) = protocol::unmask(&self.held).ok_or(Gone)? else {
                return Ok(None);
            };
            self.held.drain(..length);
            if let Some(json) = payload.strip_prefix(b"40") {
                return protocol::user(json).map(|user| Some(Input::Connect(user))).ok_or(Gone);
            }
            if let Some(answer) = protocol::echo(&payload) {
                self.write(&answer);
            } else if payload.first() != Some(&b'3') {
                return Err(Gone);
            }
        }
        Ok(None)
    }

    /// Writes what this connection does not have yet of the log, as much as the kernel takes.
    pub fn catch_up(&mut self, log: &[u8], base: u64) {
        let Some((_, offset)) = &mut self.admitted else { return };
        let rest = &log[(*offset - base) as usize..];
        if self.broken || rest.is_empty() {
            return;
        }
        match self.stream.write(rest) {
            Ok(length) => *offset += length as u64,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => self.broken = true,
        }
    }

    /// Writes bytes that must go out at once and whole: they are few, and a client that has no room for them is cut off.
    pub fn write(&mut self, bytes: &[u8]) {
        if !self.broken && !matches!(self.stream.write(bytes), Ok(length) if length == bytes.len())
        {
            self.broken = true;
            self.stream.shutdown(std::net::Shutdown::Both).ok();
        }
    }
}
