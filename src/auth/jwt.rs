//! JSON Web Tokens (RFC 7519) with a static key. The library checks the signature; time and claims are checked here.

use super::claims;
use super::object::JsonFields;
use super::refusal::{Refusal, TOKEN_BYTES_MAX, TokenFlaw};
use crate::config::{JwtConfig, JwtKey};
use crate::types::{Grants, Identity, WallMs, millis};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey};
use serde_json::value::RawValue;
use std::time::Duration;
use thiserror::Error;

/// The end of the year 9999 in seconds. A later time was written in milliseconds.
const SECONDS_MAX: u64 = 253_402_300_799;

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

/// Verifies tokens.
#[derive(Debug)]
pub(super) struct JwtVerifier {
    key: DecodingKey,
    /// With a secret: the key of each algorithm, made once and not for each token.
    macs: Vec<(Algorithm, hmac::Key)>,
    algorithms: Vec<Algorithm>,
    issuer: Option<String>,
    audience: Option<String>,
    user_claim: String,
    rooms_claim: String,
    leeway: Duration,
}

impl JwtVerifier {
    pub(super) fn new(config: JwtConfig) -> Result<Self, KeyError> {
        let key = decoding_key(&config.key, &config.algorithms)?;
        let secret = match &config.key {
            JwtKey::Secret(secret) => Some(secret),
            JwtKey::PublicKey(_) => None,
        };
        let mac = |it: &Algorithm| Some((*it, hmac::Key::new(mac(*it)?, secret?.expose())));
        Ok(Self {
            key,
            macs: config.algorithms.iter().filter_map(mac).collect(),
            algorithms: config.algorithms,
            issuer: config.issuer,
            audience: config.audience,
            user_claim: config.user_claim,
            rooms_claim: config.rooms_claim,
            leeway: config.leeway,
        })
    }

    pub(super) fn verify(&self, token: &str, now: WallMs) -> Result<Identity, Refusal> {
        if TOKEN_BYTES_MAX < token.len() {
            return Err(TokenFlaw::TooLong.into());
        }
        let (message, signature) = token.rsplit_once('.').ok_or(TokenFlaw::Malformed)?;
        let (header, claims) = message.split_once('.').ok_or(TokenFlaw::Malformed)?;
        let (header, claims) = (decode(header)?, decode(claims)?);
        let header = JsonFields::parse(&header).ok_or(TokenFlaw::Malformed)?;
        self.check_signature(&header, message, signature)?;
        let claims = JsonFields::parse(&claims).ok_or(TokenFlaw::Malformed)?;
        let expires_at = self.check_times(&claims, now)?;
        self.check_parties(&claims)?;
        let user = claims::user(&claims, &self.user_claim)?;
        let rooms = claims::rooms(&claims, &self.rooms_claim)?;
        let (data, expires_at) = (claims::data(&claims), Some(expires_at));
        Ok(Identity { user, grants: Grants { rooms, data, expires_at } })
    }

    /// `alg` only chooses among the configured algorithms, which are all of the key's own family: so a token cannot
    /// make this side use a public key as a shared secret.
    fn check_signature(
        &self,
        header: &JsonFields<'_>,
        message: &str,
        signature: &str,
    ) -> Result<(), TokenFlaw> {
        let algorithm: Algorithm = text(header.get("alg"))
            .and_then(|name| name.parse().ok())
            .filter(|algorithm| self.algorithms.contains(algorithm))
            .ok_or(TokenFlaw::Algorithm)?;
        // RFC 7515 §4.1.11: whoever does not understand an extension listed here must refuse.
        if header.get("crit").is_some() {
            return Err(TokenFlaw::Critical);
        }
        let message = message.as_bytes();
        let verified = match self.macs.iter().find(|(it, _)| *it == algorithm) {
            Some((_, key)) => {
                let tag = URL_SAFE_NO_PAD.decode(signature).ok();
                tag.is_some_and(|tag| hmac::verify(key, message, &tag).is_ok())
            }
            None => jsonwebtoken::crypto::verify(signature, message, &self.key, algorithm)
                .unwrap_or(false),
        };
        if verified { Ok(()) } else { Err(TokenFlaw::Signature) }
    }

    /// When the token ends.
    fn check_times(&self, claims: &JsonFields<'_>, now: WallMs) -> Result<WallMs, Refusal> {
        let leeway_ms = millis(self.leeway);
        let expires_at = time(claims.get("exp").ok_or(TokenFlaw::NoExpiry)?)?;
        if expires_at.0.saturating_add(leeway_ms) <= now.0 {
            return Err(Refusal::TokenExpired);
        }
        let not_before = claims.get("nbf").map(time).transpose()?;
        if not_before.is_some_and(|begin| now.0.saturating_add(leeway_ms) < begin.0) {
            return Err(Refusal::TokenNotYetValid);
        }
        Ok(expires_at)
    }

    fn check_parties(&self, claims: &JsonFields<'_>) -> Result<(), TokenFlaw> {
        if self.issuer.is_some() && text(claims.get("iss")) != self.issuer {
            return Err(TokenFlaw::Issuer);
        }
        let Some(audience) = &self.audience else { return Ok(()) };
        let named = claims.get("aud");
        let is_one = text(named).is_some_and(|it| it == *audience);
        let is_among = || {
            let list: Option<Vec<String>> = serde_json::from_str(named?.get()).ok();
            Some(list?.contains(audience))
        };
        if is_one || is_among().unwrap_or(false) { Ok(()) } else { Err(TokenFlaw::Audience) }
    }
}

fn decode(part: &str) -> Result<String, TokenFlaw> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenFlaw::Malformed)?;
    String::from_utf8(bytes).map_err(|_| TokenFlaw::Malformed)
}

fn text(raw: Option<&RawValue>) -> Option<String> {
    serde_json::from_str(raw?.get()).ok()
}

/// RFC 7519 §2, `NumericDate`: seconds since 1970, which may have a fraction.
fn time(raw: &RawValue) -> Result<WallMs, TokenFlaw> {
    let whole = serde_json::from_str(raw.get()).ok().map(Duration::from_secs);
    let fraction = || serde_json::from_str(raw.get()).ok().map(Duration::try_from_secs_f64)?.ok();
    let since = whole.or_else(fraction).ok_or(TokenFlaw::Time)?;
    let ms = u64::try_from(since.as_millis()).map_err(|_| TokenFlaw::Time)?;
    if since.as_secs() <= SECONDS_MAX { Ok(WallMs(ms)) } else { Err(TokenFlaw::Time) }
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
    if family == AlgorithmFamily::Rsa && bytes(&decoding).len() < RSA_DER_BYTES_MIN {
        return Err(KeyError::WeakRsa);
    }
    Ok(decoding)
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

/// A modulus of 2048 bits alone has that many bytes.
const RSA_DER_BYTES_MIN: usize = 256;

fn mismatch(algorithm: Option<&Algorithm>, key: &'static str) -> KeyError {
    algorithm.map_or(KeyError::NoAlgorithm, |it| KeyError::Mismatch { algorithm: *it, key })
}

fn fits(key: &DecodingKey, algorithm: Algorithm) -> bool {
    // An uncompressed point: one byte of form, two coordinates.
    let curve_bytes = [(Algorithm::ES256, 65), (Algorithm::ES384, 97)];
    let curve = curve_bytes.into_iter().find(|(it, _)| *it == algorithm);
    key.family() == algorithm.family() && curve.is_none_or(|(_, len)| bytes(key).len() == len)
}

fn bytes(key: &DecodingKey) -> &[u8] {
    key.try_get_as_bytes().unwrap_or_default()
}
