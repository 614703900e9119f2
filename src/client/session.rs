//! One Socket.IO client over WebSocket, from the handshake to the end: bytes in, bytes out, nothing waits. No
//! compression, no polling, no attachments.
//!
//! ```text
//!   Upgrading ──101──► Opening ──open packet──► Joining ──CONNECT reply──► Ready ──leave──► Leaving
//! ```

use crate::core::protocol::frame;
use bytes::BytesMut;

/// Longest head of an HTTP answer to a handshake.
const HEAD_MAX: usize = 16_384;
/// Characters of a server's words that are kept to explain a refusal.
const WORDS_MAX: usize = 200;
const TEXT: u8 = 1;
const CLOSE: u8 = 8;
const PING: u8 = 9;
/// Head of an empty pong and of an empty close frame, masked with zeros.
const PONG_HEAD: u8 = 0x8a;
const CLOSE_FRAME: [u8; 6] = [0x88, 0x80, 0, 0, 0, 0];
const MASKED: u8 = 0x80;

/// One client over WebSocket, without its connection; at first its handshake is on its way out.
#[derive(Debug, Default)]
pub struct ClientSession {
    stage: ClientStage,
    /// The beginning of what has come, but not whole.
    rest: Vec<u8>,
}

/// How far a client is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ClientStage {
    /// The answer to the WebSocket handshake is still to come.
    #[default]
    Upgrading,
    /// The open packet is still to come.
    Opening,
    /// CONNECT is sent, the reply is still to come.
    Joining,
    /// It can send and receive.
    Ready,
    /// It has said goodbye.
    Leaving,
}

/// What a client is told by its server.
#[derive(Debug, PartialEq, Eq)]
pub enum ClientNews<'a> {
    /// The namespace is joined.
    Ready,
    /// A Socket.IO packet, as Engine.IO text: `42[…]`, `43…`.
    Packet(&'a [u8]),
}

/// Why a client came to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientEnd {
    /// It was not let in; the server's words.
    Refused(String),
    /// The server ended it, or the connection broke.
    Closed(String),
    /// It left by itself.
    Left,
}

/// The CONNECT packet: which namespace a client wants to join, and who it says it is.
#[derive(Debug)]
pub struct ConnectPacket<'a> {
    /// Empty for `/`, else `/namespace,`.
    pub prefix: &'a str,
    /// JSON of `auth`.
    pub auth: &'a [u8],
}

impl ClientSession {
    /// How far it is.
    pub fn stage(&self) -> ClientStage {
        self.stage
    }

    /// Copies what is not whole yet to the beginning of `buffer`, behind which the next bytes belong. Returns how
    /// much; `None` if there is no room left.
    pub fn restore(&self, buffer: &mut [u8]) -> Option<usize> {
        let len = self.rest.len();
        let room = buffer.get_mut(..len)?;
        room.copy_from_slice(&self.rest);
        (len < buffer.len()).then_some(len)
    }

