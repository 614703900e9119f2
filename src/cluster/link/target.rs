//! Which server to connect to: of a Redis Cluster, the one that has the keys.

use super::error::LinkError;
use super::facts::ServerFacts;
use crate::cluster::codec;
use crate::config::ClusterConfig;
use crate::redis_server::{RedisFailure, RedisServer, without_deadlines};
use redis::aio::MultiplexedConnection;
use redis::{ProtocolVersion, RedisResult, cmd};

/// How often a server may send on to another one: while a slot moves, two of them may not agree.
const REDIRECTIONS_MAX: usize = 3;

/// Where to connect. Made once; each connection asks anew where that is.
#[derive(Debug, Clone)]
pub struct RedisTarget {
    server: RedisServer,
    /// A key of the cluster: all are in one slot.
    key: String,
}

impl RedisTarget {
    /// The Redis of a configuration.
    pub fn new(config: &ClusterConfig) -> Self {
        let server = RedisServer::new(&config.redis, ProtocolVersion::RESP2);
        Self { server, key: codec::prefix(&config.name) + "meta" }
    }

    /// Nothing was heard in time.
    pub(in crate::cluster) fn silence(&self) -> RedisFailure {
        self.server.silence()
    }

    /// Connects, and finds out what it is connected to.
    pub(in crate::cluster) async fn connect(
        &self,
    ) -> Result<(MultiplexedConnection, ServerFacts), LinkError> {
        let config = without_deadlines();
        let mut connection = self.server.connect(&config).await?;
        for _ in 0..REDIRECTIONS_MAX {
            let mut ask = cmd("EXISTS");
            let answer: RedisResult<u8> = ask.arg(&self.key).query_async(&mut connection).await;
            let Err(error) = answer else {
                let facts = ServerFacts::ask(&mut connection, &self.server).await?;
                return Ok((connection, facts));
            };
            let address = error.redirect_node().and_then(|(address, _)| address.rsplit_once(':'));
            let address = address.and_then(|(host, port)| Some((host, port.parse().ok()?)));
            let Some((host, port)) = address.filter(|(host, _)| !host.is_empty()) else {
                return Err(error.into());
            };
            connection = self.server.connect_to(host, port, &config).await?;
        }
        let why = "each server of the Redis Cluster names another one";
        Err(RedisFailure::Unavailable(why.to_owned()).into())
    }
}
