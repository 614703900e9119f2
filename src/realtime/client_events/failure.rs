//! Why an event that is forwarded is acked with an error of the server's own.

use crate::core::protocol::binary::BinaryError;
use thiserror::Error;

/// Why an event that is forwarded is acked with an error of the server's own. The text is for the client: it tells
/// nothing of the backend.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EventFailure {
    /// Too much is waiting, or it has waited too long.
    #[error("too many events wait for an answer")]
    Overloaded,
    /// The backend cannot be reached, or is not well.
    #[error("the backend does not answer")]
    Unavailable,
    /// The backend did not answer in time; it may have done its work.
    #[error("the backend did not answer in time")]
    Timeout,
    /// The backend does not want it.
    #[error("the backend refused the event (status {0})")]
    Refused(u16),
    /// The backend's answer cannot be used; it may have done its work.
    #[error("the backend's answer cannot be used")]
    BadAnswer,
    /// Its buffers cannot be forwarded.
    #[error(transparent)]
    Binary(#[from] BinaryError),
}

impl EventFailure {
    /// The stable name of the error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Overloaded => "overloaded",
            Self::Unavailable => "backend_unavailable",
            Self::Timeout => "backend_timeout",
            Self::Refused(_) => "event_refused",
            Self::BadAnswer => "backend_answer_invalid",
            Self::Binary(_) => "invalid_argument",
        }
    }
}
