//! What the answer of a backend means: emits, and the client's ack.

use super::pending::PendingEvent;
use crate::commands::emit::EmitTerms;
use crate::commands::event_answer::{self, AnswerTerms, EventAnswer};
use crate::realtime::messages::Messages;
use crate::types::{EventPattern, Namespace, Payload};
use serde_json::value::RawValue;
use std::sync::Arc;
use std::time::Duration;

/// The header that makes an answer more than an ack, and its value.
pub(super) const ANSWER_HEADER: &str = "userline-answer";
const ENVELOPE: &str = "1";

/// Does what answers say.
#[derive(Debug)]
pub(super) struct Answering {
    pub(super) messages: Arc<Messages>,
    pub(super) namespaces: Arc<[Namespace]>,
    pub(super) ttl_max: Duration,
    pub(super) may_emit: Vec<EventPattern>,
    /// Bytes of one answer.
    pub(super) bytes_max: usize,
}

/// An answer as it came.
#[derive(Debug)]
pub(super) struct RawAnswer {
    /// The value of [`ANSWER_HEADER`].
    pub(super) header: Option<String>,
    pub(super) body: Vec<u8>,
}

/// An answer that cannot be used, and why, for the log.
#[derive(Debug)]
pub(super) struct BadAnswer(pub(super) String);

impl RawAnswer {
    /// Whether it is more than an ack.
    pub(super) fn is_envelope(&self) -> bool {
        self.header.as_deref().is_some_and(|it| it.trim() == ENVELOPE)
    }
}

impl Answering {
    /// Reads an answer with a status of success.
    pub(super) fn read(
        &self,
        event: &PendingEvent,
        answer: &RawAnswer,
    ) -> Result<EventAnswer, BadAnswer> {
        if answer.is_envelope() {
            return self.read_envelope(event, &answer.body);
        }
        let body = answer.body.trim_ascii();
        let args = if body.is_empty() {
            Vec::new()
        } else {
            let json: &RawValue = serde_json::from_slice(body)
                .map_err(|error| BadAnswer(format!("its body is no JSON: {error}")))?;
            vec![json.to_owned()]
        };
        let payload = Payload::try_new(args).map_err(|error| BadAnswer(error.to_string()))?;
        Ok(EventAnswer { reply: Ok(payload), emits: Vec::new() })
    }

    /// Reads an answer with the header.
    pub(super) fn read_envelope(
        &self,
        event: &PendingEvent,
        body: &[u8],
    ) -> Result<EventAnswer, BadAnswer> {
        let emits = EmitTerms {
            namespaces: &self.namespaces,
            default_namespace: Some(&event.socket.namespace),
            ttl_max: self.ttl_max,
            // Start-up has seen to it that `events.may_emit` names none.
            client_events: &[],
        };
        let terms = AnswerTerms { emits, may_emit: &self.may_emit };
        event_answer::parse(body, terms).map_err(|error| BadAnswer(error.message))
    }

    /// Emits, one after the other, and acks when all is out. What cannot be emitted is told in the log: the event has been
    /// handled, so its client is acked all the same.
    pub(super) async fn perform(&self, event: &PendingEvent, answer: EventAnswer) {
        let EventAnswer { reply, emits } = answer;
        for message in emits {
            let name = message.emit.event.clone();
            if let Err(error) = self.messages.post(message).await {
                tracing::error!(event = %name, %error, "an emit of an answer is lost");
            }
        }
        match reply {
            Ok(payload) => event.ack(&payload),
            Err(error) => event.refuse(&error.code, &error.message, error.data.as_deref()),
        }
    }
}
