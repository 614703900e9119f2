//! A user: the sockets it has and had, and how it is made to go.

use super::attendance::Attendance;
use super::visits::Visit;
use crate::connection::Connection;
use crate::core::presence::session::Grace;
use crate::core::protocol::packet;
use crate::registry::Socket;
use crate::types::{Namespace, Payload, Reason, ServerEvent, SocketId, UserId};
use bytes::Bytes;
use serde_json::json;
use serde_json::value::to_raw_value;
use std::sync::Arc;

/// What can be asked of a user, and done to it.
#[derive(Debug)]
pub struct People {
    attendance: Arc<Attendance>,
    namespaces: Arc<[Namespace]>,
}

impl People {
    /// Those whose sockets are in `attendance`, in these namespaces.
    pub fn new(attendance: Arc<Attendance>, namespaces: Arc<[Namespace]>) -> Self {
        Self { attendance, namespaces }
    }

    /// The sockets of a user: those that are here, the latest first, then those that are remembered, the one that
    /// ended last first.
    pub fn history(&self, user: &UserId) -> Vec<Visit> {
        // In this order, so that a socket that ends meanwhile is seen twice rather than not at all.
        let (_, here) = self.attendance.sockets().user(user);
        let here: Vec<Visit> = here.iter().rev().map(|socket| Visit::of(socket, None)).collect();
        let gone = self.attendance.visits().of(user);
        let is_gone = |visit: &Visit| gone.iter().any(|it| it.id == visit.id);
        let mut visits: Vec<Visit> = here.into_iter().filter(|it| !is_gone(it)).collect();
        visits.extend(gone);
        visits
    }

    /// Disconnects all sockets of a user for good, in all namespaces, after an event `userline:kicked {reason}`: a stock
    /// client does not come back by itself. Returns how many there were; none is no error. They are gone at once,
    /// whenever their clients hear of it.
    pub fn kick(&self, user: &UserId, reason: Option<&str>, grace: Grace) -> usize {
        let (_, sockets) = self.attendance.sockets().user(user);
        let farewell = farewell(reason);
        for socket in &sockets {
            socket.kick(grace);
            tell(socket, &farewell);
        }
        for socket in &sockets {
            self.attendance.leave(socket, Reason::Kicked);
            let is_there = |it: &&Arc<Socket>| Arc::ptr_eq(&it.connection, &socket.connection);
            end(&socket.connection, sockets.iter().filter(is_there).count());
        }
        if grace == Grace::Skip {
            self.attendance.sockets().presence.end_grace(user, Reason::Kicked);
        }
        tracing::info!(user.id = %user, sockets = sockets.len(), "kicked a user");
        sockets.len()
    }

    /// Disconnects one socket for good, after an event `userline:kicked {}`; its user keeps the grace. Returns it if it
    /// was there.
    ///
    /// Its connection is closed with it: the sockets in other namespaces of the same connection come back by themselves.
    pub fn kick_socket(&self, id: SocketId) -> Option<Arc<Socket>> {
        let kicked = self.attendance.sockets().registry.socket(id, &self.namespaces)?;
        kicked.kick(Grace::Keep);
        tell(&kicked, &farewell(None));
        self.attendance.leave(&kicked, Reason::Kicked);
        end(&kicked.connection, 1);
        tracing::info!(user.id = %kicked.user, socket.id = %id, "kicked a socket");
        Some(kicked)
    }
}

/// Ends a connection of which this many sockets were kicked. If it has others, its client may come back for them.
fn end(connection: &Arc<Connection>, kicked: usize) {
    let is_shared = kicked < connection.joined();
    connection.finish(if is_shared { Reason::TransportClose } else { Reason::Kicked });
}

/// The argument of `userline:kicked`.
fn farewell(reason: Option<&str>) -> Payload {
    let argument = to_raw_value(&json!({"reason": reason})).ok().map(|reason| vec![reason]);
    argument.and_then(|it| Payload::try_new(it).ok()).unwrap_or_default()
}

fn tell(socket: &Socket, farewell: &Payload) {
    let event = packet::event(&socket.namespace, ServerEvent::Kicked.json_name(), farewell, None);
    let disconnect = packet::disconnect(&socket.namespace);
    // One unit, so that nothing comes between the reason and the end.
    socket.connection.send(&Bytes::from([event, disconnect].concat()));
}

#[cfg(test)]
mod tests;
