//! `[limits]`: the bounds of everything that strangers can grow.

use super::reader::{Checked, SettingsReader};
use std::time::Duration;

/// The bounds of everything that strangers can grow.
#[derive(Debug, Clone, Copy)]
pub struct LimitsConfig {
    /// Largest packet of a client, and largest body of an admin request, in bytes.
    pub payload_bytes: usize,
    /// Bytes that may wait for one client before its connection is closed as `slow_consumer`.
    pub buffer_bytes: usize,
    /// Bytes that may wait for all clients before those are closed that owe most.
    pub waiting_bytes: usize,
    /// Bytes that are kept of the handshakes of all connections, where they are long.
    pub handshake_bytes: usize,
    /// Bytes of what all clients have begun to send and the server has not taken.
    pub unfinished_bytes: usize,
    /// How long a client may take none of what waits for it before its connection is closed.
    pub stall: Duration,
    /// Connections at once, both transports together.
    pub connections: usize,
    /// Of these, of one address; 0 is no limit.
    pub per_address: usize,
    /// Of these, those whose clients have joined no namespace.
    pub unauthenticated: usize,
    /// How long a client may take to send the head of a request.
    pub header_timeout: Duration,
    /// How long an HTTP connection may rest between two requests.
    pub keep_alive: Duration,
    /// How long a client may take to send the body of a request, or the buffers of an event.
    pub body_timeout: Duration,
    /// Rooms of one socket, its own and its user's not counted.
    pub rooms_per_socket: usize,
    /// Rooms of which something may be recorded for one user.
    pub memberships_per_user: usize,
    /// Memberships and denials in all.
    pub memberships: usize,
    /// Users who may be blocked, or whose tokens may be revoked, at once.
    pub restricted_users: usize,
    /// Requests of one user, from all of its sockets, that are not answered yet.
    pub requests_per_user: usize,
    /// Bytes of `auth` data a client may send when it connects.
    pub auth_bytes: usize,
}

/// Largest messages that all room is enough for: two of those that have joined nothing, who have half of it, each twice,
/// because a post is put together from its body and a message from the post.
const UNFINISHED_SHARES: usize = 8;
/// Full buffers that all room is enough for, at least.
const WAITING_SHARES: usize = 4;
const KB: u64 = 1000;
const MB: u64 = 1000 * KB;

impl LimitsConfig {
    pub(super) fn read(reader: &mut SettingsReader) -> Checked<Self> {
        let patience = || Duration::from_millis(100)..=Duration::from_mins(5);
        let payload = reader.size("limits.payload", KB..=100 * MB);
        let buffer = reader.size("limits.buffer_bytes", KB..=1000 * MB);
        let waiting = reader.size("limits.waiting_bytes", KB..=100_000 * MB);
        let handshakes = reader.size("limits.handshake_bytes", KB..=100_000 * MB);
        let unfinished = reader.size("limits.unfinished_bytes", KB..=100_000 * MB);
        let stall =
            reader.duration("limits.stall", Duration::from_secs(1)..=Duration::from_mins(10));
        let connections = reader.number("limits.connections", 1..=10_000_000);
        let per_address = reader.number("limits.per_address", 0..=10_000_000);
        let unauthenticated = reader.number("limits.unauthenticated", 1..=10_000_000);
        let header_timeout = reader.duration("limits.header_timeout", patience());
        let keep_alive = Duration::from_secs(1)..=Duration::from_hours(1);
        let keep_alive = reader.duration("limits.keep_alive", keep_alive);
        let body_timeout = reader.duration("limits.body_timeout", patience());
        let rooms_per_socket = reader.number("limits.rooms_per_socket", 1..=10_000);
        let memberships_per_user = reader.number("limits.memberships_per_user", 1..=10_000);
        let memberships = reader.number("limits.memberships", 1..=100_000_000);
        let restricted_users = reader.number("limits.restricted_users", 1..=10_000_000);
        let requests_per_user = reader.number("limits.requests_per_user", 8..=100_000);
        let auth_bytes = reader.size("limits.auth_bytes", 256..=MB);
        if let (Ok(payload), Ok(buffer)) = (&payload, &buffer)
            && buffer < payload
        {
            let rule = "must be at least limits.payload, or one large event would close its client";
            reader.reject("limits.buffer_bytes", rule);
        }
        if let (Ok(buffer), Ok(waiting)) = (&buffer, &waiting)
            && waiting / WAITING_SHARES < *buffer
        {
            let rule = "must be at least four times limits.buffer_bytes, or one slow client could cost another its place";
            reader.reject("limits.waiting_bytes", rule);
        }
        if let (Ok(payload), Ok(unfinished)) = (&payload, &unfinished)
            && unfinished / UNFINISHED_SHARES < *payload
        {
            let rule = "must be at least eight times limits.payload, or one large message could find no room";
            reader.reject("limits.unfinished_bytes", rule);
        }
        Ok(Self {
            payload_bytes: payload?,
            buffer_bytes: buffer?,
            waiting_bytes: waiting?,
            handshake_bytes: handshakes?,
            unfinished_bytes: unfinished?,
            stall: stall?,
            connections: connections?,
            per_address: per_address?,
            unauthenticated: unauthenticated?,
            header_timeout: header_timeout?,
            keep_alive: keep_alive?,
            body_timeout: body_timeout?,
            rooms_per_socket: rooms_per_socket?,
            memberships_per_user: memberships_per_user?,
            memberships: memberships?,
            restricted_users: restricted_users?,
            requests_per_user: requests_per_user?,
            auth_bytes: auth_bytes?,
        })
    }
}
