//! As much HTTP/1.1 as raw clients and receivers need.

use std::io;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// One message: its first line, its headers with names in lower case, its body.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) first: String,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Message {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(it, _)| it == name).map_or("", |(_, value)| value)
    }

    /// The status of a response.
    pub(crate) fn status(&self) -> u16 {
        self.first.split(' ').nth(1).and_then(|it| it.parse().ok()).unwrap_or(0)
    }
}

/// Reads one message; what comes after it stays in `rest`.
pub(crate) async fn read(stream: &mut TcpStream, rest: &mut Vec<u8>) -> io::Result<Message> {
    let head_len = loop {
        if let Some(at) = rest.windows(4).position(|it| it == b"\r\n\r\n") {
            break at + 4;
        }
        more(stream, rest).await?;
    };
    let head = String::from_utf8_lossy(&rest[..head_len]).into_owned();
    let mut lines = head.split("\r\n");
    let first = lines.next().unwrap_or_default().to_owned();
    let headers: Vec<_> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()))
        .collect();
    let mut message = Message { first, headers, body: String::new() };
    let body_len: usize = message.header("content-length").parse().unwrap_or(0);
    while rest.len() < head_len + body_len {
        more(stream, rest).await?;
    }
    message.body = String::from_utf8_lossy(&rest[head_len..head_len + body_len]).into_owned();
    rest.drain(..head_len + body_len);
    Ok(message)
}

async fn more(stream: &mut TcpStream, rest: &mut Vec<u8>) -> io::Result<()> {
    if stream.read_buf(rest).await? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}

/// Sends one request.
pub(crate) async fn ask(
    stream: &mut TcpStream,
    first: &str,
    headers: &str,
    body: &str,
) -> io::Result<()> {
    let len = body.len();
    let text =
        format!("{first} HTTP/1.1\r\nhost: test\r\n{headers}content-length: {len}\r\n\r\n{body}");
    stream.write_all(text.as_bytes()).await
}
