//! A user: the sockets it has and had, and how it is made to go.

use super::attendance::Attendance;
use super::visits::Visit;
use crate::core::cluster::bus::words::BusRequest;
use crate::core::presence::session::Grace;
use crate::registry::Socket;
use crate::types::{FamilyId, Namespace, Reason, SocketId, UserId, WallMs};
use std::sync::Arc;

pub use super::attendance::{Farewell, KickCode};

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

    /// Disconnects all sockets of a user for good, in all namespaces, after an event `userline:kicked`: a stock client does
    /// not come back by itself. Returns their ids; none is no error. They are gone at once, whenever their clients hear
    /// of it.
    pub fn kick(&self, user: &UserId, farewell: Farewell<'_>, grace: Grace) -> Vec<SocketId> {
        let (_, sockets) = self.attendance.sockets().user(user);
        self.attendance.expel(&sockets, farewell, grace);
        if grace == Grace::Skip {
            self.attendance.sockets().presence.end_grace(user, Reason::Kicked);
        }
        tracing::info!(user.id = %user, sockets = sockets.len(), "kicked a user");
        sockets.iter().map(|it| it.id).collect()
    }

    /// The same for those sockets of the user that `is_meant` names. Its last one takes the grace along.
    pub(super) fn kick_some(
        &self,
        user: &UserId,
        farewell: Farewell<'_>,
        is_meant: impl Fn(&Socket) -> bool,
    ) -> Vec<SocketId> {
        let (_, mut sockets) = self.attendance.sockets().user(user);
        sockets.retain(|it| is_meant(it));
        self.attendance.expel(&sockets, farewell, Grace::Skip);
        sockets.iter().map(|it| it.id).collect()
    }

    /// Has other nodes disconnect the sockets of a user with resume tokens of this family.
    pub(super) fn log_out_elsewhere(&self, user: &UserId, family: FamilyId) {
        self.attendance.announce(BusRequest::LogOutFamily {
            user: user.clone(),
            family,
            reason: None,
        });
    }

    /// Closes the connections of those sockets of a user that `is_meant` names by when their credentials were issued. Their
    /// clients come back by themselves. Returns their ids; they are gone at once.
    pub(super) fn close(
        &self,
        user: &UserId,
        reason: Reason,
        is_meant: impl Fn(Option<WallMs>) -> bool,
    ) -> Vec<SocketId> {
        let (_, mut sockets) = self.attendance.sockets().user(user);
        sockets.retain(|it| is_meant(it.grants().issued_at));
        for socket in &sockets {
            socket.connection.close(reason);
            self.attendance.leave(socket, reason);
        }
        sockets.iter().map(|it| it.id).collect()
    }

    /// The socket with this id, whichever namespace it is in.
    pub(super) fn socket(&self, id: SocketId) -> Option<Arc<Socket>> {
        self.attendance.sockets().registry.socket(id, &self.namespaces)
    }

    /// Disconnects one socket for good, after an event `userline:kicked {}`; its user keeps the grace. Returns it if it
    /// was there.
    ///
    /// Its connection is closed with it: the sockets in other namespaces of the same connection come back by themselves.
    pub fn kick_socket(&self, id: SocketId) -> Option<Arc<Socket>> {
        let kicked = self.socket(id)?;
        self.attendance.expel(&[Arc::clone(&kicked)], Farewell::default(), Grace::Keep);
        tracing::info!(user.id = %kicked.user(), socket.id = %id, "kicked a socket");
        Some(kicked)
    }
}

#[cfg(test)]
mod tests;
