//! Engine.IO 4 by hand: a WebSocket, or two HTTP connections for polls and posts.

use super::{Goodbye, Transport};
use crate::rig::http;
use bytes::{Bytes, BytesMut};
use serde_json::Value;
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use userline::core::protocol::frame::{self, Content};

/// Between the packets of one body.
const SEPARATOR: char = '\u{1e}';

/// One connection.
#[derive(Debug)]
pub(super) enum Link {
    WebSocket { stream: TcpStream, read: BytesMut },
    Polling(Polling),
}

#[derive(Debug)]
pub(super) struct Polling {
    polls: TcpStream,
    read: Vec<u8>,
    is_asked: bool,
    posts: TcpStream,
    path: String,
    packets: VecDeque<String>,
}

impl Link {
    pub(super) async fn open(transport: Transport, server: SocketAddr) -> io::Result<Self> {
        let mut stream = TcpStream::connect(server).await?;
        stream.set_nodelay(true)?;
        let (path, upgrade) = match transport {
            Transport::Polling => ("polling", ""),
            Transport::WebSocket => (
                "websocket",
                "connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
                 sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
            ),
        };
        let mut path = format!("/socket.io/?EIO=4&transport={path}");
        http::ask(&mut stream, &format!("GET {path}"), upgrade, "").await?;
        let mut read = Vec::new();
        let answer = http::read(&mut stream, &mut read).await?;
        if transport == Transport::WebSocket {
            check(answer.status() == 101)?;
            return Ok(Self::WebSocket { stream, read: BytesMut::from(&read[..]) });
        }
        check(answer.status() == 200)?;
        let opened: Value = serde_json::from_str(answer.body.trim_start_matches('0'))?;
        path = format!("{path}&sid={}", opened["sid"].as_str().unwrap_or_default());
        let (posts, packets) = (TcpStream::connect(server).await?, VecDeque::new());
        let polls = stream;
        Ok(Self::Polling(Polling { polls, read, is_asked: false, posts, path, packets }))
    }

    /// Our ports, by which the proxy knows the connection.
    pub(super) fn ports(&self) -> io::Result<Vec<u16>> {
        let streams = match self {
            Self::WebSocket { stream, .. } => vec![stream],
            Self::Polling(it) => vec![&it.polls, &it.posts],
        };
        streams.into_iter().map(|it| it.local_addr().map(|address| address.port())).collect()
    }

    pub(super) async fn send(&mut self, packet: &str) -> io::Result<()> {
        match self {
            Self::WebSocket { stream, .. } => {
                let mut framed = BytesMut::new();
                frame::put_client_text(&mut framed, packet.as_bytes());
                stream.write_all(&framed).await
            }
            Self::Polling(it) => it.post(packet).await,
        }
    }

    /// The next packet. Nothing is lost if this is given up and called again.
    pub(super) async fn receive(&mut self) -> io::Result<String> {
        match self {
            Self::WebSocket { stream, read } => loop {
                let mut bytes: Bytes = read.split().freeze();
                let taken = frame::take(&mut bytes);
                read.extend_from_slice(&bytes);
                match taken {
                    Some((_, Content::Text(text))) => {
                        return Ok(String::from_utf8_lossy(&text).into_owned());
                    }
                    Some((_, Content::Close)) => return Err(io::ErrorKind::UnexpectedEof.into()),
                    Some((_, Content::Binary(_) | Content::Other)) => {}
                    None => {
                        if stream.read_buf(read).await? == 0 {
                            return Err(io::ErrorKind::UnexpectedEof.into());
                        }
                    }
                }
            },
            Self::Polling(it) => it.receive().await,
        }
    }

    pub(super) async fn leave(&mut self, goodbye: Goodbye) -> io::Result<()> {
        match (self, goodbye) {
            (Self::Polling(it), Goodbye::Polite) => {
                it.post(&format!("41{SEPARATOR}1")).await?;
            }
            (link @ Self::WebSocket { .. }, Goodbye::Polite) => link.send("41").await?,
            (_, Goodbye::Abrupt) => {}
        }
        Ok(())
    }
}

impl Polling {
    async fn post(&mut self, body: &str) -> io::Result<()> {
        http::ask(&mut self.posts, &format!("POST {}", self.path), "", body).await?;
        check(http::read(&mut self.posts, &mut Vec::new()).await?.status() == 200)
    }

    async fn receive(&mut self) -> io::Result<String> {
        loop {
            if let Some(packet) = self.packets.pop_front() {
                return Ok(packet);
            }
            if !self.is_asked {
                http::ask(&mut self.polls, &format!("GET {}", self.path), "", "").await?;
                self.is_asked = true;
            }
            let answer = http::read(&mut self.polls, &mut self.read).await?;
            self.is_asked = false;
            check(answer.status() == 200)?;
            self.packets = answer.body.split(SEPARATOR).map(str::to_owned).collect();
        }
    }
}

fn check(is_so: bool) -> io::Result<()> {
    if is_so { Ok(()) } else { Err(io::ErrorKind::ConnectionRefused.into()) }
}
