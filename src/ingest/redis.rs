//! A Redis: its URL, connections to it, and what they meet.

use super::trouble::{Trouble, TroubleKind};
use crate::types::Secret;
use redis::aio::{AsyncPushSender, MultiplexedConnection};
use redis::{
    AsyncConnectionConfig, Client, ErrorKind, IntoConnectionInfo as _, ProtocolVersion, RedisError,
    TlsCertificates, Value, cmd,
};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long it may take until a connection can be used.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A Redis that can be connected to.
#[derive(Debug, Clone)]
pub(super) struct RedisServer(Client);

impl RedisServer {
    /// Reads the URL; the error does not repeat it, for it may hold a password. `ca` is the PEM of the authorities that are
    /// believed instead of those of the system.
    pub(super) fn new(url: &Secret, ca: Option<&str>) -> Result<Self, Trouble> {
        let text = std::str::from_utf8(url.expose()).unwrap_or_default();
        let opened = text.into_connection_info().and_then(|info| {
            // Only RESP3 hands over what is published as it comes; the older one keeps it in a queue without a bound.
            let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
            let info = info.set_redis_settings(settings);
            match ca.map(|it| it.as_bytes().to_vec()) {
                None => Client::open(info),
                root_cert => {
                    Client::build_with_tls(info, TlsCertificates { client_tls: None, root_cert })
                }
            }
        });
        opened.map(Self).map_err(|error| {
            let why = error.detail().map_or_else(|| error.to_string(), str::to_owned);
            Trouble::new(TroubleKind::Url, format!("the URL of Redis cannot be used: {why}"))
        })
    }

    /// Whom the URL names; the user of those who name nobody, if so.
    pub(super) fn user(&self) -> &str {
        self.0.get_connection_info().redis_settings().username().unwrap_or("default")
    }

    /// A connection whose commands are answered within `patience`; `pushed` gets what Redis says unasked.
    pub(super) async fn connect(
        &self,
        patience: Duration,
        pushed: impl AsyncPushSender,
    ) -> Result<MultiplexedConnection, Trouble> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(Some(patience))
            .set_push_sender(pushed);
        let connecting = self.0.get_multiplexed_async_connection_with_config(&config);
        connecting.await.map_err(|error| met(&error))
    }
}

/// What the client met.
pub(super) fn met(error: &RedisError) -> Trouble {
    if error.kind() == ErrorKind::RESP3NotSupported {
        return Trouble::new(
            TroubleKind::TooOld,
            "Redis 6 or newer is needed, for it speaks RESP3",
        );
    }
    let kind = match error.code() {
        _ if error.kind() == ErrorKind::AuthenticationFailed => TroubleKind::Credentials,
        _ if error.kind() == ErrorKind::InvalidClientConfig => TroubleKind::Url,
        Some("NOAUTH" | "WRONGPASS") => TroubleKind::Credentials,
        Some("NOPERM") => TroubleKind::Forbidden,
        Some("LOADING" | "BUSY" | "MASTERDOWN" | "READONLY" | "OOM" | "MISCONF") => {
            TroubleKind::Unavailable
        }
        Some("WRONGTYPE") => TroubleKind::WrongType,
        Some(_) => TroubleKind::Failed,
        None if error.is_timeout() => TroubleKind::Timeout,
        None if error.to_string().contains("certificate") => TroubleKind::Tls,
        None => TroubleKind::Unreachable,
    };
    Trouble::new(kind, error.to_string())
}

/// The version of a Redis.
pub(super) async fn version(connection: &mut MultiplexedConnection) -> Result<String, Trouble> {
    let answer: Result<BTreeMap<String, Value>, RedisError> =
        cmd("HELLO").query_async(connection).await;
    let answer = answer.map_err(|error| met(&error))?;
    let version = answer.get("version").and_then(|it| redis::from_redis_value_ref(it).ok());
    Ok(version.unwrap_or_else(|| "of an unknown version".to_owned()))
}

/// What was met, with the command that mends it, if it is about rights.
pub(super) fn with_rights(trouble: Trouble, user: &str, rights: &str) -> Trouble {
    let user = quote(user);
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
        let met = |kind| with_rights(Trouble::new(kind, "no"), "ann b", "+get").to_string();
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
