//! HTTP long-polling: GET waits for what goes out, POST brings what comes in.

use super::answer::AnswerBytes;
use super::handshake::HandshakeError;
use super::pool::NoRoom;
use super::posts::{Polling, PostedFrames};
use super::unfinished::{TakenRoom, count_refused};
use super::{Connection, ConnectionState, Phase, Transport};
use crate::config::LimitsConfig;
use crate::core::protocol::polling;
use crate::types::{Ending, Reason};
use bytes::{Buf as _, BufMut as _};
use http::Response;
use http::header::{self, HeaderValue};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Body;
use std::mem;
use std::pin::pin;
use std::sync::Arc;

/// The packet that ends a connection.
const CLOSE: &[u8] = b"1";
/// Packets in the answer to a poll: python-socketio takes no more, and ends the connection instead.
const PACKETS_MAX: usize = 16;
/// Bodies' worth of packets that may wait to be delivered.
const INBOX_BODIES_MAX: usize = 2;
/// Posts of one connection at once. Some clients answer a ping while another post is under way.
const POSTS_MAX: usize = 2;

impl Connection {
    /// The client has asked for something since its handshake.
    pub(super) fn heard(&self) {
        if let Some(polling) = &mut self.lock().polling {
            polling.requests = polling.requests.saturating_add(1);
        }
    }

    /// Closes the connection if its client has not asked for anything since its handshake.
    pub(super) fn end_if_unheard(self: &Arc<Self>) {
        let mut state = self.lock();
        if state.polling.as_ref().is_some_and(|it| it.requests == 0) {
            self.close_locked(&mut state, Reason::TransportClose);
        }
    }
}

/// Answers a poll with what is pending, waiting until there is something, and until the client has taken the answer before: a
/// client that takes nothing holds one at most, however many HTTP connections it polls by. Node's server answers such a poll at
/// once. That makes no difference to stock clients: they poll when they have the whole answer, and begin anew if it is cut short.
pub(super) async fn poll(
    connection: Arc<Connection>,
) -> Result<Response<AnswerBytes>, HandshakeError> {
    begin_poll(&connection)?;
    let turn = PollTurn { connection: &connection, is_answered: false };
    loop {
        let untaken = connection.lock().untaken().cloned();
        if let Some(untaken) = untaken {
            untaken.gone().await;
        } else if let Some(answer) = take(&connection) {
            turn.answered();
            return Ok(text(answer?));
        } else {
            connection.poll.notified().await;
        }
    }
}

fn begin_poll(connection: &Connection) -> Result<(), HandshakeError> {
    let mut state = connection.lock();
    let is_moved = state.transport != Transport::Polling;
    let Some(polling) = state.polling.as_deref_mut().filter(|_| !is_moved) else {
        return Err(HandshakeError::Request("this connection speaks WebSocket by now"));
    };
    if polling.is_polled {
        state.note(Ending::PollsOverlap);
        connection.close_locked(&mut state, Reason::TransportError);
        return Err(HandshakeError::Request("two polls of one connection at the same time"));
    }
    polling.is_polled = true;
    polling.untaken_since = None;
    // It lives, and a ping is only now on its way, or was not before the end of a long answer.
    state.pinged_at = state.pinged_at.map(|_| connection.now());
    Ok(())
}

/// What the poll is answered with now, if anything.
fn take(connection: &Connection) -> Option<Result<AnswerBytes, HandshakeError>> {
    let mut state = connection.lock();
    let body = take_body(connection, &mut state)?;
    Some(body.map(|it| connection.give(&mut state, it)))
}

fn take_body(
    connection: &Connection,
    state: &mut ConnectionState,
) -> Option<Result<Vec<u8>, HandshakeError>> {
    if matches!(state.phase, Phase::Closed(_)) {
        return Some(ended(state));
    }
    if state.transport != Transport::Polling {
        return Some(Ok(polling::NOOP.to_vec()));
    }
    let buffer_bytes = connection.shared.limits.buffer_bytes;
    let (frames, freed) = state.outbound.take_frames(buffer_bytes, PACKETS_MAX);
    connection.shared.connections.waiting().shrink(freed);
    if !frames.is_empty() {
        let body = polling::encode(&frames);
        return Some(Ok(if body.is_empty() { polling::NOOP.to_vec() } else { body }));
    }
    if state.is_probed() {
        return Some(Ok(polling::NOOP.to_vec()));
    }
    let Phase::Finishing(reason) = state.phase else { return None };
    connection.close_locked(state, reason);
    Some(ended(state))
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
        let is_moving = state.transport != Transport::Polling || state.is_probed();
        state.end_poll();
        if !self.is_answered && !is_moving {
            state.note(Ending::PollAbandoned);
            self.connection.close_locked(&mut state, Reason::TransportClose);
        }
    }
}

