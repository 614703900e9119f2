//! `[auth]`: how a socket's user is found out.

use crate::types::Secret;
use std::time::Duration;

/// How a socket's user is found out.
#[derive(Debug, Clone)]
pub struct AuthConfig {
    /// The way.
    pub mode: AuthMode,
}

/// The way of authentication.
#[derive(Debug, Clone)]
pub enum AuthMode {
    /// A signed token in `auth.token` (or `Authorization: Bearer`).
    Jwt(JwtConfig),
    /// `auth.user` is believed; only on loopback listeners, for development.
    Trust,
}

/// How tokens are verified.
#[derive(Debug, Clone)]
pub struct JwtConfig {
    /// The key that tokens are verified with; its kind limits `algorithms`.
    pub key: JwtKey,
    /// Accepted `alg` values, such as `HS256`; all of one family, matching the key.
    pub algorithms: Vec<jsonwebtoken::Algorithm>,
    /// Required `iss`.
    pub issuer: Option<String>,
    /// Required `aud`.
    pub audience: Option<String>,
    /// The claim that names the user (a string or an integer).
    pub user_claim: String,
    /// The claim that lists rooms (an array of strings).
    pub rooms_claim: String,
    /// Clock difference forgiven for `exp` and `nbf`.
    pub leeway: Duration,
}

/// The key that tokens are verified with.
#[derive(Debug, Clone)]
pub enum JwtKey {
    /// Shared secret for HS256, HS384, HS512.
    Secret(Secret),
    /// PEM of a public key for `RS*`, `PS*`, `ES*` or `EdDSA`.
    PublicKey(String),
}
