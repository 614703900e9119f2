//! HTTP long-polling: GET waits for what goes out, POST brings what comes in.

use super::handshake::HandshakeError;
use super::{Connection, ConnectionState, Phase, Transport, Upgrade};
use crate::config::LimitsConfig;
use crate::core::protocol::polling;
use crate::types::{Ending, Reason};
use bytes::Bytes;
use http::Response;
use http::header::{self, HeaderValue};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Body;
use std::sync::Arc;

/// The packet that ends a connection.
const CLOSE: &[u8] = b"1";
/// Packets in the answer to a poll: python-socketio takes no more, and ends the connection instead.
const PACKETS_MAX: usize = 16;
/// Bodies' worth of packets that may wait for the engine.
const INBOX_BODIES_MAX: usize = 2;

/// Answers a poll with what is pending, waiting until there is something.
pub(super) async fn poll(
    connection: Arc<Connection>,
) -> Result<Response<Full<Bytes>>, HandshakeError> {
    begin_poll(&connection)?;
    let turn = PollTurn { connection: &connection, is_answered: false };
    loop {
        if let Some(answer) = take(&connection) {
            turn.answered();
            let body = answer?;
            connection.traffic.sent(body.len());
            return Ok(text(body));
        }
        connection.poll.notified().await;
    }
}

fn begin_poll(connection: &Connection) -> Result<(), HandshakeError> {
    let mut state = connection.lock();
    if state.transport != Transport::Polling {
        return Err(HandshakeError::Request("this connection speaks WebSocket by now"));
    }
    if state.polling.is_polled {
        state.note(Ending::PollsOverlap);
        connection.close_locked(&mut state, Some(Reason::TransportError));
        return Err(HandshakeError::Request("two polls of one connection at the same time"));
    }
    state.polling.is_polled = true;
    Ok(())
}

/// What the poll is answered with now, if anything.
fn take(connection: &Connection) -> Option<Result<Vec<u8>, HandshakeError>> {
    let mut state = connection.lock();
    if matches!(state.phase, Phase::Closed(_)) {
        return Some(ended(&state));
    }
    if state.transport != Transport::Polling {
        return Some(Ok(polling::NOOP.to_vec()));
    }
    let frames = state.outbound.take_frames(connection.limits.buffer_bytes, PACKETS_MAX);
    if !frames.is_empty() {
        let body = polling::encode(&frames);
        return Some(Ok(if body.is_empty() { polling::NOOP.to_vec() } else { body }));
    }
    if matches!(state.polling.upgrade, Upgrade::Probed) {
        return Some(Ok(polling::NOOP.to_vec()));
    }
    let Phase::Finishing(reason) = state.phase else { return None };
    connection.close_locked(&mut state, reason);
    Some(ended(&state))
}

/// What the last poll is answered with. After the close packet clients in Python and Rust stay away; after an error
/// all come back.
fn ended(state: &ConnectionState) -> Result<Vec<u8>, HandshakeError> {
    let is_over = state.is_for_good() || state.ending == Some(Ending::ClosedByClient);
    if is_over { Ok(CLOSE.to_vec()) } else { Err(HandshakeError::Sid) }
}

/// One poll's turn. A client that goes away while it waits has ended the connection.
struct PollTurn<'a> {
    connection: &'a Connection,
    is_answered: bool,
}

impl PollTurn<'_> {
    fn answered(mut self) {
        self.is_answered = true;
    }
}

impl Drop for PollTurn<'_> {
    fn drop(&mut self) {
        let mut state = self.connection.lock();
        state.polling.is_polled = false;
        let is_moving = state.transport != Transport::Polling
            || matches!(state.polling.upgrade, Upgrade::Probed);
        if !self.is_answered && !is_moving {
            state.note(Ending::PollAbandoned);
            self.connection.close_locked(&mut state, Some(Reason::TransportClose));
        }
    }
}

/// Hands the packets of a POST to the engine; answers when the engine has read them.
pub(super) async fn post<B>(
    connection: Arc<Connection>,
    body: B,
    limits: &LimitsConfig,
) -> Result<Response<Full<Bytes>>, HandshakeError>
where
    B: Body + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let body = read(body, limits).await?;
    connection.traffic.received(body.len());
    let frames = polling::decode(&body).map_err(|error| {
        tracing::debug!(%error, "a client posted nonsense");
        let mut state = connection.lock();
        state.note(Ending::MalformedBody);
        connection.close_locked(&mut state, Some(Reason::TransportError));
        HandshakeError::Request("the body is not a list of Engine.IO packets")
    })?;
    if body.split(|byte| *byte == polling::SEPARATOR).any(|packet| packet == CLOSE) {
        let mut state = connection.lock();
        state.close_received(None);
        if let Phase::Finishing(reason) = state.phase {
            // The poll that it waits for does not come any more, and the engine may be gone already.
            connection.close_locked(&mut state, reason);
            return Ok(text(b"ok".to_vec()));
        }
    }
    begin_post(&connection, &frames, limits)?;
    let turn = PostTurn { connection: &connection };
    while connection.lock().polling.is_unread {
        connection.read.notified().await;
    }
    drop(turn);
    Ok(text(b"ok".to_vec()))
}

fn begin_post(
    connection: &Connection,
    frames: &[u8],
    limits: &LimitsConfig,
) -> Result<(), HandshakeError> {
    let mut state = connection.lock();
    if state.transport != Transport::Polling || matches!(state.phase, Phase::Closed(_)) {
        return Err(HandshakeError::Sid);
    }
    // Posts that were given up leave their packets here; more than two bodies' worth is no accident.
    let is_much = INBOX_BODIES_MAX * limits.payload_bytes < state.polling.inbox.len();
    if state.polling.is_posted || is_much {
        state.note(Ending::PostsOverlap);
        connection.close_locked(&mut state, Some(Reason::TransportError));
        return Err(HandshakeError::Request("two posts of one connection at the same time"));
    }
    state.polling.is_posted = true;
    state.polling.inbox.extend_from_slice(frames);
    state.polling.is_unread = true;
    if let Some(reader) = state.reader.take() {
        reader.wake();
    }
    Ok(())
}

/// One post's turn, until the engine has read it or the client has given up.
struct PostTurn<'a> {
    connection: &'a Connection,
}

impl Drop for PostTurn<'_> {
    fn drop(&mut self) {
        self.connection.lock().polling.is_posted = false;
    }
}

async fn read<B>(body: B, limits: &LimitsConfig) -> Result<Bytes, HandshakeError>
where
    B: Body + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let body = Limited::new(body, limits.payload_bytes).collect();
    match tokio::time::timeout(limits.body_timeout, body).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(HandshakeError::Payload),
        Ok(Err(_)) => Err(HandshakeError::Request("the body ended early")),
        Err(_) => Err(HandshakeError::Request("the body took longer than limits.body_timeout")),
    }
}

/// A body of packets.
pub(super) fn text(body: Vec<u8>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body));
    let headers = response.headers_mut();
    let text = HeaderValue::from_static("text/plain; charset=UTF-8");
    headers.insert(header::CONTENT_TYPE, text);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
