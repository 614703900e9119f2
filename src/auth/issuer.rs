//! The keys that an issuer publishes: fetched before they are old, and kept while it is down. When is decided in
//! [`core::auth::key_refresh`](crate::core::auth::key_refresh).

use super::key_set::{KeySet, KeyVerdict, SignedToken};
use super::refusal::{Refusal, TokenFlaw};
use crate::backend::{HttpClient, HttpClientError, HttpSettings};
use crate::clock::Clock;
use crate::config::{KeysLocation, PublishedKeys, shown_url};
use crate::core::auth::key_refresh::{Fetch, KeyRefresh};
use parking_lot::Mutex;
use serde::Deserialize;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};

/// Bytes of a key set or of an `OpenID` configuration.
const BODY_BYTES_MAX: usize = 512 * 1024;
/// How long a client waits for the fetch that judges its token.
const PATIENCE: Duration = Duration::from_secs(10);
/// Where the `OpenID` configuration is, below the issuer (`OpenID` Connect Discovery 1.0 §4).
const CONFIGURATION_PATH: &str = "/.well-known/openid-configuration";

/// The keys of one issuer.
pub(super) struct Issuer {
    config: PublishedKeys,
    client: HttpClient,
    clock: Clock,
    refresh: Mutex<KeyRefresh>,
    /// Wakes the task that fetches.
    asked: Notify,
    published: watch::Sender<Published>,
}

/// What the last fetches have brought.
#[derive(Debug, Clone, Default)]
struct Published {
    /// The last good keys.
    keys: Option<Arc<KeySet>>,
    /// The last fetch that ended.
    ended: Fetch,
    /// Why it brought nothing.
    failure: Option<String>,
    /// The text of the last good keys.
    body: Arc<[u8]>,
    /// How often the keys have changed.
    changes: u64,
}

/// The keys may be many, and nobody needs to see them.
impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issuer").field("location", &self.config.location).finish_non_exhaustive()
    }
}

impl Issuer {
    pub(super) fn new(config: PublishedKeys, clock: Clock) -> Result<Self, HttpClientError> {
        let client = HttpClient::new(HttpSettings {
            section: "auth.jwt",
            timeout: config.timeout,
            idle_connections: 1,
            allow_private: config.allow_private,
            is_https: true,
            ca: &config.ca,
        })?;
        let refresh = Mutex::new(KeyRefresh::new(config.refresh, clock.now()));
        let published = watch::Sender::new(Published::default());
        Ok(Self { config, client, clock, refresh, asked: Notify::new(), published })
    }

    /// Whether tokens can be verified: keys were fetched since the start.
    pub(super) fn has_keys(&self) -> bool {
        self.published.borrow().keys.is_some()
    }

    /// How often the keys have changed.
    pub(super) fn changes(&self) -> u64 {
        self.published.borrow().changes
    }

    /// Fetches the keys, again and again.
    pub(super) async fn run(&self) {
        loop {
            let due = self.refresh.lock().due();
            let due = due.unwrap_or_else(|| self.clock.now());
            tokio::select! {
                () = self.clock.sleep_until(due) => self.fetch().await,
                () = self.asked.notified() => {}
            }
        }
    }

    /// Whether the token was signed by a key of the issuer. One with an unknown key waits for the next fetch.
    pub(super) async fn check(&self, token: SignedToken<'_>) -> Result<(), Refusal> {
        let known = self.published.borrow().keys.clone();
        match known.map(|keys| keys.judge(token)) {
            Some(KeyVerdict::Signed) => return Ok(()),
            Some(KeyVerdict::NotSigned) => return Err(TokenFlaw::Signature.into()),
            Some(KeyVerdict::UnknownKey) | None => {}
        }
        let keys = self.later_keys().await.ok_or(Refusal::Unavailable)?;
        match keys.judge(token) {
            KeyVerdict::Signed => Ok(()),
            KeyVerdict::NotSigned => Err(TokenFlaw::Signature.into()),
            KeyVerdict::UnknownKey => Err(TokenFlaw::UnknownKey.into()),
        }
    }

