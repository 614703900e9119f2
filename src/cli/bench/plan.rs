//! What all sockets of a run have in common.

use super::endpoint::Endpoint;
use super::session::Connect;
use super::template::{Template, Values};
use bytes::BytesMut;
use std::time::Duration;

/// What all sockets of a run have in common.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) endpoint: Endpoint,
    /// The request that opens a connection.
    pub(super) upgrade: Vec<u8>,
    /// Empty for the root namespace, else `/namespace,`.
    pub(super) prefix: String,
    pub(super) auth: Template,
    pub(super) user: Template,
    pub(super) sockets: usize,
    /// Users that the sockets are dealt out to, one after the other.
    pub(super) users: usize,
    /// Handshakes under way at once.
    pub(super) concurrency: usize,
    /// Bytes of the payload of an event.
    pub(super) bytes: usize,
    pub(super) duration: Duration,
    pub(super) warmup: Duration,
    /// How long nothing may happen before what is missing counts as lost.
    pub(super) patience: Duration,
}

impl Plan {
    /// The number of a socket's user.
    pub(super) fn user_of(&self, socket: usize) -> usize {
        socket.checked_rem(self.users).unwrap_or_default()
    }

    /// The name of a user.
    pub(super) fn user_name(&self, user: usize) -> String {
        self.user.text(Values { n: user, ..Values::default() })
    }

    /// Appends the CONNECT packet of a socket.
    pub(super) fn put_connect(&self, socket: usize, out: &mut BytesMut) {
        let user = self.user_name(self.user_of(socket));
        let mut auth = Vec::new();
        self.auth.render(Values { n: socket, user: &user, ..Values::default() }, &mut auth);
        Connect { prefix: &self.prefix, auth: &auth }.put(out);
    }
}
