//! WebSocket handshakes, answered by us so that the stream is ours afterwards.

use super::Accepted;
use super::answer::AnswerBytes;
use super::stream::{Inlet, Outlet};
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::request::Parts;
use http::{Request, Response, StatusCode};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use std::time::Duration;
use tungstenite::handshake::derive_accept_key;

/// How long the switch of protocols may take after it was promised.
const SWITCH_TIMEOUT: Duration = Duration::from_secs(10);

/// The stream of a WebSocket, after its handshake.
#[derive(Debug)]
pub(super) struct SwitchedStream {
    pub(super) inlet: Inlet,
    pub(super) outlet: Outlet,
    /// What was read beyond the handshake.
    pub(super) early: Bytes,
}

/// Answers a handshake. The stream is there once the answer has been sent, unless its client is gone by then.
pub(super) fn switch(
    parts: &mut Parts,
) -> (Response<AnswerBytes>, impl Future<Output = Option<SwitchedStream>> + Send + use<>) {
    (switching(parts), taken(parts))
}

/// The stream of a request, once it has been answered with the switch of protocols.
pub(super) fn taken(
    parts: &mut Parts,
) -> impl Future<Output = Option<SwitchedStream>> + Send + use<> {
    take_stream(on_upgrade(parts))
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
async fn take_stream(on_upgrade: OnUpgrade) -> Option<SwitchedStream> {
    let upgraded = tokio::time::timeout(SWITCH_TIMEOUT, on_upgrade).await.ok()?.ok()?;
    // The type must be the one the listener gave to hyper; a test of the real listener holds this.
    let Ok(parts) = upgraded.downcast::<TokioIo<Accepted>>() else {
        tracing::error!("an upgraded connection is not the accepted one");
        return None;
    };
    let (inlet, outlet) = parts.io.into_inner().into_halves();
    Some(SwitchedStream { inlet, outlet, early: Bytes::copy_from_slice(&parts.read_buf) })
}

fn switching(parts: &Parts) -> Response<AnswerBytes> {
    let mut response = Response::new(AnswerBytes::default());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    let key = parts.headers.get(header::SEC_WEBSOCKET_KEY).map_or(&[][..], HeaderValue::as_bytes);
    if let Some(protocol) = first_protocol(&parts.headers) {
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, protocol);
    }
    if let Ok(accept) = HeaderValue::from_str(&derive_accept_key(key)) {
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    }
    response
}

/// The first subprotocol that a client offers: one that offers any fails if none is chosen, and to Socket.IO they are all
/// the same.
fn first_protocol(headers: &HeaderMap) -> Option<HeaderValue> {
    let offered = headers.get(header::SEC_WEBSOCKET_PROTOCOL)?.to_str().ok()?;
    let first = offered.split(',').next().unwrap_or_default().trim();
    HeaderValue::from_str(first).ok().filter(|_| !first.is_empty())
}

#[cfg(test)]
mod tests {
    use super::switching;
    use http::{HeaderMap, Request};

    fn answered(offered: &[&str]) -> HeaderMap {
        let mut request =
            Request::builder().header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
        for line in offered {
            request = request.header("sec-websocket-protocol", *line);
        }
        let parts = request.body(()).unwrap().into_parts().0;
        switching(&parts).into_parts().0.headers
    }

    #[test]
    fn the_first_of_the_offered_subprotocols_is_chosen() {
        let chosen = |offered: &[&str]| answered(offered).get("sec-websocket-protocol").cloned();

        assert_eq!(chosen(&[]), None);
        assert_eq!(chosen(&[""]), None);
        assert_eq!(chosen(&["chat"]).unwrap(), "chat");
        assert_eq!(chosen(&[" v2.example , v1.example", "chat"]).unwrap(), "v2.example");
        assert_eq!(answered(&[])["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}
