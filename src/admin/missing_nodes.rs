//! What an answer says of nodes that had none.

use crate::cluster::{MissingNodes, OnNodes};
use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// What is not known of other nodes: the two fields that answers have for that. With one node they are absent.
#[derive(Debug, Default)]
pub(super) struct MissingNodesReply {
    /// Who did not answer.
    pub(super) nodes_missing: Option<Vec<String>>,
    /// Whether this node is cut off.
    pub(super) degraded: Option<bool>,
}

impl From<MissingNodes> for MissingNodesReply {
    fn from(missing: MissingNodes) -> Self {
        let MissingNodes { names, is_degraded } = missing;
        let nodes_missing = names.iter().map(ToString::to_string).collect();
        let is_missing = !names.is_empty() || is_degraded;
        Self {
            nodes_missing: is_missing.then_some(nodes_missing),
            degraded: is_degraded.then_some(true),
        }
    }
}

/// Answers 200 if it is done on all nodes, and 202 if some are missing.
pub(super) fn answer<T, R: Serialize>(
    on_nodes: OnNodes<T>,
    reply: impl FnOnce(T, MissingNodesReply) -> R,
) -> Response {
    let OnNodes { done, missing } = on_nodes;
    let status = if missing.is_nobody() { StatusCode::OK } else { StatusCode::ACCEPTED };
    (status, Json(reply(done, missing.into()))).into_response()
}
