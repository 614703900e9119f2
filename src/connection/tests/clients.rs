//! Clients that speak bytes.

use super::fixture::within;
use bytes::{Buf as _, BytesMut};
use std::io::Cursor;
use std::net::SocketAddr;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::OpCode;

/// The key of every WebSocket handshake here.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
/// The mask of every client here.
const MASK: [u8; 4] = [0x12, 0x34, 0x56, 0x78];

/// A client that polls.
pub(super) struct Poller {
    pub(super) address: SocketAddr,
    pub(super) sid: String,
}

/// An answer over HTTP.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: Vec<u8>,
}

impl Answer {
    /// The packets of a poll's answer.
    pub(super) fn packets(&self) -> Vec<Vec<u8>> {
        assert_eq!(self.status, 200, "{}", String::from_utf8_lossy(&self.body));
        self.body.split(|byte| *byte == 0x1e).map(<[u8]>::to_vec).collect()
    }
}

impl Poller {
    /// The answer to one poll.
    pub(super) async fn poll(&self) -> Answer {
        get(self.address, &format!("&sid={}", self.sid)).await
    }

    pub(super) async fn post(&self, body: &[u8]) -> Answer {
        let mut stream = self.begin_post(body).await;
        answer(&mut stream).await
    }

    /// A poll whose answer nobody reads yet.
    pub(super) async fn begin_poll(&self) -> TcpStream {
        begin(self.address, "GET", &format!("&sid={}", self.sid), b"").await
    }

    pub(super) async fn begin_post(&self, body: &[u8]) -> TcpStream {
        begin(self.address, "POST", &format!("&sid={}", self.sid), body).await
    }

    /// The WebSocket that wants to take over; `early` is sent together with its handshake.
    /// Posts `body` without its last byte.
    pub(super) async fn begin_post_of(&self, body: &[u8]) -> TcpStream {
        let (_, body) = body.split_last().unwrap();
        begin_of(self.address, "POST", &format!("&sid={}", self.sid), body, body.len() + 1).await
    }

    pub(super) async fn upgrade(&self, early: &[u8]) -> WebSocket {
        WebSocket::connect_with(self.address, &format!("&sid={}", self.sid), early).await
    }
}

/// The answer to a GET without a connection (`query` empty) or for one.
pub(super) async fn get(address: SocketAddr, query: &str) -> Answer {
    answer(&mut begin(address, "GET", query, b"").await).await
}

async fn begin(address: SocketAddr, method: &str, query: &str, body: &[u8]) -> TcpStream {
    begin_of(address, method, query, body, body.len()).await
}

/// Begins a request whose body has `len` bytes, of which `body` come now.
async fn begin_of(
    address: SocketAddr,
    method: &str,
    query: &str,
    body: &[u8],
    len: usize,
) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let head = format!(
        "{method} /socket.io/?EIO=4&transport=polling{query} HTTP/1.1\r\nhost: localhost\r\n\
         content-length: {len}\r\n\r\n"
    );
    stream.write_all(&[head.as_bytes(), body].concat()).await.unwrap();
    stream
}

/// Reads a whole answer.
pub(super) async fn answer(stream: &mut TcpStream) -> Answer {
    within("an answer comes", async {
        let mut bytes = BytesMut::new();
        let head = read_head(stream, &mut bytes).await;
        let len = header(&head, "content-length").map_or(0, |it| it.parse().unwrap());
        while bytes.len() < len {
            assert_ne!(stream.read_buf(&mut bytes).await.unwrap(), 0, "the answer is cut short");
        }
        let status = head[9..12].parse().unwrap();
        Answer { status, head, body: bytes.to_vec() }
    })
    .await
}

async fn read_head(stream: &mut TcpStream, bytes: &mut BytesMut) -> String {
    loop {
        if let Some(end) = bytes.windows(4).position(|it| it == b"\r\n\r\n") {
            let head = bytes.split_to(end + 4);
            return String::from_utf8(head.to_vec()).unwrap().to_lowercase();
        }
        assert_ne!(stream.read_buf(bytes).await.unwrap(), 0, "no head, but {bytes:?}");
    }
}

pub(super) fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    lines.find_map(|(key, value)| (key == name).then_some(value))
}

/// A client that speaks WebSocket.
pub(super) struct WebSocket {
    pub(super) stream: TcpStream,
    bytes: BytesMut,
    /// The status of the handshake.
    pub(super) status: u16,
    pub(super) head: String,
}

impl WebSocket {
    pub(super) async fn connect(address: SocketAddr, query: &str) -> Self {
        Self::connect_with(address, query, b"").await
    }

    /// `early` is sent together with the handshake.
    pub(super) async fn connect_with(address: SocketAddr, query: &str, early: &[u8]) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        // A small window, so that a test that does not read need not write megabytes.
        socket.set_recv_buffer_size(8192).unwrap();
        let mut stream = socket.connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let head = format!(
            "GET /socket.io/?EIO=4&transport=websocket{query} HTTP/1.1\r\nhost: localhost\r\n\
             connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
             sec-websocket-key: {KEY}\r\n\r\n"
        );
        stream.write_all(&[head.as_bytes(), early].concat()).await.unwrap();
        let mut bytes = BytesMut::new();
        let head = within("the handshake", read_head(&mut stream, &mut bytes)).await;
        let status = head[9..12].parse().unwrap();
        Self { stream, bytes, status, head }
    }

    pub(super) async fn send(&mut self, packet: &[u8]) {
        self.stream.write_all(&client_frame(0x81, packet)).await.unwrap();
    }

    /// The next packet; `None` at the end, which a close frame may announce.
    pub(super) async fn next(&mut self) -> Option<Vec<u8>> {
        let frame = within("a frame comes", next_frame(&mut self.stream, &mut self.bytes)).await;
        frame.filter(|(opcode, _)| matches!(opcode, OpCode::Data(_))).map(|(_, payload)| payload)
    }
}

/// A frame as clients send it.
pub(super) fn client_frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match u16::try_from(payload.len()) {
        Ok(len @ 0..=125) => frame.push(0x80 | u8::try_from(len).unwrap()),
        Ok(len) => {
            frame.push(0xfe);
            frame.extend(len.to_be_bytes());
        }
        Err(error) => panic!("no test needs so large a frame: {error}"),
    }
    frame.extend(MASK);
    frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

/// The next frame, unmasked; `None` at the end of the stream or if it is reset.
pub(super) async fn next_frame(
    stream: &mut (impl AsyncRead + Unpin),
    bytes: &mut BytesMut,
) -> Option<(OpCode, Vec<u8>)> {
    loop {
        let mut cursor = Cursor::new(&bytes[..]);
        if let Some((header, len)) = FrameHeader::parse(&mut cursor).unwrap() {
            let head = usize::try_from(cursor.position()).unwrap();
            let end = head + usize::try_from(len).unwrap();
            if end <= bytes.len() {
                let frame = bytes.split_to(end);
                let mut payload = frame.clone();
                payload.advance(head);
                let mask = header.mask.unwrap_or_default();
                let unmasked =
                    payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask);
                return Some((header.opcode, unmasked.collect()));
            }
        }
        if stream.read_buf(bytes).await.unwrap_or(0) == 0 {
            return None;
        }
    }
}
