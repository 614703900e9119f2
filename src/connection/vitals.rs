//! What is measured of a connection: what it is doing, and why it ended.

use super::{Connection, ConnectionState, Phase, Transport};
use crate::types::{Ending, Timestamp, saturating_u64};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What is measured of a connection, at one moment. Sockets of several namespaces may share it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vitals {
    /// How it reaches its client, or did at the end.
    pub transport: Transport,
    /// It began by polling and went over to WebSocket.
    pub is_upgraded: bool,
    /// Bytes of the client's WebSocket frames and of the bodies it posted.
    pub bytes_in: u64,
    /// Bytes of WebSocket frames that the kernel took, and of the bodies that polls were answered with.
    pub bytes_out: u64,
    /// Bytes that wait for the client, or waited when the connection ended. Bytes that the kernel took do not count.
    pub pending_bytes: usize,
    /// Time since the client last sent anything, or else since it connected.
    pub silent: Duration,
    /// How it ended, if more is known than the reason.
    pub ending: Option<Ending>,
    /// The code of the client's WebSocket close frame; 1005 if it said none.
    pub close_code: Option<u16>,
}

/// Counts what is received and sent. Relaxed: nothing is decided by these numbers.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Traffic {
    bytes_in: AtomicU64,
    received_at: AtomicU64,
    bytes_out: AtomicU64,
}

impl Traffic {
    /// Of a connection that begins now.
    pub(super) fn new(now: Timestamp) -> Self {
        let received_at = AtomicU64::new(now.0);
        Self { bytes_in: AtomicU64::new(0), bytes_out: AtomicU64::new(0), received_at }
    }

    /// The client sent `n` bytes.
    pub(super) fn received(&self, n: usize, now: Timestamp) {
        self.bytes_in.fetch_add(saturating_u64(n), Ordering::Relaxed);
        self.received_at.store(now.0, Ordering::Relaxed);
    }

    /// Bytes that the client was sent.
    pub(super) fn bytes_out(&self) -> u64 {
        self.bytes_out.load(Ordering::Relaxed)
    }

    /// The client was sent `n` bytes.
    pub(super) fn sent(&self, n: usize) {
        self.bytes_out.fetch_add(saturating_u64(n), Ordering::Relaxed);
    }
}

impl Connection {
    /// When the client last sent anything, or else when it connected.
    pub fn heard_at(&self) -> Timestamp {
        Timestamp(self.traffic.received_at.load(Ordering::Relaxed))
    }

    /// What is measured of the connection now.
    pub fn vitals(&self) -> Vitals {
        let Traffic { bytes_in, bytes_out, received_at } = &self.traffic;
        let state = self.lock();
        let pending_bytes = match state.phase {
            Phase::Closed(_) => state.unsent,
            Phase::Open | Phase::Finishing(_) => state.outbound.queued(),
        };
        let received_at = Timestamp(received_at.load(Ordering::Relaxed));
        Vitals {
            transport: state.transport,
            is_upgraded: state.is_upgraded,
            bytes_in: bytes_in.load(Ordering::Relaxed),
            bytes_out: bytes_out.load(Ordering::Relaxed),
            pending_bytes,
            silent: state.closed_at.unwrap_or_else(|| self.now()).since(received_at),
            ending: state.ending,
            close_code: state.close_code,
        }
    }
}

impl ConnectionState {
    /// Writes down how the connection ends; what was seen first is the cause of what follows.
    pub(super) fn note(&mut self, ending: Ending) {
        if !matches!(self.phase, Phase::Closed(_)) {
            self.ending.get_or_insert(ending);
        }
    }
}

/// How a stream ended that fails with `error`.
pub(super) fn ending_of(error: &io::Error) -> Ending {
    use io::ErrorKind as Kind;
    const TABLE: [(Kind, Ending); 6] = [
        // The peer had ended its half before it refused what came after.
        (Kind::BrokenPipe, Ending::EndOfStream),
        (Kind::ConnectionReset, Ending::Reset),
        (Kind::ConnectionAborted, Ending::Reset),
        (Kind::TimedOut, Ending::Unreachable),
        (Kind::HostUnreachable, Ending::Unreachable),
        (Kind::NetworkUnreachable, Ending::Unreachable),
    ];
    let known = TABLE.iter().find(|(kind, _)| *kind == error.kind());
    known.map_or(Ending::Broken, |(_, ending)| *ending)
}
