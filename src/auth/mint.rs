//! Makes a token for trying things out; in production the backend does.

use crate::config::{JwtConfig, JwtKey};
use crate::types::{Room, UserId, WallMs};
use jsonwebtoken::{EncodingKey, Header};
use serde_json::{Map, Value};
use std::time::Duration;
use thiserror::Error;

/// What a token says.
#[derive(Debug, Clone)]
pub struct TokenClaims {
    /// The user it is for: the configured `user_claim`.
    pub user: UserId,
    /// Rooms of the user: the configured `rooms_claim`; left out if there are none.
    pub rooms: Vec<Room>,
    /// How long it is good for, in whole seconds.
    pub ttl: Duration,
    /// The `data` claim.
    pub data: Option<Value>,
}

/// Why no token was made.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MintError {
    /// Only a public key is configured, and signing needs the private key.
    #[error("auth.jwt has a public key only: sign tokens where the private key is")]
    PublicKey,
    /// The library refused.
    #[error("signing failed: {0}")]
    Signing(String),
}

/// A token signed with the configured secret and its first algorithm, valid from `now` on, with the issuer and
/// audience that are configured.
pub fn mint(config: &JwtConfig, claims: TokenClaims, now: WallMs) -> Result<String, MintError> {
    let JwtKey::Secret(secret) = &config.key else { return Err(MintError::PublicKey) };
    let now_s = now.0 / 1000;
    let mut map = Map::new();
    map.insert(config.user_claim.clone(), claims.user.as_str().into());
    map.insert("iat".to_owned(), now_s.into());
    map.insert("exp".to_owned(), now_s.saturating_add(claims.ttl.as_secs()).into());
    let optional = [("iss", &config.issuer), ("aud", &config.audience)];
    for (name, value) in optional {
        if let Some(value) = value {
            map.insert(name.to_owned(), value.as_str().into());
        }
    }
    if !claims.rooms.is_empty() {
        let rooms = claims.rooms.iter().map(|room| Value::from(room.as_str())).collect();
        map.insert(config.rooms_claim.clone(), Value::Array(rooms));
    }
    if let Some(data) = claims.data {
        map.insert("data".to_owned(), data);
    }
    let header = Header::new(config.algorithms.first().copied().unwrap_or_default());
    let key = EncodingKey::from_secret(secret.expose());
    jsonwebtoken::encode(&header, &map, &key).map_err(|why| MintError::Signing(why.to_string()))
}
