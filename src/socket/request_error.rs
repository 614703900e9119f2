//! Why a client's request is answered with an error.

use crate::realtime::client_events::EventFailure;
use crate::realtime::inboxes::InboxError;
use crate::realtime::permissions::NotAnswered;
use std::fmt::Display;

/// Why a request is answered with an error.
#[derive(Debug)]
pub(super) struct RequestError {
    /// The stable name.
    pub(super) code: &'static str,
    /// The same for people.
    pub(super) message: String,
}

impl RequestError {
    pub(super) fn new(code: &'static str, message: impl Display) -> Self {
        Self { code, message: message.to_string() }
    }

    /// An argument is not what the request takes.
    pub(super) fn invalid(why: impl Display) -> Self {
        Self::new("invalid_argument", why)
    }

    /// An item that cannot be read.
    pub(super) fn damaged(error: &serde_json::Error) -> Self {
        tracing::error!(%error, "an inbox is damaged");
        Self::new("internal", "the server failed; its log says more")
    }
}

impl From<EventFailure> for RequestError {
    fn from(failure: EventFailure) -> Self {
        Self::new(failure.code(), failure)
    }
}

impl From<NotAnswered> for RequestError {
    fn from(why: NotAnswered) -> Self {
        Self::new(why.code(), why)
    }
}

impl From<InboxError> for RequestError {
    fn from(error: InboxError) -> Self {
        if let InboxError::Database(source) = &error {
            tracing::error!(error = %source, "cannot read an inbox");
        }
        Self::new(error.code(), error)
    }
}
