//! Signatures of hooks as the Standard Webhooks specification has them: HMAC-SHA256 over `id.timestamp.body`.
//!
//! Source: `github.com/standard-webhooks/standard-webhooks`, `spec/standard-webhooks.md`.

#[cfg(test)]
mod tests;

use crate::types::{Secret, WallMs};
use aws_lc_rs::hmac::{self, HMAC_SHA256, Key};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::ops::RangeInclusive;
use std::time::Duration;
use thiserror::Error;

/// Bytes a signing secret may have.
pub const SECRET_BYTES: RangeInclusive<usize> = 24..=64;
/// What a written secret begins with.
const SECRET_PREFIX: &str = "whsec_";
/// What a symmetric signature begins with.
const VERSION_PREFIX: &str = "v1,";
/// Signatures of one request that are looked at. This server sends at most 4.
const SIGNATURES_MAX: usize = 16;

/// Why a text is not a signing secret. Never shows the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SecretError {
    /// It does not begin with `whsec_`.
    #[error("a signing secret must begin with `whsec_`")]
    Prefix,
    /// The rest is not base64.
    #[error("a signing secret must be `whsec_` and base64")]
    Base64,
    /// Too few or too many bytes.
    #[error("a signing secret must have 24 to 64 bytes, has {0}")]
    Length(usize),
}

/// Why a request is not accepted as genuine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum VerifyError {
    /// `webhook-timestamp` is not a whole number of seconds.
    #[error("`webhook-timestamp` is not a number of seconds")]
    Timestamp,
    /// It was signed longer ago than the tolerance.
    #[error("the request is too old: signed {0:?} ago")]
    TooOld(Duration),
    /// It was signed further in the future than the tolerance.
    #[error("the request is from the future: signed {0:?} ahead")]
    TooNew(Duration),
    /// No `v1` signature fits the secret: wrong secret, or the body was changed on its way.
    #[error("no `v1` signature in `webhook-signature` fits this secret and body")]
    NoMatch,
}

/// The three headers of a signed request, as they were received.
#[derive(Debug, Clone, Copy)]
pub struct SignedHeaders<'a> {
    /// `webhook-id`
    pub id: &'a str,
    /// `webhook-timestamp`
    pub timestamp: &'a str,
    /// `webhook-signature`
    pub signature: &'a str,
}

/// Reads a secret written as `whsec_` and the base64 of 24 to 64 bytes.
pub fn parse_secret(text: &str) -> Result<Secret, SecretError> {
    let encoded = text.strip_prefix(SECRET_PREFIX).ok_or(SecretError::Prefix)?;
    let bytes = STANDARD.decode(encoded).map_err(|_| SecretError::Base64)?;
    if SECRET_BYTES.contains(&bytes.len()) {
        Ok(Secret::new(bytes))
    } else {
        Err(SecretError::Length(bytes.len()))
    }
}

/// Writes a secret as [`parse_secret`] reads it. The result is the secret: show it to its owner only.
pub fn format_secret(secret: &Secret) -> String {
    format!("{SECRET_PREFIX}{}", STANDARD.encode(secret.expose()))
}

/// The value of `webhook-signature` for one attempt: one signature per secret, separated by spaces.
pub fn sign(secrets: &[Secret], id: &str, timestamp_s: u64, body: &[u8]) -> String {
    let content = signed_content(id, &timestamp_s.to_string(), body);
    let signatures = secrets.iter().map(|secret| {
        let tag = hmac::sign(&key(secret), &content);
        format!("{VERSION_PREFIX}{}", STANDARD.encode(tag.as_ref()))
    });
    signatures.collect::<Vec<_>>().join(" ")
}

/// Checks a received request; `now` is the receiver's wall clock, `tolerance` how far the sender's may be off.
///
/// How long it takes does not depend on where a wrong signature differs.
pub fn verify(
    secret: &Secret,
    headers: SignedHeaders<'_>,
    body: &[u8],
    now: WallMs,
    tolerance: Duration,
) -> Result<(), VerifyError> {
    let at = headers.timestamp.parse().map_err(|_| VerifyError::Timestamp)?;
    let (signed, now) = (Duration::from_secs(at), Duration::from_millis(now.0));
    if tolerance < now.saturating_sub(signed) {
        return Err(VerifyError::TooOld(now.saturating_sub(signed)));
    }
    if tolerance < signed.saturating_sub(now) {
        return Err(VerifyError::TooNew(signed.saturating_sub(now)));
    }
    let content = signed_content(headers.id, headers.timestamp, body);
    let key = key(secret);
    let fits = |signature: &str| {
        let tag = signature.strip_prefix(VERSION_PREFIX).and_then(|it| STANDARD.decode(it).ok());
        tag.is_some_and(|tag| hmac::verify(&key, &content, &tag).is_ok())
    };
    if headers.signature.split(' ').take(SIGNATURES_MAX).any(fits) {
        Ok(())
    } else {
        Err(VerifyError::NoMatch)
    }
}

fn key(secret: &Secret) -> Key {
    Key::new(HMAC_SHA256, secret.expose())
}

fn signed_content(id: &str, timestamp: &str, body: &[u8]) -> Vec<u8> {
    [id.as_bytes(), b".", timestamp.as_bytes(), b".", body].concat()
}
