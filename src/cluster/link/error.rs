//! Why Redis cannot be spoken to.

use redis::{ErrorKind, RedisError};
use thiserror::Error;

/// Why Redis cannot be spoken to. No text of it holds a password.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LinkError {
    /// The URL cannot be used.
    #[error("cluster.redis cannot be used: {0}")]
    Url(String),
    /// There is no connection, or there is none any more.
    #[error("Redis cannot be reached: {0}")]
    Unreachable(String),
    /// Nothing was heard in time.
    #[error("Redis did not answer in time")]
    Timeout,
    /// User or password is wrong, or may not do what is needed.
    #[error("Redis refuses the user: {0}")]
    Credentials(String),
    /// No sentinel knows a server by that name.
    #[error("no sentinel says which server is `{0}`")]
    NoServer(String),
    /// It is a replica: what is written there is lost, or refused.
    #[error("this Redis is a replica")]
    Replica,
    /// It is too old for the scripts.
    #[error("Redis {0} is too old: 6.2 or later is needed")]
    TooOld(String),
    /// Its memory is full, and this would have needed more.
    #[error("the memory of Redis is full (maxmemory)")]
    Full,
    /// It answered with an error.
    #[error("Redis answered: {0}")]
    Server(String),
}

impl From<RedisError> for LinkError {
    fn from(error: RedisError) -> Self {
        let code = error.code().unwrap_or_default();
        let said = || error.detail().map_or_else(|| error.category().to_owned(), str::to_owned);
        if error.kind() == ErrorKind::InvalidClientConfig {
            Self::Url(said())
        } else if error.kind() == ErrorKind::AuthenticationFailed
            || ["NOAUTH", "WRONGPASS", "NOPERM"].contains(&code)
        {
            Self::Credentials(said())
        } else if code == "OOM" {
            Self::Full
        } else if error.is_timeout() {
            Self::Timeout
        } else if error.kind() == ErrorKind::Io {
            Self::Unreachable(error.to_string())
        } else {
            Self::Server(format!("{code} {}", said()).trim().to_owned())
        }
    }
}
