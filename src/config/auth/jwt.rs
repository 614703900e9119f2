//! `[auth.jwt]`: what a token must be like, and which of its claims mean what.

use super::keys::{JwtKey, JwtKeys, KeyFields, StaticKey};
use crate::config::reader::{Checked, SettingsReader};
use crate::types::{ClaimPath, Secret};
use jsonwebtoken::Algorithm;
use std::time::Duration;

const PARTIES_LEN_MAX: usize = 16;

/// How tokens are verified.
#[derive(Debug, Clone)]
pub struct JwtConfig {
    /// The keys that tokens are verified with.
    pub keys: JwtKeys,
    /// Accepted `iss`; empty: not looked at.
    pub issuers: Vec<String>,
    /// Accepted `aud`; empty: not looked at.
    pub audiences: Vec<String>,
    /// The claim that names the user (a string or an integer).
    pub user_claim: ClaimPath,
    /// The claim that lists rooms (an array of strings).
    pub rooms_claim: ClaimPath,
    /// Clock difference forgiven for `exp`, `nbf` and the lifetime.
    pub leeway: Duration,
    /// The longest time from `iat` to `exp` that is accepted.
    pub max_lifetime: Option<Duration>,
    /// Whether a token must say when it was issued.
    pub require_iat: bool,
}

impl JwtConfig {
    /// Tokens signed with one shared secret, with the claims of the defaults, of any issuer and audience.
    pub fn with_secret(secret: Secret, algorithms: &[Algorithm]) -> Self {
        let (kid, key, algorithms) = (None, JwtKey::Secret(secret), algorithms.to_vec());
        Self {
            keys: JwtKeys::Static(vec![StaticKey { kid, key, algorithms }]),
            issuers: Vec::new(),
            audiences: Vec::new(),
            user_claim: ClaimPath::name("sub"),
            rooms_claim: ClaimPath::name("rooms"),
            leeway: Duration::ZERO,
            max_lifetime: None,
            require_iat: false,
        }
    }

    /// How long after it was issued a token may let a client in, where that is bounded: then every token says when that was.
    pub fn longest_age(&self) -> Option<Duration> {
        let max = self.max_lifetime.filter(|_| self.require_iat)?;
        // The leeway is forgiven twice: its lifetime may be longer, and it counts after its end.
        Some(max.saturating_add(self.leeway).saturating_add(self.leeway))
    }
}

/// `[auth.jwt]`, each key by itself.
pub(super) struct JwtFields {
    keys: KeyFields,
    issuers: Checked<Vec<String>>,
    audiences: Checked<Vec<String>>,
    user_claim: Checked<ClaimPath>,
    rooms_claim: Checked<ClaimPath>,
    leeway: Checked<Duration>,
    max_lifetime: Checked<Option<Duration>>,
    require_iat: Checked<bool>,
}

impl JwtFields {
    pub(super) fn read(reader: &mut SettingsReader) -> Self {
        let claim_rule = "must be the name of a claim, or a JSON Pointer such as \"/org/id\"";
        Self {
            keys: KeyFields::read(reader),
            issuers: reader.texts("auth.jwt.issuer", PARTIES_LEN_MAX),
            audiences: reader.texts("auth.jwt.audience", PARTIES_LEN_MAX),
            user_claim: reader.parsed("auth.jwt.user_claim", claim_rule, ClaimPath::parse),
            rooms_claim: reader.parsed("auth.jwt.rooms_claim", claim_rule, ClaimPath::parse),
            leeway: reader.duration("auth.jwt.leeway", Duration::ZERO..=Duration::from_mins(5)),
            max_lifetime: reader.duration_if_set(
                "auth.jwt.max_lifetime",
                Duration::from_secs(1)..=Duration::from_hours(3650 * 24),
            ),
            require_iat: reader.switch("auth.jwt.require_iat"),
        }
    }

    /// Whether anything says where the keys come from.
    pub(super) fn has_keys(&self) -> bool {
        self.keys.is_any_written()
    }

    pub(super) fn checked(self, reader: &mut SettingsReader) -> Checked<JwtConfig> {
        let issuers = self.issuers;
        let keys = self.keys.checked(reader, issuers.as_deref().ok());
        Ok(JwtConfig {
            keys: keys?,
            issuers: issuers?,
            audiences: self.audiences?,
            user_claim: self.user_claim?,
            rooms_claim: self.rooms_claim?,
            leeway: self.leeway?,
            max_lifetime: self.max_lifetime?,
            require_iat: self.require_iat?,
        })
    }
}
