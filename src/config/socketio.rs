//! `[socketio]`: the protocol's own settings.

use super::reader::{Checked, SettingsReader};
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

const NAMESPACES_LEN_MAX: usize = 64;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OfferedTransport {
    Polling,
    WebSocket,
}

impl SocketIoConfig {
    pub(super) fn read(reader: &mut SettingsReader) -> Checked<Self> {
        let patience = || Duration::from_millis(100)..=Duration::from_mins(5);
        let ping_interval = reader.duration("socketio.ping_interval", patience());
        let ping_timeout = reader.duration("socketio.ping_timeout", patience());
        let connect_timeout = reader.duration("socketio.connect_timeout", patience());
        let upgrade_timeout = reader.duration("socketio.upgrade_timeout", patience());
        let transports = read_transports(reader);
        let namespaces = read_namespaces(reader);
        let client_dir = read_client_dir(reader);
        let transports = transports?;
        Ok(Self {
            ping_interval: ping_interval?,
            ping_timeout: ping_timeout?,
            connect_timeout: connect_timeout?,
            upgrade_timeout: upgrade_timeout?,
            polling: transports.contains(&OfferedTransport::Polling),
            websocket: transports.contains(&OfferedTransport::WebSocket),
            namespaces: namespaces?,
            client_dir: client_dir?,
        })
    }
}

fn read_transports(reader: &mut SettingsReader) -> Checked<Vec<OfferedTransport>> {
    let key = "socketio.transports";
    let transports = reader.list(key, 2, "must be polling, websocket", |text| match text {
        "polling" => Some(OfferedTransport::Polling),
        "websocket" => Some(OfferedTransport::WebSocket),
        _ => None,
    })?;
    if transports.is_empty() {
        return Err(reader.reject(key, "must have at least one of polling, websocket"));
    }
    Ok(transports)
}

fn read_namespaces(reader: &mut SettingsReader) -> Checked<Vec<Namespace>> {
    let key = "socketio.namespaces";
    let rule =
        "must begin with \"/\", at most 128 bytes without \",\", \"?\" and control characters";
    let namespaces =
        reader.list(key, NAMESPACES_LEN_MAX, rule, |text| Namespace::parse(text).ok())?;
    if namespaces.is_empty() {
        return Err(reader.reject(key, "must have at least one namespace, such as \"/\""));
    }
    let is_repeated =
        |(index, it): (usize, &Namespace)| namespaces.iter().take(index).any(|e| e == it);
    if namespaces.iter().enumerate().any(is_repeated) {
        return Err(reader.reject(key, "must not name a namespace twice"));
    }
    Ok(namespaces)
}

fn read_client_dir(reader: &mut SettingsReader) -> Checked<Option<PathBuf>> {
    let key = "socketio.client_dir";
    match reader.text(key)?.map(PathBuf::from) {
        Some(dir) if !dir.is_dir() => Err(reader.reject(key, "must be a folder")),
        dir => Ok(dir),
    }
}
