//! Why was I thrown out? The last sockets of a user, with how each of them ended.

use super::Realtime;
use crate::connection::Vitals;
use crate::registry::Socket;
use crate::types::{Namespace, Reason, SocketId, UserId, WallMs};
use std::net::IpAddr;
use std::sync::Arc;

/// One socket's time here.
#[derive(Debug, Clone)]
pub struct Visit {
    /// Its id.
    pub id: SocketId,
    /// Its namespace.
    pub namespace: Namespace,
    /// The address of the client, behind trusted proxies.
    pub address: IpAddr,
    /// The client's `User-Agent`, at most 256 bytes.
    pub user_agent: Option<Arc<str>>,
    /// When it was authenticated.
    pub connected_at: WallMs,
    /// Its connection at the end; of a socket that is still here, now.
    pub vitals: Vitals,
    /// The end; `None` while it is still here.
    pub end: Option<End>,
}

/// When and why a socket was gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    /// When.
    pub at: WallMs,
    /// Why.
    pub reason: Reason,
}

impl Visit {
    fn of(socket: &Socket, end: Option<End>) -> Self {
        let facts = socket.connection.facts();
        Self {
            id: socket.id,
            namespace: socket.namespace.clone(),
            address: facts.address,
            user_agent: facts.user_agent.clone(),
            connected_at: socket.connected_at,
            vitals: socket.connection.vitals(),
            end,
        }
    }
}

impl Realtime {
    /// The sockets of a user: those that are here, the latest first, then those that are remembered, the one that
    /// ended last first.
    pub fn history(&self, user: &UserId) -> Vec<Visit> {
        // In this order, so that a socket that ends meanwhile is seen twice rather than not at all.
        let (_, here) = self.sockets.user(user);
        let here: Vec<Visit> = here.iter().rev().map(|socket| Visit::of(socket, None)).collect();
        let gone: Vec<Visit> = self.history.lock().of(user, self.clock.now()).cloned().collect();
        let is_gone = |visit: &Visit| gone.iter().any(|it| it.id == visit.id);
        let mut visits: Vec<Visit> = here.into_iter().filter(|it| !is_gone(it)).collect();
        visits.extend(gone);
        visits
    }

    /// Sockets that are remembered, of all users.
    pub fn remembered(&self) -> usize {
        self.history.lock().len()
    }

    /// Remembers a socket that is gone.
    pub(super) fn remember(&self, socket: &Socket, reason: Reason) {
        let visit = Visit::of(socket, Some(End { at: self.clock.wall(), reason }));
        self.history.lock().record(&socket.user, visit, self.clock.now());
    }

    /// Forgets the sockets that are remembered for too long.
    pub(super) fn forget_old(&self) {
        // Let go in between, so that nobody waits long.
        while self.history.lock().expire(self.clock.now()) {}
    }
}
