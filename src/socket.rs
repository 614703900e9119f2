//! The edge to the clients: the public listener's routes, and the engine behind them. Only this module knows
//! socketioxide.
//!
//! * `{path}` — Engine.IO, by polling or WebSocket ([`crate::connection::Acceptor`])
//! * `{path}socket.io.js` and the like — the stock client's bundle ([`client_files`])

mod client_files;
mod events;
mod handlers;
mod inbox;
#[cfg(test)]
mod tests;

pub use client_files::{ClientFiles, ClientFilesError};

use crate::clock::Clock;
use crate::config::{LimitsConfig, SocketIoConfig};
use crate::connection::{Acceptor, AcceptorConfig, Connections, EngineStream};
use crate::realtime::admission::Admission;
use crate::realtime::attendance::Attendance;
use crate::realtime::inboxes::LiveInboxes;
use crate::tasks::Tasks;
use crate::types::saturating_u64;
use axum::Router;
use axum::extract::Request;
use axum::routing::any;
use http::Uri;
use socketioxide::service::SocketIoService;
use socketioxide::{ParserConfig, SocketIo};
use std::sync::Arc;
use std::time::Duration;
use tower_service::Service as _;

/// What the engine takes of a client's bytes at once. Small, because every connection holds as much, and less when the
/// CONNECT was longer; [`EngineStream`] has read them from the system in larger pieces.
const READ_BUFFER: usize = 128;
/// The engine pings when a connection begins and, as far as anybody lives to see it, never again: the wire does. After
/// 32 packets of the engine, which are its pings, it would hold 5 KiB more for each connection.
const PING_INTERVAL: Duration = Duration::from_hours(24 * 365);
/// Binary attachments of one packet.
const ATTACHMENTS_MAX: usize = 64;
/// The request the engine believes to answer; what matters of the real one is in the connection's facts.
const ENGINE_URI: &str = "/socket.io/?EIO=4&transport=websocket";

/// What the edge needs.
#[derive(Debug)]
pub struct SocketEdge {
    /// What clients ask for.
    pub parts: ClientParts,
    /// When connections begin, are pinged and end.
    pub clock: Clock,
    /// Where connections are kept.
    pub connections: Connections,
    /// Who runs the tasks of connections.
    pub tasks: Tasks,
    /// Who may connect, and how.
    pub acceptor: AcceptorConfig,
    /// Path of Socket.IO; begins and ends with `/`.
    pub path: String,
    /// The stock client's bundle.
    pub client_files: ClientFiles,
}

/// What clients ask for.
#[derive(Debug)]
pub struct ClientParts {
    /// They connect.
    pub admission: Arc<Admission>,
    /// They leave.
    pub attendance: Arc<Attendance>,
    /// They read their inbox.
    pub inboxes: Arc<LiveInboxes>,
}

impl SocketEdge {
    /// The routes of the public listener.
    pub fn router(self) -> Router {
        let Self { parts, clock, connections, tasks, acceptor, path, client_files } = self;
        let engine = engine(parts, &acceptor.socketio, acceptor.limits);
        let lend = move |io| lend(engine.clone(), io);
        let acceptor = Acceptor::new(acceptor, connections, tasks, clock, lend);
        let answer = any(async move |request: Request| acceptor.answer(request).await);
        let without_slash = path.trim_end_matches('/').to_owned();
        let mut router = Router::new().route(&path, answer.clone());
        if !without_slash.is_empty() {
            router = router.route(&without_slash, answer);
        }
        router.merge(client_files.router(&path))
    }
}

type Engine = SocketIoService<Router>;

fn engine(parts: ClientParts, socketio: &SocketIoConfig, limits: LimitsConfig) -> Engine {
    let parser = ParserConfig::common()
        .max_incoming_binaries(ATTACHMENTS_MAX)
        .max_incoming_binary_buf_size(limits.payload_bytes)
        .packet_completion_timeout(limits.body_timeout);
    let (engine, io) = SocketIo::builder()
        .with_parser(parser)
        .ping_interval(PING_INTERVAL)
        .ping_timeout(socketio.ping_timeout)
        .connect_timeout(socketio.connect_timeout)
        .max_payload(saturating_u64(limits.payload_bytes))
        .ws_max_message_size(limits.payload_bytes)
        .ws_max_frame_size(limits.payload_bytes)
        .ws_read_buffer_size(READ_BUFFER)
        .build_with_inner_svc(Router::new());
    // Shared, because every socket holds it.
    let parts = Arc::new(parts);
    for namespace in &socketio.namespaces {
        handlers::register(&io, &parts, namespace);
    }
    engine
}

/// Gives a connection to the engine, with a request that pins nothing.
fn lend(mut engine: Engine, io: EngineStream) {
    let mut request = http::Request::new(());
    *request.uri_mut() = Uri::from_static(ENGINE_URI);
    request.extensions_mut().insert(Arc::clone(io.connection()));
    // Boxed, because the engine's tasks hold it several times over, in each of their states.
    let io = Box::new(io);
    // The future is ready at once, and the request is one the engine understands.
    if let Err(error) = engine.call((io, request)).into_inner() {
        tracing::error!(?error, "the engine refused a connection");
    }
}
