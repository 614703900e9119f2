//! From polling to WebSocket, without losing or reordering a packet.
//! <https://socket.io/docs/v4/engine-io-protocol/#upgrade>
//!
//! ```text
//!   client ──2probe──► server          polls go on; a waiting one is answered, so that the client can pause them
//!   client ◄──3probe── server
//!   client ──5───────► server          under one lock: what is pending belongs to the WebSocket from here on
//! ```
//! Until the `5` the polling connection is untouched: a failed attempt costs nothing.

use super::{Connection, Phase, Transport};
use crate::core::protocol::frame;
use bytes::{Buf as _, Bytes, BytesMut};
use std::io::Cursor;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncReadExt as _;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Data, OpCode};

/// The probe's packets are a few bytes; nothing longer is read here.
const FRAME_MAX: u64 = 64;

/// How far a WebSocket is with taking over.
#[derive(Debug, Default)]
pub(super) enum Upgrade {
    /// None is trying.
    #[default]
    None,
    /// One has connected.
    Connected,
    /// It works in both directions: the client is about to stop polling.
    Probed,
    /// It has taken over; its receiving half, with what was read beyond the handshake, waits for the engine.
    Done(Box<(OwnedReadHalf, Bytes)>),
}

/// Runs the take-over; gives up after `limit`.
pub(super) async fn run(
    connection: &Arc<Connection>,
    read: OwnedReadHalf,
    write: OwnedWriteHalf,
    early: Bytes,
    limit: Duration,
) {
    let begun = {
        let mut state = connection.lock();
        let is_possible = state.transport == Transport::Polling
            && state.phase == Phase::Open
            && matches!(state.polling.upgrade, Upgrade::None);
        if is_possible {
            state.polling.upgrade = Upgrade::Connected;
        }
        is_possible
    };
    if !begun {
        return; // perhaps a second attempt while the first is under way
    }
    connection.traffic.received(early.len());
    let mut probe = Probe { read, bytes: BytesMut::from(&early[..]) };
    if let Ok(Some(())) = tokio::time::timeout(limit, probe.run(connection, &write)).await {
        take_over(connection, probe, write);
    } else {
        connection.lock().polling.upgrade = Upgrade::None;
    }
}

struct Probe {
    read: OwnedReadHalf,
    bytes: BytesMut,
}

impl Probe {
    async fn run(&mut self, connection: &Connection, write: &OwnedWriteHalf) -> Option<()> {
        if self.packet(connection).await? != b"2probe" {
            return None;
        }
        // A fresh socket takes eleven bytes at once; one that does not is no place to move to.
        let pong = frame::text(&[b"3probe"]);
        if write.try_write(&pong).ok()? != pong.len() {
            return None;
        }
        connection.traffic.sent(pong.len());
        connection.lock().polling.upgrade = Upgrade::Probed;
        connection.poll.notify_one();
        if self.packet(connection).await? != b"5" {
            return None;
        }
        Some(())
    }

    /// The payload of the next text frame; `None` if the stream ends or speaks of something else.
    async fn packet(&mut self, connection: &Connection) -> Option<Vec<u8>> {
        loop {
            if let Some(packet) = self.buffered()? {
                return Some(packet);
            }
            let n = self.read.read_buf(&mut self.bytes).await.ok().filter(|n| 0 < *n)?;
            connection.traffic.received(n);
        }
    }

    /// `Some(None)`: more bytes are needed; `None`: nonsense.
    #[expect(clippy::option_option, reason = "three outcomes, used twice, a few lines apart")]
    fn buffered(&mut self) -> Option<Option<Vec<u8>>> {
        let mut cursor = Cursor::new(&self.bytes[..]);
        let Some((header, len)) = FrameHeader::parse(&mut cursor).ok()? else { return Some(None) };
        let is_text = header.is_final && header.opcode == OpCode::Data(Data::Text);
        let mask = header.mask.filter(|_| is_text && len <= FRAME_MAX)?;
        let head = usize::try_from(cursor.position()).ok()?;
        let end = head + usize::try_from(len).ok()?;
        let Some(payload) = self.bytes.get(head..end) else { return Some(None) };
        let packet =
            payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
        self.bytes.advance(end);
        Some(Some(packet))
    }
}

fn take_over(connection: &Arc<Connection>, probe: Probe, write: OwnedWriteHalf) {
    let mut state = connection.lock();
    // A connection that is about to close says goodbye over the WebSocket: the client has stopped polling.
    if matches!(state.phase, Phase::Closed(_)) || connection.stream.set(write).is_err() {
        state.polling.upgrade = Upgrade::None;
        return;
    }
    state.transport = Transport::WebSocket;
    connection.connections.note_websocket();
    state.is_upgraded = true;
    state.polling.upgrade = Upgrade::Done(Box::new((probe.read, probe.bytes.freeze())));
    if let Some(reader) = state.reader.take() {
        reader.wake();
    }
    connection.poll.notify_one();
    if !connection.flush_some(&mut state) {
        connection.flush_soon(&mut state);
    }
}