/// Delivers the packets of a POST; answers when they are. A second one waits for its turn.
pub(super) async fn post<B>(
    connection: Arc<Connection>,
    body: B,
    limits: &LimitsConfig,
) -> Result<Response<AnswerBytes>, HandshakeError>
where
    B: Body + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let (mut turn, mut room) = PostTurn::wait_for(&connection)?;
    let body = read(body, limits, &mut room).await?;
    connection.received(body.len());
    let frames = polling::decode(&body).map_err(|error| {
        tracing::debug!(%error, "a client posted nonsense");
        let mut state = connection.lock();
        state.note(Ending::MalformedBody);
        connection.close_locked(&mut state, Reason::TransportError);
        HandshakeError::Request("the body is not a list of Engine.IO packets")
    })?;
    if body.split(|byte| *byte == polling::SEPARATOR).any(|packet| packet == CLOSE) {
        let mut state = connection.lock();
        state.close_received(None);
        if let Phase::Finishing(reason) = state.phase {
            // The poll that it waits for does not come any more, and nobody may be reading.
            connection.close_locked(&mut state, reason);
            return Ok(text(b"ok".to_vec()));
        }
    }
    // Both are there at once only until here, where nothing has been waited for.
    drop(body);
    room.resize(frames.len())?;
    turn.has_come().await;
    begin_post(&connection, PostedFrames { frames, room })?;
    connection.read_until(|polling| !polling.is_unread).await;
    drop(turn);
    Ok(text(b"ok".to_vec()))
}

fn begin_post(connection: &Connection, posted: PostedFrames) -> Result<(), HandshakeError> {
    let mut state = connection.lock();
    if state.transport != Transport::Polling || matches!(state.phase, Phase::Closed(_)) {
        return Err(HandshakeError::Sid);
    }
    if state.is_let_go {
        return Ok(()); // it ends with the next poll
    }
    // Posts that were given up leave their packets here; more than two bodies' worth is no accident.
    let Some(polling) = &mut state.polling else { return Err(HandshakeError::Sid) };
    let waiting = polling.inbox.as_ref().map_or(0, |it| it.frames.len());
    if INBOX_BODIES_MAX * connection.shared.limits.payload_bytes < waiting {
        return Err(connection.refuse_post(&mut state));
    }
    match &mut polling.inbox {
        Some(inbox) => {
            inbox.room.resize(inbox.frames.len() + posted.frames.len())?;
            inbox.frames.unsplit(posted.frames);
        }
        none => *none = Some(posted),
    }
    polling.is_unread = true;
    if let Some(reader) = state.reader.take() {
        reader.wake();
    }
    Ok(())
}

impl Connection {
    /// Too many posts of one client at once.
    fn refuse_post(&self, state: &mut ConnectionState) -> HandshakeError {
        state.note(Ending::PostsOverlap);
        self.close_locked(state, Reason::TransportError);
        HandshakeError::Request("too many posts of one connection at the same time")
    }
}

/// One post's turn, from its head until it is delivered or its client has given up.
struct PostTurn<'a> {
    connection: &'a Connection,
    has_come: bool,
}

impl<'a> PostTurn<'a> {
    /// Counted before a body is read, so that no more bodies are read at once than posts may be.
    fn wait_for(connection: &'a Connection) -> Result<(Self, TakenRoom), HandshakeError> {
        let mut state = connection.lock();
        // One that has moved to a WebSocket posts nothing any more.
        let Some(polling) = &mut state.polling else { return Err(HandshakeError::Sid) };
        if POSTS_MAX <= polling.posts {
            return Err(connection.refuse_post(&mut state));
        }
        polling.posts += 1;
        Ok((Self { connection, has_come: false }, connection.no_room_yet(&state)))
    }

    async fn has_come(&mut self) {
        let is_free = |polling: &mut Polling| !mem::replace(&mut polling.is_posted, true);
        self.connection.read_until(is_free).await;
        self.has_come = true;
    }
}

impl Drop for PostTurn<'_> {
    fn drop(&mut self) {
        self.connection.lock().end_post(self.has_come);
    }
}

/// Reads a body, for which room is taken as it comes.
async fn read<B>(
    body: B,
    limits: &LimitsConfig,
    room: &mut TakenRoom,
) -> Result<Vec<u8>, HandshakeError>
where
    B: Body + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let mut body = pin!(Limited::new(body, limits.payload_bytes));
    let mut bytes = Vec::new();
    let read = async {
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| match error {
                error if error.is::<LengthLimitError>() => HandshakeError::Payload,
                _ => HandshakeError::Request("the body ended early"),
            })?;
            if let Ok(data) = frame.into_data() {
                if bytes.capacity() - bytes.len() < data.remaining() {
                    // Doubled, so that little is moved; but never beyond what was announced.
                    let announced = body.size_hint().upper().unwrap_or_default();
                    let announced = usize::try_from(announced).unwrap_or_default();
                    bytes.reserve_exact(data.remaining() + bytes.len().min(announced));
                }
                bytes.put(data);
                room.resize(bytes.capacity())?;
            }
        }
        Ok(())
    };
    let late = HandshakeError::Request("the body took longer than limits.body_timeout");
    tokio::time::timeout(limits.body_timeout, read).await.unwrap_or(Err(late))?;
    Ok(bytes)
}

impl From<NoRoom> for HandshakeError {
    fn from(_: NoRoom) -> Self {
        count_refused("post");
        Self::NoRoom
    }
}

/// A body of packets.
pub(super) fn text(body: impl Into<AnswerBytes>) -> Response<AnswerBytes> {
    let mut response = Response::new(body.into());
    let headers = response.headers_mut();
    let text = HeaderValue::from_static("text/plain; charset=UTF-8");
    headers.insert(header::CONTENT_TYPE, text);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
