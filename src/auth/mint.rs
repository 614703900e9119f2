//! Makes a token for trying things out; in production the backend does.

use crate::config::{JwtConfig, JwtKey};
use crate::types::{Room, UserId, WallMs};
use jsonwebtoken::{EncodingKey, Header};
use serde_json::{Map, Value};
use std::time::Duration;
use thiserror::Error;

/// What a token shall say.
#[derive(Debug, Clone)]
pub struct Grant {
    /// Who.
    pub user: UserId,
    /// Rooms to join.
    pub rooms: Vec<Room>,
    /// How long it is good for.
    pub ttl: Duration,
    /// The `data` claim.
    pub data: Option<Value>,
}

/// Why no token was made.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MintError {
    /// Only who holds the private key can sign.
    #[error("auth.jwt has a public key only: sign tokens where the private key is")]
    PublicKey,
    /// The library refused.
    #[error("signing failed: {0}")]
    Signing(String),
}

/// A token signed with the configured secret and its first algorithm, valid from `now` on, with the issuer and
/// audience that are configured.
pub fn mint(config: &JwtConfig, grant: Grant, now: WallMs) -> Result<String, MintError> {
    let JwtKey::Secret(secret) = &config.key else { return Err(MintError::PublicKey) };
    let now_s = now.0 / 1000;
    let mut claims = Map::new();
    claims.insert(config.user_claim.clone(), grant.user.as_str().into());
    claims.insert("iat".to_owned(), now_s.into());
    claims.insert("exp".to_owned(), now_s.saturating_add(grant.ttl.as_secs()).into());
    let optional = [("iss", &config.issuer), ("aud", &config.audience)];
    for (name, value) in optional {
        if let Some(value) = value {
            claims.insert(name.to_owned(), value.as_str().into());
        }
    }
    if !grant.rooms.is_empty() {
        let rooms = grant.rooms.iter().map(|room| Value::from(room.as_str())).collect();
        claims.insert(config.rooms_claim.clone(), Value::Array(rooms));
    }
    if let Some(data) = grant.data {
        claims.insert("data".to_owned(), data);
    }
    let header = Header::new(config.algorithms.first().copied().unwrap_or_default());
    let key = EncodingKey::from_secret(secret.expose());
    jsonwebtoken::encode(&header, &claims, &key).map_err(|why| MintError::Signing(why.to_string()))
}
