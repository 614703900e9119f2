//! Socket.IO packets as text (protocol v5 inside Engine.IO v4 messages): <https://socket.io/docs/v4/socket-io-protocol/>.
//!
//! Written here are all that clients get; of those of the engine, only the heads are read.

use crate::core::protocol::frame;
use crate::types::{Namespace, Payload};
use bytes::Bytes;
use serde_json::json;
use serde_json::value::RawValue;
use smallvec::SmallVec;
use std::borrow::Cow;

/// Whether an Engine.IO text packet that the engine has written answers a CONNECT. What it says stays here: it holds the
/// engine's session id.
pub fn is_answer_to_connect(packet: &[u8]) -> bool {
    matches!(packet, [b'4', b'0' | b'4', ..])
}

/// The packet of a CONNECT, as the engine reads it: `40/namespace,{…}`. Always with its namespace, so that nothing of
/// `auth` can be taken for one.
pub fn connect_request(namespace: &Namespace, auth: &str) -> String {
    format!("40{},{auth}", namespace.as_str())
}

/// An event: `42/namespace,["event",arg,…]`. `event` is a JSON string, quotes included; `offset` is the text that
/// recovery appends as one more argument, without any character that JSON would escape. Buffers follow in frames of
/// their own, which belong to the first: `451-["event",{"_placeholder":true,"num":0}]`.
pub fn event(namespace: &Namespace, event: &str, payload: &Payload, offset: Option<&str>) -> Bytes {
    let offset = offset.map(|it| format!(",\"{it}\"")).unwrap_or_default();
    write_event(namespace, "", event, payload, &offset)
}

/// An event that asks for an ack: `42/namespace,id["event",arg,…]`. It has no offset: a stock client would not find it.
pub fn event_asking(namespace: &Namespace, id: u64, event: &str, payload: &Payload) -> Bytes {
    write_event(namespace, &id.to_string(), event, payload, "")
}

/// `id` and `tail` are put in as they are, the latter behind the arguments.
fn write_event(
    namespace: &Namespace,
    id: &str,
    event: &str,
    payload: &Payload,
    tail: &str,
) -> Bytes {
    let buffers = payload.buffers();
    let kind = kind("42", "45", buffers.len());
    let mut parts: SmallVec<[&[u8]; 16]> = SmallVec::new();
    parts.extend([kind.as_bytes(), prefix(namespace), comma(namespace), id.as_bytes()]);
    parts.extend([b"[", event.as_bytes()]);
    for arg in payload.args() {
        parts.extend([b",".as_slice(), arg.get().as_bytes()]);
    }
    parts.extend([tail.as_bytes(), b"]"]);
    with_buffers(frame::text(&parts), buffers)
}

