//! Acks that are awaited on one connection.

use super::{Connection, Phase};
use crate::core::protocol::inbound::ClientAck;
use crate::types::Namespace;
use bytes::Bytes;
use serde_json::value::RawValue;
use smallvec::SmallVec;
use std::sync::Arc;
use thiserror::Error;
use tokio::sync::oneshot;

/// Acks awaited on one connection at once.
const AWAITED_MAX: usize = 128;
/// Of these, for other clients: whoever may write to a client cannot keep the backend from asking it.
const AWAITED_BY_CLIENTS_MAX: usize = AWAITED_MAX / 2;

/// The answer of one client to an event.
#[derive(Debug, Clone)]
pub struct ReceivedAck {
    /// Its arguments: a JSON array, as the client wrote it.
    pub args: Box<RawValue>,
    /// The buffers for which there are places in `args`.
    pub buffers: Vec<Bytes>,
}

/// Who waits for an ack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AckAsker {
    /// The backend, by whichever way.
    Backend,
    /// Another client.
    Client,
}

/// The acks that are awaited on one connection. Nearly always there is none, or one.
#[derive(Debug, Default)]
pub(super) struct OpenAcks(SmallVec<[Awaited; 1]>);

/// An ack that somebody waits for.
#[derive(Debug)]
struct Awaited {
    namespace: Namespace,
    id: u64,
    asker: AckAsker,
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
#[error("as many acks are awaited on this connection as may be")]
pub struct TooManyAcks;

impl Connection {
    /// Waits for the ack with this id in `namespace`; to be said before the event is sent. No two may have the same id.
    pub fn await_ack(
        self: &Arc<Self>,
        namespace: &Namespace,
        id: u64,
        asker: AckAsker,
    ) -> Result<AwaitedAck, TooManyAcks> {
        let (waiting, ack) = oneshot::channel();
        let mut state = self.lock();
        if state.acks.as_ref().is_some_and(|it| it.is_full_for(asker)) {
            return Err(TooManyAcks);
        }
        // A closed connection receives none any more, and the event is not sent either.
        if !matches!(state.phase, Phase::Closed(_)) {
            let awaited = Awaited { namespace: namespace.clone(), id, asker, waiting };
            state.acks.get_or_insert_default().0.push(awaited);
        }
        drop(state);
        Ok(AwaitedAck { connection: Arc::clone(self), id, ack })
    }

    /// The client has left the namespace: its acks there do not come any more.
    pub fn forget_acks(&self, namespace: &Namespace) {
        OpenAcks::keep(&mut self.lock().acks, |it| it.namespace != *namespace);
    }

    /// The client sent an ack; one that nobody waits for, or that comes again, is counted and passed over.
    pub(super) fn ack_received(&self, ack: &ClientAck<'_>) {
        let awaited = OpenAcks::take(&mut self.lock().acks, ack);
        let taken = awaited.map(|it| {
            it.waiting
                .send(ReceivedAck { args: ack.args.to_owned(), buffers: ack.buffers.to_vec() })
        });
        if !matches!(taken, Some(Ok(()))) {
            metrics::counter!("userline_acks_ignored_total").increment(1);
        }
    }
}

impl OpenAcks {
    fn is_full_for(&self, asker: AckAsker) -> bool {
        let by_clients = || self.0.iter().filter(|it| it.asker == AckAsker::Client).count();
        AWAITED_MAX <= self.0.len()
            || asker == AckAsker::Client && AWAITED_BY_CLIENTS_MAX <= by_clients()
    }

    /// Keeps those of which `is_kept` says so. Where none is left, the memory is given back.
    fn keep(acks: &mut Option<Box<Self>>, is_kept: impl Fn(&Awaited) -> bool) {
        let Some(Self(awaited)) = acks.as_deref_mut() else { return };
        awaited.retain(|it| is_kept(it));
        if awaited.is_empty() {
            *acks = None;
        }
    }

    /// Takes out whoever waits for this ack.
    fn take(acks: &mut Option<Box<Self>>, ack: &ClientAck<'_>) -> Option<Awaited> {
        let Self(awaited) = acks.as_deref_mut()?;
        let is_it = |it: &Awaited| it.id == ack.id && it.namespace.as_str() == ack.namespace;
        let index = awaited.iter().position(is_it)?;
        let taken = awaited.swap_remove(index);
        if awaited.is_empty() {
            *acks = None;
        }
        Some(taken)
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
        OpenAcks::keep(&mut self.connection.lock().acks, |it| it.id != self.id);
    }
}
