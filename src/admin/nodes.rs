//! The nodes: which there are, and how each is.

use super::context::AdminContext;
use super::error::{ApiError, ArgumentFailures, KeyFailures, StoreFailures};
use super::extract::NoParameters;
use super::may::{May, ReadScope};
use super::missing_nodes::MissingNodesReply;
use super::time::Time;
use crate::cluster::OnNodes;
use crate::core::cluster::bus::reports::NodeFacts;
use crate::realtime::reports::NodeView;
use crate::types::WallMs;
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

/// The nodes.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NodeList {
    /// In ascending order of their names. One that is in `nodes_missing` is here, too, until the others take it for gone, and
    /// only `name`, `incarnation`, `here` and `last_sign_ms_ago` are known of it.
    nodes: Vec<NodeItem>,
    /// In a cluster: the nodes that did not answer within 2 s. Absent if all have answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = json!(["n6hQ2xTzPaYcMbVd1wKs"]))]
    nodes_missing: Option<Vec<String>>,
    /// In a cluster: `true` if this node is cut off, so that there may be nodes that are not even named. Else absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    degraded: Option<bool>,
}

/// One node.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NodeItem {
    /// What this run of the process is called: another name after each start.
    #[schema(example = "n6hQ2xTzPaYcMbVd1wKs")]
    name: String,
    /// In a cluster: `name` and how often the node began anew because the others had taken it for gone, or Redis had lost
    /// something.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "n6hQ2xTzPaYcMbVd1wKs.1")]
    incarnation: Option<String>,
    /// Whether it is the node that answers.
    here: bool,
    /// In a cluster: milliseconds since the node that answers saw in Redis that this one lives; absent if it has not looked
    /// yet. After `cluster.lease` without a sign a node is taken for gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 1200)]
    last_sign_ms_ago: Option<u64>,
    /// The name of the machine, or container, that it runs on.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "web-1")]
    host: Option<String>,
    /// Its version.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "0.1.0")]
    version: Option<String>,
    /// When it started.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    started_at: Option<Time>,
    /// Sockets on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 1200)]
    sockets: Option<usize>,
    /// Users with a socket on it; one with sockets on two nodes counts on both.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 800)]
    users: Option<usize>,
    /// Whether it is stopping.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = false)]
    draining: Option<bool>,
    /// The receivers of hooks for which it delivers.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = json!(["default"]))]
    endpoints: Option<Vec<String>>,
    /// The sources of emits from which it takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = json!(["orders"]))]
    sources: Option<Vec<String>>,
}

impl NodeItem {
    fn new(node: NodeView, here: &str) -> Self {
        let NodeView { name, incarnation, silent_ms, facts } = node;
        let item = Self {
            here: name == here,
            name,
            incarnation,
            last_sign_ms_ago: silent_ms,
            host: None,
            version: None,
            started_at: None,
            sockets: None,
            users: None,
            draining: None,
            endpoints: None,
            sources: None,
        };
        let Some(facts) = facts else { return item };
        let NodeFacts { name: _, incarnation: _, host, version, started_at, .. } = facts;
        let NodeFacts { sockets, users, is_draining, endpoints, sources, .. } = facts;
        Self {
            host: Some(host),
            version: Some(version),
            started_at: Some(Time(WallMs(started_at))),
            sockets: Some(sockets),
            users: Some(users),
            draining: Some(is_draining),
            endpoints: Some(endpoints),
            sources: Some(sources),
            ..item
        }
    }
}

/// List nodes
///
/// Which nodes there are and how each is: one, if there is no cluster.
#[utoipa::path(
    get, path = "/v1/nodes", tag = "server", operation_id = "list_nodes",
    responses(
        (status = 200, description = "The nodes", body = NodeList),
        ArgumentFailures, KeyFailures, StoreFailures,
    ),
    security(("bearer" = ["read"])),
)]
pub(super) async fn list(
    _: May<ReadScope>,
    _: NoParameters,
    State(context): State<AdminContext>,
) -> Result<Json<NodeList>, ApiError> {
    let OnNodes { done: nodes, missing } = context.reports.nodes().await?;
    let MissingNodesReply { nodes_missing, degraded } = missing.into();
    let here = context.reports.name();
    let nodes = nodes.into_iter().map(|it| NodeItem::new(it, here)).collect();
    Ok(Json(NodeList { nodes, nodes_missing, degraded }))
}
