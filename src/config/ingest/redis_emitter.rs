//! `[[ingest.redis_emitter]]`: what other Socket.IO servers and their emitters publish on Redis.

use super::{SourceNames, or};
use crate::config::allowed::{self, Need};
use crate::config::reader::{Checked, SettingsReader};
use crate::config::redis_location::{self, RedisLocation};
use crate::core::emit::allow::AllowList;
use crate::types::{NamePattern, SourceName};

const KEY: &str = "socket.io";
const NAME_BYTES_MAX: usize = 128;
const USER_ROOMS_LEN_MAX: usize = 16;

/// One Redis on which others publish.
#[derive(Debug, Clone)]
pub struct RedisEmitterConfig {
    /// Its name in logs, metrics and the API.
    pub name: SourceName,
    /// Where it is.
    pub server: RedisLocation,
    /// What the channels of Node's emitter and adapter begin with.
    pub key: String,
    /// The channel of python-socketio's manager; `None`: it is not heard.
    pub python_channel: Option<String>,
    /// Rooms that stand for a user: what stands for the `*` is the id.
    pub user_rooms: Vec<NamePattern>,
    /// What may be emitted, and to whom.
    pub allow: AllowList,
    /// Whether sockets may be had join and leave rooms, and be disconnected.
    pub allow_control: bool,
}

impl RedisEmitterConfig {
    pub(super) fn read(
        reader: &mut SettingsReader,
        prefix: &str,
        names: &mut SourceNames,
    ) -> Checked<Self> {
        let at = |name: &str| format!("{prefix}.{name}");
        let name = names.read(reader, prefix);
        let server = read_server(reader, prefix);
        let key = or(reader, &at("key"), KEY.to_owned(), read_name);
        let python_channel =
            or(reader, &at("python_channel"), None, |reader, key| read_name(reader, key).map(Some));
        let user_rooms = or(reader, &at("user_rooms"), Vec::new(), |reader, key| {
            let rule = "must be the beginning of names and `*`, such as \"user_*\"";
            reader.list(key, USER_ROOMS_LEN_MAX, rule, |text| {
                NamePattern::parse(text).ok().filter(|it| it.beginning().is_some())
            })
        });
        let allow = allowed::read(reader, prefix, Need::MayBeLeftOut);
        let allow_control = or(reader, &at("allow_control"), false, SettingsReader::switch);
        Ok(Self {
            name: name?,
            server: server?,
            key: key?,
            python_channel: python_channel?,
            user_rooms: user_rooms?,
            allow: allow?,
            allow_control: allow_control?,
        })
    }
}

/// Where the Redis of a source is.
pub(super) fn read_server(reader: &mut SettingsReader, prefix: &str) -> Checked<RedisLocation> {
    let url = format!("{prefix}.url");
    let server = RedisLocation::read(reader, &url, &format!("{prefix}.ca_file"))?;
    server.ok_or_else(|| {
        reader.reject(&url, format!("is missing (or url_file): {}", redis_location::RULE))
    })
}

/// The name of a channel or a key.
pub(super) fn read_name(reader: &mut SettingsReader, key: &str) -> Checked<String> {
    let rule = "must be a text of 1 to 128 bytes";
    reader.parsed(key, rule, |text| {
        (1..=NAME_BYTES_MAX).contains(&text.len()).then(|| text.to_owned())
    })
}
