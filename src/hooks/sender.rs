//! One attempt: a signed POST, and what its answer means.

use super::StartError;
use super::public::{self, NotPublic, PublicOnly};
use crate::config::{EndpointConfig, HooksConfig};
use crate::core::backend::backoff;
use crate::core::backend::signature;
use crate::core::delivery::decision::Outcome;
use crate::types::{Secret, WallMs};
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Client, Response, Url};
use std::error::Error;
use std::time::Duration;

/// Bytes of an answer's body that are read, so that its connection can be used again.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// How long to read them: the receiver has answered, its slot is for the next hook.
const ANSWER_READ_TIME: Duration = Duration::from_millis(500);
/// Longest error text that is kept.
const ERROR_CHARS_MAX: usize = 300;

/// Sends to one endpoint.
#[derive(Debug)]
pub(super) struct Sender {
    client: Client,
    url: Url,
    secrets: Vec<Secret>,
    /// The URL names an address that hooks are not sent to.
    refused: Option<NotPublic>,
}

/// How an attempt ended.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) outcome: Outcome,
    /// What went wrong, if it did.
    pub(super) error: Option<String>,
}

/// The client for all endpoints. It follows no redirect and uses no proxy of the environment: both would send a hook
/// elsewhere than to the address that was checked.
pub(super) fn client(config: &HooksConfig) -> Result<Client, reqwest::Error> {
    let builder = Client::builder()
        .user_agent(concat!("userline/", env!("CARGO_PKG_VERSION")))
        .timeout(config.timeout)
        .connect_timeout(config.timeout)
        .pool_max_idle_per_host(config.concurrency)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy();
    let builder = if config.allow_private { builder } else { builder.dns_resolver(PublicOnly) };
    builder.build()
}

impl Sender {
    pub(super) fn new(
        client: Client,
        endpoint: &EndpointConfig,
        allow_private: bool,
    ) -> Result<Self, StartError> {
        let wrong = |reason: String| StartError::Url { endpoint: endpoint.name.clone(), reason };
        let url = Url::parse(&endpoint.url).map_err(|error| wrong(error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(wrong(format!("its scheme is `{}`", url.scheme())));
        }
        let host = url.host_str().ok_or_else(|| wrong("it has no host".to_owned()))?;
        let refused = if allow_private { None } else { public::check_literal(host).err() };
        Ok(Self { client, url, secrets: endpoint.secrets.clone(), refused })
    }

    /// Sends `body` under the id `webhook_id`, signed for the time `at`.
    pub(super) async fn send(&self, webhook_id: &str, body: String, at: WallMs) -> Answer {
        if let Some(refused) = self.refused {
            return Answer { outcome: Outcome::Unreachable, error: Some(refused.to_string()) };
        }
        let timestamp_s = at.0 / 1000;
        let signature = signature::sign(&self.secrets, webhook_id, timestamp_s, body.as_bytes());
        let request = self
            .client
            .post(self.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", webhook_id)
            .header("webhook-timestamp", timestamp_s)
            .header("webhook-signature", signature)
            .body(body);
        match request.send().await {
            Ok(response) => {
                let answer = read(&response, at);
                discard_body(response).await;
                answer
            }
            Err(error) => Answer { outcome: Outcome::Unreachable, error: Some(describe(error)) },
        }
    }
}

fn read(response: &Response, at: WallMs) -> Answer {
    let status = response.status();
    let asked = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let asked = asked.and_then(|value| backoff::parse_retry_after(value, at));
    let outcome = Outcome::of_status(status.as_u16(), asked);
    let error = if status.is_success() {
        None
    } else if status.is_redirection() {
        Some(format!("status {}: redirects are not followed", status.as_u16()))
    } else {
        Some(format!("status {}", status.as_u16()))
    };
    Answer { outcome, error }
}

async fn discard_body(mut response: Response) {
    let read = async {
        let mut bytes = 0;
        while let Ok(Some(chunk)) = response.chunk().await {
            bytes += chunk.len();
            if ANSWER_BYTES_MAX < bytes {
                break;
            }
        }
    };
    // What is not read in time costs a connection, nothing else.
    let _late = tokio::time::timeout(ANSWER_READ_TIME, read).await;
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
