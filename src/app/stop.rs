//! The stop, so that clients come back elsewhere one after the other and nothing that happened is forgotten.

use super::joining::JoinedCluster;
use super::parts::AppParts;
use crate::connection::ConnectionNodes;
use crate::core::cluster::facts::UserDeparture;
use crate::types::Reason;
use std::path::PathBuf;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Longest time between two closes: a server with few clients does not use all of the drain time.
const STEP_MAX: Duration = Duration::from_millis(20);
/// How long what is under way at the end may take.
const LINGER: Duration = Duration::from_millis(500);

/// How long hooks may be sent at the end; what is left is sent in the next life.
const HOOKS_LIMIT: Duration = Duration::from_millis(700);

/// How long it may take to leave the cluster.
const LEAVE_LIMIT: Duration = Duration::from_secs(1);

/// How long the store may take to commit and close.
const STORE_LIMIT: Duration = Duration::from_secs(1);

/// All that a stop concerns.
#[derive(Debug)]
pub(super) struct Stop {
    /// Ends the public listener.
    pub(super) no_clients: CancellationToken,
    /// Ends the admin listener.
    pub(super) no_backends: CancellationToken,
    pub(super) parts: AppParts,
    pub(super) drain: Duration,
    pub(super) data_dir: PathBuf,
}

impl Stop {
    /// Stops. From the first step on nobody goes offline: whoever does not come back within the startup grace of the
    /// next life is offline then.
    pub(super) async fn run(self) {
        let AppParts {
            home,
            hooks,
            connections,
            recoveries,
            sockets,
            presence_tasks,
            message_tasks,
            ingest_tasks,
            tasks,
            ..
        } = &self.parts;
        let (store, cluster) = (home.store(), home.cluster());
        tracing::info!(connections = connections.len(), "stopping");
        // First: whoever takes over from here takes the messages, too.
        if !ingest_tasks.stop(LINGER).await {
            tracing::warn!(
                "some sources did not end in time: what they were sending may be sent again"
            );
        }
        presence_tasks.stop(LINGER).await;
        connections.start_draining();
        // The listener stays until all are closed: it answers 503, by which a load balancer sees that it must send nobody
        // here, and serves those who poll until it is their turn.
        let other_nodes = cluster.map(|it| &it.other_nodes);
        self.close_connections(other_nodes).await;
        self.no_clients.cancel();
        // With nobody left who could ack, they are over.
        message_tasks.stop(LINGER).await;
        self.no_backends.cancel();
        if sockets.presence.tells_of_sockets() {
            self.tell_ends().await;
        }
        let are_kept = match store {
            // A disk that takes nothing must not keep the process: what it could not keep is in the log.
            Some(store) => matches!(tokio::time::timeout(LINGER, store.flush()).await, Ok(Ok(()))),
            None => true,
        };
        if are_kept {
            hooks.drain(HOOKS_LIMIT).await;
        }
        if let Some(cluster) = cluster {
            self.leave(cluster).await;
        }
        if let Some(store) = store
            && tokio::time::timeout(STORE_LIMIT, store.close()).await.is_err()
        {
            tracing::error!("the store was not closed in time: the disk takes no writes");
        }
        if !tasks.stop(LINGER).await {
            tracing::warn!("some tasks did not end in time");
        }
        // Last: an event that was answered until here is replayed in the next life.
        if let Err(error) = recoveries.save(&self.data_dir) {
            tracing::warn!(%error, "clients will not recover after the restart");
        }
    }

    /// Tells of the sockets that have ended; of those that are left over, the next life tells.
    async fn tell_ends(&self) {
        let presence = &self.parts.sockets.presence;
        let all_gone = async {
            while presence.has_sockets() {
                tokio::time::sleep(STEP_MAX).await;
            }
        };
        let are_gone = tokio::time::timeout(LINGER, all_gone).await.is_ok();
        let told = tokio::time::timeout(STORE_LIMIT, presence.tell_all()).await;
        if !are_gone || !matches!(told, Ok(Ok(()))) {
            tracing::warn!("not all ends of sockets are told: the next start tells the others");
        }
    }

    /// Takes this node out of its cluster, so that the others need not find out that it is gone.
    async fn leave(&self, cluster: &JoinedCluster) {
        let JoinedCluster { member, config, tasks, left, .. } = cluster;
        member.leave(UserDeparture {
            grace: config.node_grace,
            reason: Reason::ServerShutdown,
            closed_at: self.parts.clock.wall(),
        });
        if tokio::time::timeout(LEAVE_LIMIT, left.cancelled()).await.is_err() {
            tracing::warn!("the cluster was not told of the stop: its other nodes find out");
        }
        tasks.stop(LINGER).await;
    }

    /// Closes the transports of all connections, evenly spread over the drain time at the most, and those that only pass
    /// through here. Stock clients come back by themselves, with new credentials.
    async fn close_connections(&self, other_nodes: Option<&ConnectionNodes>) {
        let connections = self.parts.connections.snapshot();
        let tunnelled = other_nodes.map_or(0, ConnectionNodes::tunnelled);
        let count = u32::try_from(connections.len() + tunnelled).unwrap_or(u32::MAX).max(1);
        let step = (self.drain / count).clamp(Duration::from_micros(1), STEP_MAX);
        let mut ticks = tokio::time::interval(step);
        for connection in connections {
            ticks.tick().await;
            connection.close(Reason::ServerShutdown);
        }
        if let Some(other_nodes) = other_nodes {
            for _ in 0..tunnelled {
                ticks.tick().await;
                other_nodes.end_one();
            }
            other_nodes.end_all();
        }
        // Connections that were being opened meanwhile.
        for connection in self.parts.connections.snapshot() {
            connection.close(Reason::ServerShutdown);
        }
    }
}
