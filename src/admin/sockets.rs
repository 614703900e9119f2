//! One socket: what is known of it, and the door.

use super::Api;
use super::error::{ApiError, ArgumentFailures, Code, ErrorBody, KeyFailures};
use super::extract::{NoParameters, Segment};
use super::keys::{Control, May, Read};
use super::time::Time;
use crate::registry::Socket;
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

/// A socket: one client in one namespace.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SocketView {
    /// What the client sees as `socket.id`.
    #[schema(example = "wTmVbPq0o3x5n2LkZr8c")]
    id: String,
    /// Whose it is.
    #[schema(example = "42")]
    user: String,
    /// What its client calls the tab or device it runs in (`auth.device`), if it says.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "k3v9-tab")]
    device: Option<String>,
    /// Its namespace.
    #[schema(example = "/")]
    namespace: String,
    /// The address of the client, behind trusted proxies.
    #[schema(example = "203.0.113.7")]
    address: String,
    /// The client's `User-Agent`, at most 256 bytes; the client may write anything there.
    #[schema(required)]
    user_agent: Option<String>,
    /// How the connection reaches the client now: `websocket` or `polling`.
    #[schema(example = "websocket")]
    transport: &'static str,
    /// The rooms it is in, sorted.
    #[schema(example = json!(["org:7", "user:42"]))]
    rooms: Vec<String>,
    /// When it was authenticated.
    connected_at: Time,
    /// When its credentials end, if they do.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    expires_at: Option<Time>,
    /// What authentication said of it besides, as it was written; `null` if nothing.
    #[schema(value_type = serde_json::Value, required)]
    data: Option<Box<RawValue>>,
}

impl SocketView {
    /// What is known of `socket`.
    pub(super) fn of(socket: &Socket) -> Self {
        let facts = socket.connection.facts();
        Self {
            id: socket.id.to_string(),
            user: socket.user.as_str().to_owned(),
            device: socket.device.as_ref().map(|it| it.as_str().to_owned()),
            namespace: socket.namespace.as_str().to_owned(),
            address: facts.address.to_string(),
            user_agent: facts.user_agent.as_deref().map(str::to_owned),
            transport: socket.connection.transport().as_str(),
            rooms: socket.rooms().iter().map(|it| it.as_str().to_owned()).collect(),
            connected_at: Time(socket.connected_at),
            expires_at: socket.grants().expires_at.map(Time),
            data: socket.grants().data.clone(),
        }
    }
}

/// A socket that was disconnected.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SocketGone {
    /// Its id.
    #[schema(example = "wTmVbPq0o3x5n2LkZr8c")]
    socket: String,
    /// Whose it was.
    #[schema(example = "42")]
    user: String,
}

/// Look at a socket
#[utoipa::path(
    get, path = "/v1/sockets/{id}", tag = "sockets", operation_id = "get_socket",
    params(("id" = String, Path, description = "The socket's id")),
    responses(
        (status = 200, description = "The socket", body = SocketView),
        (status = 404, description = "`not_found`: no such socket", body = ErrorBody),
        ArgumentFailures, KeyFailures,
    ),
    security(("bearer" = ["read"])),
)]
pub(super) async fn get(
    _: May<Read>,
    _: NoParameters,
    State(api): State<Api>,
    id: Segment,
) -> Result<Json<SocketView>, ApiError> {
    let id = id.parse("id", str::parse)?;
    let socket = api.realtime.socket(id).ok_or_else(not_found)?;
    Ok(Json(SocketView::of(&socket)))
}

/// Disconnect a socket
///
/// The client gets an event `userline:kicked`, is disconnected, and does not come back by itself; its user stays
/// online for the grace. The connection is closed with it: sockets that the same connection has in other namespaces
/// come back by themselves.
#[utoipa::path(
    delete, path = "/v1/sockets/{id}", tag = "sockets", operation_id = "disconnect_socket",
    params(("id" = String, Path, description = "The socket's id")),
    responses(
        (status = 200, description = "Disconnected", body = SocketGone),
        (status = 404, description = "`not_found`: no such socket", body = ErrorBody),
        ArgumentFailures, KeyFailures,
    ),
    security(("bearer" = ["control"])),
)]
pub(super) async fn disconnect(
    _: May<Control>,
    _: NoParameters,
    State(api): State<Api>,
    id: Segment,
) -> Result<Json<SocketGone>, ApiError> {
    let id = id.parse("id", str::parse)?;
    let socket = api.realtime.kick_socket(id).ok_or_else(not_found)?;
    Ok(Json(SocketGone { socket: socket.id.to_string(), user: socket.user.as_str().to_owned() }))
}

fn not_found() -> ApiError {
    ApiError::new(Code::NotFound, "no such socket; ids end with their connections")
}
