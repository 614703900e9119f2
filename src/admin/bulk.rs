//! Many sockets at once: they join or leave rooms, or are disconnected.

use super::context::AdminContext;
use super::error::{ApiError, BodyFailures, ErrorBody, KeyFailures, StoreFailures};
use super::extract::JsonBody;
use super::may::{ControlScope, May};
use super::missing_nodes::{self, MissingNodesReply};
use crate::commands::bulk::{Dismiss, DismissRequest, Move, MoveRequest};
use crate::core::presence::session::Grace;
use crate::realtime::bulk::{Dismissal, MovedSockets};
use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

/// What became of sockets that were to join rooms.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct JoinReply {
    /// Sockets that were meant.
    #[schema(example = 3)]
    matched: usize,
    /// Of these, those that are in a room in which they were not before.
    #[schema(example = 2)]
    changed: usize,
    /// Of these, those that have not joined all of the rooms, because they are in `limits.rooms_per_socket` already.
    #[schema(example = 0)]
    full: usize,
    /// Of these, those that have not joined all of the rooms, because one is denied to their user.
    #[schema(example = 0)]
    denied: usize,
    /// In a cluster: the nodes that did not answer within 2 s. What they were asked for they do once, or never; the numbers are
    /// without theirs. Absent if all have answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = json!(["n6hQ2xTzPaYcMbVd1wKs"]))]
    nodes_missing: Option<Vec<String>>,
    /// In a cluster: `true` if this node is cut off, so that there may be nodes that are not even named. Else absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    degraded: Option<bool>,
}

/// What became of sockets that were to leave rooms.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LeaveReply {
    /// Sockets that were meant.
    #[schema(example = 3)]
    matched: usize,
    /// Of these, those that were in one of the rooms.
    #[schema(example = 2)]
    changed: usize,
    /// In a cluster: the nodes that did not answer within 2 s. What they were asked for they do once, or never; the numbers are
    /// without theirs. Absent if all have answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = json!(["n6hQ2xTzPaYcMbVd1wKs"]))]
    nodes_missing: Option<Vec<String>>,
    /// In a cluster: `true` if this node is cut off, so that there may be nodes that are not even named. Else absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    degraded: Option<bool>,
}

/// What became of sockets that were to be disconnected.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DismissReply {
    /// Sockets that were disconnected.
    #[schema(example = 3)]
    disconnected: usize,
    /// In a cluster: the nodes that did not answer within 2 s. What they were asked for they do once, or never; the numbers are
    /// without theirs. Absent if all have answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = json!(["n6hQ2xTzPaYcMbVd1wKs"]))]
    nodes_missing: Option<Vec<String>>,
    /// In a cluster: `true` if this node is cut off, so that there may be nodes that are not even named. Else absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    degraded: Option<bool>,
}

/// Have sockets join rooms
///
/// Those that are here now, as by `socketsJoin` of Socket.IO; when this is answered they are in. Nothing of it is kept on disk: a
/// socket stays in as long as its session lives, over a reconnection within the window of recovery too. For a user's sockets
/// now and later there is `PUT /v1/users/{user}/rooms/{room}`. Nobody being there is no error.
#[utoipa::path(
    post, path = "/v1/sockets/join", tag = "rooms", operation_id = "join_rooms",
    request_body = MoveRequest,
    responses(
        (status = 200, description = "They have joined; how many, the numbers say", body = JoinReply),
        (status = 202, description = "In a cluster: done, but for the nodes in `nodes_missing`, which do it a little later or not at all", body = JoinReply),
        (status = 404, description = "`not_found`: no such namespace", body = ErrorBody),
        BodyFailures, KeyFailures, StoreFailures,
    ),
    security(("bearer" = ["control"])),
)]
pub(super) async fn join(
    may: May<ControlScope>,
    State(context): State<AdminContext>,
    JsonBody(request): JsonBody<MoveRequest>,
) -> Result<Response, ApiError> {
    let Move { audience, rooms } = request.parse(context.directory.namespaces())?;
    may.target(&audience.target, &rooms)?;
    let moved = context.everywhere.join(audience, rooms).await?;
    Ok(missing_nodes::answer(moved, |moved, nodes| {
        let MovedSockets { matched, changed, full, denied } = moved;
        let MissingNodesReply { nodes_missing, degraded } = nodes;
        JoinReply { matched, changed, full, denied, nodes_missing, degraded }
    }))
}

/// Have sockets leave rooms
///
/// Those that are here now, as by `socketsLeave` of Socket.IO; when this is answered they are out, also of rooms that their
/// credentials grant, and sessions whose clients are away do not come back to them. A new session may be granted them again. Nobody being there is no error.
#[utoipa::path(
    post, path = "/v1/sockets/leave", tag = "rooms", operation_id = "leave_rooms",
    request_body = MoveRequest,
    responses(
        (status = 200, description = "They have left; how many, the numbers say", body = LeaveReply),
        (status = 202, description = "In a cluster: done, but for the nodes in `nodes_missing`, which do it a little later or not at all", body = LeaveReply),
        (status = 404, description = "`not_found`: no such namespace", body = ErrorBody),
        BodyFailures, KeyFailures, StoreFailures,
    ),
    security(("bearer" = ["control"])),
)]
pub(super) async fn leave(
    may: May<ControlScope>,
    State(context): State<AdminContext>,
    JsonBody(request): JsonBody<MoveRequest>,
) -> Result<Response, ApiError> {
    let Move { audience, rooms } = request.parse(context.directory.namespaces())?;
    may.target(&audience.target, &rooms)?;
    let moved = context.everywhere.leave(audience, rooms).await?;
    Ok(missing_nodes::answer(moved, |moved, nodes| {
        let MovedSockets { matched, changed, full: _, denied: _ } = moved;
        let MissingNodesReply { nodes_missing, degraded } = nodes;
        LeaveReply { matched, changed, nodes_missing, degraded }
    }))
}

/// Disconnect sockets
///
/// As by `disconnectSockets` of Socket.IO: each client gets an event `userline:kicked {reason}`, is disconnected with its
/// connection, and does not come back by itself. Nobody being there is no error.
#[utoipa::path(
    post, path = "/v1/sockets/disconnect", tag = "sockets", operation_id = "disconnect_sockets",
    request_body = DismissRequest,
    responses(
        (status = 200, description = "Disconnected; how many, the number says", body = DismissReply),
        (status = 202, description = "In a cluster: done, but for the nodes in `nodes_missing`, which do it a little later or not at all", body = DismissReply),
        (status = 404, description = "`not_found`: no such namespace", body = ErrorBody),
        BodyFailures, KeyFailures, StoreFailures,
    ),
    security(("bearer" = ["control"])),
)]
pub(super) async fn disconnect(
    may: May<ControlScope>,
    State(context): State<AdminContext>,
    JsonBody(request): JsonBody<DismissRequest>,
) -> Result<Response, ApiError> {
    let namespaces = context.directory.namespaces();
    let Dismiss { audience, reason, is_offline_at_once } = request.parse(namespaces)?;
    may.target(&audience.target, &[])?;
    let grace = if is_offline_at_once { Grace::Skip } else { Grace::Keep };
    let dismissal = Dismissal { audience, reason, grace };
    let dismissed = context.everywhere.disconnect(dismissal).await?;
    Ok(missing_nodes::answer(dismissed, |disconnected, nodes| {
        let MissingNodesReply { nodes_missing, degraded } = nodes;
        DismissReply { disconnected, nodes_missing, degraded }
    }))
}
