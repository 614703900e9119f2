//! What nodes do for each other's clients: requests that came to the wrong one are handed to the one that has the connection.

use super::listener::HttpService;
use crate::clock::Clock;
use crate::cluster::ClusterMember;
use crate::config::{ClusterConfig, Config};
use crate::connection::{Acceptor, ClientAddress, ConnectionNodes, NodeKey, TransferLimits};
use crate::tasks::Tasks;
use axum::body::Body;
use axum::response::Response;
use futures_util::FutureExt as _;
use http::Request;
use hyper::body::Incoming;
use std::net::SocketAddr;

/// Answers requests that other nodes hand over.
#[derive(Debug, Clone)]
pub(super) struct NodesEdge(pub(super) Acceptor);

impl HttpService for NodesEdge {
    fn answer(
        &self,
        _: ClientAddress,
        request: Request<Incoming>,
    ) -> impl Future<Output = Response> + Send {
        let acceptor = self.0.clone();
        async move { acceptor.answer_node(request).await }.map(|it| it.map(Body::new))
    }
}

/// What this node knows of the connections of others; `bound` is where it listens for them, if it does.
pub(super) fn other_nodes(
    config: &Config,
    cluster: &ClusterConfig,
    member: &ClusterMember,
    bound: Option<SocketAddr>,
    running: (Clock, Tasks),
) -> ConnectionNodes {
    let others = member.clone();
    let is_there = move |name: &str| others.others().iter().any(|it| **it == *name);
    let forward = (cluster.forward.as_ref(), key(cluster), bound);
    let (Some(forward), Some(key), Some(bound)) = forward else {
        return ConnectionNodes::refused(&member.name(), is_there);
    };
    let port = if forward.port == 0 { bound.port() } else { forward.port };
    let limits = TransferLimits {
        tunnels: config.limits.connections,
        idle: config.limits.keep_alive / 2,
        patience: config.socketio.ping_interval + 2 * config.socketio.ping_timeout,
        stall: config.limits.stall,
    };
    ConnectionNodes::reached(&format!("{}:{port}", forward.host), &key, is_there, limits, running)
}

/// How nodes know each other.
pub(super) fn key(cluster: &ClusterConfig) -> Option<NodeKey> {
    cluster.secret.as_ref().map(NodeKey::new)
}
