//! Just enough of HTTP, WebSocket, Engine.IO and Socket.IO.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde_json::value::RawValue;
use sha1::{Digest as _, Sha1};

pub const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
const OPEN: &[u8] = br#"0{"sid":"floor","upgrades":[],"pingInterval":3600000,"pingTimeout":3600000,"maxPayload":100000}"#;
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

pub struct Emit {
    pub to: To,
    /// The frame of the event.
    pub frame: Vec<u8>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub struct To {
    pub all: bool,
    pub users: Vec<String>,
}

#[derive(Deserialize)]
struct Body<'a> {
    to: To,
    #[serde(borrow)]
    event: &'a RawValue,
    #[serde(borrow)]
    data: &'a RawValue,
}

#[derive(Deserialize)]
struct Auth {
    user: String,
}

pub enum Request {
    Emit(Emit),
    /// An upgrade, with the answer to it.
    Upgrade(Vec<u8>),
}

/// The request at the begin of `bytes` and its length: `Some(None)` if it is not whole yet, `None` if it is none.
pub fn request(bytes: &[u8]) -> Option<Option<(Request, usize)>> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut request = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(head) = request.parse(bytes).ok()? else { return Some(None) };
    let value = |name: &str| {
        request.headers.iter().find(|it| it.name.eq_ignore_ascii_case(name)).map(|it| it.value)
    };
    if let Some(key) = value("sec-websocket-key") {
        let accept =
            BASE64_STANDARD.encode(Sha1::new().chain_update(key).chain_update(GUID).finalize());
        let mut answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: {accept}\r\n\r\n"
        )
        .into_bytes();
        answer.extend(frame(OPEN));
        return Some(Some((Request::Upgrade(answer), head)));
    }
    let length: usize = std::str::from_utf8(value("content-length")?).ok()?.parse().ok()?;
    let Some(body) = bytes.get(head..head.checked_add(length)?) else { return Some(None) };
    let Body { to, event, data } = serde_json::from_slice(body).ok()?;
    let frame = frame(format!("42[{event},{data}]").as_bytes());
    Some(Some((Request::Emit(Emit { to, frame }), head + length)))
}

/// A text frame from the server.
pub fn frame(payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x81];
    match payload.len() {
        length @ ..=125 => frame.push(length as u8),
        length @ 126..=0xffff => {
            frame.push(126);
            frame.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            frame.push(127);
            frame.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(payload);
    frame
}

/// The payload of the client's text frame at the begin of `bytes` and the frame's length: `Some(None)` if it is not whole
/// yet, `None` if it is none.
pub fn unmask(bytes: &[u8]) -> Option<Option<(Vec<u8>, usize)>> {
    let [first, second, ..] = bytes else { return Some(None) };
    if (*first, second & 0x80) != (0x81, 0x80) {
        return None;
    }
    let (length, head) = match second & 0x7f {
        126 => match bytes.get(2..4) {
            Some(length) => (usize::from(u16::from_be_bytes(length.try_into().ok()?)), 4),
            None => return Some(None),
        },
        127 => return None,
        length => (usize::from(length), 2),
    };
    let (Some(mask), Some(masked)) =
        (bytes.get(head..head + 4), bytes.get(head + 4..head + 4 + length))
    else {
        return Some(None);
    };
    let payload = masked.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
    Some(Some((payload, head + 4 + length)))
}

/// Who connects with this CONNECT.
pub fn user(json: &[u8]) -> Option<String> {
    serde_json::from_slice(json).map(|auth: Auth| auth.user).ok()
}

/// The ack of `42<id>["userline:ping",…]` with the same arguments.
pub fn echo(payload: &[u8]) -> Option<Vec<u8>> {
    let rest = payload.strip_prefix(b"42")?;
    let (id, arguments) = rest.split_at(rest.iter().position(|it| *it == b'[')?);
    let arguments = arguments.strip_prefix(br#"["userline:ping","#)?;
    Some(frame(&[b"43", id, b"[", arguments].concat()))
}
