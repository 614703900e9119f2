//! What clients emit: the server's own events are answered, everything else is acked with an error; nothing is
//! swallowed.

use super::{ClientParts, inbox};
use crate::core::protocol::inbound_rewrite::MARK;
use crate::core::protocol::packet;
use crate::registry::Socket;
use crate::types::ClientRequest;
use serde_json::json;
use serde_json::value::{RawValue, to_raw_value};
use socketioxide::adapter::Adapter;
use socketioxide::extract::SocketRef;
use socketioxide::handler::{FromMessageParts, Value};
use std::convert::Infallible;
use std::fmt::Display;
use std::sync::Arc;
use tokio::sync::{Semaphore, SemaphorePermit};

/// An event as the client wrote it.
struct Incoming {
    /// `["name",arg,…]`
    text: String,
    has_attachments: bool,
    ack: Option<i64>,
}

impl<A: Adapter> FromMessageParts<A> for Incoming {
    type Error = Infallible;

    fn from_message_parts(
        _: &Arc<socketioxide::socket::Socket<A>>,
        value: &mut Value,
        ack: &Option<i64>,
    ) -> Result<Self, Infallible> {
        let text = value.as_str().map(|text| text.as_str().to_owned()).unwrap_or_default();
        let has_attachments = match value {
            Value::Str(_, attachments) => attachments.as_ref().is_some_and(|it| !it.is_empty()),
            Value::Bytes(_) => true,
        };
        Ok(Self { text, has_attachments, ack: *ack })
    }
}

/// Questions to the store that one client may have open.
const QUESTIONS_MAX: usize = 8;

/// Why an event is answered with an error.
#[derive(Debug)]
pub(super) struct Refused {
    /// The stable name.
    pub(super) code: &'static str,
    /// The same for people.
    pub(super) message: String,
}

impl Refused {
    pub(super) fn new(code: &'static str, message: impl Display) -> Self {
        Self { code, message: message.to_string() }
    }
}

/// Answers the events of one socket.
#[derive(Debug)]
pub(super) struct Answers {
    parts: Arc<ClientParts>,
    socket: Arc<Socket>,
    questions: Semaphore,
}

/// Lets the engine hand what `answers` is for to it.
pub(super) fn register(engine_socket: &SocketRef, answers: &Arc<Answers>) {
    let answers = Arc::clone(answers);
    engine_socket.on_fallback(async move |incoming: Incoming| answers.answer(&incoming).await);
}

impl Answers {
    pub(super) fn new(parts: Arc<ClientParts>, socket: Arc<Socket>) -> Self {
        Self { parts, socket, questions: Semaphore::new(QUESTIONS_MAX) }
    }

    /// What the client may ask for.
    pub(super) fn parts(&self) -> &ClientParts {
        &self.parts
    }

    /// Whose events.
    pub(super) fn socket(&self) -> &Arc<Socket> {
        &self.socket
    }

    async fn answer(&self, incoming: &Incoming) {
        if let Err(Refused { code, message }) = self.try_answer(incoming).await {
            metrics::counter!("userline_client_events_refused_total", "code" => code).increment(1);
            let error = json!({"error": {"code": code, "message": message}});
            if let Ok(error) = to_raw_value(&error) {
                self.ack(incoming.ack, &[&error]);
            }
        }
    }

    async fn try_answer(&self, incoming: &Incoming) -> Result<(), Refused> {
        let parts: Vec<&RawValue> = serde_json::from_str(&incoming.text).unwrap_or_default();
        // A name that the engine could not have read stands behind the mark.
        let parts = match parts.split_first() {
            Some((mark, rest)) if serde_json::from_str(mark.get()).ok() == Some(MARK) => rest,
            _ => &parts,
        };
        let (name, args) = match parts.split_first() {
            Some((name, args)) => {
                (serde_json::from_str::<String>(name.get()).unwrap_or_default(), args)
            }
            None => (String::new(), &[][..]),
        };
        let Some(request) = ClientRequest::parse(&name) else {
            return Err(Refused::new(
                "unknown_event",
                format_args!("nobody listens to `{name}` here"),
            ));
        };
        if incoming.has_attachments {
            let message = format_args!("{name} takes no binary arguments");
            return Err(Refused::new("binary_unsupported", message));
        }
        match request {
            ClientRequest::Ping => self.ack(incoming.ack, args),
            ClientRequest::Inbox => inbox::page(self, args, incoming.ack).await?,
            ClientRequest::Read => inbox::read(self, args, incoming.ack).await?,
        }
        Ok(())
    }

    /// A turn to ask the store something.
    pub(super) fn question(&self) -> Result<SemaphorePermit<'_>, Refused> {
        self.questions.try_acquire().map_err(|_| {
            let message =
                format_args!("more than {QUESTIONS_MAX} questions at once; wait for an ack");
            Refused::new("busy", message)
        })
    }

    /// Acks, if the client asked for it.
    pub(super) fn ack(&self, id: Option<i64>, args: &[&RawValue]) {
        if let Some(id) = id {
            self.socket.connection.send(&packet::ack(&self.socket.namespace, id, args));
        }
    }
}
