//! In a cluster a client may come back to another node: its session is fetched before it is taken in.

use super::Attendance;
use crate::cluster::Bus;
use crate::core::cluster::bus::words::BusRequest;
use crate::core::recovery::SessionClaim;
use crate::recovery::Replaced;
use crate::registry::Socket;
use crate::types::{Reason, SocketId};
use std::collections::VecDeque;
use std::sync::Arc;

/// Sockets whose sessions are elsewhere, at most: those before them have long joined.
const DISMISSED_MAX: usize = 1000;

/// Sockets whose clients have come back to their sessions on other nodes. Some of them may not have joined here yet.
#[derive(Debug, Default)]
pub(super) struct Dismissed(VecDeque<SocketId>);

impl Dismissed {
    fn add(&mut self, id: SocketId) {
        self.0.push_back(id);
        if DISMISSED_MAX < self.0.len() {
            self.0.pop_front();
        }
    }

    pub(super) fn includes(&self, id: SocketId) -> bool {
        self.0.contains(&id)
    }
}

impl Attendance {
    /// The same on a node of many.
    #[must_use]
    pub fn in_cluster(self, bus: Bus) -> Self {
        Self { bus: Some(bus), ..self }
    }

    /// Tells other nodes in which rooms users are, as long as it runs, where they have to know that.
    pub async fn run_placing(self: Arc<Self>) {
        if let Some(placing) = self.sockets.watched.placed() {
            placing.run(&self.sockets.presence).await;
        }
    }

    /// Fetches the session that a socket claims, if it is kept elsewhere: see [`Attendance::join`], which goes on with it. Waits for
    /// Redis, for two seconds at most. Returns who had it so far; `None`: it cannot be claimed.
    pub(in crate::realtime) async fn fetch(
        &self,
        socket: &Socket,
        claim: SessionClaim<'_>,
    ) -> Option<Replaced<Arc<Socket>>> {
        match self.recoveries.of(&socket.namespace) {
            None => Some(Replaced::default()),
            Some(recovery) => recovery.fetch(claim, socket.user(), socket.id).await,
        }
    }

    /// Whoever had a session that another socket has now has to go, wherever it is.
    pub(in crate::realtime) fn replace(&self, replaced: Replaced<Arc<Socket>>) {
        let Replaced { here, elsewhere } = replaced;
        if let Some(old) = here {
            old.connection.close(Reason::Replaced);
        }
        let elsewhere = elsewhere.filter(|id| self.sockets.registry.socket_of(*id).is_none());
        if let (Some(bus), Some(id)) = (&self.bus, elsewhere)
            && let Err(error) = bus.announce(BusRequest::Replace(id))
        {
            // Its client has left it: it ends when that does not answer.
            tracing::debug!(socket.id = %id, %error, "the connection of before is not closed");
        }
    }

    /// Tells all other nodes something that nobody answers; what cannot be told is not.
    pub(in crate::realtime) fn announce(&self, request: BusRequest) {
        if let Some(Err(error)) = self.bus.as_ref().map(|bus| bus.announce(request)) {
            tracing::debug!(%error, "other nodes are not told");
        }
    }

    /// The client of a socket has come back to its session on another node: its connection is closed, at the latest when it joins.
    pub(in crate::realtime) fn dismiss(&self, id: SocketId) {
        self.dismissed.lock().add(id);
        // Whoever joins meanwhile finds that, or is found.
        if let Some(socket) = self.sockets.registry.socket_of(id) {
            socket.connection.close(Reason::Replaced);
        }
    }

    /// What others have to know of the session of a socket has changed.
    pub(super) fn note_session(&self, socket: &Socket) {
        if let Some((pid, recovery)) = socket.pid().zip(self.recoveries.of(&socket.namespace)) {
            recovery.note(pid);
        }
    }
}
