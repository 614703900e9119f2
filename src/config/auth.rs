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
        let mode = mode.and_then(|mode| check_mode(reader, mode));
        let jwt = JwtFields::read(reader);
        match mode {
            // The keys below `[auth.jwt]` may stand there for another day.
            Ok(WrittenMode::Trust) => Ok(Self { mode: AuthMode::Trust }),
            Ok(WrittenMode::Jwt) => Ok(Self { mode: AuthMode::Jwt(jwt.checked(reader)?) }),
            Err(rejected) => {
                // What the mode was meant to be, and so whether it needs a key, nobody knows.
                if !matches!((&jwt.secret, &jwt.public_key), (Ok(None), Ok(None))) {
                    drop(jwt.checked(reader));
                }
                Err(rejected)
            }
        }
    }
}

enum WrittenMode {
    Jwt,
    Trust,
}

/// Without proof of who somebody is, nobody at all may come in production: a proxy on the same machine makes everybody
/// seem to be from here.
fn check_mode(reader: &mut SettingsReader, mode: WrittenMode) -> Checked<WrittenMode> {
    match mode {
        WrittenMode::Trust if !reader.is_dev() => {
            let rule = "believes every client: only in `userline dev`; use \"jwt\" here";
            Err(reader.reject("auth.mode", rule))
        }
        mode @ (WrittenMode::Jwt | WrittenMode::Trust) => Ok(mode),
    }
}

/// `[auth.jwt]`, each key by itself.
struct JwtFields {
    secret: Checked<Option<String>>,
    public_key: Checked<Option<String>>,
    algorithms: Checked<Vec<Algorithm>>,
    issuer: Checked<Option<String>>,
    audience: Checked<Option<String>>,
    user_claim: Checked<String>,
    rooms_claim: Checked<String>,
    leeway: Checked<Duration>,
}

impl JwtFields {
    fn read(reader: &mut SettingsReader) -> Self {
        let claim = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let claim_rule = "must be the name of a claim";
        Self {
            secret: reader.secret("auth.jwt.secret"),
            public_key: reader.text_or_file("auth.jwt.public_key"),
            algorithms: reader.list(
                "auth.jwt.algorithms",
                ALGORITHMS_LEN_MAX,
                "must be HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, \
                 ES384 or EdDSA",
                |text| text.parse().ok(),
            ),
            issuer: reader.text("auth.jwt.issuer"),
            audience: reader.text("auth.jwt.audience"),
            user_claim: reader.parsed("auth.jwt.user_claim", claim_rule, claim),
            rooms_claim: reader.parsed("auth.jwt.rooms_claim", claim_rule, claim),
            leeway: reader.duration("auth.jwt.leeway", Duration::ZERO..=Duration::from_mins(5)),
        }
    }

    fn checked(self, reader: &mut SettingsReader) -> Checked<JwtConfig> {
        let key = read_key(reader, self.secret, self.public_key, self.algorithms.as_deref().ok());
        Ok(JwtConfig {
            key: key?,
            algorithms: self.algorithms?,
            issuer: self.issuer?,
            audience: self.audience?,
            user_claim: self.user_claim?,
            rooms_claim: self.rooms_claim?,
            leeway: self.leeway?,
        })
    }
}

/// The key; `algorithms` are none if they are wrong themselves.
fn read_key(
    reader: &mut SettingsReader,
    secret: Checked<Option<String>>,
    public_key: Checked<Option<String>>,
    algorithms: Option<&[Algorithm]>,
) -> Checked<JwtKey> {
    let is_written = |key: &str| reader.is_set(key) || reader.is_set(&format!("{key}_file"));
    if is_written("auth.jwt.secret") && is_written("auth.jwt.public_key") {
        let rule = "must not stand beside a secret: tokens have one key";
        return Err(reader.reject("auth.jwt.public_key", rule));
    }
    match (secret?, public_key?) {
        (Some(secret), _) => {
            check_secret(reader, &secret, algorithms)?;
            Ok(JwtKey::Secret(Secret::new(secret.into_bytes())))
        }
        (None, Some(pem)) => {
            check_public_key(reader, &pem, algorithms)?;
            Ok(JwtKey::PublicKey(pem))
        }
        (None, None) => {
            let rule = "is missing (or secret_file, public_key, public_key_file): auth.mode = \
                        \"jwt\" needs a key; make a secret with `openssl rand -base64 32`";
            Err(reader.reject("auth.jwt.secret", rule))
        }
    }
}

fn check_secret(
    reader: &mut SettingsReader,
    secret: &str,
    algorithms: Option<&[Algorithm]>,
) -> Checked<()> {
    if secret.contains("-----BEGIN") {
        let rule = "must not be a PEM: a public key is no secret, set public_key instead";
        return Err(reader.reject("auth.jwt.secret", rule));
    }
    let algorithms = algorithms.unwrap_or(&[Algorithm::HS256]);
    let hashes: Vec<usize> = algorithms.iter().filter_map(|it| hmac_bytes(*it)).collect();
    // RFC 7518 §3.2: at least as long as the hash.
    let long_enough = match hashes.iter().max() {
        Some(min) if secret.len() < *min => {
            let rule = format!(
                "must have at least {min} bytes for these algorithms, has {}; make one with \
                 `openssl rand -base64 {min}`",
                secret.len()
            );
            Err(reader.reject("auth.jwt.secret", rule))
        }
        Some(_) | None => Ok(()),
    };
    if hashes.is_empty() || hashes.len() < algorithms.len() {
        let rule = "must be HS256, HS384 or HS512 for a secret";
        return Err(reader.reject("auth.jwt.algorithms", rule));
    }
    long_enough
}

fn check_public_key(
    reader: &mut SettingsReader,
    pem: &str,
    algorithms: Option<&[Algorithm]>,
) -> Checked<()> {
    let is_public_key = ["-----BEGIN PUBLIC KEY-----", "-----BEGIN RSA PUBLIC KEY-----"];
    let is_pem = if is_public_key.iter().any(|head| pem.contains(head)) {
        Ok(())
    } else {
        let rule = "must be the PEM of a public key (-----BEGIN PUBLIC KEY-----)";
        Err(reader.reject_value("auth.jwt.public_key", None, rule))
    };
    let Some(algorithms) = algorithms else { return is_pem };
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
    is_pem
}

/// Bytes of the hash; none for signatures.
fn hmac_bytes(algorithm: Algorithm) -> Option<usize> {
    let lengths = [(Algorithm::HS256, 32), (Algorithm::HS384, 48), (Algorithm::HS512, 64)];
    lengths.into_iter().find(|(it, _)| *it == algorithm).map(|(_, bytes)| bytes)
}
