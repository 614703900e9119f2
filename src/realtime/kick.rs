//! A user, or one socket, has to go: told why, disconnected for good (a stock client does not come back by itself).

use super::Realtime;
pub use crate::core::presence::session::Grace;
use crate::core::protocol::packet;
use crate::registry::Socket;
use crate::types::{Payload, Reason, ServerEvent, SocketId, UserId};
use bytes::Bytes;
use serde_json::json;
use serde_json::value::to_raw_value;
use std::sync::Arc;

impl Realtime {
    /// Disconnects all sockets of a user, in all namespaces, after an event `userline:kicked {reason}`. Returns how
    /// many there were; none is no error. They are gone at once, whenever their clients hear of it.
    pub fn kick(&self, user: &UserId, reason: Option<&str>, grace: Grace) -> usize {
        let (_, sockets) = self.sockets.user(user);
        let goodbye = goodbye(reason);
        for socket in &sockets {
            socket.kick(grace);
            tell(socket, &goodbye);
        }
        for socket in &sockets {
            self.leave(socket, Reason::Kicked);
            socket.connection.finish(Reason::Kicked);
        }
        if grace == Grace::Skip {
            self.sockets.presence.end_grace(user, Reason::Kicked);
        }
        tracing::info!(user.id = %user, sockets = sockets.len(), "kicked a user");
        sockets.len()
    }

    /// Disconnects one socket, after an event `userline:kicked {}`; its user keeps the grace. Returns it if it was
    /// there.
    ///
    /// Its connection is closed with it: the sockets in other namespaces of the same connection come back by themselves.
    pub fn kick_socket(&self, id: SocketId) -> Option<Arc<Socket>> {
        let kicked = self.sockets.registry.socket(id, &self.namespaces)?;
        kicked.kick(Grace::Keep);
        tell(&kicked, &goodbye(None));
        self.leave(&kicked, Reason::Kicked);
        kicked.connection.finish(Reason::Kicked);
        tracing::info!(user.id = %kicked.user, socket.id = %id, "kicked a socket");
        Some(kicked)
    }
}

/// The argument of `userline:kicked`.
fn goodbye(reason: Option<&str>) -> Payload {
    let argument = to_raw_value(&json!({"reason": reason})).ok().map(|reason| vec![reason]);
    argument.and_then(|it| Payload::try_new(it).ok()).unwrap_or_default()
}

fn tell(socket: &Socket, goodbye: &Payload) {
    let event = packet::event(&socket.namespace, ServerEvent::Kicked.json_name(), goodbye, None);
    let disconnect = packet::disconnect(&socket.namespace);
    // One unit, so that nothing comes between the reason and the end.
    socket.connection.send(&Bytes::from([event, disconnect].concat()));
}
