//! The server's own events on their way to sockets.

use super::sockets::Sockets;
use crate::core::protocol::packet;
use crate::recovery::Recoveries;
use crate::registry::{FewSockets, Socket};
use crate::types::{Payload, ServerEvent, UserId};
use serde::Serialize;
use serde_json::value::to_raw_value;
use std::sync::Arc;

/// Sends sockets the server's own events. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Notices {
    sockets: Sockets,
    recoveries: Recoveries<Arc<Socket>>,
}

impl Notices {
    /// Where there is recovery, the events carry where its log stands.
    pub fn new(sockets: Sockets, recoveries: Recoveries<Arc<Socket>>) -> Self {
        Self { sockets, recoveries }
    }

    /// The sockets of a user, in all namespaces.
    pub(super) fn sockets_of(&self, user: &UserId) -> FewSockets {
        self.sockets.user(user).1
    }

    /// The users who have a socket here.
    pub(super) fn users(&self) -> Vec<UserId> {
        self.sockets.users_here()
    }

    /// Sends one of the server's own events, with one argument. Nothing is sent to a connection that is closed.
    pub(super) fn send(&self, socket: &Socket, event: ServerEvent, argument: &impl Serialize) {
        let argument = to_raw_value(argument).ok();
        let Some(payload) = argument.and_then(|it| Payload::try_new(vec![it]).ok()) else { return };
        let encode = |offset: Option<&str>| {
            packet::event(&socket.namespace, event.json_name(), &payload, offset)
        };
        let Some(recovery) = self.recoveries.of(&socket.namespace) else {
            socket.connection.send(&encode(None));
            return;
        };
        recovery.announce(|head| {
            let offset = socket.offset_at(head).to_string();
            socket.connection.queue(&encode(Some(&offset)));
        });
        socket.connection.flush_queued();
    }
}
