//! WebSocket handshakes, answered by us so that the stream is ours afterwards.

use super::acceptor::Acceptor;
use super::handshake::Refusal;
use super::{Accepted, Connection, EngineStream, Transport, upgrade};
use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::request::Parts;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tungstenite::handshake::derive_accept_key;

/// How long the switch of protocols may take after it was promised.
const SWITCH_TIMEOUT: Duration = Duration::from_secs(10);

/// Answers the handshake of a new connection.
pub(super) fn accept(acceptor: Acceptor, mut parts: Parts) -> Response<Full<Bytes>> {
    let response = switching(&parts);
    let on_upgrade = on_upgrade(&mut parts);
    let tasks = acceptor.tasks().clone();
    tasks.spawn("connection.accept", async move {
        let Some((stream, early)) = take_stream(on_upgrade).await else { return };
        let (read, write) = stream.into_split();
        // The limit may have been reached since the handshake was checked: the client tries again.
        if let Ok(connection) = acceptor.open(&parts, Transport::WebSocket, Some(write)) {
            drop(parts);
            acceptor.lend(EngineStream::websocket(connection, read, early));
        }
    });
    response
}

/// Answers the handshake of a WebSocket that wants to take over a polling connection.
pub(super) fn accept_upgrade(
    acceptor: &Acceptor,
    connection: &Arc<Connection>,
    mut parts: Parts,
) -> Result<Response<Full<Bytes>>, Refusal> {
    if connection.transport() != Transport::Polling {
        return Err(Refusal::Request("this connection speaks WebSocket already"));
    }
    let response = switching(&parts);
    let on_upgrade = on_upgrade(&mut parts);
    let (connection, limit) = (Arc::clone(connection), acceptor.upgrade_timeout());
    acceptor.tasks().spawn("connection.upgrade", async move {
        let Some((stream, early)) = take_stream(on_upgrade).await else { return };
        let (read, write) = stream.into_split();
        upgrade::run(&connection, read, write, early, limit).await;
    });
    Ok(response)
}

fn on_upgrade(parts: &mut Parts) -> OnUpgrade {
    let mut request = Request::new(());
    *request.extensions_mut() = std::mem::take(&mut parts.extensions);
    let on_upgrade = hyper::upgrade::on(&mut request);
    parts.extensions = request.into_parts().0.extensions;
    on_upgrade
}

/// Takes the stream back from hyper, with the bytes it has read beyond the request. Those are copied: they would pin
/// hyper's whole read buffer for the life of the connection.
async fn take_stream(on_upgrade: OnUpgrade) -> Option<(TcpStream, Bytes)> {
    let upgraded = tokio::time::timeout(SWITCH_TIMEOUT, on_upgrade).await.ok()?.ok()?;
    // The type must be the one the listener gave to hyper; a test of the real listener holds this.
    let Ok(parts) = upgraded.downcast::<TokioIo<Accepted>>() else {
        tracing::error!("an upgraded connection is not the accepted one");
        return None;
    };
    Some((parts.io.into_inner().into_inner(), Bytes::copy_from_slice(&parts.read_buf)))
}

fn switching(parts: &Parts) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    let key = parts.headers.get(header::SEC_WEBSOCKET_KEY).map_or(&[][..], HeaderValue::as_bytes);
    if let Ok(accept) = HeaderValue::from_str(&derive_accept_key(key)) {
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    }
    response
}
