//! Who calls: bearer keys and what they may do.
//!
//! Keys are compared as SHA-256 digests, in constant time and with all of them, so that neither a key nor its length
//! nor its place can be found out by measuring.

use super::error::ApiError;
use super::error_code::Code;
use crate::config::{AdminConfig, Scope};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{Digest, SHA256, digest};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use std::convert::Infallible;
use std::marker::PhantomData;
use std::sync::Arc;

/// The keys of the configuration.
#[derive(Debug)]
pub(super) struct Keys(Vec<Arc<KnownKey>>);

#[derive(Debug)]
struct KnownKey {
    name: String,
    digest: Digest,
    scopes: Vec<Scope>,
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

    fn require(&self, scope: Scope) -> Result<(), ApiError> {
        match self {
            Self::Nobody => Err(ApiError::new(
                Code::Unauthenticated,
                "a key is needed: send `Authorization: Bearer KEY`",
            )),
            Self::Stranger => {
                Err(ApiError::new(Code::Unauthenticated, "this key is not in `admin.keys`"))
            }
            Self::Key(CallerKey(key)) if key.scopes.contains(&scope) => Ok(()),
            Self::Key(_) => {
                let scope = scope.as_str();
                let message = format!("this needs a key with the scope `{scope}`");
                Err(ApiError::new(Code::Forbidden, message))
            }
        }
    }
}

impl Keys {
    /// The keys of the configuration.
    pub(super) fn new(config: &AdminConfig) -> Self {
        let known = config.keys.iter().map(|key| {
            let (name, scopes) = (key.name.clone(), key.scopes.clone());
            Arc::new(KnownKey { name, digest: digest(&SHA256, key.key.expose()), scopes })
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

/// A scope, as a type: what a handler takes as its first argument to be open to keys with that scope only.
pub(super) trait Permission: Send {
    /// The scope.
    const SCOPE: Scope;
}

/// Send events.
pub(super) struct EmitScope;
/// Look at users, rooms, sockets.
pub(super) struct ReadScope;
/// Disconnect users.
pub(super) struct ControlScope;

impl Permission for EmitScope {
    const SCOPE: Scope = Scope::Emit;
}

impl Permission for ReadScope {
    const SCOPE: Scope = Scope::Read;
}

impl Permission for ControlScope {
    const SCOPE: Scope = Scope::Control;
}

/// Proof that the caller has a key with the scope.
pub(super) struct May<P>(PhantomData<P>);

impl<P: Permission> May<P> {
    /// Whether this caller has one.
    pub(super) fn of(caller: &Caller) -> Result<Self, ApiError> {
        caller.require(P::SCOPE)?;
        Ok(Self(PhantomData))
    }
}

impl<P: Permission, S: Sync> FromRequestParts<S> for May<P> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        Self::of(parts.extensions.get::<Caller>().unwrap_or(&Caller::Nobody))
    }
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
