//! Where the keys come from that tokens are verified with: from the configuration, or from the issuer.

use crate::config::backend;
use crate::config::reader::{Checked, SettingsReader};
use crate::types::Secret;
use jsonwebtoken::Algorithm;
use reqwest::{Certificate, Url};
use std::time::Duration;

/// The keys that tokens are verified with.
#[derive(Debug, Clone)]
pub enum JwtKeys {
    /// They stand in the configuration; at least one.
    Static(Vec<StaticKey>),
    /// The issuer publishes them.
    Published(PublishedKeys),
}

/// One key of the configuration.
#[derive(Debug, Clone)]
pub struct StaticKey {
    /// The name that tokens call it by; one without a name is tried for every token.
    pub kid: Option<String>,
    /// The key; its kind limits `algorithms`.
    pub key: JwtKey,
    /// Accepted `alg` values, such as `HS256`; all of one family, matching the key.
    pub algorithms: Vec<Algorithm>,
}

/// The key that tokens are verified with.
#[derive(Debug, Clone)]
pub enum JwtKey {
    /// Shared secret for HS256, HS384, HS512.
    Secret(Secret),
    /// PEM of a public key for `RS*`, `PS*`, `ES*` or `EdDSA`.
    PublicKey(String),
}

/// Keys that the issuer publishes as a JSON Web Key Set (RFC 7517).
#[derive(Debug, Clone)]
pub struct PublishedKeys {
    /// Where they are.
    pub location: KeysLocation,
    /// Accepted `alg` values; none with a shared secret.
    pub algorithms: Vec<Algorithm>,
    /// How often they are fetched.
    pub refresh: Duration,
    /// How long one request may take.
    pub timeout: Duration,
    /// Whether they may be at a private address.
    pub allow_private: bool,
    /// Authorities that may have signed the issuer's certificate, besides those of the system.
    pub ca: Vec<Certificate>,
}

/// Where an issuer's keys are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeysLocation {
    /// At this URL.
    Url(String),
    /// Where the `OpenID` configuration of this issuer says.
    Discovered {
        /// The issuer, exactly as tokens name it.
        issuer: String,
    },
}

const ALGORITHMS_LEN_MAX: usize = 12;
const KEYS_LEN_MAX: usize = 16;
/// Where keys may come from, and how else that is written.
const SOURCES: [(&str, &str); 5] = [
    ("auth.jwt.secret", "auth.jwt.secret_file"),
    ("auth.jwt.public_key", "auth.jwt.public_key_file"),
    ("auth.jwt.keys", "auth.jwt.keys"),
    ("auth.jwt.jwks_url", "auth.jwt.jwks_url"),
    ("auth.jwt.discovery", "auth.jwt.discovery"),
];

/// The keys below `[auth.jwt]` that are about keys, each by itself.
pub(super) struct KeyFields {
    /// Those of [`SOURCES`] that are written.
    written: Vec<&'static str>,
    secret: Checked<Option<String>>,
    public_key: Checked<Option<String>>,
    keys: Checked<Vec<StaticKey>>,
    jwks_url: Checked<Option<Url>>,
    algorithms: Checked<Vec<Algorithm>>,
    refresh: Checked<Duration>,
    timeout: Checked<Duration>,
    allow_private: Checked<bool>,
    ca: Checked<Vec<Certificate>>,
}

impl KeyFields {
    pub(super) fn read(reader: &mut SettingsReader) -> Self {
        let secret = reader.secret("auth.jwt.secret");
        let public_key = reader.text_or_file("auth.jwt.public_key");
        let discovery = reader.switch("auth.jwt.discovery");
        let is_written = |(key, other): &(&'static str, &str)| match *key {
            "auth.jwt.discovery" => !matches!(discovery, Ok(false)),
            key => reader.is_set(key) || reader.is_set(other),
        };
        let written = SOURCES.iter().filter(|it| is_written(it)).map(|it| it.0).collect();
        let algorithms = read_algorithms(reader, "auth.jwt");
        let allow_private = reader.switch("auth.jwt.allow_private");
        // Where that is wrong itself, nothing is said of addresses.
        let may_be_private = *allow_private.as_ref().unwrap_or(&true);
        Self {
            written,
            secret,
            public_key,
            keys: read_keys(reader, algorithms.as_deref().ok()),
            jwks_url: read_jwks_url(reader, may_be_private),
            algorithms,
            refresh: reader
                .duration("auth.jwt.refresh", Duration::from_secs(10)..=Duration::from_hours(24)),
            timeout: reader
                .duration("auth.jwt.timeout", Duration::from_millis(100)..=Duration::from_mins(1)),
            allow_private,
            ca: reader.certificates("auth.jwt.ca_file"),
        }
    }

