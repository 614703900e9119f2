//! A signed POST to one URL.

use super::public_only::{self, NotPublic};
use super::{BackendAnswer, HttpClient};
use crate::core::backend::signature;
use crate::types::{Secret, WallMs};
use reqwest::Url;
use reqwest::header::CONTENT_TYPE;
use std::error::Error as _;
use thiserror::Error;

/// Longest text about an error, in characters.
const ERROR_CHARS_MAX: usize = 300;

/// A URL that cannot be called.
#[derive(Debug, Error)]
#[error("must be an http or https URL: {0}")]
pub struct UrlError(String);

/// No answer came: refused, reset, timed out, not resolved, or an address that must not be called.
///
/// The text is for people. It holds neither the URL, whose query may be secret, nor anything that was sent.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct NoAnswer(String);

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
        let url = Url::parse(url).map_err(|error| UrlError(error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(UrlError(format!("its scheme is `{}`", url.scheme())));
        }
        let host = url.host_str().ok_or_else(|| UrlError("it has no host".to_owned()))?;
        let refused = if client.allow_private {
            None
        } else {
            public_only::check_literal(host, client.section).err()
        };
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
            return Err(NoAnswer(refused.to_string()));
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
        let response = request.send().await.map_err(|error| NoAnswer(describe(error)))?;
        Ok(BackendAnswer::new(response, at))
    }
}

/// The error and its causes, without the URL, which may hold a password.
fn describe(error: reqwest::Error) -> String {
    let is_timeout = error.is_timeout();
    let error = error.without_url();
    let mut text = if is_timeout { "no answer in time".to_owned() } else { error.to_string() };
    let mut cause = error.source();
    while let Some(one) = cause {
        let one_text = one.to_string();
        if !text.contains(&one_text) {
            text.push_str(": ");
            text.push_str(&one_text);
        }
        cause = one.source();
    }
    text.chars().take(ERROR_CHARS_MAX).collect()
}
