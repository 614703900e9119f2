//! A Redis that is a source: connections to it, and what they meet.

use super::trouble::{Trouble, TroubleKind};
use crate::config::RedisLocation;
use crate::redis_server::{RedisFailure, RedisServer};
use redis::aio::{AsyncPushSender, MultiplexedConnection};
use redis::{AsyncConnectionConfig, ProtocolVersion, RedisError, Value, cmd};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long it may take until a connection can be used.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The server. Only RESP3 hands over what is published as it comes; the older one keeps it in a queue without a bound.
pub(super) fn server(location: &RedisLocation) -> RedisServer {
    RedisServer::new(location, ProtocolVersion::RESP3)
}

/// A connection whose commands are answered within `patience`; `pushed` gets what Redis says unasked.
pub(super) async fn connect(
    server: &RedisServer,
    patience: Duration,
    pushed: impl AsyncPushSender,
) -> Result<MultiplexedConnection, Trouble> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT_TIMEOUT))
        .set_response_timeout(Some(patience))
        .set_push_sender(pushed);
    Ok(server.connect(&config).await?)
}

impl From<RedisFailure> for Trouble {
    fn from(failure: RedisFailure) -> Self {
        let kind = match &failure {
            RedisFailure::Unreachable(_) | RedisFailure::NoServer(_) => TroubleKind::Unreachable,
            RedisFailure::Tls(_) => TroubleKind::Tls,
            RedisFailure::Timeout => TroubleKind::Timeout,
            RedisFailure::Credentials(_) => TroubleKind::Credentials,
            RedisFailure::Forbidden(_) => TroubleKind::Forbidden,
            RedisFailure::Full | RedisFailure::Unavailable(_) => TroubleKind::Unavailable,
            RedisFailure::WrongType(_) => TroubleKind::WrongType,
            RedisFailure::NoResp3 => TroubleKind::TooOld,
            RedisFailure::Refused(_) => TroubleKind::Failed,
        };
        Self::new(kind, failure.to_string())
    }
}

impl From<RedisError> for Trouble {
    fn from(error: RedisError) -> Self {
        RedisFailure::from(error).into()
    }
}

/// The version of a Redis.
pub(super) async fn version(connection: &mut MultiplexedConnection) -> Result<String, Trouble> {
    let answer: BTreeMap<String, Value> = cmd("HELLO").query_async(connection).await?;
    let version = answer.get("version").and_then(|it| redis::from_redis_value_ref(it).ok());
    Ok(version.unwrap_or_else(|| "of an unknown version".to_owned()))
}

/// What was met, with the command that mends it, if it is about rights.
pub(super) fn with_rights(trouble: Trouble, user: Option<&str>, rights: &str) -> Trouble {
    let user = quote(user.unwrap_or("default"));
    let mend = if trouble.kind == TroubleKind::Forbidden {
        format!("ACL SETUSER {user} {rights}")
    } else if trouble.kind == TroubleKind::Credentials {
        format!("ACL SETUSER {user} on >PASSWORD {rights}")
    } else {
        return trouble;
    };
    Trouble::new(trouble.kind, format!("{trouble}. Whoever administers Redis can say: {mend}"))
}

/// An argument as redis-cli takes it.
pub(super) fn quote(argument: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "~&:#*+-_./@|".contains(c);
    if argument.chars().all(is_plain) { argument.to_owned() } else { format!("{argument:?}") }
}

/// A name as a pattern that fits it alone.
pub(super) fn glob(name: &str) -> String {
    let mut pattern = String::with_capacity(name.len());
    for c in name.chars() {
        if matches!(c, '*' | '?' | '[' | ']' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern
}

#[cfg(test)]
mod tests {
    use super::{Trouble, TroubleKind, glob, quote, with_rights};

    #[test]
    fn a_name_is_a_pattern_for_itself() {
        assert_eq!(glob("socket.io"), "socket.io");
        assert_eq!(glob("a*b?[c]\\"), "a\\*b\\?\\[c\\]\\\\");
    }

    #[test]
    fn what_is_about_rights_says_what_mends_it() {
        let met = |kind| with_rights(Trouble::new(kind, "no"), Some("ann b"), "+get").to_string();
        assert!(met(TroubleKind::Forbidden).ends_with("ACL SETUSER \"ann b\" +get"));
        assert!(met(TroubleKind::Credentials).ends_with("on >PASSWORD +get"));
        assert_eq!(met(TroubleKind::Timeout), "no");
    }

    #[test]
    fn an_argument_is_quoted_if_it_must_be() {
        assert_eq!(quote("&socket.io#*"), "&socket.io#*");
        assert_eq!(quote("~a\\*b"), "\"~a\\\\*b\"");
    }
}
