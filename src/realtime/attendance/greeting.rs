//! What a client hears first.

use crate::core::presence::session::UserSession;
use crate::core::protocol::packet;
use crate::core::recovery::{Offset, Pid};
use crate::registry::Socket;
use crate::types::{Payload, ServerEvent};
use bytes::Bytes;
use serde::Serialize;
use serde_json::value::to_raw_value;

/// The reply to a CONNECT, with the public id and, where there is recovery, the name of the session.
pub(super) fn connect_reply(socket: &Socket, pid: Option<&Pid>) -> Bytes {
    #[derive(Serialize)]
    struct Reply<'a> {
        #[serde(skip_serializing_if = "Option::is_none")]
        pid: Option<&'a str>,
        sid: String,
    }
    let reply = Reply { pid: pid.map(Pid::as_str), sid: socket.id.to_string() };
    // Writing texts to memory does not fail.
    packet::connect(&socket.namespace, &serde_json::to_string(&reply).unwrap_or_default())
}

/// The data of `userline:session`.
#[derive(Serialize)]
struct Greeting<'a> {
    expires_at: Option<u64>,
    /// The client has brought no credentials.
    #[serde(skip_serializing_if = "is_false")]
    guest: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    resume: Option<String>,
    session: u64,
    socket: String,
    user: &'a str,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_false(it: &bool) -> bool {
    !*it
}

/// Tells the client who it is, and what it may come back with. `head` is where the log of recovery stands: with it even a client recovers that gets no
/// other event.
pub(super) fn greet(
    socket: &Socket,
    session: UserSession,
    resume: Option<String>,
    head: Option<&Offset>,
) {
    let (user, id) = (socket.user(), socket.id);
    tracing::debug!(user.id = %user, socket.id = %id, "socket connected");
    let greeting = Greeting {
        expires_at: socket.grants().expires_at.map(|at| at.0),
        guest: user.is_guest(),
        resume,
        session: session.id.0,
        socket: id.to_string(),
        user: user.as_str(),
    };
    let payload = to_raw_value(&greeting).ok().and_then(|it| Payload::try_new(vec![it]).ok());
    if let Some(payload) = payload {
        let offset = head.map(ToString::to_string);
        let (name, offset) = (ServerEvent::Session.json_name(), offset.as_deref());
        // Queued, because whoever called this is about to write anyway.
        socket.connection.queue(&packet::event(&socket.namespace, name, &payload, offset));
    }
}
