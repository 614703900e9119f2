//! One key that tokens are verified with.

use crate::config::{JwtKey, StaticKey};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{Jwk, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, DecodingKeyKind};
use thiserror::Error;

/// Why tokens cannot be verified with the configured key.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum KeyError {
    /// The list of algorithms is empty, so every token would be refused.
    #[error("auth.jwt.algorithms: must not be empty")]
    NoAlgorithm,
    /// The key and an algorithm do not belong together.
    #[error("auth.jwt.algorithms: {algorithm:?} does not go with {key}")]
    Mismatch {
        /// The algorithm that does not fit.
        algorithm: Algorithm,
        /// The kind of key, such as "a secret".
        key: &'static str,
    },
    /// The PEM is not what the algorithms need.
    #[error("auth.jwt.public_key: is not the PEM of {wanted}: {why}")]
    Pem {
        /// The kind of key that the algorithms need.
        wanted: &'static str,
        /// The library's words.
        why: String,
    },
    /// An RSA key of less than 2048 bits.
    #[error("auth.jwt.public_key: an RSA key must have at least 2048 bits")]
    WeakRsa,
}

/// One key, and what it may verify.
#[derive(Debug)]
pub(super) struct VerifyingKey {
    /// The name that tokens call it by.
    kid: Option<String>,
    /// All of them go with the key.
    algorithms: Vec<Algorithm>,
    material: Material,
}

#[derive(Debug)]
enum Material {
    /// A shared secret: the key of each algorithm, made once and not for each token.
    Macs(Vec<(Algorithm, hmac::Key)>),
    Public(Box<DecodingKey>),
}

impl VerifyingKey {
    /// A key of the configuration.
    pub(super) fn configured(key: StaticKey) -> Result<Self, KeyError> {
        let StaticKey { kid, key, algorithms } = key;
        let decoding = decoding_key(&key, &algorithms)?;
        let material = match &key {
            JwtKey::Secret(secret) => {
                let mac = |it: &Algorithm| Some((*it, hmac::Key::new(mac(*it)?, secret.expose())));
                Material::Macs(algorithms.iter().filter_map(mac).collect())
            }
            JwtKey::PublicKey(_) => Material::Public(Box::new(decoding)),
        };
        Ok(Self { kid, algorithms, material })
    }

    /// A key that an issuer publishes; none if it is not for signatures, has no use for any of `algorithms`, is too weak,
    /// or is a shared secret, which is none any more once it is published.
    pub(super) fn published(jwk: &Jwk, algorithms: &[Algorithm]) -> Option<Self> {
        let common = &jwk.common;
        let is_for_signatures =
            common.public_key_use.as_ref().is_none_or(|it| matches!(it, PublicKeyUse::Signature))
                && (common.key_operations.as_ref())
                    .is_none_or(|all| all.iter().any(|it| matches!(it, KeyOperations::Verify)));
        let key = DecodingKey::from_jwk(jwk).ok().filter(|_| is_for_signatures)?;
        if key.family() == AlgorithmFamily::Hmac || is_weak(&key) {
            return None;
        }
        let only = common.key_algorithm.map(|it| Algorithm::try_from(it).ok());
        let is_meant = |it: &Algorithm| only.is_none_or(|only| only == Some(*it));
        let algorithms: Vec<Algorithm> =
            algorithms.iter().copied().filter(|it| fits(&key, *it) && is_meant(it)).collect();
        let kid = common.key_id.clone();
        let material = Material::Public(Box::new(key));
        (!algorithms.is_empty()).then_some(Self { kid, algorithms, material })
    }

    /// Whether it may have signed a token of this algorithm that names this key, or none.
    pub(super) fn may_have_signed(&self, algorithm: Algorithm, kid: Option<&str>) -> bool {
        let is_named = match (kid, self.kid.as_deref()) {
            (Some(kid), Some(own)) => kid == own,
            (Some(_) | None, None) | (None, Some(_)) => true,
        };
        is_named && self.algorithms.contains(&algorithm)
    }

