//! How commands end: stable exit codes for scripts, a message on stderr for people.

use crate::bench::BenchError;
use crate::config::ConfigErrors;
use std::io::{self, Write as _};
use std::process::ExitCode;
use thiserror::Error;

/// The end of `userline --help`.
pub(super) const HELP: &str = "\
Exit codes:
  0   done
  1   the server refused the request or is not well, a signature does not fit, or a strict bench found fault
  2   wrong arguments
  69  the server cannot be reached
  70  internal error, or the server cannot run
  78  the configuration is wrong";

/// Why a command was not done.
#[derive(Debug, Error)]
pub(super) enum CommandFailure {
    /// The server refused, or a check failed.
    #[error("{0}")]
    Refused(String),
    /// The arguments do not make sense.
    #[error("{0}")]
    Usage(String),
    /// No answer, or one that is not from the admin API.
    #[error("{0}")]
    Unreachable(String),
    /// Anything else.
    #[error("{0:#}")]
    Internal(anyhow::Error),
    /// The configuration is wrong.
    #[error("the configuration is wrong:\n{0}")]
    Config(#[from] ConfigErrors),
    /// The configuration is right, but what it names is not.
    #[error("the configuration is wrong:\n{0}")]
    ConfigValue(String),
    /// Standard output cannot be written.
    #[error("cannot write: {0}")]
    Output(io::Error),
}

impl From<BenchError> for CommandFailure {
    fn from(error: BenchError) -> Self {
        match error {
            BenchError::Usage(why) => Self::Usage(why),
            BenchError::Unreachable(why) => Self::Unreachable(why),
            BenchError::Refused(why) => Self::Refused(why),
            BenchError::System { .. } => Self::internal(error),
        }
    }
}

impl CommandFailure {
    pub(super) fn internal(error: impl Into<anyhow::Error>) -> Self {
        Self::Internal(error.into())
    }

    /// The exit code, as [`HELP`] has it.
    pub(super) fn code(&self) -> u8 {
        match self {
            // `userline users | head` has printed enough.
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => 0,
            Self::Refused(_) => 1,
            Self::Usage(_) => 2,
            Self::Unreachable(_) => 69,
            Self::Internal(_) | Self::Output(_) => 70,
            Self::Config(_) | Self::ConfigValue(_) => 78,
        }
    }

    /// Writes the reason to stderr; returns the exit code.
    pub(super) fn report(&self) -> ExitCode {
        let code = self.code();
        if code != 0 {
            // If stderr is closed, too, there is nothing left to write to.
            drop(writeln!(io::stderr(), "userline: {self}"));
        }
        ExitCode::from(code)
    }
}