    /// The keys of a fetch that begins from now on; none if it fails or takes too long.
    async fn later_keys(&self) -> Option<Arc<KeySet>> {
        let mut published = self.published.subscribe();
        let fetch = self.refresh.lock().ask();
        self.asked.notify_one();
        let ended = published.wait_for(|it| fetch <= it.ended);
        let ended = tokio::time::timeout(PATIENCE, ended).await.ok()?.ok()?;
        if ended.failure.is_some() { None } else { ended.keys.clone() }
    }

    async fn fetch(&self) {
        let fetch = self.refresh.lock().begin(self.clock.now());
        let fetched = self.fetch_keys().await;
        let now = self.clock.now();
        let outcome = if fetched.is_ok() { "ok" } else { "failed" };
        metrics::counter!("userline_key_fetches_total", "outcome" => outcome).increment(1);
        match fetched {
            Ok((body, keys)) => {
                self.refresh.lock().succeeded(now);
                self.took(fetch, body, keys);
            }
            Err(why) => {
                let is_news = self.refresh.lock().failed(now);
                self.missed(fetch, why, is_news);
            }
        }
    }

    fn took(&self, fetch: Fetch, body: Vec<u8>, keys: KeySet) {
        let count = keys.len();
        let (is_new, was_down) = {
            let before = self.published.borrow();
            (*before.body != *body, before.failure.is_some())
        };
        if is_new {
            tracing::info!(keys = count, "has the keys of the issuer of tokens");
        } else if was_down {
            tracing::info!("the issuer of tokens answers again");
        }
        metrics::gauge!("userline_keys").set(u32::try_from(count).unwrap_or(u32::MAX));
        metrics::gauge!("userline_keys_stale").set(0);
        self.published.send_modify(|it| {
            it.ended = fetch;
            it.failure = None;
            if is_new {
                it.keys = Some(Arc::new(keys));
                it.body = body.into();
                it.changes += 1;
            }
        });
    }

    fn missed(&self, fetch: Fetch, why: String, is_news: bool) {
        if is_news {
            let goes_on = if self.has_keys() {
                "goes on with those it has"
            } else {
                "no client can connect until they are there"
            };
            let url = shown_url(match &self.config.location {
                KeysLocation::Url(url) => url,
                KeysLocation::Discovered { issuer } => issuer,
            });
            tracing::warn!(
                url,
                error = why,
                "cannot fetch the keys of the issuer of tokens: {goes_on}"
            );
        }
        metrics::gauge!("userline_keys_stale").set(1);
        self.published.send_modify(|it| {
            it.ended = fetch;
            it.failure = Some(why);
        });
    }

    async fn fetch_keys(&self) -> Result<(Vec<u8>, KeySet), String> {
        let url = match &self.config.location {
            KeysLocation::Url(url) => url.clone(),
            KeysLocation::Discovered { issuer } => self.discover(issuer).await?,
        };
        let body = self.get(&url).await?;
        let keys =
            KeySet::published(&body, &self.config.algorithms).map_err(|it| it.to_string())?;
        Ok((body, keys))
    }

    /// Where the keys are, by the `OpenID` configuration.
    async fn discover(&self, issuer: &str) -> Result<String, String> {
        #[derive(Deserialize)]
        struct OpenIdConfiguration {
            issuer: String,
            jwks_uri: String,
        }
        let url = format!("{}{CONFIGURATION_PATH}", issuer.trim_end_matches('/'));
        let body = self.get(&url).await?;
        let found: OpenIdConfiguration = serde_json::from_slice(&body)
            .map_err(|_| format!("{CONFIGURATION_PATH} has no `issuer` and `jwks_uri`"))?;
        // §4.3: else one tenant of a provider could speak for another.
        if found.issuer != issuer {
            return Err(format!("{CONFIGURATION_PATH} is of another issuer than auth.jwt.issuer"));
        }
        if !self.config.allow_private && !found.jwks_uri.starts_with("https://") {
            return Err("`jwks_uri` is not https".to_owned());
        }
        Ok(found.jwks_uri)
    }

    async fn get(&self, url: &str) -> Result<Vec<u8>, String> {
        let answer =
            self.client.get(url, self.clock.wall()).await.map_err(|error| error.to_string())?;
        if let Some(complaint) = answer.complaint() {
            answer.discard_body().await;
            return Err(complaint);
        }
        answer.body(BODY_BYTES_MAX).await.map_err(|error| error.to_string())
    }
}
