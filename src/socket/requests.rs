//! What a client emits to one socket: requests to the server itself are answered, everything else is acked with an error;
//! nothing is swallowed.
//!
//! What can be answered at once is answered by the task that reads the connection. What has to ask the store is answered
//! by a task of its own, so that the client is read meanwhile: up to a number of questions, then it has to wait.

use super::ClientParts;
use super::questions::Questions;
use super::request_error::RequestError;
use super::{inbox, ping, read};
use crate::connection::EventListener;
use crate::core::protocol::inbound::ClientEvent;
use crate::core::protocol::packet;
use crate::registry::Socket;
use crate::tasks::Tasks;
use crate::types::ClientRequest;
use serde_json::json;
use serde_json::value::{RawValue, to_raw_value};
use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Poll};

/// What requests are answered with; all sockets of a namespace share it.
#[derive(Debug)]
pub(super) struct RequestParts {
    /// What clients ask for.
    pub(super) client: ClientParts,
    /// Who runs what cannot be answered at once.
    pub(super) tasks: Tasks,
}

/// Answers what a client emits to one socket.
#[derive(Debug)]
pub(super) struct Requests {
    parts: Arc<RequestParts>,
    socket: Arc<Socket>,
    questions: Questions,
}

impl EventListener for Requests {
    fn deliver(self: Arc<Self>, event: &ClientEvent<'_>) {
        if let Err(error) = self.begin(event) {
            self.refuse(event.ack, &error);
        }
    }

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.questions.poll_ready(cx)
    }
}

impl Requests {
    pub(super) fn new(parts: Arc<RequestParts>, socket: Arc<Socket>) -> Self {
        Self { parts, socket, questions: Questions::default() }
    }

    /// What the client may ask for.
    pub(super) fn parts(&self) -> &ClientParts {
        &self.parts.client
    }

    /// The socket that the client emits to.
    pub(super) fn socket(&self) -> &Arc<Socket> {
        &self.socket
    }

    /// Answers an event, or begins to.
    fn begin(self: &Arc<Self>, event: &ClientEvent<'_>) -> Result<(), RequestError> {
        let name = &event.name;
        let Some(request) = ClientRequest::parse(name) else {
            let message = format_args!("nobody listens to `{name}` here");
            return Err(RequestError::new("unknown_event", message));
        };
        if !event.buffers.is_empty() {
            let message = format_args!("{name} takes no binary arguments");
            return Err(RequestError::new("binary_unsupported", message));
        }
        match request {
            ClientRequest::Ping => ping::answer(self, event),
            ClientRequest::Inbox => return inbox::begin(self, event),
            ClientRequest::Read => return read::begin(self, event),
        }
        Ok(())
    }

    /// Runs `question`, which acks by itself unless it fails.
    pub(super) fn answer_later(
        self: &Arc<Self>,
        task: &'static str,
        ack: Option<u64>,
        question: impl Future<Output = Result<(), RequestError>> + Send + 'static,
    ) {
        let requests = Arc::clone(self);
        self.questions.begin();
        let open = OpenQuestion(Arc::clone(self));
        self.parts.tasks.spawn(task, async move {
            if let Err(error) = question.await {
                requests.refuse(ack, &error);
            }
            drop(open);
        });
    }

    fn refuse(&self, ack: Option<u64>, RequestError { code, message }: &RequestError) {
        metrics::counter!("userline_client_events_refused_total", "code" => *code).increment(1);
        let error = json!({"error": {"code": code, "message": message}});
        if let Ok(error) = to_raw_value(&error) {
            self.ack(ack, &[&error]);
        }
    }

    /// Acks, if the client asked for it.
    pub(super) fn ack(&self, id: Option<u64>, args: &[&RawValue]) {
        if let Some(id) = id {
            self.socket.connection.send(&packet::ack(&self.socket.namespace, id, args));
        }
    }
}

/// One question that is open, until this is dropped.
struct OpenQuestion(Arc<Requests>);

impl Drop for OpenQuestion {
    fn drop(&mut self) {
        self.0.questions.end();
    }
}
