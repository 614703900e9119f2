//! What a request to the Socket.IO path asks for, checked before anything is answered.

use super::Transport;
use super::connections::NotAdmitted;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{self, HeaderMap, HeaderName};
use http::request::Parts;
use http::{Method, StatusCode, Version};
use serde_json::json;
use thiserror::Error;

/// Bytes of a WebSocket handshake's key.
const KEY_BYTES: usize = 16;

/// A request that makes sense.
#[cfg_attr(test, derive(Debug, PartialEq, Eq))]
pub(super) struct Handshake {
    /// The transport it speaks of.
    pub transport: Transport,
    /// The connection it belongs to; `None` opens a new one.
    pub sid: Option<String>,
    /// The client says that it has a resume token (`resume=1`), which it shows only when it is connected.
    pub says_token: bool,
    /// It is of the protocol before, which is not served (`EIO=3`).
    pub is_old: bool,
}

/// Why a request was refused: the codes of Engine.IO, which stock clients know.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(super) enum HandshakeError {
    /// `transport` is neither `polling` nor `websocket`, or is switched off.
    #[error("Transport unknown")]
    Transport,
    /// No such connection: it has ended, or another node has it.
    #[error("Session ID unknown")]
    Sid,
    /// Another node has the connection, and it is not handed to that one.
    #[error("Session ID unknown")]
    Elsewhere,
    /// A connection is opened by GET.
    #[error("Bad handshake method")]
    Method,
    /// The request does not fit the protocol; the hint says what to look at.
    #[error("Bad request")]
    Request(&'static str),
    /// The page may not connect.
    #[error("Forbidden")]
    Origin,
    /// `EIO` is not 4.
    #[error("Unsupported protocol version")]
    Version,
    /// The body is larger than `limits.payload`.
    #[error("Payload too large")]
    Payload,
    /// All that clients have begun to send is as much as it may be. The connection goes on.
    #[error("Service unavailable")]
    NoRoom,
    /// No room now, or the server is stopping: the client tries again.
    #[error("Service unavailable")]
    Unavailable(#[from] NotAdmitted),
}

impl HandshakeError {
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::Origin => StatusCode::FORBIDDEN,
            Self::Payload => StatusCode::PAYLOAD_TOO_LARGE,
            Self::NoRoom | Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Transport
            | Self::Sid
            | Self::Elsewhere
            | Self::Method
            | Self::Request(_)
            | Self::Version => StatusCode::BAD_REQUEST,
        }
    }

    /// The body: Engine.IO's `code` and `message`, and a `hint` for the person who looks.
    pub(super) fn body(&self) -> String {
        let code = match self {
            Self::Transport => 0,
            Self::Sid | Self::Elsewhere => 1,
            Self::Method => 2,
            Self::Request(_) | Self::Payload | Self::NoRoom | Self::Unavailable(_) => 3,
            Self::Origin => 4,
            Self::Version => 5,
        };
        let hint = match self {
            Self::Request(hint) => Some(*hint),
            Self::NoRoom => Some("limits.unfinished_bytes is reached"),
            Self::Unavailable(why) => Some(why.hint()),
            Self::Origin => Some("add the page's origin to listen.origins"),
            Self::Version => Some("EIO must be 4: use socket.io-client 3 or 4"),
            Self::Payload => Some("the body is larger than limits.payload"),
            Self::Elsewhere => Some(
                "another node has this connection: the load balancer must send each client to one node (sticky \
                 sessions), or cluster.forward must be set",
            ),
            Self::Transport | Self::Sid | Self::Method => None,
        };
        let mut body = json!({"code": code, "message": self.to_string()});
        if let (Some(object), Some(hint)) = (body.as_object_mut(), hint) {
            object.insert("hint".to_owned(), hint.into());
        }
        body.to_string()
    }
}

impl Handshake {
    /// Reads method and query.
    pub(super) fn parse(parts: &Parts) -> Result<Self, HandshakeError> {
        let query = parts.uri.query().unwrap_or_default();
        let param = |name| {
            query.split('&').find_map(|pair| pair.split_once('=').filter(|(key, _)| *key == name))
        };
        let transport = match param("transport").map(|it| it.1) {
            Some("polling") => Transport::Polling,
            Some("websocket") => Transport::WebSocket,
            _ => return Err(HandshakeError::Transport),
        };
        let is_old = match param("EIO").map(|it| it.1) {
            Some("4") => false,
            // Not those who want the answer as a script (JSONP): a page may load one from anywhere.
            Some("3") if param("j").is_none() => true,
            Some(_) | None => return Err(HandshakeError::Version),
        };
        // Empty is none: some clients begin with `sid=`.
        let sid = param("sid").map(|it| it.1.to_owned()).filter(|it| !it.is_empty());
        if sid.is_none() && parts.method != Method::GET {
            return Err(HandshakeError::Method);
        }
        if transport == Transport::WebSocket {
            if parts.method != Method::GET {
                return Err(HandshakeError::Request("a WebSocket is opened by GET"));
            }
            if parts.version < Version::HTTP_11 {
                return Err(HandshakeError::Request("a WebSocket is opened by HTTP/1.1"));
            }
            check_upgrade(&parts.headers)?;
        }
        let says_token = param("resume").is_some();
        Ok(Self { transport, sid, says_token, is_old })
    }
}

