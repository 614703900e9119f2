//! Finds out which user a socket belongs to: credentials in, an identity or a refusal with a stable code out.

mod claims;
mod error;
mod issuer;
mod jwt;
mod key;
mod key_set;
mod mint;
mod object;
mod payload;
mod refusal;
#[cfg(test)]
mod tests;
mod trust;

pub use error::AuthError;
pub use key::KeyError;
pub use mint::{MintError, TokenClaims, mint};
pub use payload::AuthPayload;
pub use refusal::{Refusal, RoomFlaw, TokenFlaw, UserFlaw};

use crate::clock::Clock;
use crate::config::{AuthConfig, AuthMode};
use crate::types::{Identity, WallMs};
use issuer::Issuer;
use jwt::JwtVerifier;
use std::fmt;
use std::sync::Arc;

/// What a client brought along to say who it is.
#[derive(Clone, Copy)]
pub struct Credentials<'a> {
    /// The `auth` of its CONNECT packet.
    pub auth: &'a AuthPayload<'a>,
    /// The `Authorization` header of its handshake.
    pub authorization: Option<&'a str>,
}

/// Says which credentials there are, not what they hold.
impl fmt::Debug for Credentials<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("auth", &self.auth)
            .field("authorization", &self.authorization.map(|_| HIDDEN))
            .finish()
    }
}

const HIDDEN: &str = "[hidden]";

/// Finds the user for credentials.
#[derive(Debug)]
pub struct Authenticator {
    mode: Verification,
}

#[derive(Debug)]
enum Verification {
    Jwt(Box<JwtVerifier>),
    Trust,
}

impl Authenticator {
    /// Fails if a key of the configuration cannot be read, is too weak, or is of another kind than its algorithms.
    pub fn new(config: AuthConfig, clock: Clock) -> Result<Self, AuthError> {
        let mode = match config.mode {
            AuthMode::Jwt(config) => Verification::Jwt(Box::new(JwtVerifier::new(*config, clock)?)),
            AuthMode::Trust => Verification::Trust,
        };
        Ok(Self { mode })
    }

    /// What has to run as long as clients are authenticated: fetches the keys that the issuer publishes.
    pub async fn run(self: Arc<Self>) {
        if let Verification::Jwt(verifier) = &self.mode
            && let Some(issuer) = verifier.issuer()
        {
            issuer.run().await;
        }
    }

    /// Whether anybody can be authenticated.
    pub fn is_ready(&self) -> bool {
        match &self.mode {
            Verification::Jwt(verifier) => verifier.issuer().is_none_or(Issuer::has_keys),
            Verification::Trust => true,
        }
    }

    /// The user of these credentials, at the time `now`.
    ///
    /// With tokens: `auth.token` counts before `Authorization: Bearer`; a token is good until its `exp` plus the
    /// leeway, so [`Grants::expires_at`](crate::types::Grants::expires_at) (`exp` itself) may be a little in the past. One
    /// whose key is not known waits until the issuer was asked.
    /// Rooms come without repetition; how many a socket may have is the caller's rule.
    pub async fn authenticate(
        &self,
        credentials: Credentials<'_>,
        now: WallMs,
    ) -> Result<Identity, Refusal> {
        let Credentials { auth, authorization } = credentials;
        match &self.mode {
            Verification::Jwt(verifier) => {
                verifier.verify(&find_token(auth, authorization)?, now).await
            }
            Verification::Trust => trust::identity(&auth.0, now),
        }
    }
}

fn find_token(auth: &AuthPayload<'_>, authorization: Option<&str>) -> Result<String, Refusal> {
    let token = match auth.field("token").map_err(|_| Refusal::AuthInvalid)? {
        Some(token) => token,
        None => authorization.and_then(bearer).unwrap_or_default().to_owned(),
    };
    if token.is_empty() { Err(Refusal::TokenMissing) } else { Ok(token) }
}

/// The token behind `Bearer`, in any case (RFC 9110 §11.1); none for other schemes.
fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