    /// Whether anything says where the keys come from.
    pub(super) fn is_any_written(&self) -> bool {
        !self.written.is_empty()
    }

    /// The keys; `issuers` are none if they are wrong themselves.
    pub(super) fn checked(
        self,
        reader: &mut SettingsReader,
        issuers: Option<&[String]>,
    ) -> Checked<JwtKeys> {
        if let [first, second, ..] = &*self.written {
            let rule = format!("must not stand beside {first}: keys come from one place");
            return Err(reader.reject(second, rule));
        }
        match self.written.first().copied() {
            Some("auth.jwt.keys") => {
                let keys = self.keys?;
                if keys.is_empty() {
                    return Err(reader.reject("auth.jwt.keys", "must have at least one key"));
                }
                Ok(JwtKeys::Static(keys))
            }
            Some("auth.jwt.jwks_url" | "auth.jwt.discovery") => self.published(reader, issuers),
            Some(_) | None => {
                let (secret, public_key) = (self.secret, self.public_key);
                let algorithms = self.algorithms.as_deref().ok();
                let key = read_key(reader, "auth.jwt", secret, public_key, algorithms);
                let (key, algorithms) = (key?, self.algorithms?);
                Ok(JwtKeys::Static(vec![StaticKey { kid: None, key, algorithms }]))
            }
        }
    }

    fn published(
        self,
        reader: &mut SettingsReader,
        issuers: Option<&[String]>,
    ) -> Checked<JwtKeys> {
        let location = match self.jwks_url? {
            Some(url) => Ok(KeysLocation::Url(url.into())),
            None => discovered(reader, issuers, *self.allow_private.as_ref().unwrap_or(&true)),
        };
        let algorithms = self.algorithms?;
        if algorithms.is_empty() || algorithms.iter().any(|it| hmac_bytes(*it).is_some()) {
            let rule = "must be what the issuer signs with, such as [\"RS256\"]: RS256 to PS512, \
                        ES256, ES384 or EdDSA; published keys are no secrets";
            return Err(reader.reject("auth.jwt.algorithms", rule));
        }
        Ok(JwtKeys::Published(PublishedKeys {
            location: location?,
            algorithms,
            refresh: self.refresh?,
            timeout: self.timeout?,
            allow_private: self.allow_private?,
            ca: self.ca?,
        }))
    }
}

fn read_jwks_url(reader: &mut SettingsReader, allow_private: bool) -> Checked<Option<Url>> {
    let key = "auth.jwt.jwks_url";
    let url = reader.url(key)?;
    if let Some(url) = &url {
        check_location(reader, key, url, allow_private)?;
    }
    Ok(url)
}

/// The one issuer, whose name is the URL below which its configuration is.
fn discovered(
    reader: &mut SettingsReader,
    issuers: Option<&[String]>,
    allow_private: bool,
) -> Checked<KeysLocation> {
    let key = "auth.jwt.issuer";
    let Some([issuer]) = issuers else {
        return Err(reader.reject(key, "must name one issuer, whose keys are to be discovered"));
    };
    let is_good = |url: &Url| matches!(url.scheme(), "http" | "https") && url.query().is_none();
    let Some(url) = Url::parse(issuer).ok().filter(is_good) else {
        let rule = "must be the URL of the issuer whose keys are to be discovered";
        return Err(reader.reject(key, rule));
    };
    check_location(reader, key, &url, allow_private)?;
    Ok(KeysLocation::Discovered { issuer: issuer.clone() })
}

/// Whoever can change the answer on its way could put a key of its own in.
fn check_location(
    reader: &mut SettingsReader,
    key: &str,
    url: &Url,
    allow_private: bool,
) -> Checked<()> {
    backend::check_url(reader, key, url, "auth.jwt", allow_private)?;
    if url.scheme() == "http" && !allow_private {
        let rule = "must be https: whoever changes the answer on its way could sign tokens \
                    (auth.jwt.allow_private = true allows http, for private networks)";
        return Err(reader.reject(key, rule));
    }
    Ok(())
}

fn read_algorithms(reader: &mut SettingsReader, prefix: &str) -> Checked<Vec<Algorithm>> {
    reader.list(
        &format!("{prefix}.algorithms"),
        ALGORITHMS_LEN_MAX,
        "must be HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, \
         ES384 or EdDSA",
        |text| text.parse().ok(),
    )
}

