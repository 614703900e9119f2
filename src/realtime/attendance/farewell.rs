//! What a client hears before it is disconnected for good.

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

/// Tells the client of these sockets, which share a connection, to go, and ends the connection. If it has others, its client may
/// come back for them.
pub(super) fn say(sockets: &[&Arc<Socket>], farewell: &Payload) {
    let [first, ..] = sockets else { return };
    let goodbye = |socket: &&Arc<Socket>| {
        let name = ServerEvent::Kicked.json_name();
        let event = packet::event(&socket.namespace, name, farewell, None);
        [event, packet::disconnect(&socket.namespace)].concat()
    };
    let goodbyes: Vec<u8> = sockets.iter().flat_map(goodbye).collect();
    let is_shared = sockets.len() < first.connection.joined();
    let reason = if is_shared { Reason::TransportClose } else { Reason::Kicked };
    first.connection.finish_with(&Bytes::from(goodbyes), reason);
}

#[expect(clippy::ref_option, reason = "the shape that serde asks for")]
fn ms<S: serde::Serializer>(time: &Option<WallMs>, serializer: S) -> Result<S::Ok, S::Error> {
    time.map(|it| it.0).serialize(serializer)
}
