//! Publishers: HTTP connections that are kept, with one request at a time.

use super::stream::{QueuedStream, StreamRead};
use super::{Fleet, FleetObserver};
use crate::bench::load::ServerAddress;
use crate::client::{Response, find_response};
use mio::Token;
use mio::event::Event;
use std::io;

/// Longest answer that is waited for.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// One publisher.
#[derive(Debug)]
pub(crate) struct Publisher {
    server: ServerAddress,
    stream: Option<QueuedStream>,
    /// The beginning of an answer whose end is still to come.
    rest: Vec<u8>,
    is_waiting: bool,
}

impl Fleet {
    /// Adds publishers to this server.
    pub(crate) fn add_publishers(&mut self, server: &ServerAddress, count: usize) {
        let publisher = || Publisher {
            server: server.clone(),
            stream: None,
            rest: Vec::new(),
            is_waiting: false,
        };
        self.publishers.extend(std::iter::repeat_with(publisher).take(count));
    }

    /// Sends a request; its answer comes to [`FleetObserver::answered`].
    pub(crate) fn publish(&mut self, index: usize, request: &[u8], watch: &mut impl FleetObserver) {
        let token = Token(self.sockets.len() + index);
        let Some(publisher) = self.publishers.get_mut(index) else { return };
        publisher.is_waiting = true;
        let sent = if let Some(stream) = &mut publisher.stream {
            stream.out.extend_from_slice(request);
            stream.flush()
        } else {
            let registry = self.poll.registry();
            let connected = QueuedStream::connect(publisher.server.address, registry, token);
            connected.map(|mut stream| {
                stream.out.extend_from_slice(request);
                publisher.stream = Some(stream);
            })
        };
        if sent.is_err() {
            publisher.fail(index, watch);
        }
    }

    pub(crate) fn publisher_event(
        &mut self,
        index: usize,
        event: &Event,
        watch: &mut impl FleetObserver,
    ) {
        let Self { publishers, buffer, .. } = self;
        let Some(publisher) = publishers.get_mut(index) else { return };
        let Some(stream) = &mut publisher.stream else { return };
        if event.is_writable() && stream.flush().is_err() {
            return publisher.fail(index, watch);
        }
        if event.is_readable() || event.is_read_closed() {
            let to_end = event.is_read_closed();
            match publisher.read(buffer, to_end, |status| watch.answered(index, status)) {
                Ok(true) => {}
                Ok(false) | Err(_) => publisher.fail(index, watch),
            }
        }
    }
}

impl Publisher {
    /// The connection is of no use any more; the next request gets a new one.
    fn fail(&mut self, index: usize, watch: &mut impl FleetObserver) {
        self.stream = None;
        self.rest.clear();
        if std::mem::take(&mut self.is_waiting) {
            watch.answered(index, 0);
        }
    }

    /// Reads what has come. False if the connection has ended or makes no sense.
    fn read(
        &mut self,
        buffer: &mut [u8],
        to_end: bool,
        mut answered: impl FnMut(u16),
    ) -> io::Result<bool> {
        let Some(stream) = &mut self.stream else { return Ok(true) };
        loop {
            let (n, is_last) = match stream.read(buffer)? {
                StreamRead::Some(n) => (n, false),
                StreamRead::Last(n) => (n, !to_end),
                StreamRead::Nothing => return Ok(true),
                StreamRead::End => return Ok(false),
            };
            let piece = buffer.get(..n).unwrap_or_default();
            let is_piece = self.rest.is_empty();
            if !is_piece {
                self.rest.extend_from_slice(piece);
            }
            let bytes = if is_piece { piece } else { &self.rest };
            match find_response(bytes) {
                Response::Whole { status, len, .. } if len == bytes.len() && self.is_waiting => {
                    self.rest.clear();
                    self.is_waiting = false;
                    answered(status);
                }
                Response::Partial if bytes.len() < ANSWER_BYTES_MAX => {
                    if is_piece {
                        self.rest.extend_from_slice(piece);
                    }
                }
                Response::Whole { .. } | Response::Partial | Response::Broken => return Ok(false),
            }
            if is_last {
                return Ok(true);
            }
        }
    }
}
