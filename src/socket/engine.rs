//! The engine (socketioxide): how it is set up, and how it is lent.
//!
//! It answers CONNECTs. Of what else a client says it never hears (`connection/incoming.rs`), and what it believes of its
//! client is not so: these are the places at which it is told.

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

/// What the engine takes of a client's bytes at once. Small, because every loan holds as much, and more when the CONNECT
/// is longer.
const READ_BUFFER: usize = 128;
/// The engine's own pings, which cannot be switched off. One is written when a loan begins, and goes nowhere; the next, and
/// the end of a client that does not answer the first, would come after a year, which no loan lives to see.
const PING_INTERVAL: Duration = Duration::from_hours(24 * 365);
/// How long the engine waits until it has accepted somebody. Longer than any middleware takes: connections have a timeout of
/// their own. It counts only if a middleware panics, and bounds what is then left behind.
const CONNECT_TIMEOUT: Duration = Duration::from_mins(1);
/// Bytes by which a CONNECT may be longer here than the client has sent it: a namespace and a comma that were left out.
const ADDED_BYTES: usize = 16;
/// The request that the engine believes to answer. The real one is long forgotten; what matters of it is in the facts of
/// the connection.
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
        let message_bytes = limits.payload_bytes.saturating_add(ADDED_BYTES);
        let (service, io) = SocketIo::builder()
            .ping_interval(PING_INTERVAL)
            .ping_timeout(PING_INTERVAL)
            .connect_timeout(CONNECT_TIMEOUT)
            .max_payload(saturating_u64(message_bytes))
            .ws_max_message_size(message_bytes)
            .ws_max_frame_size(message_bytes)
            .ws_read_buffer_size(READ_BUFFER)
            .build_with_inner_svc(Router::new());
        let parts = Arc::new(parts);
        for namespace in &socketio.namespaces {
            handlers::register(&io, &parts, namespace);
        }
        Self(service)
    }

    /// Takes a loan: from now on the engine reads its CONNECT and answers it.
    pub(super) fn take(&self, stream: EngineStream) {
        let mut request = http::Request::new(());
        *request.uri_mut() = Uri::from_static(REQUEST_URI);
        request.extensions_mut().insert(Arc::clone(stream.loan()));
        // Boxed, because the engine's tasks hold it several times over, in each of their states.
        let stream = Box::new(stream);
        // The future is ready at once, and the request is one that the engine understands.
        if let Err(error) = self.0.clone().call((stream, request)).into_inner() {
            tracing::error!(?error, "the engine refused a loan");
        }
    }
}
