//! One connection to Redis or Valkey, and nothing that connects again by itself.
//!
//! Whoever holds a link knows which run of which server it leads to. What is said on the next one may meet another state: so
//! there is no call that would go to it unseen. A link on which something went wrong is given up whole.

mod advice;
mod error;
mod facts;
mod target;

pub use advice::Advice;
pub use error::LinkError;
pub use facts::ServerFacts;
pub use target::RedisTarget;

use super::codec::RedisCall;
use super::scripts::Script;
use crate::redis_server::RedisFailure;
use redis::aio::MultiplexedConnection;
use redis::{Cmd, Value, cmd, pipe};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// Answers in the time until a server can be spoken to: name, TCP, TLS, password, what it is, scripts.
const OPENING_ANSWERS: u32 = 2;

/// One connection. Cheap to clone; clones share it.
#[derive(Clone)]
pub struct RedisLink {
    connection: MultiplexedConnection,
    scripts: Arc<BTreeMap<Script, String>>,
    server: Arc<ServerFacts>,
    patience: Duration,
}

impl fmt::Debug for RedisLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisLink").field("server", &self.server).finish_non_exhaustive()
    }
}

impl RedisLink {
    /// Connects, finds out what server it is, and gives it the scripts. Nothing of the cluster is read or changed by that. One
    /// answer may take `patience`, now and later.
    pub async fn open(target: &RedisTarget, patience: Duration) -> Result<Self, LinkError> {
        let opening = async {
            let (connection, server) = target.connect().await?;
            server.check()?;
            let mut load = pipe();
            for script in Script::ALL {
                load.cmd("SCRIPT").arg("LOAD").arg(script.text_for(server.takes_flags()));
            }
            let names: Vec<String> = load.query_async(&mut connection.clone()).await?;
            let scripts = Arc::new(Script::ALL.into_iter().zip(names).collect());
            Ok(Self { connection, scripts, server: Arc::new(server), patience })
        };
        timeout(patience * OPENING_ANSWERS, opening).await.map_err(|_| target.silence())?
    }

    /// What server it is.
    pub fn server(&self) -> &ServerFacts {
        &self.server
    }

    /// Runs a call. After an error nobody knows whether it was run, or will be.
    pub async fn call(&self, call: &RedisCall) -> Result<Value, LinkError> {
        self.query(&self.command(call), self.patience).await
    }

    /// Waits until there would be something to read, or `patience` is over. What it is has to be read.
    pub async fn wait_for(&self, read: &RedisCall, patience: Duration) -> Result<(), LinkError> {
        let RedisCall::Read { keys, after, entries_max: _ } = read else { return Ok(()) };
        let mut command = cmd("XREAD");
        command.arg("COUNT").arg(1).arg("BLOCK").arg(patience.as_millis().to_string());
        command.arg("STREAMS").arg(keys).arg(after);
        self.query(&command, patience + self.patience).await.map(drop)
    }

    fn command(&self, call: &RedisCall) -> Cmd {
        match call {
            RedisCall::Script { script, key, arguments } => {
                let mut command = cmd("EVALSHA");
                command.arg(self.scripts.get(script).map(String::as_str).unwrap_or_default());
                command.arg(1).arg(key).arg(arguments);
                command
            }
            RedisCall::Read { keys, after, entries_max } => {
                let mut command = cmd("XREAD");
                command.arg("COUNT").arg(*entries_max).arg("STREAMS").arg(keys).arg(after);
                command
            }
        }
    }

    async fn query(&self, command: &Cmd, limit: Duration) -> Result<Value, LinkError> {
        let mut connection = self.connection.clone();
        let answer = connection.send_packed_command(command);
        let answer = timeout(limit, answer).await.map_err(|_| RedisFailure::Timeout)??;
        // What Redis refuses is a value, too.
        Ok(answer.extract_error()?)
    }
}

#[cfg(test)]
mod tests;
