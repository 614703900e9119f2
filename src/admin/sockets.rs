//! One socket: what is known of it, and disconnecting it.

use super::context::AdminContext;
use super::error::{ApiError, ArgumentFailures, ErrorBody, KeyFailures, StoreFailures};
use super::error_code::Code;
use super::extract::{NoParameters, Segment};
use super::may::{ControlScope, May, ReadScope};
use super::socket_view::SocketView;
use crate::commands::schema::{SocketIdText, UserIdText};
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

/// A socket that was disconnected.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SocketGone {
    /// Its id.
    #[schema(value_type = SocketIdText)]
    socket: String,
    /// Whose it was.
    #[schema(value_type = UserIdText)]
    user: String,
}

/// Look at a socket
#[utoipa::path(
    get, path = "/v1/sockets/{id}", tag = "sockets", operation_id = "get_socket",
    params(("id" = SocketIdText, Path, description = "The socket's id")),
    responses(
        (status = 200, description = "The socket", body = SocketView),
        (status = 404, description = "`not_found`: no such socket", body = ErrorBody),
        ArgumentFailures, KeyFailures,
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
    let socket = context.directory.socket(id).await.ok_or_else(not_found)?;
    Ok(Json(SocketView::of(&socket)))
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
) -> Result<Json<SocketGone>, ApiError> {
    may.socket()?;
    let id = id.parse("id", str::parse)?;
    let socket = context.control.kick_socket(id).await?.ok_or_else(not_found)?;
    Ok(Json(SocketGone { socket: socket.id.to_string(), user: socket.user().as_str().to_owned() }))
}

fn not_found() -> ApiError {
    ApiError::new(Code::NotFound, "no such socket; ids end with their connections")
}
