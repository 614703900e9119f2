//! JSON Web Tokens (RFC 7519). The library checks the signature; time and claims are checked here.

use super::claims;
use super::error::AuthError;
use super::issuer::Issuer;
use super::key_set::{KeySet, KeyVerdict, SignedToken};
use super::object::JsonFields;
use super::refusal::{Refusal, TOKEN_BYTES_MAX, TokenFlaw};
use crate::clock::Clock;
use crate::config::{JwtConfig, JwtKeys};
use crate::core::rooms::granting::{GrantRules, GrantedRooms};
use crate::types::{ClaimPath, Grants, Identity, WallMs, millis};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use serde_json::value::RawValue;
use std::time::Duration;

/// Verifies tokens.
#[derive(Debug)]
pub(super) struct JwtVerifier {
    keys: TokenKeys,
    algorithms: Vec<Algorithm>,
    issuers: Vec<String>,
    audiences: Vec<String>,
    user_claim: ClaimPath,
    rooms_claim: ClaimPath,
    rooms: GrantRules,
    leeway: Duration,
    max_lifetime: Option<Duration>,
    require_iat: bool,
}

#[derive(Debug)]
enum TokenKeys {
    Static(KeySet),
    Published(Box<Issuer>),
}

impl JwtVerifier {
    pub(super) fn new(
        config: JwtConfig,
        rooms: GrantRules,
        clock: Clock,
    ) -> Result<Self, AuthError> {
        let (algorithms, keys) = match config.keys {
            JwtKeys::Static(keys) => {
                let algorithms = keys.iter().flat_map(|it| it.algorithms.clone()).collect();
                (algorithms, TokenKeys::Static(KeySet::configured(keys)?))
            }
            JwtKeys::Published(published) => {
                let algorithms = published.algorithms.clone();
                (algorithms, TokenKeys::Published(Box::new(Issuer::new(published, clock)?)))
            }
        };
        Ok(Self {
            keys,
            algorithms,
            issuers: config.issuers,
            audiences: config.audiences,
            user_claim: config.user_claim,
            rooms_claim: config.rooms_claim,
            rooms,
            leeway: config.leeway,
            max_lifetime: config.max_lifetime,
            require_iat: config.require_iat,
        })
    }

    /// The issuer whose keys have to be fetched, if there is one.
    pub(super) fn issuer(&self) -> Option<&Issuer> {
        match &self.keys {
            TokenKeys::Static(_) => None,
            TokenKeys::Published(issuer) => Some(issuer),
        }
    }

    pub(super) async fn verify(&self, token: &str, now: WallMs) -> Result<Identity, Refusal> {
        if TOKEN_BYTES_MAX < token.len() {
            return Err(TokenFlaw::TooLong.into());
        }
        let (message, signature) = token.rsplit_once('.').ok_or(TokenFlaw::Malformed)?;
        let (header, claims) = message.split_once('.').ok_or(TokenFlaw::Malformed)?;
        let (header, claims) = (decode(header)?, decode(claims)?);
        let header = JsonFields::parse(&header).ok_or(TokenFlaw::Malformed)?;
        self.check_signature(&header, message, signature).await?;
        let claims = JsonFields::parse(&claims).ok_or(TokenFlaw::Malformed)?;
        let expires_at = self.check_times(&claims, now)?;
        let issued_at = claims.get("iat").map(claims::time).transpose()?;
        if self.require_iat && issued_at.is_none() {
            return Err(TokenFlaw::NoIssue.into());
        }
        self.check_parties(&claims)?;
        let user = claims::user(claims.find(&self.user_claim))?;
        let GrantedRooms { rooms, joinable } =
            claims::rooms(claims.find(&self.rooms_claim), &self.rooms, &claims)?;
        let (data, expires_at) = (claims::data(&claims), Some(expires_at));
        let grants = Grants { rooms, joinable, data, expires_at, issued_at, resume: None };
        Ok(Identity { user, grants })
    }

    async fn check_signature(
        &self,
        header: &JsonFields<'_>,
        message: &str,
        signature: &str,
    ) -> Result<(), Refusal> {
        let algorithm: Algorithm = text(header.get("alg"))
            .and_then(|name| name.parse().ok())
            .filter(|algorithm| self.algorithms.contains(algorithm))
            .ok_or(TokenFlaw::Algorithm)?;
        // RFC 7515 §4.1.11: whoever does not understand an extension listed here must refuse.
        if header.get("crit").is_some() {
            return Err(TokenFlaw::Critical.into());
        }
        let kid = match header.get("kid") {
            Some(raw) => Some(text(Some(raw)).ok_or(TokenFlaw::Malformed)?),
            None => None,
        };
        let token = SignedToken { algorithm, kid: kid.as_deref(), message, signature };
        match &self.keys {
            TokenKeys::Published(issuer) => issuer.check(token).await,
            TokenKeys::Static(keys) => match keys.judge(token) {
                KeyVerdict::Signed => Ok(()),
                // Without a name nothing is known but that no key fits.
                KeyVerdict::UnknownKey if kid.is_some() => Err(TokenFlaw::UnknownKey.into()),
                KeyVerdict::UnknownKey | KeyVerdict::NotSigned => Err(TokenFlaw::Signature.into()),
            },
        }
    }

    /// When the token ends.
    fn check_times(&self, claims: &JsonFields<'_>, now: WallMs) -> Result<WallMs, Refusal> {
        let leeway_ms = millis(self.leeway);
        let expires_at = claims::time(claims.get("exp").ok_or(TokenFlaw::NoExpiry)?)?;
        if expires_at.0.saturating_add(leeway_ms) <= now.0 {
            return Err(Refusal::TokenExpired);
        }
        let not_before = claims.get("nbf").map(claims::time).transpose()?;
        if not_before.is_some_and(|begin| now.0.saturating_add(leeway_ms) < begin.0) {
            return Err(Refusal::TokenNotYetValid);
        }
        if let Some(max) = self.max_lifetime {
            // One that does not say when it was issued is counted from now on.
            let issued_at = claims.get("iat").map(claims::time).transpose()?.unwrap_or(now);
            let lifetime_ms = expires_at.0.saturating_sub(issued_at.0.min(now.0));
            if millis(max).saturating_add(leeway_ms) < lifetime_ms {
                return Err(TokenFlaw::Lifetime.into());
            }
        }
        Ok(expires_at)
    }

    fn check_parties(&self, claims: &JsonFields<'_>) -> Result<(), TokenFlaw> {
        let is_of =
            |known: &[String], name: Option<String>| name.is_some_and(|it| known.contains(&it));
        if !self.issuers.is_empty() && !is_of(&self.issuers, text(claims.get("iss"))) {
            return Err(TokenFlaw::Issuer);
        }
        if self.audiences.is_empty() {
            return Ok(());
        }
        let named = claims.get("aud");
        let is_among = || {
            let list: Option<Vec<String>> = serde_json::from_str(named?.get()).ok();
            Some(list?.iter().any(|it| self.audiences.contains(it)))
        };
        if is_of(&self.audiences, text(named)) || is_among().unwrap_or(false) {
            Ok(())
        } else {
            Err(TokenFlaw::Audience)
        }
    }
}

fn decode(part: &str) -> Result<String, TokenFlaw> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenFlaw::Malformed)?;
    String::from_utf8(bytes).map_err(|_| TokenFlaw::Malformed)
}

fn text(raw: Option<&RawValue>) -> Option<String> {
    serde_json::from_str(raw?.get()).ok()
}
