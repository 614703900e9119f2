//! Calls to the backend of whoever runs this server, in time, to addresses that may be called: signed POSTs, and GETs of
//! documents that anybody may read.
//!
//! Each section of the configuration that calls a backend has a [`HttpClient`] of its own, and one [`BackendCaller`] for each
//! URL in it. Whether a call may be made now is not decided here: the rules for that, back-off and circuit, are in
//! [`core::backend`](crate::core::backend).

mod answer;
mod caller;
mod no_answer;
mod public_only;
#[cfg(test)]
mod tests;

pub use answer::{BackendAnswer, NoBody};
pub use caller::{BackendCaller, UrlError};
pub use no_answer::NoAnswer;

use crate::types::WallMs;
use public_only::PublicOnly;
use reqwest::Certificate;
use reqwest::header::ACCEPT;
use std::time::Duration;
use thiserror::Error;

/// What all calls of one section of the configuration have in common.
#[derive(Debug, Clone, Copy)]
pub struct HttpSettings<'a> {
    /// The section, such as `hooks`. Errors name the keys in it that would help.
    pub section: &'static str,
    /// How long one call may take, from the look-up of the name to the end of the answer.
    pub timeout: Duration,
    /// Idle connections kept for each host: as many as there are calls at once.
    pub idle_connections: usize,
    /// Whether private addresses may be called; see [`is_public`](crate::core::backend::address::is_public).
    pub allow_private: bool,
    /// Whether any of the URLs called is `https`. Only then are certificates of authorities needed.
    pub is_https: bool,
    /// Authorities believed besides those of the system.
    pub ca: &'a [Certificate],
}

/// TLS cannot be set up: no root certificates, for example.
#[derive(Debug, Error)]
#[error("cannot set up the HTTP client for {section}")]
pub struct HttpClientError {
    section: &'static str,
    source: reqwest::Error,
}

/// The connections of one section. Cheap to clone; clones share them.
#[derive(Debug, Clone)]
pub struct HttpClient {
    inner: reqwest::Client,
    section: &'static str,
    allow_private: bool,
}

impl HttpClient {
    /// A client that follows no redirect and uses no proxy of the environment: both would send a call elsewhere than to
    /// the address that was checked.
    pub fn new(settings: HttpSettings<'_>) -> Result<Self, HttpClientError> {
        let HttpSettings { section, timeout, idle_connections, allow_private, is_https, ca } =
            settings;
        let builder = reqwest::Client::builder()
            .user_agent(concat!("userline/", env!("CARGO_PKG_VERSION")))
            .timeout(timeout)
            .connect_timeout(timeout)
            .pool_max_idle_per_host(idle_connections)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy();
        // A machine without any certificates must not be told so by a server that needs none.
        let certificates = ca.iter().cloned();
        let builder = if is_https {
            builder.tls_certs_merge(certificates)
        } else {
            builder.tls_certs_only(certificates)
        };
        let builder =
            if allow_private { builder } else { builder.dns_resolver(PublicOnly { section }) };
        let inner = builder.build().map_err(|source| HttpClientError { section, source })?;
        Ok(Self { inner, section, allow_private })
    }

    /// Gets a JSON document that is no secret; received at `at`.
    pub async fn get(&self, url: &str, at: WallMs) -> Result<BackendAnswer, GetError> {
        let url = caller::parse_url(url)?;
        caller::check(self, &url).map_err(NoAnswer::from)?;
        let request = self.inner.get(url).header(ACCEPT, "application/json");
        let response = request.send().await.map_err(NoAnswer::new)?;
        Ok(BackendAnswer::new(response, at))
    }
}

/// Why a document is not there.
#[derive(Debug, Error)]
pub enum GetError {
    /// The URL cannot be called.
    #[error("the URL {0}")]
    Url(#[from] UrlError),
    /// No answer came.
    #[error(transparent)]
    NoAnswer(#[from] NoAnswer),
}
