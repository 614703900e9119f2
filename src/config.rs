//! Configuration as it is meant: parsed, checked values, one section each. Nobody below `app` holds the whole.

mod admin;
mod auth;
mod dev;
mod error;
mod history;
mod hooks;
mod inbox;
mod limits;
mod listen;
mod log;
mod messages;
mod presence;
mod reader;
mod recovery;
mod show;
mod shown_url;
mod socketio;
mod sources;
mod store;
#[cfg(test)]
mod tests;

pub use admin::{AdminConfig, ApiKey, IdempotencyConfig, Scope};
pub use auth::{AuthConfig, AuthMode, JwtConfig, JwtKey};
pub use dev::Dev;
pub use error::{ConfigError, ConfigErrors, SettingOrigin};
pub use history::HistoryConfig;
pub use hooks::{Coalesce, EndpointConfig, HOOK_TYPES, HooksConfig, parse_hook_secret};
pub use inbox::InboxConfig;
pub use limits::LimitsConfig;
pub use listen::{ListenConfig, Origins};
pub use log::{LogConfig, LogFormat};
pub use messages::MessagesConfig;
pub use presence::PresenceConfig;
pub use recovery::RecoveryConfig;
pub use shown_url::shown_url;
pub use socketio::SocketIoConfig;
pub use sources::{DEFAULTS, Sources};
pub use store::StoreConfig;

use reader::{Checked, SettingsReader, ShownSetting};
use std::time::Duration;

/// The whole configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// `[listen]`
    pub listen: ListenConfig,
    /// `[admin]`
    pub admin: AdminConfig,
    /// `[auth]`
    pub auth: AuthConfig,
    /// `[presence]`
    pub presence: PresenceConfig,
    /// `[hooks]`
    pub hooks: HooksConfig,
    /// `[recovery]`
    pub recovery: RecoveryConfig,
    /// `[history]`
    pub history: HistoryConfig,
    /// `[store]`
    pub store: StoreConfig,
    /// `[inbox]`
    pub inbox: InboxConfig,
    /// `[messages]`
    pub messages: MessagesConfig,
    /// `[limits]`
    pub limits: LimitsConfig,
    /// `[socketio]`
    pub socketio: SocketIoConfig,
    /// `[log]`
    pub log: LogConfig,
}

impl Config {
    /// Reads all sources; what is wrong in any of them is in one list.
    pub fn load(sources: &Sources) -> Result<Self, ConfigErrors> {
        read(sources).map(|(config, _)| config)
    }
}

/// The effective configuration as TOML, with where each value comes from; secrets show as `[hidden]`.
pub fn show(sources: &Sources) -> Result<String, ConfigErrors> {
    read(sources).map(|(_, lines)| show::render(&lines))
}

fn read(sources: &Sources) -> Result<(Config, Vec<ShownSetting>), ConfigErrors> {
    let mut reader = SettingsReader::open(sources)?;
    let config = read_sections(&mut reader);
    reader.finish(config)
}

fn read_sections(reader: &mut SettingsReader) -> Checked<Config> {
    let listen = ListenConfig::read(reader);
    let admin = AdminConfig::read(reader);
    let auth = AuthConfig::read(reader);
    let trust = match (&listen, &auth) {
        (Ok(listen), Ok(auth)) => check_trust(reader, listen, auth),
        _ => Ok(()),
    };
    let page = listen.as_ref().map_or(Ok(()), |listen| check_page(reader, listen));
    let presence = PresenceConfig::read(reader);
    let hooks = HooksConfig::read(reader);
    let recovery = RecoveryConfig::read(reader);
    let history = HistoryConfig::read(reader);
    let inbox = InboxConfig::read(reader);
    // Without an inbox there is no configuration, whatever the store would be.
    let keep_items = inbox.as_ref().map_or(Duration::ZERO, |it| it.keep);
    let store = StoreConfig::read(reader, keep_items);
    let messages = MessagesConfig::read(reader);
    let limits = LimitsConfig::read(reader);
    let socketio = SocketIoConfig::read(reader);
    let log = LogConfig::read(reader);
    trust?;
    page?;
    Ok(Config {
        listen: listen?,
        admin: admin?,
        auth: auth?,
        presence: presence?,
        hooks: hooks?,
        recovery: recovery?,
        history: history?,
        store: store?,
        inbox: inbox?,
        messages: messages?,
        limits: limits?,
        socketio: socketio?,
        log: log?,
    })
}

/// Without proof of who somebody is, nobody from elsewhere may come, and nobody at all in production: a proxy on the
/// same machine makes everybody seem to be from here.
fn check_trust(
    reader: &mut SettingsReader,
    listen: &ListenConfig,
    auth: &AuthConfig,
) -> Checked<()> {
    let rule = match auth.mode {
        AuthMode::Trust if !reader.is_dev() => {
            "believes every client: only in `userline dev`; use \"jwt\" here"
        }
        AuthMode::Trust if !listen.public.ip().is_loopback() => {
            "believes every client: allowed only while listen.public is on loopback \
             (127.0.0.1 or [::1])"
        }
        AuthMode::Trust | AuthMode::Jwt(_) => return Ok(()),
    };
    Err(reader.reject("auth.mode", rule))
}

/// The page of `userline dev` tells an admin key with every scope to whoever opens it.
fn check_page(reader: &mut SettingsReader, listen: &ListenConfig) -> Checked<()> {
    if !reader.is_dev() || listen.admin.ip().is_loopback() {
        return Ok(());
    }
    let rule = "must be on loopback (127.0.0.1 or [::1]) in `userline dev`: its page tells an admin \
                key to whoever opens it";
    Err(reader.reject("listen.admin", rule))
}
