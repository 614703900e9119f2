//! What a client hears before it is disconnected for good.

use crate::connection::Connection;
use crate::core::protocol::packet;
use crate::registry::Socket;
use crate::types::{Payload, Reason, ServerEvent, WallMs};
use bytes::Bytes;
use serde::Serialize;
use serde_json::value::to_raw_value;
use std::sync::Arc;

/// What a client hears before it is disconnected for good: the argument of `userline:kicked`.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Farewell<'a> {
    /// What somebody wants it to be told.
    pub reason: Option<&'a str>,
    /// What it can branch on; `None`: the backend wanted it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<KickCode>,
    /// Until when it is not let in again, in ms since 1970, if that is known.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "ms")]
    pub until: Option<WallMs>,
}

/// Why a client is disconnected for good, for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum KickCode {
    /// Its user is blocked.
    Blocked,
    /// Its user has come on another connection, and may not have one more.
    UserLimit,
    /// Its user was logged out, here or everywhere.
    LoggedOut,
}

impl Farewell<'_> {
    /// The event.
    pub(super) fn payload(self) -> Payload {
        let argument = to_raw_value(&self).ok().map(|it| vec![it]);
        argument.and_then(|it| Payload::try_new(it).ok()).unwrap_or_default()
    }
}

/// Tells a client to go.
pub(super) fn tell(socket: &Socket, farewell: &Payload) {
    let event = packet::event(&socket.namespace, ServerEvent::Kicked.json_name(), farewell, None);
    let disconnect = packet::disconnect(&socket.namespace);
    // One unit, so that nothing comes between the reason and the end.
    socket.connection.send(&Bytes::from([event, disconnect].concat()));
}

/// Ends a connection of which this many sockets were kicked. If it has others, its client may come back for them.
pub(super) fn end(connection: &Arc<Connection>, kicked: usize) {
    let is_shared = kicked < connection.joined();
    connection.finish(if is_shared { Reason::TransportClose } else { Reason::Kicked });
}

#[expect(clippy::ref_option, reason = "the shape that serde asks for")]
fn ms<S: serde::Serializer>(time: &Option<WallMs>, serializer: S) -> Result<S::Ok, S::Error> {
    time.map(|it| it.0).serialize(serializer)
}
