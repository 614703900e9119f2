//! Resume tokens: what they say, and how they are signed.
//!
//! `v1.{key}.{claims}.{signature}`: the name of the key, the claims as JSON in URL-safe base64, and HMAC-SHA256 over all before
//! the last dot. Whoever has the key reads and makes them, so nodes that share it know each other's.

#[cfg(test)]
mod tests;

use crate::types::{FamilyId, Secret, UserId, WallMs};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use aws_lc_rs::hmac::{self, HMAC_SHA256, Key};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Bytes of the longest token: a user has at most 256, each of them six in JSON.
const BYTES_MAX: usize = 4096;
const VERSION: &str = "v1";

/// A key that resume tokens are signed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResumeKey {
    /// Its name: letters, digits, `-` and `_`.
    pub id: String,
    /// What it is.
    pub secret: Secret,
}

/// What a resume token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResumeClaims {
    /// Whom it lets in.
    pub user: UserId,
    /// Those it belongs to.
    pub family: FamilyId,
    /// How often one of them was exchanged before, counted from 1.
    pub generation: u32,
    /// When its client came for which it was made; all that is made for a connection until its end has the same.
    pub issued_at: WallMs,
    /// When it ends.
    pub expires_at: WallMs,
    /// When the credentials ended that the first of them was given for.
    pub credentials_end: Option<WallMs>,
    /// When those were issued, if they said so.
    pub credentials_issued: Option<WallMs>,
}

#[derive(Serialize, Deserialize)]
struct Written<'a> {
    #[serde(rename = "u", borrow)]
    user: Cow<'a, str>,
    #[serde(rename = "f", borrow)]
    family: Cow<'a, str>,
    #[serde(rename = "n")]
    generation: u32,
    #[serde(rename = "i")]
    issued_at: u64,
    #[serde(rename = "e")]
    expires_at: u64,
    #[serde(rename = "x", skip_serializing_if = "Option::is_none", default)]
    credentials_end: Option<u64>,
    #[serde(rename = "c", skip_serializing_if = "Option::is_none", default)]
    credentials_issued: Option<u64>,
}

impl ResumeKey {
    /// The key that all nodes have which have this secret and this name in common; `None` if none can be made.
    pub fn of_cluster(secret: &Secret, name: &str) -> Option<Self> {
        let all = Salt::new(HKDF_SHA256, name.as_bytes()).extract(secret.expose());
        let part = |label: &[u8]| {
            let mut bytes = [0; 32];
            let label = [label];
            let made = all.expand(&label, HKDF_SHA256).and_then(|it| it.fill(&mut bytes));
            made.ok().map(|()| bytes)
        };
        let id = part(b"userline: name of the key of resume tokens")?;
        let id = format!("{:016x}", u64::from_be_bytes(*id.first_chunk()?));
        Some(Self { id, secret: Secret::new(part(b"userline: key of resume tokens")?) })
    }
}

impl ResumeClaims {
    /// The token.
    pub fn sign(&self, key: &ResumeKey) -> String {
        let written = Written {
            user: self.user.as_str().into(),
            family: self.family.to_string().into(),
            generation: self.generation,
            issued_at: self.issued_at.0,
            expires_at: self.expires_at.0,
            credentials_end: self.credentials_end.map(|it| it.0),
            credentials_issued: self.credentials_issued.map(|it| it.0),
        };
        // Writing texts and numbers to memory does not fail.
        let claims = serde_json::to_string(&written).unwrap_or_default();
        let message = format!("{VERSION}.{}.{}", key.id, URL_SAFE_NO_PAD.encode(claims));
        let signature = hmac::sign(&hmac_key(key), message.as_bytes());
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// What a token says, if one of `keys` has signed it. It may have ended, or have been exchanged.
    pub fn verify(token: &str, keys: &[ResumeKey]) -> Option<Self> {
        if BYTES_MAX < token.len() {
            return None;
        }
        let (message, signature) = token.rsplit_once('.')?;
        let (version, rest) = message.split_once('.')?;
        let (id, claims) = rest.split_once('.')?;
        if version != VERSION {
            return None;
        }
        let key = keys.iter().find(|it| it.id == id)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        hmac::verify(&hmac_key(key), message.as_bytes(), &signature).ok()?;
        let claims = URL_SAFE_NO_PAD.decode(claims).ok()?;
        let written: Written<'_> = serde_json::from_slice(&claims).ok()?;
        Some(Self {
            user: UserId::parse(&written.user).ok()?,
            family: FamilyId::parse(&written.family)?,
            generation: written.generation,
            issued_at: WallMs(written.issued_at),
            expires_at: WallMs(written.expires_at),
            credentials_end: written.credentials_end.map(WallMs),
            credentials_issued: written.credentials_issued.map(WallMs),
        })
    }
}

/// What is left of the name of a user who was erased: a hash of it, keyed so that the name cannot be found by trying names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ErasedName([u8; 32]);

impl ErasedName {
    /// That of `user`, for whoever has `key`.
    pub fn of(user: &UserId, key: &ResumeKey) -> Self {
        let message = ["erased user ", user.as_str()].concat();
        let tag = hmac::sign(&hmac_key(key), message.as_bytes());
        Self(tag.as_ref().try_into().unwrap_or_default())
    }

    /// One of these bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub fn bytes(self) -> [u8; 32] {
        self.0
    }
}

fn hmac_key(key: &ResumeKey) -> Key {
    Key::new(HMAC_SHA256, key.secret.expose())
}
