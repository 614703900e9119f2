//! All keys that are good at the moment.

use super::key::{KeyError, VerifyingKey};
use crate::config::StaticKey;
use jsonwebtoken::Algorithm;
use jsonwebtoken::jwk::Jwk;
use serde::Deserialize;
use serde_json::value::RawValue;
use thiserror::Error;

/// Keys of one published set that are looked at.
const KEYS_MAX: usize = 64;

/// Keys that tokens are verified with.
#[derive(Debug)]
pub(super) struct KeySet(Vec<VerifyingKey>);

/// The header of a token, as far as keys go by it, and what was signed.
#[derive(Debug, Clone, Copy)]
pub(super) struct SignedToken<'a> {
    pub(super) algorithm: Algorithm,
    pub(super) kid: Option<&'a str>,
    pub(super) message: &'a str,
    pub(super) signature: &'a str,
}

/// What the keys say of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyVerdict {
    /// One of them has signed it.
    Signed,
    /// None of those that it names has.
    NotSigned,
    /// None is of the name and algorithm that it names; or it names none, and none of them has signed it.
    UnknownKey,
}

/// What is no set of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(super) enum KeySetError {
    #[error("the answer is not a JSON Web Key Set")]
    Malformed,
    #[error("the key set has no key for these algorithms")]
    Empty,
}

impl KeySet {
    /// The keys of the configuration.
    pub(super) fn configured(keys: Vec<StaticKey>) -> Result<Self, KeyError> {
        keys.into_iter().map(VerifyingKey::configured).collect::<Result<_, _>>().map(Self)
    }

    /// The keys of a JSON Web Key Set (RFC 7517) that are good for any of `algorithms`, at least one. What is not
    /// understood is left out, as §5 demands.
    pub(super) fn published(body: &[u8], algorithms: &[Algorithm]) -> Result<Self, KeySetError> {
        #[derive(Deserialize)]
        struct Jwks<'a> {
            #[serde(borrow)]
            keys: Vec<&'a RawValue>,
        }
        let jwks: Jwks<'_> = serde_json::from_slice(body).map_err(|_| KeySetError::Malformed)?;
        let jwks = jwks.keys.iter().take(KEYS_MAX);
        let jwks = jwks.filter_map(|it| serde_json::from_str::<Jwk>(it.get()).ok());
        let keys: Vec<_> = jwks.filter_map(|it| VerifyingKey::published(&it, algorithms)).collect();
        if keys.is_empty() { Err(KeySetError::Empty) } else { Ok(Self(keys)) }
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the token was signed by one of the keys.
    pub(super) fn judge(&self, token: SignedToken<'_>) -> KeyVerdict {
        let SignedToken { algorithm, kid, message, signature } = token;
        let mut candidates =
            self.0.iter().filter(|key| key.may_have_signed(algorithm, kid)).peekable();
        let is_any = candidates.peek().is_some();
        if candidates.any(|key| key.has_signed(message, signature, algorithm)) {
            KeyVerdict::Signed
        } else if is_any && kid.is_some() {
            KeyVerdict::NotSigned
        } else {
            KeyVerdict::UnknownKey
        }
    }
}
