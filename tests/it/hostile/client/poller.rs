//! Polling, request by request; each has a connection of its own.

use super::super::request::{self, Answer};
use super::Heard;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use std::collections::VecDeque;
use std::net::SocketAddr;

/// What stands between two packets of a body.
pub(in super::super) const SEPARATOR: &str = "\u{1e}";
/// Where a client begins that polls.
const QUERY: &str = "EIO=4&transport=polling";

/// The client's end of a polling session.
#[derive(Debug)]
pub(in super::super) struct Poller {
    public: SocketAddr,
    pub(in super::super) sid: String,
    packets: VecDeque<String>,
}

impl Poller {
    /// A session that has said nothing yet.
    pub(in super::super) async fn open(public: SocketAddr) -> Self {
        let answer = request::send(public, &head("GET", QUERY, 0)).await.unwrap();
        let mut packets: VecDeque<_> = answer.body.split(SEPARATOR).map(str::to_owned).collect();
        let open: Value = serde_json::from_str(&packets.pop_front().unwrap()[1..]).unwrap();
        Self { public, sid: open["sid"].as_str().unwrap().to_owned(), packets }
    }

    /// Speaks for the session `sid`, whoever has it.
    pub(in super::super) fn of(public: SocketAddr, sid: &str) -> Self {
        Self { public, sid: sid.to_owned(), packets: VecDeque::new() }
    }

    pub(in super::super) async fn post(&self, body: &[u8]) -> Option<Answer> {
        let head = head("POST", &format!("{QUERY}&sid={}", self.sid), body.len());
        request::send(self.public, &[&head[..], body].concat()).await
    }

    pub(in super::super) async fn poll(&self) -> Option<Answer> {
        request::send(self.public, &head("GET", &format!("{QUERY}&sid={}", self.sid), 0)).await
    }

    /// What comes next.
    pub(in super::super) async fn hear(&mut self) -> Heard {
        loop {
            match self.packets.pop_front() {
                Some(close) if close == "1" => return Heard::End(None),
                Some(noop) if noop == "6" => {}
                Some(binary) if binary.starts_with('b') => {
                    return Heard::Binary(STANDARD.decode(&binary[1..]).unwrap());
                }
                Some(text) => return Heard::Text(text),
                None => match self.poll().await {
                    Some(answer) if answer.status == 200 => {
                        self.packets = answer.body.split(SEPARATOR).map(str::to_owned).collect();
                    }
                    Some(answer) if answer.is_late() => return Heard::Silence,
                    _ => return Heard::End(None),
                },
            }
        }
    }
}

/// The head of a request.
fn head(method: &str, query: &str, len: usize) -> Vec<u8> {
    let head = format!(
        "{method} /socket.io/?{query} HTTP/1.1\r\n\
         Host: test\r\n\
         Connection: close\r\n\
         Content-Length: {len}\r\n\r\n"
    );
    head.into_bytes()
}
