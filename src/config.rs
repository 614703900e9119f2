//! Configuration as it is meant: parsed, checked values, one section each. Nobody below `app` holds the whole.

mod admin;
mod allowed;
mod auth;
mod backend;
mod cluster;
mod dev;
mod error;
mod events;
mod guests;
mod history;
mod hooks;
mod inbox;
mod ingest;
mod limits;
mod listen;
mod log;
mod messages;
mod permissions;
mod presence;
mod rates;
mod reader;
mod recovery;
mod redis_location;
mod rooms;
mod sessions;
mod show;
mod shown_url;
mod socketio;
mod sources;
mod store;
#[cfg(test)]
mod tests;
mod watching;

pub use admin::{AdminConfig, ApiKey, IdempotencyConfig, Scope};
pub use auth::{
    AuthConfig, AuthHookConfig, AuthMode, JwtConfig, JwtKey, JwtKeys, KeysLocation, PublishedKeys,
    StaticKey,
};
pub use backend::{SignedUrl, parse_hook_secret};
pub use cluster::{ClusterConfig, Durability, ForwardConfig};
pub use dev::Dev;
pub use error::{ConfigError, ConfigErrors, SettingOrigin};
pub use events::{EventsConfig, NamespaceEvents};
pub use guests::{GuestRight, GuestsConfig};
pub use history::HistoryConfig;
pub use hooks::{Coalesce, EndpointConfig, HOOK_TYPES, HooksConfig};
pub use inbox::InboxConfig;
pub use ingest::{
    DoneRows, IngestConfig, PostgresConfig, RedisEmitterConfig, RedisStreamConfig, TableName,
};
pub use limits::LimitsConfig;
pub use listen::{ListenConfig, Origins};
pub use log::{LogConfig, LogFormat};
pub use messages::{ClientMessagesConfig, MessagesConfig};
pub use permissions::PermissionsConfig;
pub use presence::PresenceConfig;
pub use recovery::RecoveryConfig;
pub use redis_location::{RedisLocation, SentinelService};
pub use sessions::SessionsConfig;
pub use shown_url::shown_url;
pub use socketio::SocketIoConfig;
pub use sources::{DEFAULTS, Sources};
pub use store::StoreConfig;
pub use watching::WatchingConfig;

use crate::core::throttle::SocketRates;
use listen::Addresses;
use reader::{Checked, SettingsReader};
use std::net::SocketAddr;
use std::path::PathBuf;
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
    /// `[guests]`
    pub guests: GuestsConfig,
    /// `[sessions]`
    pub sessions: SessionsConfig,
    /// `[presence]`
    pub presence: PresenceConfig,
    /// `[presence]`, who may see it.
    pub watching: WatchingConfig,
    /// `[hooks]`
    pub hooks: HooksConfig,
    /// `[events]`
    pub events: EventsConfig,
    /// `[recovery]`
    pub recovery: RecoveryConfig,
    /// `[history]`
    pub history: HistoryConfig,
    /// `[store]`
    pub store: StoreConfig,
    /// `[inbox]`
    pub inbox: InboxConfig,
    /// `[ingest]`
    pub ingest: IngestConfig,
    /// `[messages]`
    pub messages: MessagesConfig,
    /// `[permissions]`; `None`: nothing is asked.
    pub permissions: Option<Box<PermissionsConfig>>,
    /// `[cluster]`; `None`: this node is alone.
    pub cluster: Option<ClusterConfig>,
    /// `[limits]`
    pub limits: LimitsConfig,
    /// `[limits]`, how fast one socket may send.
    pub rates: SocketRates,
    /// `[socketio]`
    pub socketio: SocketIoConfig,
    /// `[log]`
    pub log: LogConfig,
}

impl Config {
    /// Reads all sources; what is wrong in any of them is in one list.
    pub fn load(sources: &Sources) -> Result<Self, ConfigErrors> {
        CheckedConfig::load(sources).config
    }
}

/// A configuration, right or wrong, and those parts of it that others than this module check further.
#[derive(Debug)]
pub struct CheckedConfig {
    /// All of it, or everything that is wrong with it.
    pub config: Result<Config, ConfigErrors>,
    /// `[auth]`, if that is right.
    pub auth: Option<AuthConfig>,
    /// `[ingest]`, if that is right.
    pub ingest: Option<IngestConfig>,
    /// `socketio.client_dir`, if it is set and right.
    pub client_dir: Option<PathBuf>,
    /// `store.data_dir`, if it is right; in a cluster it is not used.
    pub data_dir: Option<PathBuf>,
}

impl CheckedConfig {
    /// Reads all sources.
    pub fn load(sources: &Sources) -> Self {
        let mut reader = match SettingsReader::open(sources) {
            Ok(reader) => reader,
            Err(errors) => {
                return Self {
                    config: Err(errors),
                    auth: None,
                    ingest: None,
                    client_dir: None,
                    data_dir: None,
                };
            }
        };
        let sections = Sections::read(&mut reader);
        let auth = sections.auth.as_ref().ok().cloned();
        let ingest = sections.ingest.as_ref().ok().cloned();
        let client_dir = sections.socketio.as_ref().ok().and_then(|it| it.client_dir.clone());
        let is_alone = sections.cluster.as_ref().is_ok_and(Option::is_none);
        let data_dir =
            sections.store.as_ref().ok().filter(|_| is_alone).map(|it| it.data_dir.clone());
        let config = sections.config(&mut reader);
        let config = reader.finish(config).map(|(config, _)| config);
        Self { config, auth, ingest, client_dir, data_dir }
    }
}

