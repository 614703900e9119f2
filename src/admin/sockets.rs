//! One socket: what is known of it, and disconnecting it.

use super::context::AdminContext;
use super::error::{ApiError, ArgumentFailures, ErrorBody, KeyFailures, StoreFailures};
use super::error_code::Code;
use super::extract::{NoParameters, Segment};
use super::may::{ControlScope, May, ReadScope};
use super::missing_nodes::{self, MissingNodesReply};
use super::socket_view::SocketView;
use crate::cluster::OnNodes;
use crate::commands::schema::{SocketIdText, UserIdText};
use crate::types::SocketId;
use axum::Json;
use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

/// A socket that was disconnected.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SocketGone {
    /// Its id.
    #[schema(value_type = SocketIdText)]
    socket: String,
    /// Whose it was; absent if the node that it may be on did not answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = UserIdText)]
    user: Option<String>,
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

/// Look at a socket
#[utoipa::path(
    get, path = "/v1/sockets/{id}", tag = "sockets", operation_id = "get_socket",
    params(("id" = SocketIdText, Path, description = "The socket's id")),
    responses(
        (status = 200, description = "The socket", body = SocketView),
        (status = 404, description = "`not_found`: no such socket", body = ErrorBody),
        ArgumentFailures, KeyFailures, StoreFailures,
    ),
    security(("bearer" = ["read"])),
)]
pub(super) async fn get(
    may: May<ReadScope>,
    _: NoParameters,
    State(context): State<AdminContext>,
    id: Segment,
) -> Result<Json<SocketView>, ApiError> {
    may.socket()?;
    let id = id.parse("id", str::parse)?;
    let OnNodes { done: socket, missing } = context.directory.socket(id).await?;
    match socket {
        Some(socket) => Ok(Json(socket.into())),
        None if missing.is_nobody() => Err(not_found()),
        None => {
            let why = "no node that has answered has such a socket, and some have not";
            Err(ApiError::new(Code::Unavailable, why))
        }
    }
}

/// Disconnect a socket
///
/// The client gets an event `userline:kicked`, is disconnected, and does not come back by itself; its user stays
/// online for the grace. The connection is closed with it: sockets that the same connection has in other namespaces
/// come back by themselves.
#[utoipa::path(
    delete, path = "/v1/sockets/{id}", tag = "sockets", operation_id = "disconnect_socket",
    params(("id" = SocketIdText, Path, description = "The socket's id")),
    responses(
        (status = 200, description = "Disconnected", body = SocketGone),
        (status = 202, description = "In a cluster: not found, but for the nodes in `nodes_missing`, which disconnect it if it is there", body = SocketGone),
        (status = 404, description = "`not_found`: no such socket", body = ErrorBody),
        ArgumentFailures, KeyFailures, StoreFailures,
    ),
    security(("bearer" = ["control"])),
)]
pub(super) async fn disconnect(
    may: May<ControlScope>,
    _: NoParameters,
    State(context): State<AdminContext>,
    id: Segment,
) -> Result<Response, ApiError> {
    may.socket()?;
    let id: SocketId = id.parse("id", str::parse)?;
    let kicked = context.everywhere.kick_socket(id).await?;
    if kicked.done.is_none() && kicked.missing.is_nobody() {
        return Err(not_found());
    }
    Ok(missing_nodes::answer(kicked, |user, nodes| {
        let user = user.map(|it| it.as_str().to_owned());
        let MissingNodesReply { nodes_missing, degraded } = nodes;
        SocketGone { socket: id.to_string(), user, nodes_missing, degraded }
    }))
}

fn not_found() -> ApiError {
    ApiError::new(Code::NotFound, "no such socket; ids end with their connections")
}
