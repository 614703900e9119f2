//! Socket.IO packets as text (protocol v5 inside Engine.IO v4 messages): <https://socket.io/docs/v4/socket-io-protocol/>.
//!
//! Written here are only the packets that do not go through the engine; read are only those whose passing matters.

use crate::core::frame;
use crate::types::{Namespace, Payload};
use bytes::Bytes;

/// What the engine has just written, as far as order and mending are concerned.
#[derive(Debug, PartialEq, Eq)]
pub enum Passing<'a> {
    /// The Engine.IO open packet.
    Open,
    /// The reply to a CONNECT, in this namespace.
    Connect(&'a str),
    /// The refusal of a CONNECT, in this namespace.
    ConnectError(&'a str),
    /// An event or ack with this many binary attachments to come.
    Packet {
        /// Binary frames that belong to it.
        attachments: u32,
    },
    /// Pings and what else has no order.
    Other,
}

/// Reads the head of an Engine.IO text packet of the engine.
pub fn passing(packet: &[u8]) -> Passing<'_> {
    match packet {
        [b'0', ..] => Passing::Open,
        [b'4', b'0', rest @ ..] => Passing::Connect(namespace(rest)),
        [b'4', b'4', rest @ ..] => Passing::ConnectError(namespace(rest)),
        [b'4', b'2' | b'3', ..] => Passing::Packet { attachments: 0 },
        [b'4', b'5' | b'6', rest @ ..] => {
            let digits = rest.iter().take_while(|b| b.is_ascii_digit());
            let attachments =
                digits.fold(0_u32, |n, b| n.saturating_mul(10).saturating_add(u32::from(b - b'0')));
            Passing::Packet { attachments }
        }
        _ => Passing::Other,
    }
}

/// The namespace that stands at the beginning of `rest`, up to its comma.
fn namespace(rest: &[u8]) -> &str {
    if rest.first() != Some(&b'/') {
        return "/";
    }
    let end = rest.iter().position(|b| *b == b',').unwrap_or(rest.len());
    rest.get(..end).and_then(|name| std::str::from_utf8(name).ok()).unwrap_or("/")
}

/// The frame of an event: `42/namespace,["event",arg,…]`. `event` is a JSON string, quotes included.
pub fn event(namespace: &Namespace, event: &str, payload: &Payload) -> Bytes {
    let mut parts: Vec<&[u8]> = Vec::with_capacity(2 * payload.args().len() + 6);
    parts.extend([b"42".as_slice(), prefix(namespace), comma(namespace), b"[", event.as_bytes()]);
    for arg in payload.args() {
        parts.extend([b",".as_slice(), arg.get().as_bytes()]);
    }
    parts.push(b"]");
    frame::text(&parts)
}

/// The frame of a CONNECT reply with this JSON object.
pub fn connect(namespace: &Namespace, object: &str) -> Bytes {
    frame::text(&[b"40", prefix(namespace), comma(namespace), object.as_bytes()])
}

/// The frame of a refusal (`CONNECT_ERROR`) with this JSON object.
pub fn connect_error(namespace: &Namespace, object: &str) -> Bytes {
    frame::text(&[b"44", prefix(namespace), comma(namespace), object.as_bytes()])
}

/// The frame of a DISCONNECT, after which a stock client does not come back by itself.
pub fn disconnect(namespace: &Namespace) -> Bytes {
    frame::text(&[b"41", prefix(namespace), comma(namespace)])
}

fn prefix(namespace: &Namespace) -> &[u8] {
    if namespace.is_root() { b"" } else { namespace.as_str().as_bytes() }
}

fn comma(namespace: &Namespace) -> &'static [u8] {
    if namespace.is_root() { b"" } else { b"," }
}

#[cfg(test)]
mod tests {
    use super::{Passing, connect, disconnect, event, passing};
    use crate::core::frame;
    use crate::types::{Namespace, Payload};
    use serde_json::value::RawValue;

    fn text(mut frame: bytes::Bytes) -> String {
        match frame::take(&mut frame) {
            Some((_, frame::Content::Text(it))) => String::from_utf8(it.to_vec()).unwrap(),
            other => panic!("not a text frame: {other:?}"),
        }
    }

    #[test]
    fn the_engines_packets_are_told_apart() {
        let table = [
            ("0{\"sid\":\"x\"}", Passing::Open),
            ("2", Passing::Other),
            ("41", Passing::Other),
            ("40{\"sid\":\"x\"}", Passing::Connect("/")),
            ("40/chat,{\"sid\":\"x\"}", Passing::Connect("/chat")),
            ("44/chat,{}", Passing::ConnectError("/chat")),
            ("44{}", Passing::ConnectError("/")),
            ("42[\"a\"]", Passing::Packet { attachments: 0 }),
            ("431[]", Passing::Packet { attachments: 0 }),
            ("462-/chat,7[{}]", Passing::Packet { attachments: 2 }),
            ("4599999999999-", Passing::Packet { attachments: u32::MAX }),
            ("", Passing::Other),
            ("4", Passing::Other),
        ];
        for (packet, expected) in table {
            assert_eq!(passing(packet.as_bytes()), expected, "{packet}");
        }
    }

    #[test]
    fn arguments_travel_as_they_were_written() {
        let raw = |text: &str| RawValue::from_string(text.into()).unwrap();
        let args = vec![raw("{\"b\":1.0,\"a\":12345678901234567890.10}"), raw("\"\\u00e9\"")];
        let payload = Payload::try_new(args).unwrap();

        let chat = Namespace::parse("/chat").unwrap();
        assert_eq!(
            text(event(&chat, "\"hi\"", &payload)),
            "42/chat,[\"hi\",{\"b\":1.0,\"a\":12345678901234567890.10},\"\\u00e9\"]"
        );
        assert_eq!(text(event(&Namespace::root(), "\"hi\"", &Payload::default())), "42[\"hi\"]");
        assert_eq!(text(connect(&Namespace::root(), "{}")), "40{}");
        assert_eq!(text(disconnect(&chat)), "41/chat,");
    }
}
