//! What all sockets of a run have in common.

use super::endpoint::Endpoint;
use super::session::Connect;
use super::template::{Template, Values};
use crate::auth::{self, Grant};
use crate::clock::Clock;
use crate::config::{JwtConfig, JwtKey};
use crate::types::{Secret, Seq, UserId, WallMs};
use bytes::BytesMut;
use std::time::Duration;

/// Longer than any run.
const TOKEN_TTL: Duration = Duration::from_hours(2);

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
    /// Signs the tokens of the users.
    pub(super) tokens: Option<Tokens>,
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

/// Signs tokens, as a backend does.
#[derive(Debug)]
pub(super) struct Tokens {
    config: JwtConfig,
    now: WallMs,
}

impl Tokens {
    /// HS256 with this secret, from now on.
    pub(super) fn new(secret: &str) -> Self {
        let config = JwtConfig {
            key: JwtKey::Secret(Secret::new(secret.as_bytes())),
            algorithms: "HS256".parse().into_iter().collect(),
            issuer: None,
            audience: None,
            user_claim: "sub".to_owned(),
            rooms_claim: "rooms".to_owned(),
            leeway: Duration::ZERO,
        };
        Self { config, now: Clock::start(Seq(0)).wall() }
    }

    /// One for a user; empty, and so refused by the server, if there can be no such user.
    fn of(&self, user: &str) -> String {
        let Ok(user) = UserId::parse(user) else { return String::new() };
        let grant = Grant { user, rooms: Vec::new(), ttl: TOKEN_TTL, data: None };
        auth::mint(&self.config, grant, self.now).unwrap_or_default()
    }
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
        let token = self.tokens.as_ref().map(|it| it.of(&user)).unwrap_or_default();
        let mut auth = Vec::new();
        let values = Values { n: socket, user: &user, token: &token, ..Values::default() };
        self.auth.render(values, &mut auth);
        Connect { prefix: &self.prefix, auth: &auth }.put(out);
    }
}
