//! `[listen]`: where the two listeners are and whom they believe.

use ipnet::IpNet;
use std::net::SocketAddr;
use std::time::Duration;

/// Where the two listeners are and whom they believe.
#[derive(Debug, Clone)]
pub struct ListenConfig {
    /// Address of the Socket.IO listener; port 0 takes a free one.
    pub public: SocketAddr,
    /// Address of the admin listener; port 0 takes a free one.
    pub admin: SocketAddr,
    /// Path of Socket.IO on the public listener; begins and ends with `/`.
    pub path: String,
    /// Peers whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Pages that may connect: one list for CORS and for WebSocket handshakes.
    pub origins: Origins,
    /// How long a graceful stop may take to close the connections, spread evenly.
    pub drain: Duration,
}

/// Which `Origin` headers are accepted. Clients that send none (not browsers) are always accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origins {
    /// Every page (`["*"]`).
    Any,
    /// Exactly these, as `scheme://host[:port]`, lower case; empty: no page, only clients that send none.
    List(Vec<String>),
}
