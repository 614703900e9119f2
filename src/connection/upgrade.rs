//! From polling to WebSocket, without losing or reordering a packet.
//! <https://socket.io/docs/v4/engine-io-protocol/#upgrade>
//!
//! ```text
//!   client ──2probe──► server          polls go on; a waiting one is answered, so that the client can pause them
//!   client ◄──3probe── server
//!   client ──5───────► server          under one lock: what is pending belongs to the WebSocket from here on
//! ```
//! Until the `5` the polling connection is untouched: a failed attempt costs nothing. As in Node's server a client may go
//! over without a probe, as the .NET client does, and probe again.

use super::stream::{Inlet, Outlet};
use super::websocket::SwitchedStream;
use super::{Connection, Phase, Transport};
use crate::core::protocol::frame;
use crate::core::protocol::messages::{MessageReader, Piece, WebSocketMessage};
use bytes::{Buf as _, Bytes, BytesMut};
use std::sync::Arc;
use std::time::Duration;

/// The probe's packets are a few bytes; nothing longer is read here.
const PACKET_MAX: usize = 64;

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
    /// It has taken over; its receiving half, with what was read beyond the handshake, waits for the reader.
    Done(Box<(Inlet, Bytes)>),
}

/// Runs the take-over by this stream; gives up after `limit`.
pub(super) async fn run(connection: &Arc<Connection>, stream: SwitchedStream, limit: Duration) {
    let begun = {
        let mut state = connection.lock();
        let is_possible = state.transport == Transport::Polling
            && state.phase == Phase::Open
            && state.polling.as_ref().is_some_and(|it| matches!(it.upgrade, Upgrade::None));
        if is_possible {
            state.set_upgrade(Upgrade::Connected);
        }
        is_possible
    };
    if !begun {
        return; // perhaps a second attempt while the first is under way
    }
    let SwitchedStream { inlet, outlet, early } = stream;
    connection.received(early.len());
    let messages = MessageReader::new(PACKET_MAX);
    let mut probe = Probe { inlet, bytes: BytesMut::from(&early[..]), messages };
    if let Ok(Some(())) = tokio::time::timeout(limit, probe.run(connection, &outlet)).await {
        take_over(connection, probe, outlet);
    } else {
        connection.lock().set_upgrade(Upgrade::None);
    }
}

/// What a client says while it goes over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// It wants to know whether the WebSocket works.
    Probe,
    /// It goes over.
    Upgrade,
}

struct Probe {
    inlet: Inlet,
    /// What was received and not read yet.
    bytes: BytesMut,
    messages: MessageReader,
}

impl Probe {
    async fn run(&mut self, connection: &Connection, outlet: &Outlet) -> Option<()> {
        while self.next(connection).await? == Step::Probe {
            // A fresh stream takes eleven bytes at once; one that does not is no place to move to.
            let pong = frame::text(&[b"3probe"]);
            if outlet.try_write(&pong).ok()? != pong.len() {
                return None;
            }
            connection.traffic.sent(pong.len());
            connection.lock().set_upgrade(Upgrade::Probed);
            connection.poll.notify_one();
        }
        Some(())
    }

    /// The client's next step; `None` if the stream ends or speaks of something else. What follows it is not read.
    async fn next(&mut self, connection: &Connection) -> Option<Step> {
        loop {
            let mut piece = Piece::new(&mut self.bytes);
            let step = self.messages.next(&mut piece).ok()?.map(|message| match message {
                WebSocketMessage::Text("2probe") => Some(Step::Probe),
                WebSocketMessage::Text("5") => Some(Step::Upgrade),
                WebSocketMessage::Text(_)
                | WebSocketMessage::Binary(_)
                | WebSocketMessage::Control(..) => None,
            });
            let rest = piece.rest().len();
            self.bytes.advance(self.bytes.len() - rest);
            if let Some(step) = step {
                return step;
            }
            let n = self.inlet.read(&mut self.bytes).await.ok().filter(|n| 0 < *n)?;
            connection.received(n);
        }
    }
}

fn take_over(connection: &Arc<Connection>, probe: Probe, outlet: Outlet) {
    let mut state = connection.lock();
    // A connection that is about to end says goodbye over the WebSocket: the client has stopped polling.
    if matches!(state.phase, Phase::Closed(_)) || connection.stream.set(outlet).is_err() {
        state.set_upgrade(Upgrade::None);
        return;
    }
    state.transport = Transport::WebSocket;
    connection.shared.connections.note_websocket();
    state.is_upgraded = true;
    state.set_upgrade(Upgrade::Done(Box::new((probe.inlet, probe.bytes.freeze()))));
    if let Some(reader) = state.reader.take() {
        reader.wake();
    }
    connection.poll.notify_one();
    if !connection.flush_some(&mut state) {
        connection.flush_soon(&mut state);
    }
    connection.take_leave(&mut state);
}