    /// Whether it has signed `message`. `algorithm` only chooses among the key's own, which are all of its family: so a
    /// token cannot make this side use a public key as a shared secret.
    pub(super) fn has_signed(&self, message: &str, signature: &str, algorithm: Algorithm) -> bool {
        let message = message.as_bytes();
        match &self.material {
            Material::Macs(macs) => {
                let tag = URL_SAFE_NO_PAD.decode(signature).ok();
                let key = macs.iter().find(|(it, _)| *it == algorithm).map(|(_, key)| key);
                tag.zip(key).is_some_and(|(tag, key)| hmac::verify(key, message, &tag).is_ok())
            }
            Material::Public(key) => {
                self.algorithms.contains(&algorithm)
                    && jsonwebtoken::crypto::verify(signature, message, key, algorithm)
                        .unwrap_or(false)
            }
        }
    }
}

/// The key, if every algorithm goes with it.
fn decoding_key(key: &JwtKey, algorithms: &[Algorithm]) -> Result<DecodingKey, KeyError> {
    let family = algorithms.first().ok_or(KeyError::NoAlgorithm)?.family();
    let pem_error = |wanted| {
        move |why: jsonwebtoken::errors::Error| KeyError::Pem { wanted, why: why.to_string() }
    };
    let (decoding, name) = match (key, family) {
        (JwtKey::Secret(secret), _) => (DecodingKey::from_secret(secret.expose()), "a secret"),
        (JwtKey::PublicKey(pem), AlgorithmFamily::Rsa) => {
            let key = DecodingKey::from_rsa_pem(pem.as_bytes());
            (key.map_err(pem_error("an RSA public key"))?, "an RSA public key")
        }
        (JwtKey::PublicKey(pem), AlgorithmFamily::Ec) => {
            let key = DecodingKey::from_ec_pem(pem.as_bytes());
            (key.map_err(pem_error("an EC public key"))?, "this EC public key")
        }
        (JwtKey::PublicKey(pem), AlgorithmFamily::Ed) => {
            let key = DecodingKey::from_ed_pem(pem.as_bytes());
            (key.map_err(pem_error("an Ed25519 public key"))?, "an Ed25519 public key")
        }
        (JwtKey::PublicKey(_), AlgorithmFamily::Hmac) => {
            return Err(mismatch(algorithms.first(), "a public key"));
        }
    };
    let goes_with = |algorithm: &&Algorithm| fits(&decoding, **algorithm);
    if let Some(odd) = algorithms.iter().find(|algorithm| !goes_with(algorithm)) {
        return Err(mismatch(Some(odd), name));
    }
    if is_weak(&decoding) { Err(KeyError::WeakRsa) } else { Ok(decoding) }
}

/// How an algorithm with a secret computes its signatures.
fn mac(algorithm: Algorithm) -> Option<hmac::Algorithm> {
    let macs = [
        (Algorithm::HS256, hmac::HMAC_SHA256),
        (Algorithm::HS384, hmac::HMAC_SHA384),
        (Algorithm::HS512, hmac::HMAC_SHA512),
    ];
    macs.into_iter().find(|(it, _)| *it == algorithm).map(|(_, mac)| mac)
}

/// Bytes of a modulus of 2048 bits. The DER of a smaller key is shorter, too.
const RSA_BYTES_MIN: usize = 256;

/// An RSA key of less than 2048 bits.
fn is_weak(key: &DecodingKey) -> bool {
    let modulus = match key.kind() {
        DecodingKeyKind::RsaModulusExponent { n, .. } => n,
        DecodingKeyKind::SecretOrDer(der) => der,
    };
    let bytes = modulus.iter().skip_while(|byte| **byte == 0).count();
    key.family() == AlgorithmFamily::Rsa && bytes < RSA_BYTES_MIN
}

fn mismatch(algorithm: Option<&Algorithm>, key: &'static str) -> KeyError {
    algorithm.map_or(KeyError::NoAlgorithm, |it| KeyError::Mismatch { algorithm: *it, key })
}

fn fits(key: &DecodingKey, algorithm: Algorithm) -> bool {
    // An uncompressed point: one byte of form, two coordinates.
    let curve_bytes = [(Algorithm::ES256, 65), (Algorithm::ES384, 97)];
    let curve = curve_bytes.into_iter().find(|(it, _)| *it == algorithm);
    let bytes = key.try_get_as_bytes().unwrap_or_default();
    key.family() == algorithm.family() && curve.is_none_or(|(_, len)| bytes.len() == len)
}
