//! Tokens for the sockets of a run.

use crate::auth::{self, TokenClaims};
use crate::clock::Clock;
use crate::config::JwtConfig;
use crate::types::{Secret, Seq, UserId, WallMs};
use std::time::Duration;

/// Longer than any run.
const TOKEN_TTL: Duration = Duration::from_hours(2);

/// Signs tokens, as a backend does.
#[derive(Debug)]
pub(crate) struct TokenSigner {
    config: JwtConfig,
    now: WallMs,
}

impl TokenSigner {
    /// Signs with HS256 and this secret; the tokens are valid from now on.
    pub(crate) fn new(secret: &str) -> Self {
        let algorithms: Vec<_> = "HS256".parse().into_iter().collect();
        let config = JwtConfig::with_secret(Secret::new(secret.as_bytes()), &algorithms);
        Self { config, now: Clock::start(Seq(0)).wall() }
    }

    /// A token for a user. It is empty, and so refused by the server, if the name is no user id.
    pub(crate) fn of(&self, user: &str) -> String {
        let Ok(user) = UserId::parse(user) else { return String::new() };
        let grant = TokenClaims { user, rooms: Vec::new(), ttl: TOKEN_TTL, data: None };
        auth::mint(&self.config, grant, self.now).unwrap_or_default()
    }
}
