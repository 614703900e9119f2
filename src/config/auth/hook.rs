//! `[auth.hook]`: the backend says who a client is.

use crate::config::backend;
use crate::config::reader::{Checked, SettingsReader};
use crate::types::Secret;
use http::header::{COOKIE, HeaderName};
use reqwest::{Certificate, Url};
use std::fmt;
use std::time::Duration;

/// How the backend is asked who a client is.
#[derive(Clone)]
pub struct AuthHookConfig {
    /// Where to POST; its query may hold a secret.
    pub url: String,
    /// Signing secrets, the newest first.
    pub secrets: Vec<Secret>,
    /// How long one question may take.
    pub timeout: Duration,
    /// Questions under way at once.
    pub concurrency: usize,
    /// Clients that may wait for their turn.
    pub queue: usize,
    /// Headers of the handshake that the backend is told, in small letters.
    pub forward_headers: Vec<HeaderName>,
    /// Whether the backend may be at a private address.
    pub allow_private: bool,
    /// Authorities that may have signed the backend's certificate, besides those of the system.
    pub ca: Vec<Certificate>,
}

impl fmt::Debug for AuthHookConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = crate::config::shown_url(&self.url);
        f.debug_struct("AuthHookConfig").field("url", &url).finish_non_exhaustive()
    }
}

const HEADERS_LEN_MAX: usize = 16;

impl AuthHookConfig {
    /// Whether cookies are forwarded: then no page of a stranger may connect, because browsers send them along.
    pub(in crate::config) fn forwards_cookies(&self) -> bool {
        self.forward_headers.contains(&COOKIE)
    }
}

/// `[auth.hook]`, each key by itself.
pub(super) struct HookFields {
    url: Checked<Option<Url>>,
    secrets: Checked<Option<Vec<Secret>>>,
    timeout: Checked<Duration>,
    concurrency: Checked<usize>,
    queue: Checked<usize>,
    forward_headers: Checked<Vec<HeaderName>>,
    allow_private: Checked<bool>,
    ca: Checked<Vec<Certificate>>,
}

impl HookFields {
    pub(super) fn read(reader: &mut SettingsReader) -> Self {
        let allow_private = reader.switch("auth.hook.allow_private");
        // Where that is wrong itself, nothing is said of addresses.
        let may_be_private = *allow_private.as_ref().unwrap_or(&true);
        let range = Duration::from_millis(100)..=Duration::from_mins(1);
        Self {
            url: backend::read_url(reader, "auth.hook.url", "auth.hook", may_be_private),
            secrets: backend::read_secrets(reader, "auth.hook"),
            timeout: reader.duration("auth.hook.timeout", range),
            concurrency: reader.number("auth.hook.concurrency", 1..=1000),
            queue: reader.number("auth.hook.queue", 0..=1_000_000),
            forward_headers: reader.list(
                "auth.hook.forward_headers",
                HEADERS_LEN_MAX,
                "must be names of headers",
                |text| HeaderName::from_bytes(text.as_bytes()).ok(),
            ),
            allow_private,
            ca: reader.certificates("auth.hook.ca_file"),
        }
    }

    pub(super) fn checked(self, reader: &mut SettingsReader) -> Checked<AuthHookConfig> {
        let url = self.url.and_then(|url| {
            let missing = "is missing: auth.mode = \"hook\" and \"jwt_or_hook\" need it";
            url.ok_or_else(|| reader.reject("auth.hook.url", missing))
        });
        let secrets = self.secrets.and_then(|secrets| {
            secrets.ok_or_else(|| backend::missing_secret(reader, "auth.hook"))
        });
        Ok(AuthHookConfig {
            url: url?.into(),
            secrets: secrets?,
            timeout: self.timeout?,
            concurrency: self.concurrency?,
            queue: self.queue?,
            forward_headers: self.forward_headers?,
            allow_private: self.allow_private?,
            ca: self.ca?,
        })
    }
}
