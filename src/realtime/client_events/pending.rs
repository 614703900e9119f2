//! An event of a client between its arrival and its ack.

use super::EventFailure;
use crate::config::EventsConfig;
use crate::core::forwarding::body::{self, EventSender};
use crate::core::protocol::inbound::ClientEvent;
use crate::core::protocol::packet;
use crate::entropy;
use crate::registry::Socket;
use crate::types::{Payload, WallMs};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use std::sync::Arc;

/// What an event that waits takes beside its body, about.
const OVERHEAD_BYTES: usize = 256;

/// An event of a client between its arrival and its ack.
#[derive(Debug)]
pub(super) struct PendingEvent {
    /// Who sent it.
    pub(super) socket: Arc<Socket>,
    /// The same at every attempt.
    pub(super) id: String,
    /// What the backend is sent; made when the event came, so that it says who sent it as it was then.
    pub(super) body: String,
    /// Whether it may be sent again if nobody answered.
    pub(super) is_retry_safe: bool,
    /// With which id the client wants an ack.
    ack: Option<u64>,
}

#[derive(Serialize)]
struct ErrorAck<'a> {
    error: ErrorAckView<'a>,
}

#[derive(Serialize)]
struct ErrorAckView<'a> {
    code: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a RawValue>,
}

impl PendingEvent {
    /// What is kept of `event`.
    pub(super) fn new(
        socket: &Arc<Socket>,
        event: &ClientEvent<'_>,
        config: &EventsConfig,
        at: WallMs,
    ) -> Result<Self, EventFailure> {
        let id = entropy::token("evt_");
        let (rooms, grants) = (socket.rooms(), socket.grants());
        let from = EventSender {
            user: socket.user(),
            socket: socket.id,
            device: socket.device.as_ref(),
            rooms: &rooms,
            data: grants.data.as_deref(),
        };
        let body = body::render(&id, event, &socket.namespace, &from, at)?;
        let is_retry_safe = config.retry_safe.iter().any(|it| it.matches(&event.name));
        Ok(Self { socket: Arc::clone(socket), id, body, is_retry_safe, ack: event.ack })
    }

    /// Bytes it holds while it waits, about.
    pub(super) fn bytes(&self) -> usize {
        self.body.len() + OVERHEAD_BYTES
    }

    /// Acks.
    pub(super) fn ack(&self, payload: &Payload) {
        if let Some(id) = self.ack {
            let args: Vec<&RawValue> = payload.args().iter().map(|it| &**it).collect();
            let ack = packet::ack(&self.socket.namespace, id, &args, payload.buffers());
            self.socket.connection.send(&ack);
        }
    }

    /// Acks with an error of the backend's own.
    pub(super) fn refuse(&self, code: &str, message: &str, data: Option<&RawValue>) {
        let reply = ErrorAck { error: ErrorAckView { code, message, data } };
        let payload = to_raw_value(&reply).map(|error| Payload::try_new(vec![error]));
        if let Ok(Ok(payload)) = payload {
            self.ack(&payload);
        }
    }

    /// Acks with an error of the server's own.
    pub(super) fn fail(&self, failure: &EventFailure) {
        metrics::counter!("userline_client_events_refused_total", "code" => failure.code())
            .increment(1);
        self.refuse(failure.code(), &failure.to_string(), None);
    }
}
