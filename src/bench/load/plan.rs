//! What all sockets of a run have in common.

use super::server::ServerAddress;
use super::template::{Template, TemplateValues};
use super::tokens::TokenSigner;
use crate::client::ConnectPacket;
use bytes::BytesMut;
use std::time::Duration;

/// What all sockets of a run have in common.
#[derive(Debug)]
pub(crate) struct LoadPlan {
    pub(crate) server: ServerAddress,
    /// The request that opens a connection.
    pub(crate) upgrade: Vec<u8>,
    /// Empty for the root namespace, else `/namespace,`.
    pub(crate) prefix: String,
    pub(crate) auth: Template,
    pub(crate) user: Template,
    /// Signs the tokens of the users.
    pub(crate) tokens: Option<TokenSigner>,
    pub(crate) sockets: usize,
    /// Users that the sockets are dealt out to, one after the other.
    pub(crate) users: usize,
    /// Handshakes under way at once.
    pub(crate) concurrency: usize,
    /// Bytes of the payload of an event.
    pub(crate) bytes: usize,
    pub(crate) duration: Duration,
    pub(crate) warmup: Duration,
    /// How long to let all be at the end, before memory is measured.
    pub(crate) rest: Duration,
    /// How long nothing may happen before what is missing counts as lost.
    pub(crate) patience: Duration,
    /// The server's process, if it is on this machine and is to be measured.
    pub(crate) server_pid: Option<u32>,
}

impl LoadPlan {
    /// The number of a socket's user.
    pub(crate) fn user_of(&self, socket: usize) -> usize {
        socket.checked_rem(self.users).unwrap_or_default()
    }

    /// The name of a user.
    pub(crate) fn user_name(&self, user: usize) -> String {
        self.user.text(TemplateValues { n: user, ..TemplateValues::default() })
    }

    /// Appends the CONNECT packet of a socket.
    pub(crate) fn put_connect(&self, socket: usize, out: &mut BytesMut) {
        let number = self.user_of(socket);
        let user = self.user_name(number);
        let token = self.tokens.as_ref().map(|it| it.of(number, &user)).unwrap_or_default();
        let mut auth = Vec::new();
        let values =
            TemplateValues { n: socket, user: &user, token: &token, ..TemplateValues::default() };
        self.auth.render(values, &mut auth);
        ConnectPacket { prefix: &self.prefix, auth: &auth }.put(out);
    }
}
