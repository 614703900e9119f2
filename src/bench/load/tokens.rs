//! Tokens for the sockets of a run.

use crate::auth::{self, TokenClaims};
use crate::clock::Clock;
use crate::config::JwtConfig;
use crate::types::{Room, Secret, Seq, UserId, WallMs};
use serde_json::Value;
use std::time::Duration;

/// Longer than any run.
const TOKEN_TTL: Duration = Duration::from_hours(2);

/// Signs tokens, as a backend does.
#[derive(Debug)]
pub(crate) struct TokenSigner {
    config: JwtConfig,
    grants: TokenGrants,
    now: WallMs,
}

/// What tokens say besides the user.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TokenGrants {
    /// Rooms; each room has as many users as each user has rooms, but for the first and the last few.
    pub(crate) rooms: usize,
    /// Bytes of `data`, as JSON.
    pub(crate) data_bytes: usize,
}

impl TokenGrants {
    /// Those of the user with this number: the room of that number, and the next ones.
    fn rooms(self, user: usize) -> Vec<Room> {
        (0..self.rooms).filter_map(|it| Room::parse(&format!("room-{}", user + it)).ok()).collect()
    }

    fn data(self) -> Option<Value> {
        // The quotes count.
        (0 < self.data_bytes).then(|| "x".repeat(self.data_bytes.saturating_sub(2)).into())
    }
}

impl TokenSigner {
    /// Signs with HS256 and this secret; the tokens are valid from now on.
    pub(crate) fn new(secret: &str, grants: TokenGrants) -> Self {
        let algorithms: Vec<_> = "HS256".parse().into_iter().collect();
        let config = JwtConfig::with_secret(Secret::new(secret.as_bytes()), &algorithms);
        Self { config, grants, now: Clock::start(Seq(0)).wall() }
    }

    /// A token for a user with this number. It is empty, and so refused by the server, if the name is no user id.
    pub(crate) fn of(&self, number: usize, name: &str) -> String {
        let Ok(user) = UserId::parse(name) else { return String::new() };
        let (rooms, data) = (self.grants.rooms(number), self.grants.data());
        auth::mint(&self.config, TokenClaims { user, rooms, ttl: TOKEN_TTL, data }, self.now)
            .unwrap_or_default()
    }
}
