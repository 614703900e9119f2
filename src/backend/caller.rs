//! A signed POST to one URL.

use super::no_answer::NoAnswer;
use super::public_only::{self, NotPublic};
use super::{BackendAnswer, HttpClient};
use crate::core::backend::signature;
use crate::types::{Secret, WallMs};
use reqwest::Url;
use reqwest::header::CONTENT_TYPE;
use thiserror::Error;

/// A URL that cannot be called.
#[derive(Debug, Error)]
#[error("must be an http or https URL: {0}")]
pub struct UrlError(String);

/// Calls one URL of a backend.
#[derive(Debug, Clone)]
pub struct BackendCaller {
    client: HttpClient,
    url: Url,
    secrets: Vec<Secret>,
    /// The URL names an address that must not be called.
    refused: Option<NotPublic>,
}

impl BackendCaller {
    /// A caller of `url`, which signs with each of `secrets`.
    pub fn new(client: HttpClient, url: &str, secrets: Vec<Secret>) -> Result<Self, UrlError> {
        let url = parse_url(url)?;
        let refused = check(&client, &url).err();
        Ok(Self { client, url, secrets, refused })
    }

    /// Posts the JSON `body` under the id `id`, signed for the time `at` (Standard Webhooks).
    pub async fn post(
        &self,
        id: &str,
        body: String,
        at: WallMs,
    ) -> Result<BackendAnswer, NoAnswer> {
        if let Some(refused) = self.refused {
            return Err(refused.into());
        }
        let timestamp_s = at.0 / 1000;
        let signature = signature::sign(&self.secrets, id, timestamp_s, body.as_bytes());
        let request = self
            .client
            .inner
            .post(self.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", timestamp_s)
            .header("webhook-signature", signature)
            .body(body);
        let response = request.send().await.map_err(NoAnswer::new)?;
        Ok(BackendAnswer::new(response, at))
    }
}

/// The URL, if it is one that can be called.
pub(super) fn parse_url(url: &str) -> Result<Url, UrlError> {
    let url = Url::parse(url).map_err(|error| UrlError(error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(UrlError(format!("its scheme is `{}`", url.scheme())));
    }
    if url.host_str().is_none() { Err(UrlError("it has no host".to_owned())) } else { Ok(url) }
}

/// Whether an address that stands in the URL itself may be called; names are checked when they are resolved.
pub(super) fn check(client: &HttpClient, url: &Url) -> Result<(), NotPublic> {
    match url.host_str() {
        Some(host) if !client.allow_private => public_only::check_literal(host, client.section),
        Some(_) | None => Ok(()),
    }
}
