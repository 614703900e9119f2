//! A client that polls: one HTTP connection for polls, one for posts.

use super::http::{Response, find_response};
use super::{PATH, check};
use serde::Deserialize;
use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Between the packets of one body.
const SEPARATOR: char = '\u{1e}';

#[derive(Debug)]
pub(super) struct PollingLink {
    polls: HttpConnection,
    /// A poll is on its way, or its answer is.
    is_asked: bool,
    posts: HttpConnection,
    sid: String,
    /// What came with the last poll and was not taken yet.
    packets: VecDeque<String>,
}

/// The open packet, as far as it is needed.
#[derive(Deserialize)]
struct OpenedSession {
    sid: String,
}

impl PollingLink {
    pub(super) async fn open(server: SocketAddr) -> io::Result<Self> {
        let mut polls = HttpConnection::open(server).await?;
        polls.ask("GET", &format!("{PATH}polling"), "").await?;
        let body = polls.answer().await?;
        let mut packets: VecDeque<String> = body.split(SEPARATOR).map(str::to_owned).collect();
        let first = packets.pop_front().unwrap_or_default();
        let OpenedSession { sid } = serde_json::from_str(first.trim_start_matches('0'))?;
        let posts = HttpConnection::open(server).await?;
        Ok(Self { polls, is_asked: false, posts, sid, packets })
    }

    pub(super) fn server(&self) -> io::Result<SocketAddr> {
        self.polls.stream.peer_addr()
    }

    pub(super) fn streams(&self) -> [&TcpStream; 2] {
        [&self.polls.stream, &self.posts.stream]
    }

    pub(super) async fn close(mut self) -> io::Result<()> {
        self.polls.stream.shutdown().await?;
        self.posts.stream.shutdown().await
    }

    /// What names the session in a query.
    pub(super) fn sid_parameter(&self) -> String {
        format!("&sid={}", self.sid)
    }

    pub(super) async fn post(&mut self, body: &str) -> io::Result<()> {
        let target = self.target();
        self.posts.ask("POST", &target, body).await?;
        self.posts.answer().await.map(drop)
    }

    pub(super) async fn receive(&mut self) -> io::Result<String> {
        loop {
            if let Some(packet) = self.packets.pop_front() {
                return Ok(packet);
            }
            self.ask().await?;
            self.finish().await?;
        }
    }

    /// Sends a poll, unless one is under way.
    pub(super) async fn ask(&mut self) -> io::Result<()> {
        if !self.is_asked {
            let target = self.target();
            self.polls.ask("GET", &target, "").await?;
            self.is_asked = true;
        }
        Ok(())
    }

    /// Waits for the answer to the poll.
    pub(super) async fn finish(&mut self) -> io::Result<()> {
        let body = self.polls.answer().await?;
        self.is_asked = false;
        self.packets.extend(body.split(SEPARATOR).map(str::to_owned));
        Ok(())
    }

    fn target(&self) -> String {
        format!("{PATH}polling{}", self.sid_parameter())
    }
}

/// One HTTP connection that is kept.
#[derive(Debug)]
struct HttpConnection {
    stream: TcpStream,
    /// What has come of the next answer.
    read: Vec<u8>,
}

impl HttpConnection {
    async fn open(server: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(server).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, read: Vec::new() })
    }

    async fn ask(&mut self, method: &str, target: &str, body: &str) -> io::Result<()> {
        let (host, len) = (self.stream.peer_addr()?, body.len());
        let request = format!(
            "{method} {target} HTTP/1.1\r\nhost: {host}\r\ncontent-length: {len}\r\n\r\n{body}"
        );
        self.stream.write_all(request.as_bytes()).await
    }

    /// The body of the next answer, if that is 200.
    async fn answer(&mut self) -> io::Result<String> {
        loop {
            match find_response(&self.read) {
                Response::Partial if self.stream.read_buf(&mut self.read).await? == 0 => {
                    return Err(ErrorKind::UnexpectedEof.into());
                }
                Response::Partial => {}
                Response::Whole { status, head, len } => {
                    let whole: Vec<u8> = self.read.drain(..len).collect();
                    check(status == 200, "not 200")?;
                    let body = whole.get(head..).unwrap_or_default();
                    return Ok(String::from_utf8_lossy(body).into_owned());
                }
                Response::Broken => check(false, "no HTTP")?,
            }
        }
    }
}
