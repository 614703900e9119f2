//! A client's WebSocket: the handshake and the frames.

use super::http::{Response, find_response};
use super::{PATH, check};
use crate::core::protocol::frame::{self, Content};
use bytes::{Bytes, BytesMut};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// The request that opens a WebSocket at `target` (path and query); `headers` are whole lines. The key is that of the
/// RFC: nobody here needs a secret one.
pub fn upgrade_request(authority: &str, target: &str, headers: &str) -> String {
    format!(
        "GET {target} HTTP/1.1\r\n\
         host: {authority}\r\n\
         upgrade: websocket\r\n\
         connection: Upgrade\r\n\
         sec-websocket-version: 13\r\n\
         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         {headers}\r\n"
    )
}

#[derive(Debug)]
pub(super) struct WebSocketLink {
    stream: TcpStream,
    /// What has come and was not taken yet.
    read: BytesMut,
}

impl WebSocketLink {
    /// Opens a WebSocket; `parameter` is added to the query, such as `&sid=…`.
    pub(super) async fn open(server: SocketAddr, parameter: &str) -> io::Result<Self> {
        let mut stream = TcpStream::connect(server).await?;
        stream.set_nodelay(true)?;
        let target = format!("{PATH}websocket{parameter}");
        let request = upgrade_request(&server.to_string(), &target, "");
        stream.write_all(request.as_bytes()).await?;
        let mut read = BytesMut::new();
        loop {
            more(&mut stream, &mut read).await?;
            match find_response(&read) {
                Response::Partial => {}
                Response::Whole { status, len, .. } => {
                    check(status == 101, "no WebSocket")?;
                    drop(read.split_to(len));
                    return Ok(Self { stream, read });
                }
                Response::Broken => check(false, "no HTTP")?,
            }
        }
    }

    pub(super) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    pub(super) async fn close(mut self) -> io::Result<()> {
        self.stream.shutdown().await
    }

    pub(super) async fn send(&mut self, packet: &str) -> io::Result<()> {
        let mut framed = BytesMut::new();
        frame::put_client_text(&mut framed, packet.as_bytes());
        self.stream.write_all(&framed).await
    }

    pub(super) async fn receive(&mut self) -> io::Result<String> {
        loop {
            let mut bytes: Bytes = self.read.split().freeze();
            let taken = frame::take(&mut bytes);
            self.read.extend_from_slice(&bytes);
            match taken {
                Some((_, Content::Text(text))) => {
                    return Ok(String::from_utf8_lossy(&text).into_owned());
                }
                Some((_, Content::Close)) => return Err(ErrorKind::UnexpectedEof.into()),
                Some((_, Content::Binary(_) | Content::Other)) => {}
                None => more(&mut self.stream, &mut self.read).await?,
            }
        }
    }
}

/// Reads what comes next; the end of the stream is an error.
async fn more(stream: &mut TcpStream, read: &mut BytesMut) -> io::Result<()> {
    if stream.read_buf(read).await? == 0 { Err(ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
}
