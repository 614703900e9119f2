//! What a server says of itself.

use super::error::LinkError;
use crate::redis_server::RedisServer;
use redis::aio::MultiplexedConnection;
use redis::{RedisResult, cmd};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The oldest version whose scripts can do what is needed.
const OLDEST: (u32, u32) = (6, 2);
/// The first one that knows flags of scripts.
const FLAGS_SINCE: u32 = 7;

/// What a server says of itself. What it does not say is `None`: managed ones keep some of it to themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerFacts {
    /// Which copy of which data, in which run: another text means that something may have been lost.
    pub run: Arc<str>,
    /// The version of Redis that it is compatible with.
    pub version: Option<String>,
    /// Whether it follows another.
    pub is_replica: Option<bool>,
    /// What it does at its limit of memory.
    pub eviction: Option<String>,
    /// Its limit of memory in bytes; zero: none.
    pub memory_max: Option<u64>,
    /// Whether each write goes into a file.
    pub keeps_a_log: Option<bool>,
    /// When that file goes to the disk.
    pub sync: Option<String>,
    /// Whether it is part of a Redis Cluster.
    pub is_clustered: Option<bool>,
    /// Whether nobody else can read or change what is sent, nor speak to it without a password.
    pub is_safe: bool,
}

impl ServerFacts {
    pub(super) async fn ask(
        connection: &mut MultiplexedConnection,
        server: &RedisServer,
    ) -> Result<Self, LinkError> {
        let info: String = cmd("INFO").query_async(connection).await?;
        // A user that was made for this may not see settings, and what is tried in vain would stand in the log of ACL denials.
        let sync = if server.user().is_some() { None } else { setting(connection).await };
        Ok(Self::read(&info, sync, server.is_safe()))
    }

    pub(super) fn read(info: &str, sync: Option<String>, is_safe: bool) -> Self {
        let lines = info.lines().filter_map(|line| line.trim_end().split_once(':'));
        let lines: BTreeMap<&str, &str> = lines.collect();
        let field = |name: &str| lines.get(name).copied();
        let text = |name: &str| field(name).map(str::to_owned);
        let switch = |name: &str| field(name).map(|it| it == "1");
        let run = [field("run_id"), field("master_replid")].map(Option::unwrap_or_default);
        Self {
            run: run.join(".").into(),
            version: text("redis_version"),
            is_replica: field("role").map(|it| it != "master"),
            eviction: text("maxmemory_policy"),
            memory_max: field("maxmemory").and_then(|it| it.parse().ok()),
            keeps_a_log: switch("aof_enabled"),
            sync,
            is_clustered: switch("cluster_enabled"),
            is_safe,
        }
    }

    /// Whether scripts may say what they need: servers know that since Redis 7.0.
    pub(super) fn takes_flags(&self) -> bool {
        let major = self.version.as_deref().and_then(|it| it.split('.').next());
        major.and_then(|it| it.parse::<u32>().ok()).is_some_and(|it| FLAGS_SINCE <= it)
    }

    /// What makes it of no use. What is not known is no reason.
    pub(super) fn check(&self) -> Result<(), LinkError> {
        if self.is_replica == Some(true) {
            return Err(LinkError::Replica);
        }
        match &self.version {
            Some(version) if is_too_old(version) => Err(LinkError::TooOld(version.clone())),
            Some(_) | None => Ok(()),
        }
    }
}

/// When writes go to the disk. Managed servers say nothing of that, which is no trouble.
async fn setting(connection: &mut MultiplexedConnection) -> Option<String> {
    let mut ask = cmd("CONFIG");
    ask.arg("GET").arg("appendfsync");
    let said: RedisResult<Vec<String>> = ask.query_async(connection).await;
    said.ok()?.into_iter().nth(1)
}

fn is_too_old(version: &str) -> bool {
    let mut parts = version.split('.').map(str::parse::<u32>);
    match (parts.next(), parts.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) < OLDEST,
        _ => false,
    }
}