/// The head of a packet with this many buffers: `plain` if it has none.
fn kind(plain: &'static str, binary: &str, buffers: usize) -> Cow<'static, str> {
    if buffers == 0 { Cow::Borrowed(plain) } else { Cow::Owned(format!("{binary}{buffers}-")) }
}

/// A packet and the buffers that belong to it, which follow in frames of their own.
fn with_buffers(packet: Bytes, buffers: &[Bytes]) -> Bytes {
    if buffers.is_empty() {
        return packet;
    }
    let frames = std::iter::once(packet).chain(buffers.iter().map(|it| frame::binary(it)));
    frames.collect::<Vec<_>>().concat().into()
}

/// An ack: `43/namespace,id[arg,…]`; with buffers `461-/namespace,id[{"_placeholder":true,"num":0}]`, and they follow.
pub fn ack(namespace: &Namespace, id: u64, args: &[&RawValue], buffers: &[Bytes]) -> Bytes {
    let (kind, id) = (kind("43", "46", buffers.len()), id.to_string());
    let mut parts: Vec<&[u8]> = Vec::with_capacity(2 * args.len() + 6);
    parts.extend([kind.as_bytes(), prefix(namespace), comma(namespace), id.as_bytes(), b"["]);
    for (index, arg) in args.iter().enumerate() {
        parts.extend([if index == 0 { b"".as_slice() } else { b"," }, arg.get().as_bytes()]);
    }
    parts.push(b"]");
    with_buffers(frame::text(&parts), buffers)
}

/// The frame of a CONNECT reply with this JSON object.
pub fn connect(namespace: &Namespace, object: &str) -> Bytes {
    frame::text(&[b"40", prefix(namespace), comma(namespace), object.as_bytes()])
}

/// The frame of a refusal (`CONNECT_ERROR`) with this JSON object.
pub fn connect_error(namespace: &Namespace, object: &str) -> Bytes {
    frame::text(&[b"44", prefix(namespace), comma(namespace), object.as_bytes()])
}

/// The refusal of a namespace that does not exist, in the words of Node's server, with a hint in `data`.
pub fn invalid_namespace(namespace: &str) -> Bytes {
    let prefix = if namespace == "/" { String::new() } else { format!("{namespace},") };
    let hint = "this server has no such namespace; if you meant a URL path, it belongs into the client's `path` option";
    let data = json!({"code": "invalid_namespace", "message": hint});
    let object = json!({"message": "Invalid namespace", "data": data}).to_string();
    frame::text(&[b"44", prefix.as_bytes(), object.as_bytes()])
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
    use super::{
        ack, connect, connect_request, disconnect, event, event_asking, is_answer_to_connect,
    };
    use crate::core::protocol::frame;
    use crate::types::{Namespace, Payload};
    use bytes::Bytes;
    use serde_json::value::RawValue;

    fn text(mut frame: Bytes) -> String {
        match frame::take(&mut frame) {
            Some((_, frame::Content::Text(it))) => String::from_utf8(it.to_vec()).unwrap(),
            other => panic!("not a text frame: {other:?}"),
        }
    }

    #[test]
    fn the_engines_answers_are_told_from_what_else_it_says() {
        let table = [
            ("0{\"sid\":\"x\"}", false),
            ("2", false),
            ("41", false),
            ("40{\"sid\":\"x\"}", true),
            ("40/chat,{\"sid\":\"x\"}", true),
            ("44/chat,{}", true),
            ("42[\"a\"]", false),
            ("", false),
            ("4", false),
        ];
        for (packet, is_answer) in table {
            assert_eq!(is_answer_to_connect(packet.as_bytes()), is_answer, "{packet}");
        }
    }

    #[test]
    fn nothing_that_is_sent_along_with_a_connect_is_taken_for_its_namespace() {
        let chat = Namespace::parse("/chat").unwrap();
        assert_eq!(connect_request(&chat, "{}"), "40/chat,{}");
        assert_eq!(connect_request(&Namespace::root(), "/chat,{}"), "40/,/chat,{}");
    }

    #[test]
    fn arguments_travel_as_they_were_written() {
        let raw = |text: &str| RawValue::from_string(text.into()).unwrap();
        let args = vec![raw("{\"b\":1.0,\"a\":12345678901234567890.10}"), raw("\"\\u00e9\"")];
        let payload = Payload::try_new(args).unwrap();

        let chat = Namespace::parse("/chat").unwrap();
        assert_eq!(
            text(event(&chat, "\"hi\"", &payload, Some("a.1"))),
            "42/chat,[\"hi\",{\"b\":1.0,\"a\":12345678901234567890.10},\"\\u00e9\",\"a.1\"]"
        );
        assert_eq!(
            text(event(&Namespace::root(), "\"hi\"", &Payload::default(), None)),
            "42[\"hi\"]"
        );
        assert_eq!(text(connect(&Namespace::root(), "{}")), "40{}");
        assert_eq!(text(disconnect(&chat)), "41/chat,");
        assert_eq!(text(event_asking(&chat, 7, "\"hi\"", &payload)), {
            "42/chat,7[\"hi\",{\"b\":1.0,\"a\":12345678901234567890.10},\"\\u00e9\"]"
        });
        let (one, two) = (raw("1"), raw("{}"));
        assert_eq!(text(ack(&chat, 7, &[&one, &two], &[])), "43/chat,7[1,{}]");
        assert_eq!(text(ack(&Namespace::root(), 0, &[], &[])), "430[]");
    }

    #[test]
    fn an_event_and_its_buffers_are_one_unit() {
        let place = RawValue::from_string("{\"_placeholder\":true,\"num\":0}".into()).unwrap();
        let payload = Payload::try_new(vec![place]).unwrap();
        let payload = payload.with_buffers(vec![Bytes::from_static(&[1, 2]), Bytes::new()]);

        let unit = event(&Namespace::root(), "\"b\"", &payload, Some("a.1"));

        let text = "452-[\"b\",{\"_placeholder\":true,\"num\":0},\"a.1\"]";
        let frames = [frame::text(&[text.as_bytes()]), frame::binary(&[1, 2]), frame::binary(&[])];
        assert_eq!(unit, frames.concat());
        let chat = Namespace::parse("/chat").unwrap();
        let asking = event_asking(&chat, 3, "\"b\"", &payload);
        let text = "452-/chat,3[\"b\",{\"_placeholder\":true,\"num\":0}]";
        assert!(asking.starts_with(&frame::text(&[text.as_bytes()])), "{asking:?}");
        let ack = ack(&chat, 3, &[&payload.args()[0]], &payload.buffers()[..1]);
        let text = "461-/chat,3[{\"_placeholder\":true,\"num\":0}]";
        assert_eq!(ack, [frame::text(&[text.as_bytes()]), frame::binary(&[1, 2])].concat());
    }
}
