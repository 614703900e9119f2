//! What is wrong with a command.

use std::fmt::Display;
use thiserror::Error;

/// The stable name of a mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommandCode {
    /// The command makes no sense; its field says where, if it is about one.
    InvalidArgument,
    /// It names something that is not configured here.
    NotFound,
    /// Nobody but the server, or the client library, may send this event.
    ReservedEvent,
}

impl CommandCode {
    /// The name that programs branch on.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidArgument => "invalid_argument",
            Self::NotFound => "not_found",
            Self::ReservedEvent => "reserved_event",
        }
    }
}

/// Why a command was refused. Nothing was done.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct CommandError {
    /// What kind of mistake it is.
    pub code: CommandCode,
    /// The same for people, the field included.
    pub message: String,
    /// The path of the field that is wrong, such as `to.users[3]`; `None` if it is about none.
    pub field: Option<String>,
}

impl CommandError {
    /// A mistake that is about no field.
    pub fn new(why: impl Display) -> Self {
        Self { code: CommandCode::InvalidArgument, message: why.to_string(), field: None }
    }

    /// A field that is wrong.
    pub fn field(field: impl Into<String>, why: impl Display) -> Self {
        let field = field.into();
        Self { message: format!("{field}: {why}"), field: Some(field), ..Self::new("") }
    }

    /// The same under another code.
    #[must_use]
    pub fn with_code(self, code: CommandCode) -> Self {
        Self { code, ..self }
    }
}