/// The effective configuration as TOML, with where each value comes from; secrets show as `[hidden]`.
pub fn show(sources: &Sources) -> Result<String, ConfigErrors> {
    let mut reader = SettingsReader::open(sources)?;
    let config = Sections::read(&mut reader).config(&mut reader);
    reader.finish(config).map(|(_, lines)| show::render(&lines))
}

/// The sections, each by itself: what is wrong with one hides nothing of another.
struct Sections {
    listen: Checked<ListenConfig>,
    admin: Checked<AdminConfig>,
    auth: Checked<AuthConfig>,
    guests: Checked<GuestsConfig>,
    sessions: Checked<SessionsConfig>,
    presence: Checked<PresenceConfig>,
    watching: Checked<WatchingConfig>,
    hooks: Checked<HooksConfig>,
    events: Checked<EventsConfig>,
    recovery: Checked<RecoveryConfig>,
    history: Checked<HistoryConfig>,
    store: Checked<StoreConfig>,
    inbox: Checked<InboxConfig>,
    ingest: Checked<IngestConfig>,
    messages: Checked<MessagesConfig>,
    permissions: Checked<Option<Box<PermissionsConfig>>>,
    cluster: Checked<Option<ClusterConfig>>,
    limits: Checked<LimitsConfig>,
    rates: Checked<SocketRates>,
    socketio: Checked<SocketIoConfig>,
    log: Checked<LogConfig>,
}

impl Sections {
    fn read(reader: &mut SettingsReader) -> Self {
        let addresses = Addresses::read(reader);
        let (public, admin) = (addresses.public.as_ref().ok(), addresses.admin.as_ref().ok());
        let (public, admin) = (public.copied(), admin.copied());
        let listen = ListenConfig::read(reader, addresses);
        let admin_config = AdminConfig::read(reader);
        let auth = AuthConfig::read(reader);
        if let (Ok(auth), Ok(listen)) = (&auth, &listen) {
            auth::check_cookies(reader, auth, &listen.origins);
        }
        if reader.is_dev() {
            check_dev(reader, public, admin, auth.as_ref().ok());
        }
        let sessions = SessionsConfig::read(reader);
        let is_anonymous = auth.as_ref().is_ok_and(|it| it.anonymous);
        let has_resume = sessions.as_ref().ok().map(|it| it.resume_ttl.is_some());
        let guests = GuestsConfig::read(reader, is_anonymous, has_resume);
        let presence = PresenceConfig::read(reader);
        let watching = WatchingConfig::read(reader);
        let hooks = HooksConfig::read(reader);
        let recovery = RecoveryConfig::read(reader);
        let history = HistoryConfig::read(reader);
        let inbox = InboxConfig::read(reader);
        let socketio = SocketIoConfig::read(reader);
        let events = EventsConfig::read(reader, socketio.as_ref().ok());
        let may_emit = events.as_ref().ok().map(|it| it.may_emit.as_slice());
        let messages = MessagesConfig::read(reader, may_emit);
        let askers = (auth.as_ref().ok(), messages.as_ref().ok(), watching.as_ref().ok());
        let permissions = PermissionsConfig::read(reader, askers);
        // Without an inbox there is no configuration, whatever the store would be.
        let keep_items = inbox.as_ref().map_or(Duration::ZERO, |it| it.keep);
        Self {
            listen,
            admin: admin_config,
            auth,
            guests,
            sessions,
            presence,
            watching,
            hooks,
            events,
            recovery,
            history,
            store: StoreConfig::read(reader, keep_items),
            inbox,
            ingest: IngestConfig::read(reader),
            messages,
            permissions,
            cluster: ClusterConfig::read(reader),
            limits: LimitsConfig::read(reader),
            // Last of the section, because `config show` writes a list of tables below its keys.
            rates: rates::read(reader),
            socketio,
            log: LogConfig::read(reader),
        }
    }

    fn config(self, reader: &mut SettingsReader) -> Checked<Config> {
        let config = Config {
            listen: self.listen?,
            admin: self.admin?,
            auth: self.auth?,
            guests: self.guests?,
            sessions: self.sessions?,
            presence: self.presence?,
            watching: self.watching?,
            hooks: self.hooks?,
            events: self.events?,
            recovery: self.recovery?,
            history: self.history?,
            store: self.store?,
            inbox: self.inbox?,
            ingest: self.ingest?,
            messages: self.messages?,
            permissions: self.permissions?,
            cluster: self.cluster?,
            limits: self.limits?,
            rates: self.rates?,
            socketio: self.socketio?,
            log: self.log?,
        };
        cluster::needs::check(reader, &config);
        Ok(config)
    }
}

/// `userline dev` is for this machine: without proof of who somebody is, nobody from elsewhere may come, and its page
/// tells an admin key with every scope to whoever opens it.
fn check_dev(
    reader: &mut SettingsReader,
    public: Option<SocketAddr>,
    admin: Option<SocketAddr>,
    auth: Option<&AuthConfig>,
) {
    let is_elsewhere =
        |address: Option<SocketAddr>| address.is_some_and(|it| !it.ip().is_loopback());
    let believes = auth.is_some_and(|auth| matches!(auth.mode, AuthMode::Trust));
    if believes && is_elsewhere(public) {
        let rule = "believes every client: allowed only while listen.public is on loopback \
                    (127.0.0.1 or [::1])";
        reader.reject("auth.mode", rule);
    }
    if is_elsewhere(admin) {
        let rule = "must be on loopback (127.0.0.1 or [::1]) in `userline dev`: its page tells an \
                    admin key to whoever opens it";
        reader.reject("listen.admin", rule);
    }
}
