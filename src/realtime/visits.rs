//! Why was I thrown out? The last sockets of each user, with how each of them ended.

use crate::clock::Clock;
use crate::config::HistoryConfig;
use crate::connection::Vitals;
use crate::core::memory::history::{History, HistoryLimits};
use crate::registry::Socket;
use crate::types::{Namespace, Reason, SocketId, UserId, WallMs};
use parking_lot::Mutex;
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
    pub end: Option<VisitEnd>,
}

/// When and why a socket was gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VisitEnd {
    /// By the wall clock.
    pub at: WallMs,
    /// As it is told in hooks and in the API.
    pub reason: Reason,
}

impl Visit {
    /// That of a socket, as it is now.
    pub(super) fn of(socket: &Socket, end: Option<VisitEnd>) -> Self {
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

/// The sockets that are gone, for a while.
#[derive(Debug)]
pub struct Visits {
    known: Mutex<History<Visit>>,
    clock: Clock,
}

impl Visits {
    /// None is remembered yet.
    pub fn new(config: HistoryConfig, clock: Clock) -> Self {
        let HistoryConfig { per_user, total, keep } = config;
        Self { known: Mutex::new(History::new(HistoryLimits { per_user, total, keep })), clock }
    }

    /// Those of a user, the one that ended last first.
    pub(super) fn of(&self, user: &UserId) -> Vec<Visit> {
        self.known.lock().of(user, self.clock.now()).cloned().collect()
    }

    /// Remembers a socket that is gone.
    pub(super) fn remember(&self, socket: &Socket, reason: Reason) {
        self.remember_as(socket.user(), socket, reason);
    }

    /// The same of a socket that is not this user's any more.
    pub(super) fn remember_as(&self, user: &UserId, socket: &Socket, reason: Reason) {
        let visit = Visit::of(socket, Some(VisitEnd { at: self.clock.wall(), reason }));
        self.known.lock().record(user, visit, self.clock.now());
    }

    /// Forgets those of a user.
    pub(super) fn erase(&self, user: &UserId) {
        self.known.lock().erase(user);
    }

    /// Forgets those that are remembered for too long.
    pub(super) fn forget_old(&self) {
        // Let go in between, so that nobody waits long.
        while self.known.lock().expire(self.clock.now()) {}
    }
}

#[cfg(test)]
impl Visits {
    /// How many are remembered, of all users.
    pub(crate) fn len(&self) -> usize {
        self.known.lock().len()
    }
}
