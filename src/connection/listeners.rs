//! The listeners of a connection: one for each namespace that its client has joined, which takes what is emitted there.

use super::{Connection, Phase};
use crate::core::protocol::inbound::ClientEvent;
use crate::types::{Namespace, Reason};
use smallvec::SmallVec;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Takes the events of one client in one namespace, in the order in which the client sent them.
pub trait EventListener: Send + Sync {
    /// Takes the next event, with all its buffers. The task that reads the connection calls this: it must not wait, and
    /// what it needs of the event beyond the call it copies.
    fn deliver(self: Arc<Self>, event: &ClientEvent<'_>);

    /// Whether another event may be delivered now. As long as it is not so, the connection is not read, and TCP holds its
    /// client back; `cx` is woken when that may have changed.
    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<()>;

    /// The client has left the namespace, or its connection has ended, for this reason. Nothing is delivered any more.
    /// Repeats must change nothing.
    fn leave(&self, reason: Reason);
}

/// A namespace that the client has joined, and its listener.
struct Joined {
    namespace: Namespace,
    listener: Arc<dyn EventListener>,
}

impl fmt::Debug for Joined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Joined").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}

/// The listeners of one connection. Most clients join one namespace.
#[derive(Debug, Default)]
pub(super) struct Listeners(SmallVec<[Joined; 1]>);

impl Listeners {
    /// The client joins `namespace`.
    pub(super) fn join(&mut self, namespace: Namespace, listener: Arc<dyn EventListener>) {
        self.0.push(Joined { namespace, listener });
    }

    /// The client leaves a namespace. Returns who listened there.
    pub(super) fn leave(&mut self, namespace: &str) -> Option<Arc<dyn EventListener>> {
        let place = self.0.iter().position(|it| it.namespace.as_str() == namespace);
        place.map(|place| self.0.remove(place).listener)
    }

    /// All that listen.
    pub(super) fn into_all(self) -> impl Iterator<Item = Arc<dyn EventListener>> {
        self.0.into_iter().map(|it| it.listener)
    }

    /// Whether the client has joined a namespace.
    pub(super) fn is_joined(&self, namespace: &Namespace) -> bool {
        self.0.iter().any(|it| it.namespace == *namespace)
    }

    /// Whether it has joined none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn of(&self, namespace: &str) -> Option<Arc<dyn EventListener>> {
        let joined = self.0.iter().find(|it| it.namespace.as_str() == namespace);
        joined.map(|it| Arc::clone(&it.listener))
    }
}

impl Connection {
    /// Namespaces that the client has joined.
    pub fn joined(&self) -> usize {
        self.lock().listeners.0.len()
    }

    /// Delivers an event to the listener of its namespace, and returns that. A connection that is being closed
    /// delivers nothing any more. An event in a namespace that the client has not joined ends the connection, as in Node's
    /// server: its client believes in something that is not so, and begins anew when it comes back.
    pub(super) fn deliver(
        self: &Arc<Self>,
        event: &ClientEvent<'_>,
    ) -> Option<Arc<dyn EventListener>> {
        let state = self.lock();
        if state.phase != Phase::Open {
            return None;
        }
        let listener = state.listeners.of(event.namespace);
        drop(state);
        let Some(listener) = listener else {
            tracing::debug!("closing a connection: an event in a namespace that is not joined");
            self.finish(Reason::TransportError);
            return None;
        };
        Arc::clone(&listener).deliver(event);
        Some(listener)
    }
}
