//! The engine (socketioxide): how it is set up, and how a connection is attached to it.
//!
//! It answers what belongs to a client's handshake: CONNECT, DISCONNECT, the end. Events, acks and pings it never sees
//! (`connection/incoming.rs`), and what it believes of its client is not so: these are the places at which it is told.

use super::handlers;
use super::requests::RequestParts;
use crate::config::{LimitsConfig, SocketIoConfig};
use crate::connection::EngineStream;
use crate::types::saturating_u64;
use axum::Router;
use http::Uri;
use socketioxide::SocketIo;
use socketioxide::service::SocketIoService;
use std::sync::Arc;
use std::time::Duration;
use tower_service::Service as _;

/// What the engine takes of a client's bytes at once. Small, because every connection holds as much, and less when the
/// CONNECT was longer; [`EngineStream`] has read them from the system in larger pieces.
const READ_BUFFER: usize = 128;
/// The engine's own pings, which cannot be switched off. One goes out when a connection begins; the next after a year,
/// which no connection lives to see: all others are sent by the connection. Measured: the engine's queue takes a second
/// block of memory after 32 packets and keeps it, so every connection that stays for ten minutes would cost 5.4 KiB more.
const PING_INTERVAL: Duration = Duration::from_hours(24 * 365);
/// The request that the engine believes to answer. A connection may have begun by polling, and the real request would pin
/// the memory of its headers; what matters of it is in the facts of the connection.
const REQUEST_URI: &str = "/socket.io/?EIO=4&transport=websocket";

/// The engine, with its namespaces. Cheap to clone.
#[derive(Clone)]
pub(super) struct Engine(SocketIoService<Router>);

impl Engine {
    /// One that serves all namespaces.
    pub(super) fn new(
        parts: RequestParts,
        socketio: &SocketIoConfig,
        limits: LimitsConfig,
    ) -> Self {
        let (service, io) = SocketIo::builder()
            .ping_interval(PING_INTERVAL)
            .ping_timeout(socketio.ping_timeout)
            .connect_timeout(socketio.connect_timeout)
            .max_payload(saturating_u64(limits.payload_bytes))
            .ws_max_message_size(limits.payload_bytes)
            .ws_max_frame_size(limits.payload_bytes)
            .ws_read_buffer_size(READ_BUFFER)
            .build_with_inner_svc(Router::new());
        let parts = Arc::new(parts);
        for namespace in &socketio.namespaces {
            handlers::register(&io, &parts, namespace);
        }
        Self(service)
    }

    /// Attaches a connection: from now on the engine reads its handshake and answers it.
    pub(super) fn attach(&self, stream: EngineStream) {
        let mut request = http::Request::new(());
        *request.uri_mut() = Uri::from_static(REQUEST_URI);
        request.extensions_mut().insert(Arc::clone(stream.connection()));
        // Boxed, because the engine's tasks hold it several times over, in each of their states.
        let stream = Box::new(stream);
        // The future is ready at once, and the request is one that the engine understands.
        if let Err(error) = self.0.clone().call((stream, request)).into_inner() {
            tracing::error!(?error, "the engine refused a connection");
        }
    }
}