/// The conditions of RFC 6455 §4.2.1, each with a hint of its own: a proxy is usually to blame.
fn check_upgrade(headers: &HeaderMap) -> Result<(), HandshakeError> {
    let has = |name: HeaderName, token: &str| {
        let lines = headers.get_all(name).iter().filter_map(|line| line.to_str().ok());
        lines.flat_map(|line| line.split(',')).any(|it| it.trim().eq_ignore_ascii_case(token))
    };
    if !has(header::UPGRADE, "websocket") {
        let hint =
            "transport=websocket without `Upgrade: websocket`: does the proxy forward Upgrade?";
        return Err(HandshakeError::Request(hint));
    }
    if !has(header::CONNECTION, "upgrade") {
        let hint =
            "transport=websocket without `Connection: Upgrade`: does the proxy forward Connection?";
        return Err(HandshakeError::Request(hint));
    }
    if !has(header::SEC_WEBSOCKET_VERSION, "13") {
        return Err(HandshakeError::Request("Sec-WebSocket-Version must be 13"));
    }
    let key = headers.get(header::SEC_WEBSOCKET_KEY);
    let key = key.and_then(|key| STANDARD.decode(key.as_bytes()).ok());
    if key.is_none_or(|key| key.len() != KEY_BYTES) {
        return Err(HandshakeError::Request("Sec-WebSocket-Key must be 16 bytes in base64"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Handshake, HandshakeError, Transport};
    use http::Request;

    fn parse(
        method: &str,
        uri: &str,
        headers: &[(&str, &str)],
    ) -> Result<Handshake, HandshakeError> {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Handshake::parse(&request.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn polling_opens_and_goes_on() {
        let open = parse("GET", "/socket.io/?EIO=4&transport=polling&t=x", &[]).unwrap();
        let (transport, sid) = (Transport::Polling, None);
        assert_eq!(open, Handshake { transport, sid, says_token: false, is_old: false });
        let old = parse("GET", "/socket.io/?EIO=3&transport=polling&b64=1", &[]).unwrap();
        assert!(old.is_old);
        let post = parse("POST", "/socket.io/?EIO=4&transport=polling&sid=abc", &[]).unwrap();
        assert_eq!(post.sid.as_deref(), Some("abc"));
        let holder = parse("GET", "/socket.io/?resume=1&EIO=4&transport=polling", &[]).unwrap();
        assert!(holder.says_token);
        let empty = parse("GET", "/socket.io/?EIO=4&transport=polling&sid=", &[]).unwrap();
        assert_eq!(empty.sid, None, "as good as none");
    }

    #[test]
    fn nonsense_is_refused_with_the_codes_of_the_protocol() {
        let table = [
            ("GET", "/?EIO=4", HandshakeError::Transport),
            ("GET", "/?EIO=4&transport=carrier-pigeon", HandshakeError::Transport),
            ("GET", "/?EIO=3&transport=polling&j=0", HandshakeError::Version),
            ("GET", "/?EIO=2&transport=polling", HandshakeError::Version),
            ("GET", "/?transport=polling", HandshakeError::Version),
            ("POST", "/?EIO=4&transport=polling", HandshakeError::Method),
        ];
        for (method, uri, refusal) in table {
            assert_eq!(parse(method, uri, &[]), Err(refusal), "{method} {uri}");
        }
    }

    #[test]
    fn a_websocket_needs_every_header_and_the_hint_names_the_missing_one() {
        let all = [
            ("upgrade", "WebSocket"),
            ("connection", "keep-alive, Upgrade"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ];
        let uri = "/?EIO=4&transport=websocket";
        assert_eq!(parse("GET", uri, &all).unwrap().transport, Transport::WebSocket);
        for missing in 0..all.len() {
            let rest: Vec<_> = all.iter().copied().filter(|it| it.0 != all[missing].0).collect();
            let refusal = parse("GET", uri, &rest).unwrap_err();
            let name = all[missing].0.to_lowercase();
            assert!(refusal.body().to_lowercase().contains(&name), "{}", refusal.body());
        }
    }
}
