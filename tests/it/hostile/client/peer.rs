//! WebSocket, frame by frame.

use super::{Heard, PATIENCE};
use serde_json::Value;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Where a client begins that does not poll.
pub(in super::super) const QUERY: &str = "EIO=4&transport=websocket";
/// The mask of every frame that has one.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// The client's end of a WebSocket.
#[derive(Debug)]
pub(in super::super) struct Peer {
    stream: TcpStream,
    read: Vec<u8>,
    /// The session's id, which the open packet tells.
    pub(in super::super) sid: String,
}

/// The head of a handshake, with more headers.
pub(in super::super) fn handshake(query: &str, headers: &str) -> String {
    format!(
        "GET /socket.io/?{query} HTTP/1.1\r\n\
         Host: test\r\n\
         Upgrade: websocket\r\n\
         Connection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         {headers}\r\n"
    )
}

/// A masked frame; `first` is its first byte.
pub(in super::super) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        len @ 0..126 => frame.push(0x80 | u8::try_from(len).unwrap()),
        len @ 126..0x1_0000 => {
            frame.push(0x80 | 0x7e);
            frame.extend(u16::try_from(len).unwrap().to_be_bytes());
        }
        len => {
            frame.push(0x80 | 0x7f);
            frame.extend(u64::try_from(len).unwrap().to_be_bytes());
        }
    }
    frame.extend(MASK);
    frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

/// A masked text frame.
pub(in super::super) fn text(payload: &str) -> Vec<u8> {
    frame(0x81, payload.as_bytes())
}

impl Peer {
    /// A WebSocket that has said nothing yet.
    pub(in super::super) async fn open(public: SocketAddr) -> Self {
        let mut it = Self::handshake(public, QUERY).await;
        let Heard::Text(open) = it.hear().await else { panic!("no open packet") };
        let open: Value = serde_json::from_str(&open[1..]).unwrap();
        open["sid"].as_str().unwrap().clone_into(&mut it.sid);
        it
    }

    /// A WebSocket that has heard nothing yet.
    pub(in super::super) async fn handshake(public: SocketAddr, query: &str) -> Self {
        Self::over(TcpStream::connect(public).await.unwrap(), query).await
    }

    /// The same on a connection that there is.
    pub(in super::super) async fn over(mut stream: TcpStream, query: &str) -> Self {
        stream.write_all(handshake(query, "").as_bytes()).await.unwrap();
        Self::answered(stream).await
    }

    /// A WebSocket whose handshake was sent.
    pub(in super::super) async fn answered(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        let mut it = Self { stream, read: Vec::new(), sid: String::new() };
        loop {
            if let Some(end) = it.read.windows(4).position(|it| it == b"\r\n\r\n") {
                assert!(it.read.starts_with(b"HTTP/1.1 101 "));
                it.read.drain(..end + 4);
                return it;
            }
            assert_eq!(timeout(PATIENCE, it.more()).await, Ok(true));
        }
    }

    /// The server may have closed already: that is found out by reading.
    pub(in super::super) async fn write(&mut self, bytes: &[u8]) {
        timeout(PATIENCE, self.stream.write_all(bytes)).await.expect("it is read").ok();
    }

    /// What comes next.
    pub(in super::super) async fn hear(&mut self) -> Heard {
        loop {
            match self.take() {
                // The engine says so in its own words before it ends a connection.
                Some(Heard::Text(close)) if close == "1" => {}
                Some(heard) => return heard,
                None => match timeout(PATIENCE, self.more()).await {
                    Ok(true) => {}
                    Ok(false) => return Heard::End(None),
                    Err(_) => return Heard::Silence,
                },
            }
        }
    }

    /// Whether there was more.
    async fn more(&mut self) -> bool {
        0 < self.stream.read_buf(&mut self.read).await.unwrap_or(0)
    }

    /// The next frame, if it has come.
    fn take(&mut self) -> Option<Heard> {
        let (head, len) = match self.read.get(1)? {
            126 => (4, u64::from(u16::from_be_bytes(*self.read.get(2..)?.first_chunk()?))),
            127 => (10, u64::from_be_bytes(*self.read.get(2..)?.first_chunk()?)),
            len => (2, u64::from(*len)),
        };
        let end = head + usize::try_from(len).unwrap();
        let payload = self.read.get(head..end)?.to_vec();
        let first = self.read[0];
        self.read.drain(..end);
        Some(match first {
            0x81 => Heard::Text(String::from_utf8(payload).unwrap()),
            0x82 => Heard::Binary(payload),
            0x88 => Heard::End(payload.first_chunk().map(|code| u16::from_be_bytes(*code))),
            0x8a => Heard::Pong,
            other => panic!("no frame of a server begins with {other:#x}"),
        })
    }
}
