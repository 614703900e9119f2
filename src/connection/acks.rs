//! Acks that are awaited on one connection.

use super::{Connection, Phase};
use crate::core::protocol::inbound::ClientAck;
use crate::types::Namespace;
use bytes::Bytes;
use serde_json::value::RawValue;
use std::sync::Arc;
use thiserror::Error;
use tokio::sync::oneshot;

/// Acks awaited on one connection at once.
const AWAITED_MAX: usize = 128;

/// The answer of one client to an event.
#[derive(Debug, Clone)]
pub struct ReceivedAck {
    /// Its arguments: a JSON array, as the client wrote it.
    pub args: Box<RawValue>,
    /// The buffers for which there are places in `args`.
    pub buffers: Vec<Bytes>,
}

/// An ack that somebody waits for.
#[derive(Debug)]
pub(super) struct Awaited {
    namespace: Namespace,
    id: u64,
    waiting: oneshot::Sender<ReceivedAck>,
}

/// Waits for an ack of one client. Whoever drops it does not wait any more.
#[derive(Debug)]
pub struct AwaitedAck {
    connection: Arc<Connection>,
    id: u64,
    ack: oneshot::Receiver<ReceivedAck>,
}

/// As many acks are awaited on the connection as may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{AWAITED_MAX} acks are awaited on this connection already")]
pub struct TooManyAcks;

impl Connection {
    /// Waits for the ack with this id in `namespace`; to be said before the event is sent. No two may have the same id.
    pub fn await_ack(
        self: &Arc<Self>,
        namespace: &Namespace,
        id: u64,
    ) -> Result<AwaitedAck, TooManyAcks> {
        let (waiting, ack) = oneshot::channel();
        let mut state = self.lock();
        if AWAITED_MAX <= state.acks.len() {
            return Err(TooManyAcks);
        }
        // A closed connection receives none any more, and the event is not sent either.
        if !matches!(state.phase, Phase::Closed(_)) {
            state.acks.push(Awaited { namespace: namespace.clone(), id, waiting });
        }
        drop(state);
        Ok(AwaitedAck { connection: Arc::clone(self), id, ack })
    }

    /// The client has left the namespace: its acks there do not come any more.
    pub fn forget_acks(&self, namespace: &Namespace) {
        let mut state = self.lock();
        state.acks.retain(|it| it.namespace != *namespace);
        if state.acks.is_empty() {
            state.acks = Vec::new(); // gives the memory back
        }
    }

    /// The client sent an ack; one that nobody waits for, or that comes again, is counted and passed over.
    pub(super) fn ack_received(&self, ack: &ClientAck<'_>) {
        let mut state = self.lock();
        let is_it = |it: &Awaited| it.id == ack.id && it.namespace.as_str() == ack.namespace;
        let index = state.acks.iter().position(is_it);
        let awaited = index.map(|index| state.acks.swap_remove(index));
        drop(state);
        let taken = awaited.map(|it| {
            it.waiting
                .send(ReceivedAck { args: ack.args.to_owned(), buffers: ack.buffers.to_vec() })
        });
        if !matches!(taken, Some(Ok(()))) {
            metrics::counter!("userline_acks_ignored_total").increment(1);
        }
    }
}

impl AwaitedAck {
    /// The ack; `None` when the client is gone.
    pub async fn received(mut self) -> Option<ReceivedAck> {
        (&mut self.ack).await.ok()
    }
}

impl Drop for AwaitedAck {
    fn drop(&mut self) {
        let mut state = self.connection.lock();
        state.acks.retain(|it| it.id != self.id);
        if state.acks.is_empty() {
            state.acks = Vec::new(); // gives the memory back
        }
    }
}
