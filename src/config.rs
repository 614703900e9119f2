//! Configuration as it is meant: parsed, checked values, one section each. Nobody below `app` holds the whole.

mod admin;
mod auth;
mod hooks;
mod limits;
mod listen;
mod log;
mod presence;
mod socketio;
mod store;

pub use admin::{AdminConfig, ApiKey, Scope};
pub use auth::{AuthConfig, AuthMode, JwtConfig, JwtKey};
pub use hooks::{Coalesce, EndpointConfig, HooksConfig};
pub use limits::LimitsConfig;
pub use listen::{ListenConfig, Origins};
pub use log::{LogConfig, LogFormat};
pub use presence::PresenceConfig;
pub use socketio::SocketIoConfig;
pub use store::StoreConfig;

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
    /// `[store]`
    pub store: StoreConfig,
    /// `[limits]`
    pub limits: LimitsConfig,
    /// `[socketio]`
    pub socketio: SocketIoConfig,
    /// `[log]`
    pub log: LogConfig,
}
