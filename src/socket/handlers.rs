//! What the engine calls: translated, and handed to the verbs.
//!
//! The engine runs the connect handler in a task of its own, so a connection may be gone before it runs, and a
//! disconnect handler registered there would then never run. So nothing happens there: the disconnect handler is
//! registered in the middleware, and the socket is taken in when the engine's reply to its CONNECT comes by
//! ([`Connection::prepare_accept`]), which is always after the first and before the last. The disconnect handler extracts
//! nothing that can fail and does nothing that can panic: the engine would keep the socket for ever.

use super::requests::{RequestParts, Requests};
use crate::connection::{Connection, EventListener};
use crate::realtime::admission::ConnectError;
use crate::registry::Socket;
use crate::types::{Namespace, Reason};
use serde_json::value::RawValue;
use socketioxide::SocketIo;
use socketioxide::adapter::Adapter;
use socketioxide::extract::{SocketRef, TryData};
use socketioxide::handler::{ConnectHandler as _, DisconnectHandler};
use socketioxide::socket::{DisconnectReason, Socket as EngineSocket};
use std::sync::Arc;
use thiserror::Error;

/// Why a CONNECT was refused. The engine sends its text, which is replaced on the way out.
#[derive(Debug, Error)]
enum MiddlewareError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("this connection did not come through the acceptor")]
    NoConnection,
}

/// Serves `namespace`.
pub(super) fn register(io: &SocketIo, parts: &Arc<RequestParts>, namespace: &Namespace) {
    let (parts, name) = (Arc::clone(parts), namespace.clone());
    let authenticate = async move |socket: SocketRef, auth: TryData<Box<RawValue>>| {
        authenticate(&parts, &name, socket, auth).await
    };
    let connected = async || {};
    io.ns(namespace.as_str().to_owned(), connected.with(authenticate));
}

async fn authenticate(
    parts: &Arc<RequestParts>,
    namespace: &Namespace,
    engine_socket: SocketRef,
    TryData(auth): TryData<Box<RawValue>>,
) -> Result<(), MiddlewareError> {
    let connection = engine_socket.req_parts().extensions.get::<Arc<Connection>>();
    let connection = Arc::clone(connection.ok_or(MiddlewareError::NoConnection)?);
    let listen = |socket: &Arc<Socket>| -> Arc<dyn EventListener> {
        Arc::new(Requests::new(Arc::clone(parts), Arc::clone(socket)))
    };
    let auth = auth.ok();
    let authenticated =
        parts.client.admission.authenticate(&connection, namespace, auth.as_deref(), listen);
    let socket = authenticated.await?;
    engine_socket.on_disconnect(Leave { parts: Arc::clone(parts), socket });
    Ok(())
}

/// Lets a socket go, at once. An async handler would run in a task of its own, and the engine would remove the socket
/// only after it: a client that leaves a namespace and comes again in one breath would be ignored, or be removed in
/// place of the socket that left.
struct Leave {
    parts: Arc<RequestParts>,
    socket: Arc<Socket>,
}

/// Tells the engine's own blanket implementation from this one.
struct AtOnce;

impl<A: Adapter> DisconnectHandler<A, AtOnce> for Leave {
    fn call_with_defer(
        &self,
        engine_socket: Arc<EngineSocket<A>>,
        reason: DisconnectReason,
        remove: fn(Arc<EngineSocket<A>>),
    ) {
        let Self { parts, socket } = self;
        parts.client.attendance.leave(socket, translate(reason, &socket.connection));
        remove(engine_socket);
    }
}

/// What the engine knows, unless the connection knows better.
fn translate(reason: DisconnectReason, connection: &Connection) -> Reason {
    if reason == DisconnectReason::ClientNSDisconnect {
        return Reason::ClientDisconnect;
    }
    connection.end_reason().unwrap_or(match reason {
        DisconnectReason::TransportClose => Reason::TransportClose,
        DisconnectReason::TransportError
        | DisconnectReason::MultipleHttpPollingError
        | DisconnectReason::PacketParsingError => Reason::TransportError,
        DisconnectReason::HeartbeatTimeout => Reason::PingTimeout,
        DisconnectReason::ClientNSDisconnect => Reason::ClientDisconnect,
        DisconnectReason::ServerNSDisconnect => Reason::Kicked,
        DisconnectReason::ClosingServer => Reason::ServerShutdown,
    })
}
