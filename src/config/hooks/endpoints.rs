//! `hooks.url` and `[[hooks.endpoints]]`: the receivers and their signing secrets.

use super::EndpointConfig;
use crate::config::reader::{Checked, Rejected, SettingsReader};
use crate::core::backend::{address, signature};
use crate::types::{Secret, Undelivered};
use reqwest::Url;
use std::net::IpAddr;

/// Types of event that can be sent.
pub const HOOK_TYPES: [&str; 3] = ["user.online", "user.offline", Undelivered::HOOK_TYPE];

const ENDPOINTS_LEN_MAX: usize = 16;
const SECRETS_LEN_MAX: usize = 4;
const NAME_BYTES_MAX: usize = 64;
const SECRET_RULE: &str = "must be \"whsec_\" and the base64 of 24 to 64 bytes; \
     make one with `echo \"whsec_$(openssl rand -base64 32)\"`";

/// The bytes of a signing secret of Standard Webhooks: `whsec_` and the base64 of 24 to 64 bytes.
pub fn parse_hook_secret(text: &str) -> Option<Secret> {
    signature::parse_secret(text).ok()
}

/// An endpoint and what its keys begin with, such as `hooks` or `hooks.endpoints[0]`.
type Written = (String, EndpointConfig);

pub(super) fn read(reader: &mut SettingsReader) -> Checked<Vec<Written>> {
    let events = read_events(reader, "hooks");
    let default_events = events.as_deref().unwrap_or_default().to_vec();
    let default = read_default(reader, &default_events);
    let prefixes = reader.tables("hooks.endpoints", ENDPOINTS_LEN_MAX)?;
    let others: Vec<Checked<Written>> =
        prefixes.into_iter().map(|prefix| read_one(reader, prefix, &default_events)).collect();
    drop(events?);
    let default = default?.map(|endpoint| ("hooks".to_owned(), endpoint));
    let mut endpoints: Vec<Written> = default.into_iter().collect();
    for other in others {
        endpoints.push(other?);
    }
    for (index, (prefix, endpoint)) in endpoints.iter().enumerate() {
        if endpoints.iter().take(index).any(|(_, earlier)| earlier.name == endpoint.name) {
            let rule = "must be unique (`hooks.url` is the endpoint named \"default\")";
            return Err(reader.reject(&format!("{prefix}.name"), rule));
        }
    }
    Ok(endpoints)
}

/// An attempt would be refused anyway, each time, so it is refused before anything is sent.
pub(super) fn refuse_private(reader: &mut SettingsReader, endpoints: &[Written]) -> Checked<()> {
    let mut result = Ok(());
    for (prefix, endpoint) in endpoints {
        if is_private(&endpoint.url) {
            let rule = "is a private address: set hooks.allow_private = true if that is meant";
            result = Err(reader.reject(&format!("{prefix}.url"), rule));
        }
    }
    result
}

fn read_default(reader: &mut SettingsReader, events: &[String]) -> Checked<Option<EndpointConfig>> {
    let url = read_url(reader, "hooks");
    let secrets = read_secrets(reader, "hooks");
    match (url?, secrets?) {
        (None, None) => Ok(None),
        (None, Some(_)) => Err(reader.reject("hooks.url", "is missing beside a secret")),
        (Some(_), None) => Err(missing_secret(reader, "hooks")),
        (Some(url), Some(secrets)) => Ok(Some(EndpointConfig {
            name: "default".to_owned(),
            url,
            secrets,
            events: events.to_vec(),
        })),
    }
}

fn read_one(
    reader: &mut SettingsReader,
    prefix: String,
    default_events: &[String],
) -> Checked<Written> {
    let name = reader.parsed(
        &format!("{prefix}.name"),
        "must be 1 to 64 letters, digits, \"-\", \"_\", \".\"",
        parse_name,
    );
    let url = read_url(reader, &prefix);
    let secrets = read_secrets(reader, &prefix);
    let events = if reader.is_set(&format!("{prefix}.events")) {
        read_events(reader, &prefix)
    } else {
        Ok(default_events.to_vec())
    };
    let Some(url) = url? else {
        return Err(reader.reject(&format!("{prefix}.url"), "is missing"));
    };
    let Some(secrets) = secrets? else { return Err(missing_secret(reader, &prefix)) };
    let endpoint = EndpointConfig { name: name?, url, secrets, events: events? };
    Ok((prefix, endpoint))
}

fn parse_name(text: &str) -> Option<String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let good = (1..=NAME_BYTES_MAX).contains(&text.len()) && text.chars().all(is_plain);
    good.then(|| text.to_owned())
}

fn read_events(reader: &mut SettingsReader, prefix: &str) -> Checked<Vec<String>> {
    let key = format!("{prefix}.events");
    let events = reader.list(
        &key,
        HOOK_TYPES.len(),
        "must be user.online, user.offline, message.undelivered",
        |text| HOOK_TYPES.contains(&text).then(|| text.to_owned()),
    )?;
    if events.is_empty() {
        return Err(reader.reject(
            &key,
            "must have at least one of user.online, user.offline, message.undelivered",
        ));
    }
    Ok(events)
}

fn read_url(reader: &mut SettingsReader, prefix: &str) -> Checked<Option<String>> {
    let key = format!("{prefix}.url");
    let Some(url) = reader.url(&key)? else { return Ok(None) };
    if !url.username().is_empty() || url.password().is_some() {
        let rule = "must not hold a name or password: they would end in logs; \
                    requests are signed, verify the signature instead";
        return Err(reader.reject(&key, rule));
    }
    Ok(Some(url.into()))
}

/// The newest first; none if no key for secrets is written.
fn read_secrets(reader: &mut SettingsReader, prefix: &str) -> Checked<Option<Vec<Secret>>> {
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

fn missing_secret(reader: &mut SettingsReader, prefix: &str) -> Rejected {
    let rule = format!("is missing (or secret_file, secrets): {SECRET_RULE}");
    reader.reject(&format!("{prefix}.secret"), rule)
}

fn is_private(url: &str) -> bool {
    let Ok(url) = Url::parse(url) else { return false };
    match url.host_str().map(|host| host.trim_matches(['[', ']'])) {
        Some("localhost") => true,
        Some(host) => host.parse().is_ok_and(|it: IpAddr| !address::is_public(it)),
        None => false,
    }
}
