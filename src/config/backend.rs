//! What the sections that call a backend have in common: its URL and its signing secrets.

use super::reader::{Checked, Rejected, SettingsReader};
use super::shown_url::shown_url;
use crate::core::backend::{address, signature};
use crate::types::Secret;
use reqwest::Url;
use std::fmt;
use std::net::IpAddr;

const SECRETS_LEN_MAX: usize = 4;
const SECRET_RULE: &str = "must be \"whsec_\" and the base64 of 24 to 64 bytes; \
     make one with `echo \"whsec_$(openssl rand -base64 32)\"`";

/// Where requests are sent, and how they are signed.
#[derive(Clone)]
pub struct SignedUrl {
    /// The URL; its query may hold a secret, see [`shown_url`].
    pub url: String,
    /// Signing secrets, the newest first.
    pub secrets: Vec<Secret>,
}

impl fmt::Debug for SignedUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url, secrets } = self;
        f.debug_struct("SignedUrl").field("url", &shown_url(url)).field("secrets", secrets).finish()
    }
}

/// `{section}.url` with its secrets, if they are written: both or none.
pub(super) fn read_signed(
    reader: &mut SettingsReader,
    section: &str,
    allow_private: bool,
) -> Checked<Option<SignedUrl>> {
    let key = format!("{section}.url");
    let url = read_url(reader, &key, section, allow_private);
    let secrets = read_secrets(reader, section);
    match (url, secrets) {
        (Ok(None), Ok(None)) => Ok(None),
        (Ok(None), Ok(Some(_)) | Err(_)) => Err(reader.reject(&key, "is missing beside a secret")),
        (Ok(Some(_)) | Err(_), Ok(None)) => Err(missing_secret(reader, section)),
        (Err(rejected), _) | (Ok(Some(_)), Err(rejected)) => Err(rejected),
        (Ok(Some(url)), Ok(Some(secrets))) => Ok(Some(SignedUrl { url: url.into(), secrets })),
    }
}

/// The bytes of a signing secret of Standard Webhooks: `whsec_` and the base64 of 24 to 64 bytes.
pub fn parse_hook_secret(text: &str) -> Option<Secret> {
    signature::parse_secret(text).ok()
}

/// The URL under `key`, if it is written. A private address would be refused at each call, so it is refused here, unless
/// `{section}.allow_private` is set.
pub(super) fn read_url(
    reader: &mut SettingsReader,
    key: &str,
    section: &str,
    allow_private: bool,
) -> Checked<Option<Url>> {
    let Some(url) = reader.url(key)? else { return Ok(None) };
    check_url(reader, key, &url, section, allow_private)?;
    Ok(Some(url))
}

/// The same for a URL that is read already.
pub(super) fn check_url(
    reader: &mut SettingsReader,
    key: &str,
    url: &Url,
    section: &str,
    allow_private: bool,
) -> Checked<()> {
    if !url.username().is_empty() || url.password().is_some() {
        let rule = "must not hold a name or password: they would end in logs; \
                    requests are signed, verify the signature instead";
        return Err(reader.reject(key, rule));
    }
    if !allow_private && is_private(url) {
        let rule =
            format!("is a private address: set {section}.allow_private = true if that is meant");
        return Err(reader.reject(key, rule));
    }
    Ok(())
}

/// `{prefix}.secret`, `secret_file` or `secrets`, the newest first; none if no key for secrets is written.
pub(super) fn read_secrets(
    reader: &mut SettingsReader,
    prefix: &str,
) -> Checked<Option<Vec<Secret>>> {
    let (one, list) = (format!("{prefix}.secret"), format!("{prefix}.secrets"));
    let from_one = reader.secret(&one);
    let from_list = reader.secret_list(&list, SECRETS_LEN_MAX);
    let (key, texts) = match (from_one?, from_list?) {
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => {
            let rule = format!("give `{one}`, `{one}_file` or `{list}`, only one of them");
            return Err(reader.reject(&list, rule));
        }
        // A file may hold several, one a line; a text in the configuration has only one.
        (Some(text), None) => (one, text.lines().map(str::to_owned).collect()),
        (None, Some(texts)) => (list, texts),
    };
    if texts.is_empty() || SECRETS_LEN_MAX < texts.len() {
        return Err(reader.reject(&key, format!("must be 1 to {SECRETS_LEN_MAX} secrets")));
    }
    let secrets: Option<Vec<Secret>> = texts.iter().map(|text| parse_hook_secret(text)).collect();
    secrets.map(Some).ok_or_else(|| reader.reject(&key, SECRET_RULE))
}

/// Says that there is no secret.
pub(super) fn missing_secret(reader: &mut SettingsReader, prefix: &str) -> Rejected {
    let rule = format!("is missing (or secret_file, secrets): {SECRET_RULE}");
    reader.reject(&format!("{prefix}.secret"), rule)
}

/// `localhost` and all names below it; [`Url`] has them in small letters.
fn is_localhost(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    host == "localhost" || host.ends_with(".localhost")
}

fn is_private(url: &Url) -> bool {
    match url.host_str().map(|host| host.trim_matches(['[', ']'])) {
        // RFC 6761: every name below it leads to this machine, too.
        Some(host) if is_localhost(host) => true,
        Some(host) => host.parse().is_ok_and(|it: IpAddr| !address::is_public(it)),
        None => false,
    }
}
