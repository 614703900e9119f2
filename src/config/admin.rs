//! `[admin]`: who may call the admin API.

use crate::types::Secret;

/// Who may call the admin API.
#[derive(Debug, Clone)]
pub struct AdminConfig {
    /// Bearer keys; empty: the API refuses everybody.
    pub keys: Vec<ApiKey>,
}

/// One bearer key.
#[derive(Debug, Clone)]
pub struct ApiKey {
    /// For logs; unique.
    pub name: String,
    /// The key itself, at least 16 bytes.
    pub key: Secret,
    /// What it may do; not empty.
    pub scopes: Vec<Scope>,
}

/// What a key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Send events.
    Emit,
    /// Look at users, rooms, sockets, deliveries.
    Read,
    /// Disconnect users, replay deliveries.
    Control,
}

impl Scope {
    /// The name in the configuration and in errors.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Emit => "emit",
            Self::Read => "read",
            Self::Control => "control",
        }
    }
}
