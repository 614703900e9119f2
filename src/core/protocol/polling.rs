//! Bodies of Engine.IO v4 long-polling: packets with `\x1e` between them, binary ones as `b` and base64.
//! <https://socket.io/docs/v4/engine-io-protocol/#http-long-polling-1>

use crate::core::protocol::frame::{self, Content, Opcode};
use base64::engine::general_purpose::STANDARD;
use base64::{DecodeError, Engine as _};
use bytes::{Bytes, BytesMut};
use thiserror::Error;

/// What stands between two packets.
pub const SEPARATOR: u8 = 0x1e;

/// The packet that makes a waiting poll return without news.
pub const NOOP: &[u8] = b"6";

/// Why the body of a POST is not a list of packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BodyError {
    /// A packet has no bytes.
    #[error("a packet is empty")]
    Empty,
    /// The body is not UTF-8.
    #[error("the body is not UTF-8")]
    Utf8,
    /// A `b` is not followed by base64.
    #[error("a binary packet is not base64")]
    Base64,
    /// A packet of a kind that clients do not send here.
    #[error("a packet is of an unknown kind")]
    Kind,
}

/// The body of a poll's answer: the packets in these frames.
pub fn encode(frames: &[Bytes]) -> Vec<u8> {
    let mut body = Vec::with_capacity(frames.iter().map(|it| it.len() + 1).sum());
    for frames in frames {
        let mut frames = frames.clone();
        while let Some((_, content)) = frame::take(&mut frames) {
            encode_one(&mut body, &content);
        }
    }
    body
}

fn encode_one(body: &mut Vec<u8>, content: &Content) {
    if matches!(content, Content::Text(_) | Content::Binary(_)) && !body.is_empty() {
        body.push(SEPARATOR);
    }
    match content {
        Content::Text(text) => body.extend_from_slice(text),
        Content::Binary(bytes) => {
            body.push(b'b');
            body.extend_from_slice(STANDARD.encode(bytes).as_bytes());
        }
        Content::Close | Content::Other => {}
    }
}

/// Turns the body of a POST into the frames that a WebSocket client would have sent.
pub fn decode(body: &[u8]) -> Result<BytesMut, BodyError> {
    if std::str::from_utf8(body).is_err() {
        return Err(BodyError::Utf8);
    }
    let mut frames = BytesMut::with_capacity(body.len() + 16);
    for packet in body.split(|byte| *byte == SEPARATOR) {
        match packet {
            [] => return Err(BodyError::Empty),
            [b'b', base64 @ ..] => {
                let bytes = from_base64(base64).map_err(|_| BodyError::Base64)?;
                frame::put_client_frame(&mut frames, Opcode::Binary, &bytes);
            }
            [b'1' | b'2' | b'3' | b'4', ..] | [b'6'] => frame::put_client_text(&mut frames, packet),
            [_, ..] => return Err(BodyError::Kind),
        }
    }
    Ok(frames)
}

/// The bytes of a binary packet that is written as text, without its `b`. White space does not count: the Java client breaks
/// its lines.
pub fn from_base64(base64: &[u8]) -> Result<Vec<u8>, DecodeError> {
    if !base64.iter().any(u8::is_ascii_whitespace) {
        return STANDARD.decode(base64);
    }
    let solid: Vec<u8> = base64.iter().copied().filter(|it| !it.is_ascii_whitespace()).collect();
    STANDARD.decode(solid)
}

#[cfg(test)]
mod tests {
    use super::{BodyError, decode, encode};
    use crate::core::protocol::frame::{self, Opcode};
    use bytes::{Bytes, BytesMut};
    use proptest::prelude::*;

    #[test]
    fn answers_hold_every_packet_in_order() {
        let unit = Bytes::from([frame::text(&[b"451-[]"]), frame::binary(&[1, 2, 3])].concat());
        let frames =
            [frame::text(&[b"0{}"]), unit, Bytes::from_static(&[0x88, 0]), frame::text(&[b"2"])];

        assert_eq!(encode(&frames), b"0{}\x1e451-[]\x1ebAQID\x1e2");
    }

    #[test]
    fn posts_become_client_frames() {
        let mut expected = BytesMut::new();
        frame::put_client_text(&mut expected, "42[\"é\"]".as_bytes());
        frame::put_client_frame(&mut expected, Opcode::Binary, &[1, 2, 3]);

        assert_eq!(decode("42[\"é\"]\x1ebAQID".as_bytes()), Ok(expected.clone()));
        assert_eq!(decode("42[\"é\"]\x1ebAQ\r\nID\n".as_bytes()), Ok(expected));
    }

    #[test]
    fn bad_bodies_are_refused() {
        let table: [(&[u8], BodyError); 6] = [
            (b"", BodyError::Empty),
            (b"42\x1e", BodyError::Empty),
            (b"b!!", BodyError::Base64),
            (b"\xff", BodyError::Utf8),
            (b"0{}", BodyError::Kind),
            (b"abc", BodyError::Kind),
        ];
        for (body, error) in table {
            assert_eq!(decode(body), Err(error), "{body:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn no_body_makes_it_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
            drop(decode(&body));
        }
    }
}
