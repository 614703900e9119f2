//! Why Redis does not do what it is asked.

use redis::{ErrorKind, RedisError};
use thiserror::Error;

/// Why Redis does not do what it is asked. No text of it holds a password.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RedisFailure {
    /// There is no connection, or there is none any more.
    #[error("Redis cannot be reached: {0}")]
    Unreachable(String),
    /// It has no certificate that is believed.
    #[error("Redis cannot be spoken to with TLS: {0}")]
    Tls(String),
    /// Nothing was heard in time.
    #[error("Redis did not answer in time")]
    Timeout,
    /// User or password is wrong.
    #[error("Redis refuses user or password: {0}")]
    Credentials(String),
    /// The user may not do this.
    #[error("the user of Redis may not do this: {0}")]
    Forbidden(String),
    /// No sentinel knows a server by that name.
    #[error("no sentinel says which server is `{0}`")]
    NoServer(String),
    /// Its memory is full, and this would have needed more.
    #[error("the memory of Redis is full (maxmemory)")]
    Full,
    /// It takes nothing for the moment.
    #[error("Redis takes nothing at the moment: {0}")]
    Unavailable(String),
    /// Under this name there is something of another kind.
    #[error("Redis has something else there: {0}")]
    WrongType(String),
    /// It speaks only the older protocol.
    #[error("Redis 6 or newer is needed, for it speaks RESP3")]
    NoResp3,
    /// It answered with another error.
    #[error("Redis answered: {0}")]
    Refused(String),
}

impl From<RedisError> for RedisFailure {
    fn from(error: RedisError) -> Self {
        let said =
            || without_arguments(error.detail().unwrap_or_else(|| error.category())).to_owned();
        let is = |kind| error.kind() == kind;
        match error.code() {
            _ if is(ErrorKind::AuthenticationFailed) => Self::Credentials(said()),
            _ if is(ErrorKind::RESP3NotSupported) => Self::NoResp3,
            // Where it is was read before: what is left are certificates.
            _ if is(ErrorKind::InvalidClientConfig) => Self::Tls(said()),
            Some("NOAUTH" | "WRONGPASS") => Self::Credentials(said()),
            Some("NOPERM") => Self::Forbidden(said()),
            Some("OOM") => Self::Full,
            Some(
                code @ ("LOADING" | "BUSY" | "MASTERDOWN" | "READONLY" | "MISCONF" | "CLUSTERDOWN"
                | "MOVED" | "ASK" | "NOSCRIPT"),
            ) => Self::Unavailable(format!("{code} {}", said())),
            Some("WRONGTYPE") => Self::WrongType(said()),
            Some(code) => Self::Refused(format!("{code} {}", said())),
            None if error.is_timeout() => Self::Timeout,
            None => {
                let text = without_arguments(&error.to_string()).to_owned();
                if text.contains("certificate") { Self::Tls(text) } else { Self::Unreachable(text) }
            }
        }
    }
}

/// A command that Redis does not know it repeats with its arguments, and the first command of a connection has the password.
fn without_arguments(said: &str) -> &str {
    said.split_once(", with args beginning with").map_or(said, |(before, _)| before)
}

impl RedisFailure {
    /// Whether it is about what was asked alone: another thing may be asked on the same connection.
    pub fn is_of_one_command(&self) -> bool {
        match self {
            Self::Forbidden(_) | Self::Full | Self::WrongType(_) | Self::Refused(_) => true,
            Self::Unreachable(_)
            | Self::Tls(_)
            | Self::Timeout
            | Self::Credentials(_)
            | Self::NoServer(_)
            | Self::Unavailable(_)
            | Self::NoResp3 => false,
        }
    }
}
