//! Why a server could not be loaded.

use std::io;
use thiserror::Error;

/// Why a server could not be loaded.
#[derive(Debug, Error)]
pub(crate) enum BenchError {
    /// What was asked for does not make sense.
    #[error("{0}")]
    Usage(String),
    /// Nobody answers, or no socket can connect.
    #[error("{0}")]
    Unreachable(String),
    /// The server answers, but does not do what is needed.
    #[error("{0}")]
    Refused(String),
    /// This machine does not do what is needed.
    #[error("{what}: {error}")]
    System {
        /// What was tried.
        what: String,
        /// What the system said.
        error: io::Error,
    },
}

impl BenchError {
    /// For `map_err`: the system refused `what`.
    pub(crate) fn system(what: &str) -> impl FnOnce(io::Error) -> Self {
        let what = what.to_owned();
        |error| Self::System { what, error }
    }
}
