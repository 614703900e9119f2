//! What an input gets, as the page says it.

use std::fmt;

/// What an input gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Gets {
    /// An HTTP answer with this status.
    Status(u16),
    /// An HTTP answer with this status and a code of Engine.IO.
    Engine(u16, u64),
    /// An HTTP answer with this status and the name of an error.
    Api(u16, String),
    /// No answer, and the connection works as before.
    Stays,
    /// An ack that holds an error of this name; the connection works as before.
    Acked(String),
    /// A `connect_error` with this code; a good CONNECT is taken after it.
    Refused(String),
    /// These bytes; the connection works as before.
    Says(String),
    /// A pong with the same bytes; the connection works as before.
    Pong,
    /// The connection ends.
    Ends,
    /// The connection ends with a close frame that has this code.
    Closes(u16),
    /// The WebSocket ends, the polling session that it wanted to take over works as before.
    NoUpgrade,
    /// One after the other.
    Then(Box<Gets>, Box<Gets>),
    /// The program does not start: the configuration is refused with these words.
    NotStarted(String),
    /// The attempt to send a hook fails, and nobody else is asked.
    AttemptFails,
    /// It is not emitted, and counted as refused with this code.
    NotEmitted(String),
    /// Nothing came in time: this is no row's.
    Silence,
}

impl Gets {
    pub(super) fn api(status: u16, code: &str) -> Self {
        Self::Api(status, code.to_owned())
    }

    pub(super) fn acked(code: &str) -> Self {
        Self::Acked(code.to_owned())
    }

    pub(super) fn refused(code: &str) -> Self {
        Self::Refused(code.to_owned())
    }

    pub(super) fn says(text: &str) -> Self {
        Self::Says(text.to_owned())
    }

    pub(super) fn then(self, next: Self) -> Self {
        Self::Then(Box::new(self), Box::new(next))
    }

    /// Whether something is sent to the client that is not the end.
    pub(super) fn is_answer(&self) -> bool {
        matches!(self, Self::Acked(_) | Self::Refused(_) | Self::Says(_) | Self::Pong)
    }
}

impl fmt::Display for Gets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "`{status}`"),
            Self::Engine(status, code) => write!(f, "`{status}`, code {code}"),
            Self::Api(status, code) => write!(f, "`{status}` `{code}`"),
            Self::NotEmitted(code) => write!(f, "refused with `{code}`"),
            Self::Stays => f.write_str("nothing"),
            Self::Acked(code) => write!(f, "an ack with `{code}`"),
            Self::Refused(code) => write!(f, "`connect_error` with `{code}`"),
            Self::Says(text) => write!(f, "`{text}`"),
            Self::Pong => f.write_str("a pong"),
            Self::Ends => f.write_str("the connection ends"),
            Self::Closes(code) => write!(f, "the connection ends, with code {code}"),
            Self::NoUpgrade => f.write_str("the WebSocket ends, polling goes on"),
            Self::Then(first, next) if **next == Self::Stays => {
                write!(f, "{first}; the connection goes on")
            }
            Self::Then(first, next) => write!(f, "{first}; {next}"),
            Self::NotStarted(why) => write!(f, "the program does not start: \"{why}\""),
            Self::AttemptFails => f.write_str("the attempt fails"),
            Self::Silence => f.write_str("silence"),
        }
    }
}
