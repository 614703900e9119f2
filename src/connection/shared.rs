//! What all connections share, behind one pointer.

use super::heartbeat::Heartbeats;
use super::{Connection, ConnectionLimits, Connections, EngineStream};
use crate::clock::Clock;
use crate::tasks::Tasks;
use crate::types::{Namespace, Timestamp};
use std::fmt;

/// What all connections share.
pub(super) struct SharedParts {
    pub(super) limits: ConnectionLimits,
    pub(super) tasks: Tasks,
    /// Those that read the connections. A group of their own: each ends with its connection, and nothing else ends it.
    pub(super) readers: Tasks,
    pub(super) connections: Connections,
    pub(super) heartbeats: Heartbeats,
    pub(super) clock: Clock,
    /// Those that a client can join.
    pub(super) namespaces: Vec<Namespace>,
    /// Takes a loan.
    pub(super) engine: Box<dyn Fn(EngineStream) + Send + Sync>,
}

impl fmt::Debug for SharedParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedParts").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl Connection {
    /// The time.
    pub(super) fn now(&self) -> Timestamp {
        self.shared.clock.now()
    }

    /// The client sent `n` bytes.
    pub(super) fn received(&self, n: usize) {
        self.traffic.received(n, self.now());
    }
}
