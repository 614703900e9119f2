//! `[socketio]`: the protocol's own settings.

use crate::types::Namespace;
use std::path::PathBuf;
use std::time::Duration;

/// The protocol's own settings; clients learn the ping times in the handshake.
#[derive(Debug, Clone)]
pub struct SocketIoConfig {
    /// Time between pings.
    pub ping_interval: Duration,
    /// How long a client may take to answer a ping.
    pub ping_timeout: Duration,
    /// How long a connection may stay without joining a namespace.
    pub connect_timeout: Duration,
    /// How long the switch from polling to WebSocket may take.
    pub upgrade_timeout: Duration,
    /// Whether HTTP long-polling is offered.
    pub polling: bool,
    /// Whether WebSocket is offered.
    pub websocket: bool,
    /// Namespaces that clients may join.
    pub namespaces: Vec<Namespace>,
    /// Folder with the stock client's bundle (`socket.io.js` and the like), served under the Socket.IO path.
    pub client_dir: Option<PathBuf>,
}
