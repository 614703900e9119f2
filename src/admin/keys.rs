//! Who calls: bearer keys and what they may do.
//!
//! Keys are compared as SHA-256 digests, in constant time and with all of them, so that neither a key nor its length
//! nor its place can be found out by measuring.

use super::error::ApiError;
use super::error_code::Code;
use crate::config::{AdminConfig, ApiKey, Scope};
use crate::core::emit::allow::AllowList;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{Digest, SHA256, digest};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use std::convert::Infallible;
use std::sync::Arc;

/// The keys of the configuration.
#[derive(Debug)]
pub(super) struct Keys(Vec<Arc<KnownKey>>);

#[derive(Debug)]
struct KnownKey {
    name: String,
    digest: Digest,
    scopes: Vec<Scope>,
    /// `None`: everything.
    allow: Option<AllowList>,
}

/// Who makes a request.
#[derive(Debug, Clone)]
pub(super) enum Caller {
    /// No `Authorization: Bearer`.
    Nobody,
    /// A key that is not configured.
    Stranger,
    /// One of the configured keys.
    Key(CallerKey),
}

/// One of the configured keys.
#[derive(Debug, Clone)]
pub(super) struct CallerKey(Arc<KnownKey>);

impl Caller {
    /// The name of the key, for logs.
    pub(super) fn name(&self) -> Option<&str> {
        match self {
            Self::Nobody | Self::Stranger => None,
            Self::Key(CallerKey(key)) => Some(&key.name),
        }
    }

    /// The key, if it has the scope.
    pub(super) fn require(&self, scope: Scope) -> Result<CallerKey, ApiError> {
        match self {
            Self::Nobody => Err(ApiError::new(
                Code::Unauthenticated,
                "a key is needed: send `Authorization: Bearer KEY`",
            )),
            Self::Stranger => {
                Err(ApiError::new(Code::Unauthenticated, "this key is not in `admin.keys`"))
            }
            Self::Key(key) if key.0.scopes.contains(&scope) => Ok(key.clone()),
            Self::Key(_) => {
                let scope = scope.as_str();
                let message = format!("this needs a key with the scope `{scope}`");
                Err(ApiError::new(Code::Forbidden, message))
            }
        }
    }
}

impl CallerKey {
    /// Which users, rooms and events it may name; `None`: all.
    pub(super) fn allow(&self) -> Option<&AllowList> {
        self.0.allow.as_ref()
    }
}

impl Keys {
    /// The keys of the configuration.
    pub(super) fn new(config: &AdminConfig) -> Self {
        let known = config.keys.iter().map(|key| {
            let ApiKey { name, key, scopes, allow } = key.clone();
            Arc::new(KnownKey { name, digest: digest(&SHA256, key.expose()), scopes, allow })
        });
        Self(known.collect())
    }

    /// Who makes a request with these headers.
    pub(super) fn caller(&self, headers: &HeaderMap) -> Caller {
        let Some(given) = bearer(headers) else { return Caller::Nobody };
        let given = digest(&SHA256, given);
        let mut caller = Caller::Stranger;
        for key in &self.0 {
            if verify_slices_are_equal(key.digest.as_ref(), given.as_ref()).is_ok() {
                caller = Caller::Key(CallerKey(Arc::clone(key)));
            }
        }
        caller
    }
}

fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers.get(header::AUTHORIZATION)?.as_bytes();
    let (scheme, key) = value.split_at_checked(b"bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| key.trim_ascii())
}

/// The name of the caller's key, for what is written down.
pub(super) struct CallerName(pub(super) String);

impl<S: Sync> FromRequestParts<S> for CallerName {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let name = parts.extensions.get::<Caller>().and_then(Caller::name);
        Ok(Self(name.unwrap_or_default().to_owned()))
    }
}
