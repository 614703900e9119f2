//! How a connection begins: what is known of it, and what greets its client.

use super::listeners::Listeners;
use super::outgoing::Flushing;
use super::posts::Polling;
use super::send_stall::SendStall;
use super::shared::SharedParts;
use super::stream::Outlet;
use super::vitals::Traffic;
use super::{Connection, ConnectionState, Facts, Phase, Transport};
use crate::config::SocketIoConfig;
use crate::core::protocol::frame;
use crate::core::protocol::outbound::OutboundQueue;
use crate::types::millis;
use bytes::Bytes;
use parking_lot::Mutex;
use serde::Serialize;
use std::sync::{Arc, OnceLock};
use tokio::sync::Notify;

impl Connection {
    /// A connection of which nobody knows yet; `stream` is its WebSocket, if it has one.
    pub(super) fn new(
        sid: Arc<str>,
        facts: Facts,
        shared: &Arc<SharedParts>,
        transport: Transport,
        stream: Option<Outlet>,
    ) -> Arc<Self> {
        Arc::new(Self {
            sid,
            facts,
            identity: OnceLock::new(),
            shared: Arc::clone(shared),
            traffic: Traffic::new(shared.clock.now()),
            stream: stream.map_or_else(OnceLock::new, OnceLock::from),
            poll: Notify::new(),
            state: Mutex::new(ConnectionState::new(transport, shared.limits.buffer_bytes)),
        })
    }
}

impl ConnectionState {
    fn new(transport: Transport, buffer_bytes: usize) -> Self {
        Self {
            outbound: OutboundQueue::new(buffer_bytes),
            transport,
            phase: Phase::Open,
            listeners: Listeners::default(),
            loans: None,
            homeless_since: None,
            is_expected: false,
            reader: None,
            is_paused: false,
            acks: None,
            peer_ended: false,
            is_let_go: false,
            flushing: Flushing::None,
            send_stall: SendStall::default(),
            pinged_at: None,
            is_upgraded: false,
            ending: None,
            close_code: None,
            closed_at: None,
            unsent: 0,
            owner: None,
            polling: (transport == Transport::Polling).then(Box::<Polling>::default),
        }
    }
}

/// What greets a client: <https://socket.io/docs/v4/engine-io-protocol/#handshake>.
pub(super) fn packet(
    sid: &str,
    transport: Transport,
    socketio: &SocketIoConfig,
    payload_bytes: usize,
) -> Bytes {
    let upgrades: &[&str] = match transport {
        Transport::Polling if socketio.websocket => &["websocket"],
        Transport::Polling | Transport::WebSocket => &[],
    };
    let open = OpenPacket {
        sid,
        upgrades,
        ping_interval: millis(socketio.ping_interval),
        ping_timeout: millis(socketio.ping_timeout),
        max_payload: payload_bytes,
    };
    // Writing numbers and texts to memory does not fail.
    frame::text(&[b"0", serde_json::to_string(&open).unwrap_or_default().as_bytes()])
}

/// The data of Engine.IO's open packet.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OpenPacket<'a> {
    sid: &'a str,
    upgrades: &'a [&'a str],
    ping_interval: u64,
    ping_timeout: u64,
    max_payload: usize,
}