/// `[[auth.jwt.keys]]`; a key without algorithms of its own has `algorithms`.
fn read_keys(
    reader: &mut SettingsReader,
    algorithms: Option<&[Algorithm]>,
) -> Checked<Vec<StaticKey>> {
    let (prefixes, tables) = reader.tables("auth.jwt.keys", KEYS_LEN_MAX);
    let keys: Vec<Checked<StaticKey>> = prefixes
        .iter()
        .map(|prefix| {
            let kid = reader.text(&format!("{prefix}.kid"));
            let secret = reader.secret(&format!("{prefix}.secret"));
            let public_key = reader.text_or_file(&format!("{prefix}.public_key"));
            let own = if reader.is_set(&format!("{prefix}.algorithms")) {
                Some(read_algorithms(reader, prefix))
            } else {
                // So that the key is known.
                reader.text(&format!("{prefix}.algorithms")).ok();
                algorithms.map(|it| Ok(it.to_vec()))
            };
            let effective = own.as_ref().and_then(|it| it.as_deref().ok());
            let key = read_key(reader, prefix, secret, public_key, effective);
            let algorithms = own.unwrap_or_else(|| Ok(Vec::new()));
            Ok(StaticKey { kid: kid?, key: key?, algorithms: algorithms? })
        })
        .collect();
    tables?;
    keys.into_iter().collect()
}

/// The key under `prefix`; `algorithms` are none if they are wrong themselves.
fn read_key(
    reader: &mut SettingsReader,
    prefix: &str,
    secret: Checked<Option<String>>,
    public_key: Checked<Option<String>>,
    algorithms: Option<&[Algorithm]>,
) -> Checked<JwtKey> {
    match (secret?, public_key?) {
        (Some(_), Some(_)) => {
            let rule = "must not stand beside a secret: one key is one or the other";
            Err(reader.reject(&format!("{prefix}.public_key"), rule))
        }
        (Some(secret), None) => {
            check_secret(reader, prefix, &secret, algorithms)?;
            Ok(JwtKey::Secret(Secret::new(secret.into_bytes())))
        }
        (None, Some(pem)) => {
            check_public_key(reader, prefix, &pem, algorithms)?;
            Ok(JwtKey::PublicKey(pem))
        }
        (None, None) => {
            let rule = "is missing (or secret_file, public_key, public_key_file): auth.mode = \
                        \"jwt\" needs a key; make a secret with `openssl rand -base64 32`";
            Err(reader.reject(&format!("{prefix}.secret"), rule))
        }
    }
}

fn check_secret(
    reader: &mut SettingsReader,
    prefix: &str,
    secret: &str,
    algorithms: Option<&[Algorithm]>,
) -> Checked<()> {
    let key = format!("{prefix}.secret");
    if secret.contains("-----BEGIN") {
        let rule = "must not be a PEM: a public key is no secret, set public_key instead";
        return Err(reader.reject(&key, rule));
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
            Err(reader.reject(&key, rule))
        }
        Some(_) | None => Ok(()),
    };
    if hashes.is_empty() || hashes.len() < algorithms.len() {
        let rule = "must be HS256, HS384 or HS512 for a secret";
        return Err(reader.reject(&format!("{prefix}.algorithms"), rule));
    }
    long_enough
}

fn check_public_key(
    reader: &mut SettingsReader,
    prefix: &str,
    pem: &str,
    algorithms: Option<&[Algorithm]>,
) -> Checked<()> {
    let is_public_key = ["-----BEGIN PUBLIC KEY-----", "-----BEGIN RSA PUBLIC KEY-----"];
    let is_pem = if is_public_key.iter().any(|head| pem.contains(head)) {
        Ok(())
    } else {
        let rule = "must be the PEM of a public key (-----BEGIN PUBLIC KEY-----)";
        Err(reader.reject_value(&format!("{prefix}.public_key"), None, rule))
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
        return Err(reader.reject(&format!("{prefix}.algorithms"), rule));
    }
    is_pem
}

/// Bytes of the hash; none for signatures.
fn hmac_bytes(algorithm: Algorithm) -> Option<usize> {
    let lengths = [(Algorithm::HS256, 32), (Algorithm::HS384, 48), (Algorithm::HS512, 64)];
    lengths.into_iter().find(|(it, _)| *it == algorithm).map(|(_, bytes)| bytes)
}
