//! Clients that speak the protocol before (`EIO=3`: socket.io-client 1 and 2, and what was written after them).
//!
//! To an HTTP error they say "xhr poll error" or "websocket error", never why, and try again for ever. So they are told in
//! their own words: an open packet, `ERROR` with a text, which is what all of them show, and `DISCONNECT`, after which
//! they end the connection themselves and stay away. Nothing is kept of one that polls.
//! <https://github.com/socketio/engine.io-protocol/tree/v3>

use super::Connections;
use crate::core::protocol::frame::{self, Content};
use bytes::Bytes;

/// `ERROR` of the namespace `/`.
const REFUSAL: &str = r#"44"use socket.io-client 3 or 4""#;
/// `DISCONNECT` of the namespace `/`.
const DISCONNECT: &str = "41";
/// What later polls get.
const CLOSE: &str = "1";

/// Counts one, and writes of the first one to the log.
pub(super) fn note(connections: &Connections) {
    metrics::counter!("userline_old_clients_total").increment(1);
    if connections.is_first_old_client() {
        tracing::warn!(
            "refused a client of socket.io-client 1 or 2: it must use 3 or 4; further ones are only \
             counted in userline_old_clients_total"
        );
    }
}

/// What one by WebSocket is told; `open` is the frame of its open packet.
pub(super) fn frames(open: &Bytes) -> Bytes {
    let refusal = [REFUSAL, DISCONNECT].map(|packet| frame::text(&[packet.as_bytes()]));
    [&open[..], &refusal.concat()].concat().into()
}

/// What the first poll of one is answered with.
pub(super) fn first_poll(mut open: Bytes) -> String {
    let open = match frame::take(&mut open) {
        Some((_, Content::Text(open))) => String::from_utf8_lossy(&open).into_owned(),
        Some((_, Content::Binary(_) | Content::Close | Content::Other)) | None => String::new(),
    };
    body(&[&open, REFUSAL, DISCONNECT])
}

/// What every later one is answered with, if it comes.
pub(super) fn later_poll() -> String {
    body(&[CLOSE])
}

/// Packets as the text of a body: each after its length in UTF-16 units, which for these is that in bytes.
fn body(packets: &[&str]) -> String {
    packets.iter().map(|it| format!("{}:{it}", it.len())).collect::<Vec<_>>().concat()
}

#[cfg(test)]
mod tests {
    use super::{first_poll, frames, later_poll};
    use crate::core::protocol::frame;

    #[test]
    fn bodies_have_lengths_and_frames_have_not() {
        let open = frame::text(&[b"0{\"sid\":\"x\"}"]);

        assert_eq!(
            first_poll(open.clone()),
            r#"12:0{"sid":"x"}31:44"use socket.io-client 3 or 4"2:41"#
        );
        assert_eq!(later_poll(), "1:1");
        let refusal = frame::text(&[b"44\"use socket.io-client 3 or 4\""]);
        assert_eq!(frames(&open), [open, refusal, frame::text(&[b"41"])].concat());
    }
}
