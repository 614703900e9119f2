//! Makes a token for trying things out; in production the backend does.

use crate::config::{JwtConfig, JwtKey, JwtKeys, StaticKey};
use crate::types::{ClaimPath, Room, UserId, WallMs};
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

/// A token signed with the first secret that is configured and its first algorithm, valid from `now` on, with the first
/// issuer and audience that are configured.
pub fn mint(config: &JwtConfig, claims: TokenClaims, now: WallMs) -> Result<String, MintError> {
    let JwtKeys::Static(keys) = &config.keys else { return Err(MintError::PublicKey) };
    let secret = keys.iter().find_map(|it| match it {
        StaticKey { kid, key: JwtKey::Secret(secret), algorithms } => {
            Some((kid, secret, algorithms))
        }
        StaticKey { key: JwtKey::PublicKey(_), .. } => None,
    });
    let (kid, secret, algorithms) = secret.ok_or(MintError::PublicKey)?;
    let now_s = now.0 / 1000;
    let mut map = Map::new();
    insert(&mut map, &config.user_claim, claims.user.as_str().into());
    map.insert("iat".to_owned(), now_s.into());
    map.insert("exp".to_owned(), now_s.saturating_add(claims.ttl.as_secs()).into());
    for (name, values) in [("iss", &config.issuers), ("aud", &config.audiences)] {
        if let Some(value) = values.first() {
            map.insert(name.to_owned(), value.as_str().into());
        }
    }
    if !claims.rooms.is_empty() {
        let rooms = claims.rooms.iter().map(|room| Value::from(room.as_str())).collect();
        insert(&mut map, &config.rooms_claim, Value::Array(rooms));
    }
    if let Some(data) = claims.data {
        map.insert("data".to_owned(), data);
    }
    let mut header = Header::new(algorithms.first().copied().unwrap_or_default());
    header.kid.clone_from(kid);
    let key = EncodingKey::from_secret(secret.expose());
    jsonwebtoken::encode(&header, &map, &key).map_err(|why| MintError::Signing(why.to_string()))
}

/// Puts a claim where it belongs, inside objects if its path leads there.
fn insert(map: &mut Map<String, Value>, path: &ClaimPath, value: Value) {
    let Some((last, outer)) = path.keys().split_last() else { return };
    let mut inner = map;
    for key in outer {
        let entry = inner.entry(key).or_insert_with(|| Value::Object(Map::new()));
        let Some(object) = entry.as_object_mut() else { return };
        inner = object;
    }
    inner.insert(last.clone(), value);
}
