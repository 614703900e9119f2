//! One HTTP exchange, in which the request is any bytes.

use super::client::PATIENCE;
use super::gets::Gets;
use serde_json::Value;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The first answer to what was sent.
#[derive(Debug)]
pub(super) struct Answer {
    /// 0 if it did not come in time.
    pub(super) status: u16,
    pub(super) body: String,
}

impl Answer {
    pub(super) fn is_late(&self) -> bool {
        self.status == 0
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}

/// Sends `bytes` on a connection of their own; `None` if that ends without an answer.
pub(super) async fn send(to: SocketAddr, bytes: &[u8]) -> Option<Answer> {
    let mut stream = TcpStream::connect(to).await.unwrap();
    // The server may answer, and close, before it has read all.
    timeout(PATIENCE, stream.write_all(bytes)).await.expect("it is read").ok();
    answer(&mut stream).await
}

/// What comes of a request, and of a good one behind it, after which the connection ends in any case.
pub(super) async fn before_another(to: SocketAddr, bytes: &[u8]) -> Gets {
    let mut stream = TcpStream::connect(to).await.unwrap();
    let another = b"GET /healthz HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n";
    stream.write_all(&[bytes, another].concat()).await.unwrap();
    let mut read = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut read)).await.expect("it ends").ok();
    let Some((first, len)) = parse(&read, false) else { return Gets::Ends };
    let second = parse(&read[len..], false).map(|(answer, _)| answer);
    told(Some(first)).then(told(second))
}

/// Reads the answer.
pub(super) async fn answer(stream: &mut TcpStream) -> Option<Answer> {
    let mut read = Vec::new();
    loop {
        if let Some((answer, _)) = parse(&read, false) {
            return Some(answer);
        }
        match timeout(PATIENCE, stream.read_buf(&mut read)).await {
            Ok(Ok(0) | Err(_)) => return parse(&read, true).map(|(answer, _)| answer),
            Ok(Ok(_)) => {}
            Err(_) => return Some(Answer { status: 0, body: String::new() }),
        }
    }
}

/// What came of a request.
pub(super) fn told(answer: Option<Answer>) -> Gets {
    let Some(answer) = answer else { return Gets::Ends };
    if answer.is_late() {
        return Gets::Silence;
    }
    let json = answer.json();
    match (json["code"].as_u64(), json["error"]["code"].as_str()) {
        (Some(code), _) => Gets::Engine(answer.status, code),
        (None, Some(code)) => Gets::api(answer.status, code),
        (None, None) => Gets::Status(answer.status),
    }
}

/// The answer at the beginning of `read`, and its length. What a HEAD gets has a length and no body.
fn parse(read: &[u8], is_all: bool) -> Option<(Answer, usize)> {
    let end = read.windows(4).position(|it| it == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&read[..end]).to_lowercase();
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let len = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    let len = len.map_or(0, |it| it.trim().parse().unwrap());
    let body = if is_all { &read[end..] } else { read.get(end..end + len)? };
    let answer = Answer { status, body: String::from_utf8_lossy(body).into_owned() };
    Some((answer, end + body.len()))
}
