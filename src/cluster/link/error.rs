//! Why a server is of no use to the cluster.

use crate::cluster::codec::CodecError;
use crate::redis_server::RedisFailure;
use redis::RedisError;
use thiserror::Error;

/// Why there is no link, or none any more. No text of it holds a password.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LinkError {
    /// It does not do what it is asked.
    #[error(transparent)]
    Redis(#[from] RedisFailure),
    /// It is a replica: what is written there is lost, or refused.
    #[error("this Redis is a replica")]
    Replica,
    /// It is too old for the scripts.
    #[error("Redis {0} is too old: 6.2 or later is needed")]
    TooOld(String),
    /// What it answered has no meaning here.
    #[error(transparent)]
    Unread(#[from] CodecError),
}

impl LinkError {
    /// Whether it is about what was asked alone, and the link is as good as before.
    pub fn is_of_one_command(&self) -> bool {
        match self {
            Self::Redis(failure) => failure.is_of_one_command(),
            Self::Unread(CodecError) => true,
            Self::Replica | Self::TooOld(_) => false,
        }
    }
}

impl From<RedisError> for LinkError {
    fn from(error: RedisError) -> Self {
        RedisFailure::from(error).into()
    }
}
