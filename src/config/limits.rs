//! `[limits]`: the bounds of everything that strangers can grow.

use std::time::Duration;

/// The bounds of everything that strangers can grow.
#[derive(Debug, Clone, Copy)]
pub struct LimitsConfig {
    /// Largest packet of a client, and largest body of an admin request, in bytes.
    pub payload_bytes: usize,
    /// Bytes that may wait for one client before its connection is closed as `slow_consumer`.
    pub buffer_bytes: usize,
    /// How long a client may take none of what waits for it before its connection is closed.
    pub stall: Duration,
    /// Connections at once, both transports together.
    pub connections: usize,
    /// How long a client may take to send the head of a request.
    pub header_timeout: Duration,
    /// How long a client may take to send the body of a request.
    pub body_timeout: Duration,
    /// Rooms of one socket, its own and its user's not counted.
    pub rooms_per_socket: usize,
    /// Bytes of `auth` data a client may send when it connects.
    pub auth_bytes: usize,
}
