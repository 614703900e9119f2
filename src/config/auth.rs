//! `[auth]`: how a socket's user is found out.

use super::reader::{Checked, SettingsReader};
use crate::types::Secret;
use jsonwebtoken::Algorithm;
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
    /// `auth.user` is believed; only in `userline dev`, on loopback.
    Trust,
}

/// How tokens are verified.
#[derive(Debug, Clone)]
pub struct JwtConfig {
    /// The key that tokens are verified with; its kind limits `algorithms`.
    pub key: JwtKey,
    /// Accepted `alg` values, such as `HS256`; all of one family, matching the key.
    pub algorithms: Vec<Algorithm>,
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

const ALGORITHMS_LEN_MAX: usize = 12;

impl AuthConfig {
    pub(super) fn read(reader: &mut SettingsReader) -> Checked<Self> {
        let mode = reader.parsed("auth.mode", "must be jwt or trust", |text| match text {
            "jwt" => Some(WrittenMode::Jwt),
            "trust" => Some(WrittenMode::Trust),
            _ => None,
        });
        let jwt = JwtFields::read(reader);
        let mode = match (mode?, jwt?) {
            (WrittenMode::Jwt, jwt) => AuthMode::Jwt(jwt.checked(reader)?),
            // The keys below `[auth.jwt]` may stand there for another day.
            (WrittenMode::Trust, _) => AuthMode::Trust,
        };
        Ok(Self { mode })
    }
}

enum WrittenMode {
    Jwt,
    Trust,
}

/// `[auth.jwt]`, each key by itself.
struct JwtFields {
    secret: Option<String>,
    public_key: Option<String>,
    algorithms: Vec<Algorithm>,
    issuer: Option<String>,
    audience: Option<String>,
    user_claim: String,
    rooms_claim: String,
    leeway: Duration,
}

impl JwtFields {
    fn read(reader: &mut SettingsReader) -> Checked<Self> {
        let secret = reader.secret("auth.jwt.secret");
        let public_key = reader.text_or_file("auth.jwt.public_key");
        let algorithms = reader.list(
            "auth.jwt.algorithms",
            ALGORITHMS_LEN_MAX,
            "must be HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384 \
             or EdDSA",
            |text| text.parse().ok(),
        );
        let issuer = reader.text("auth.jwt.issuer");
        let audience = reader.text("auth.jwt.audience");
        let claim = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let claim_rule = "must be the name of a claim";
        let user_claim = reader.parsed("auth.jwt.user_claim", claim_rule, claim);
        let rooms_claim = reader.parsed("auth.jwt.rooms_claim", claim_rule, claim);
        let leeway = reader.duration("auth.jwt.leeway", Duration::ZERO..=Duration::from_mins(5));
        Ok(Self {
            secret: secret?,
            public_key: public_key?,
            algorithms: algorithms?,
            issuer: issuer?,
            audience: audience?,
            user_claim: user_claim?,
            rooms_claim: rooms_claim?,
            leeway: leeway?,
        })
    }

    fn checked(self, reader: &mut SettingsReader) -> Checked<JwtConfig> {
        let key = match (self.secret, self.public_key) {
            (Some(secret), None) => {
                check_secret(reader, &secret, &self.algorithms)?;
                JwtKey::Secret(Secret::new(secret.into_bytes()))
            }
            (None, Some(pem)) => {
                check_public_key(reader, &pem, &self.algorithms)?;
                JwtKey::PublicKey(pem)
            }
            (Some(_), Some(_)) => {
                let rule = "must not stand beside a secret: tokens have one key";
                return Err(reader.reject("auth.jwt.public_key", rule));
            }
            (None, None) => {
                let rule = "is missing (or secret_file, public_key, public_key_file): auth.mode = \
                            \"jwt\" needs a key; make a secret with `openssl rand -base64 32`";
                return Err(reader.reject("auth.jwt.secret", rule));
            }
        };
        Ok(JwtConfig {
            key,
            algorithms: self.algorithms,
            issuer: self.issuer,
            audience: self.audience,
            user_claim: self.user_claim,
            rooms_claim: self.rooms_claim,
            leeway: self.leeway,
        })
    }
}

fn check_secret(
    reader: &mut SettingsReader,
    secret: &str,
    algorithms: &[Algorithm],
) -> Checked<()> {
    if secret.contains("-----BEGIN") {
        let rule = "must not be a PEM: a public key is no secret, set public_key instead";
        return Err(reader.reject("auth.jwt.secret", rule));
    }
    // RFC 7518 §3.2: at least as long as the hash.
    let bytes_min = algorithms.iter().map(|it| hmac_bytes(*it)).collect::<Option<Vec<usize>>>();
    match bytes_min.map(|bytes| bytes.into_iter().max()) {
        Some(Some(min)) if secret.len() < min => {
            let rule = format!(
                "must have at least {min} bytes for these algorithms, has {}; make one with \
                 `openssl rand -base64 {min}`",
                secret.len()
            );
            Err(reader.reject("auth.jwt.secret", rule))
        }
        Some(Some(_)) => Ok(()),
        Some(None) | None => {
            let rule = "must be HS256, HS384 or HS512 for a secret";
            Err(reader.reject("auth.jwt.algorithms", rule))
        }
    }
}

fn check_public_key(
    reader: &mut SettingsReader,
    pem: &str,
    algorithms: &[Algorithm],
) -> Checked<()> {
    if !pem.contains("-----BEGIN PUBLIC KEY-----")
        && !pem.contains("-----BEGIN RSA PUBLIC KEY-----")
    {
        let rule = "must be the PEM of a public key (-----BEGIN PUBLIC KEY-----)";
        return Err(reader.reject_value("auth.jwt.public_key", None, rule));
    }
    let family = algorithms.first().map(|it| it.family());
    let is_one_family = algorithms.iter().all(|it| Some(it.family()) == family);
    // Whoever knows the public key could sign with it otherwise.
    if !is_one_family
        || algorithms.is_empty()
        || algorithms.iter().any(|it| hmac_bytes(*it).is_some())
    {
        let rule = "must be of the public key's family: RS256 to PS512, ES256 and ES384, or EdDSA";
        return Err(reader.reject("auth.jwt.algorithms", rule));
    }
    Ok(())
}

/// Bytes of the hash; none for signatures.
fn hmac_bytes(algorithm: Algorithm) -> Option<usize> {
    let lengths = [(Algorithm::HS256, 32), (Algorithm::HS384, 48), (Algorithm::HS512, 64)];
    lengths.into_iter().find(|(it, _)| *it == algorithm).map(|(_, bytes)| bytes)
}