    /// Takes what has come: what [`ClientSession::restore`] gave and what follows it. Answers go to `out`.
    pub fn feed(
        &mut self,
        bytes: &[u8],
        connect: impl Fn(&mut BytesMut),
        out: &mut BytesMut,
        mut heard: impl FnMut(ClientNews<'_>),
    ) -> Result<(), ClientEnd> {
        let mut rest = bytes;
        if self.stage == ClientStage::Upgrading {
            match after_head(rest)? {
                Some(after) => rest = after,
                None => return self.keep(rest),
            }
            self.stage = ClientStage::Opening;
        }
        while let Some((opcode, payload, after)) = frame::split(rest) {
            rest = after;
            match opcode {
                TEXT => self.hear(payload, &connect, out, &mut heard)?,
                PING => put_pong(out, payload),
                CLOSE => return Err(self.over("the server closed the WebSocket")),
                _ => {}
            }
        }
        self.keep(rest)
    }

    /// Says goodbye as a client does that leaves by itself.
    pub fn leave(&mut self, prefix: &str, out: &mut BytesMut) {
        self.stage = ClientStage::Leaving;
        let mut packet = Vec::from(b"41");
        packet.extend_from_slice(prefix.as_bytes());
        frame::put_client_text(out, &packet);
        out.extend_from_slice(&CLOSE_FRAME);
    }

    /// What the end of the connection means now.
    pub fn over(&self, why: &str) -> ClientEnd {
        match self.stage {
            ClientStage::Upgrading | ClientStage::Opening | ClientStage::Joining => {
                ClientEnd::Refused(why.to_owned())
            }
            ClientStage::Ready => ClientEnd::Closed(why.to_owned()),
            ClientStage::Leaving => ClientEnd::Left,
        }
    }

    fn keep(&mut self, rest: &[u8]) -> Result<(), ClientEnd> {
        if self.stage == ClientStage::Upgrading && HEAD_MAX < rest.len() {
            return Err(ClientEnd::Refused("the answer to the handshake has no end".to_owned()));
        }
        self.rest.clear();
        self.rest.extend_from_slice(rest);
        Ok(())
    }

    fn hear(
        &mut self,
        packet: &[u8],
        connect: &impl Fn(&mut BytesMut),
        out: &mut BytesMut,
        heard: &mut impl FnMut(ClientNews<'_>),
    ) -> Result<(), ClientEnd> {
        match (self.stage, packet) {
            (_, [b'2', ..]) => frame::put_client_text(out, b"3"),
            (ClientStage::Opening, [b'0', ..]) => {
                self.stage = ClientStage::Joining;
                connect(out);
            }
            (ClientStage::Joining, [b'4', b'0', ..]) => {
                self.stage = ClientStage::Ready;
                heard(ClientNews::Ready);
            }
            (ClientStage::Joining, [b'4', b'4', rest @ ..]) => {
                return Err(ClientEnd::Refused(words(rest)));
            }
            (ClientStage::Ready, [b'4', b'1', ..]) => {
                return Err(self.over("the server disconnected it"));
            }
            (_, [b'1', ..]) => return Err(self.over("the server closed the connection")),
            (ClientStage::Ready, [b'4', ..]) => heard(ClientNews::Packet(packet)),
            (
                ClientStage::Upgrading
                | ClientStage::Opening
                | ClientStage::Joining
                | ClientStage::Ready
                | ClientStage::Leaving,
                _,
            ) => {}
        }
        Ok(())
    }
}

impl ConnectPacket<'_> {
    /// Appends the frame of the CONNECT packet.
    pub fn put(&self, out: &mut BytesMut) {
        let mut packet = Vec::with_capacity(2 + self.prefix.len() + self.auth.len());
        packet.extend_from_slice(b"40");
        packet.extend_from_slice(self.prefix.as_bytes());
        packet.extend_from_slice(self.auth);
        frame::put_client_text(out, &packet);
    }
}

/// What follows the head of the answer to the handshake, once it is whole.
fn after_head(bytes: &[u8]) -> Result<Option<&[u8]>, ClientEnd> {
    let Some(end) = bytes.windows(4).position(|it| it == b"\r\n\r\n") else { return Ok(None) };
    let line = bytes.split(|byte| *byte == b'\r').next().unwrap_or_default();
    if !line.starts_with(b"HTTP/1.1 101") {
        let body = bytes.get(end + 4..).unwrap_or_default();
        return Err(ClientEnd::Refused(
            format!("{} {}", words(line), words(body)).trim().to_owned(),
        ));
    }
    Ok(bytes.get(end + 4..))
}

fn put_pong(out: &mut BytesMut, payload: &[u8]) {
    let len = u8::try_from(payload.len()).ok().filter(|len| *len <= 125);
    if let Some(len) = len {
        out.extend_from_slice(&[PONG_HEAD, MASKED | len, 0, 0, 0, 0]);
        out.extend_from_slice(payload);
    }
}

fn words(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).chars().take(WORDS_MAX).collect()
}
