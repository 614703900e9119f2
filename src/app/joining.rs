//! Joining a cluster, before anybody is let in.

use crate::clock::Clock;
use crate::cluster::{ClusterLedger, ClusterMember, LinkError, MemberNeeds, MemberStatus};
use crate::config::{ClusterConfig, Config, HooksConfig};
use crate::core::cluster::node::NodeEffect;
use crate::hooks::HookLedger;
use crate::tasks::Tasks;
use std::time::Duration;
use thiserror::Error;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

const HOUR: Duration = Duration::from_hours(1);
/// How long a node that starts waits for Redis: whoever started it is still there to read why it did not.
const JOIN_LIMIT: Duration = Duration::from_secs(10);

/// A node among others.
#[derive(Debug, Clone)]
pub(crate) struct JoinedCluster {
    pub(crate) member: ClusterMember,
    pub(crate) config: ClusterConfig,
    /// After so long without a word from its client, a connection is closed.
    pub(crate) silence_max: Duration,
    /// They end last: until then something is to be told.
    pub(crate) tasks: Tasks,
    /// Whether the node has left.
    pub(crate) left: CancellationToken,
}

/// Why the node cannot join.
#[derive(Debug, Error)]
pub enum JoinError {
    /// Redis cannot be spoken to.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// Nothing was heard of it.
    #[error("Redis did not answer within 10 s")]
    Silent,
}

impl JoinedCluster {
    /// Where hooks wait.
    pub(super) fn ledger(&self, hooks: &HooksConfig) -> HookLedger {
        HookLedger::Cluster(ClusterLedger::new(self.member.clone(), &hooks.endpoints, &self.tasks))
    }

    /// Joins the cluster of `config`, if it has one. Returns what the cluster says, too.
    pub(super) async fn join(
        config: &Config,
        clock: &Clock,
    ) -> Result<Option<(Self, mpsc::Receiver<NodeEffect>)>, JoinError> {
        let Some(cluster) = &config.cluster else { return Ok(None) };
        let needs = MemberNeeds {
            endpoints: config.hooks.endpoints.iter().map(|it| it.name.clone()).collect(),
            window: config.recovery.window,
            // An hour longer than anything is tried.
            events_kept: config.hooks.retry_for.max(config.store.keep_events) + HOUR,
            grace_max: config.presence.grace,
            clock: clock.clone(),
        };
        let tasks = Tasks::new();
        let (member, effects) = ClusterMember::join(cluster, needs, &tasks)?;
        let mut status = member.status();
        let attached = status.wait_for(|it| *it == MemberStatus::Attached);
        let is_attached = matches!(timeout(JOIN_LIMIT, attached).await, Ok(Ok(_)));
        if !is_attached {
            let last = status.borrow().clone();
            return Err(match last {
                MemberStatus::Degraded(Some(error)) => JoinError::Link(error),
                MemberStatus::Degraded(None) | MemberStatus::Attached => JoinError::Silent,
            });
        }
        let silence_max = config.socketio.ping_interval + 2 * config.socketio.ping_timeout;
        let (config, left) = (cluster.clone(), CancellationToken::new());
        Ok(Some((Self { member, config, silence_max, tasks, left }, effects)))
    }
}
