//! `hooks.url` and `[[hooks.endpoints]]`: the receivers and their signing secrets.

use super::EndpointConfig;
use crate::config::backend;
use crate::config::reader::{Checked, SettingsReader};
use crate::types::{Secret, SocketChange, Undelivered};

/// Types of event that can be sent.
pub const HOOK_TYPES: [&str; 5] = [
    "user.online",
    "user.offline",
    SocketChange::CONNECTED,
    SocketChange::DISCONNECTED,
    Undelivered::HOOK_TYPE,
];

const ENDPOINTS_LEN_MAX: usize = 16;
/// The endpoint that `hooks.url` is.
const DEFAULT_NAME: &str = "default";
const NAME_BYTES_MAX: usize = 64;

/// All endpoints, and whether any of their lists, or the one that holds for all, has a type that is about sockets. An attempt
/// to reach a private address would be refused each time, so it is refused here.
pub(super) fn read(
    reader: &mut SettingsReader,
    allow_private: bool,
) -> Checked<(Vec<EndpointConfig>, bool)> {
    let events = read_events(reader, "hooks");
    let default_events = events.as_deref().unwrap_or_default().to_vec();
    let default = read_default(reader, allow_private, &default_events);
    let (prefixes, tables) = reader.tables("hooks.endpoints", ENDPOINTS_LEN_MAX);
    let others: Vec<EndpointFields> = prefixes
        .iter()
        .map(|prefix| EndpointFields::read(reader, prefix, allow_private, &default_events))
        .collect();
    let is_default_written = !matches!(default, Ok(None));
    for (index, (prefix, endpoint)) in prefixes.iter().zip(&others).enumerate() {
        let Ok(name) = &endpoint.name else { continue };
        let is_taken = |it: &EndpointFields| it.name.as_ref().is_ok_and(|it| it == name);
        if (is_default_written && name == DEFAULT_NAME) || others.iter().take(index).any(is_taken) {
            let rule = "must be unique (`hooks.url` is the endpoint named \"default\")";
            reader.reject(&format!("{prefix}.name"), rule);
        }
    }
    drop(events?);
    tables?;
    let others = others.into_iter().map(|fields| fields.checked().map(Some));
    let all: Vec<Option<EndpointConfig>> =
        std::iter::once(default).chain(others).collect::<Checked<_>>()?;
    let all: Vec<EndpointConfig> = all.into_iter().flatten().collect();
    let lists = all.iter().map(|it| &it.events).chain([&default_events]);
    let is_about_sockets = |it: &String| SocketChange::HOOK_TYPES.contains(&it.as_str());
    let sockets = lists.flatten().any(is_about_sockets);
    Ok((all, sockets))
}

fn read_default(
    reader: &mut SettingsReader,
    allow_private: bool,
    events: &[String],
) -> Checked<Option<EndpointConfig>> {
    let url = read_url(reader, "hooks", allow_private);
    let secrets = backend::read_secrets(reader, "hooks");
    match (url, secrets) {
        (Ok(None), Ok(None)) => Ok(None),
        (Ok(None), Ok(Some(_)) | Err(_)) => {
            Err(reader.reject("hooks.url", "is missing beside a secret"))
        }
        (Ok(Some(_)) | Err(_), Ok(None)) => Err(backend::missing_secret(reader, "hooks")),
        (Err(rejected), _) | (Ok(Some(_)), Err(rejected)) => Err(rejected),
        (Ok(Some(url)), Ok(Some(secrets))) => Ok(Some(EndpointConfig {
            name: DEFAULT_NAME.to_owned(),
            url,
            secrets,
            events: events.to_vec(),
        })),
    }
}

/// One of `hooks.endpoints`, each key by itself.
struct EndpointFields {
    name: Checked<String>,
    url: Checked<String>,
    secrets: Checked<Vec<Secret>>,
    events: Checked<Vec<String>>,
}

impl EndpointFields {
    fn read(
        reader: &mut SettingsReader,
        prefix: &str,
        allow_private: bool,
        default_events: &[String],
    ) -> Self {
        let name = reader.parsed(
            &format!("{prefix}.name"),
            "must be 1 to 64 letters, digits, \"-\", \"_\", \".\"",
            parse_name,
        );
        let url = read_url(reader, prefix, allow_private).and_then(|url| {
            url.ok_or_else(|| reader.reject(&format!("{prefix}.url"), "is missing"))
        });
        let secrets = backend::read_secrets(reader, prefix)
            .and_then(|secrets| secrets.ok_or_else(|| backend::missing_secret(reader, prefix)));
        let events = if reader.is_set(&format!("{prefix}.events")) {
            read_events(reader, prefix)
        } else {
            Ok(default_events.to_vec())
        };
        Self { name, url, secrets, events }
    }

    fn checked(self) -> Checked<EndpointConfig> {
        let Self { name, url, secrets, events } = self;
        Ok(EndpointConfig { name: name?, url: url?, secrets: secrets?, events: events? })
    }
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
        "must be user.online, user.offline, socket.connected, socket.disconnected, message.undelivered",
        |text| HOOK_TYPES.contains(&text).then(|| text.to_owned()),
    )?;
    if events.is_empty() {
        return Err(reader.reject(
            &key,
            "must have at least one of user.online, user.offline, socket.connected, socket.disconnected, \
             message.undelivered",
        ));
    }
    Ok(events)
}

fn read_url(
    reader: &mut SettingsReader,
    prefix: &str,
    allow_private: bool,
) -> Checked<Option<String>> {
    let url = backend::read_url(reader, &format!("{prefix}.url"), "hooks", allow_private)?;
    Ok(url.map(Into::into))
}
