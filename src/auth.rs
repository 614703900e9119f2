//! Finds out which user a socket belongs to: credentials in, an identity or a refusal with a stable code out.

mod claims;
mod error;
mod hook;
mod issuer;
mod jwt;
mod key;
mod key_set;
mod mint;
mod object;
mod payload;
mod refusal;
mod resume;
#[cfg(test)]
mod tests;
mod trust;

pub use error::AuthError;
pub use hook::AuthHookError;
pub use key::KeyError;
pub use mint::{MintError, TokenClaims, mint};
pub use payload::AuthPayload;
pub use refusal::{BackendRefusal, Refusal, RoomFlaw, TokenFlaw, UserFlaw};
pub use resume::{NotRevoked, Resume, ResumeError, forget_resume_keys};

use crate::clock::Clock;
use crate::config::{AuthConfig, AuthMode};
use crate::core::auth::hook_gate::{HandshakeVerdict, TrialPlace};
use crate::core::auth::shared_identity::Fingerprint;
use crate::core::rooms::granting::GrantRules;
use crate::types::{Identity, Namespace, Secret, WallMs, saturating_u64};
use aws_lc_rs::digest::{Context, SHA256};
use hook::AuthHook;
use http::header::HeaderName;
use issuer::Issuer;
use jwt::JwtVerifier;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

/// What a client brought along to say who it is.
#[derive(Clone, Copy)]
pub struct Credentials<'a> {
    /// The `auth` of its CONNECT packet.
    pub auth: &'a AuthPayload<'a>,
    /// The `Authorization` header of its handshake.
    pub authorization: Option<&'a str>,
    /// The headers of its handshake that the backend is told, names in small letters.
    pub headers: &'a [(HeaderName, Secret)],
    /// The query of its handshake.
    pub query: &'a str,
    /// Its address.
    pub address: IpAddr,
    /// What it wants to connect to.
    pub namespace: &'a Namespace,
}

/// Says which credentials there are, not what they hold.
impl fmt::Debug for Credentials<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("auth", &self.auth)
            .field("authorization", &self.authorization.map(|_| HIDDEN))
            .finish_non_exhaustive()
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
    Hook(Arc<AuthHook>),
    JwtOrHook(Box<JwtVerifier>, Arc<AuthHook>),
    Trust(GrantRules),
}

impl Authenticator {
    /// Fails if a key of the configuration cannot be read, is too weak, or is of another kind than its algorithms.
    pub fn new(config: AuthConfig, clock: Clock) -> Result<Self, AuthError> {
        let AuthConfig { mode, rooms, anonymous } = config;
        let hook = |config, clock| {
            Ok::<_, AuthError>(AuthHook::new(config, (rooms.clone(), anonymous), clock)?)
        };
        let jwt = |config, clock| JwtVerifier::new(config, rooms.clone(), clock);
        let mode = match mode {
            AuthMode::Jwt(config) => Verification::Jwt(Box::new(jwt(*config, clock)?)),
            AuthMode::Hook(config) => Verification::Hook(Arc::new(hook(*config, clock)?)),
            AuthMode::JwtOrHook(tokens, backend) => Verification::JwtOrHook(
                Box::new(jwt(*tokens, clock.clone())?),
                Arc::new(hook(*backend, clock)?),
            ),
            AuthMode::Trust => Verification::Trust(rooms),
        };
        Ok(Self { mode })
    }

    /// What has to run as long as clients are authenticated: fetches the keys that the issuer publishes.
    pub async fn run(self: Arc<Self>) {
        if let Some(issuer) = self.issuer() {
            issuer.run().await;
        }
    }

    /// Whether anybody can be authenticated.
    pub fn is_ready(&self) -> bool {
        match &self.mode {
            Verification::JwtOrHook(..) => true,
            Verification::Jwt(_) | Verification::Hook(_) | Verification::Trust(_) => {
                self.issuer().is_none_or(Issuer::has_keys)
            }
        }
    }

    /// Whether a client may open a connection now: while the backend that says who clients are is down, few may, and of
    /// those that say they have a token of this server's own (`says_token`), some more. Each that may is counted, so ask once for each.
    pub fn admits_handshake(&self, says_token: bool) -> HandshakeVerdict {
        match &self.mode {
            Verification::Hook(hook) => hook.admits_handshake(says_token),
            // Clients with tokens must come in.
            Verification::Jwt(_) | Verification::JwtOrHook(..) | Verification::Trust(_) => {
                HandshakeVerdict::Free
            }
        }
    }

    /// A client that was admitted on trial was let in, or was not.
    pub fn trial_ended(&self, place: TrialPlace, is_let_in: bool) {
        match &self.mode {
            Verification::Hook(hook) => hook.trial_ended(place, is_let_in),
            Verification::Jwt(_) | Verification::JwtOrHook(..) | Verification::Trust(_) => {}
        }
    }

    fn issuer(&self) -> Option<&Issuer> {
        match &self.mode {
            Verification::Jwt(jwt) | Verification::JwtOrHook(jwt, _) => jwt.issuer(),
            Verification::Hook(_) | Verification::Trust(_) => None,
        }
    }

    /// Whether a client has brought anything that could say who it is. If it has not, nobody has to be asked.
    pub fn is_told_by(&self, credentials: &Credentials<'_>) -> bool {
        let token = find_token(credentials.auth, credentials.authorization);
        match &self.mode {
            Verification::Jwt(_) => token != Err(Refusal::TokenMissing),
            Verification::Hook(_) | Verification::JwtOrHook(..) => {
                token != Err(Refusal::TokenMissing) || hook::is_told_by(credentials)
            }
            Verification::Trust(_) => credentials.auth.0.get("user").is_some(),
        }
    }

    /// What tells these credentials from others of the same handshake, and from the same after the keys have changed.
    pub fn fingerprint(&self, credentials: &Credentials<'_>) -> Fingerprint {
        let mut hash = Context::new(&SHA256);
        hash.update(&self.issuer().map_or(0, Issuer::changes).to_le_bytes());
        for (key, value) in credentials.auth.credentials() {
            for text in [key, value.get()] {
                hash.update(&saturating_u64(text.len()).to_le_bytes());
                hash.update(text.as_bytes());
            }
        }
        hash.finish().as_ref().try_into().unwrap_or_default()
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
        let Credentials { auth, authorization, .. } = credentials;
        match &self.mode {
            Verification::Jwt(jwt) => verify(jwt, &find_token(auth, authorization)?, now).await,
            // Boxed, because what is asked of a backend takes more than a kilobyte, and a token needs none of it.
            Verification::Hook(hook) => Box::pin(hook.identify(credentials, now)).await,
            Verification::JwtOrHook(jwt, hook) => match find_token(auth, authorization) {
                Err(Refusal::TokenMissing) => Box::pin(hook.identify(credentials, now)).await,
                token => verify(jwt, &token?, now).await,
            },
            Verification::Trust(rooms) => trust::identity(&auth.0, rooms, now),
        }
    }
}

async fn verify(jwt: &JwtVerifier, token: &str, now: WallMs) -> Result<Identity, Refusal> {
    let verified = jwt.verify(token, now).await;
    let outcome = if verified.is_ok() { "good" } else { "refused" };
    metrics::counter!("userline_tokens_verified_total", "outcome" => outcome).increment(1);
    verified
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
