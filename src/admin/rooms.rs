//! Rooms: which there are, and who is in one.

use super::context::AdminContext;
use super::cursor::{self, RoomCursor, SocketCursor};
use super::error::{ApiError, ArgumentFailures, ErrorBody, KeyFailures, StoreFailures};
use super::error_code::Code;
use super::extract::{Parameters, Segment};
use super::may::{May, ReadScope};
use super::missing_nodes::MissingNodesReply;
use super::socket_view::SocketView;
use crate::cluster::OnNodes;
use crate::commands::names;
use crate::commands::schema::{
    NamespaceArgument, NamespaceText, PageLimit, RoomArgument, RoomText,
};
use crate::realtime::directory::SocketPage;
use crate::registry::RoomEntry;
use crate::types::{Namespace, Room};
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use std::convert::Infallible;
use utoipa::ToSchema;

/// A page of rooms.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RoomList {
    /// In ascending order of namespace and name.
    rooms: Vec<RoomItem>,
    /// The `cursor` of the next page; `null` on the last one.
    #[schema(required, value_type = Option<RoomCursor>)]
    next: Option<String>,
    /// In a cluster: the nodes that did not answer within 2 s; what they have is not in here. Absent if all have answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = json!(["n6hQ2xTzPaYcMbVd1wKs"]))]
    nodes_missing: Option<Vec<String>>,
    /// In a cluster: `true` if this node is cut off, so that there may be nodes that are not even named. Else absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    degraded: Option<bool>,
}

/// A room in a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RoomItem {
    /// Its name.
    #[schema(value_type = RoomText)]
    room: String,
    /// Its namespace.
    #[schema(value_type = NamespaceText)]
    namespace: String,
    /// Sockets in it.
    #[schema(example = 12)]
    sockets: usize,
}

impl From<RoomEntry> for RoomItem {
    fn from(entry: RoomEntry) -> Self {
        let RoomEntry { namespace, room, sockets } = entry;
        let (room, namespace) = (room.as_str().to_owned(), namespace.as_str().to_owned());
        Self { room, namespace, sockets }
    }
}

/// List rooms
///
/// The rooms that somebody is in, of all namespaces, without those that every socket and user has, page by page.
#[utoipa::path(
    get, path = "/v1/rooms", tag = "rooms", operation_id = "list_rooms",
    params(
        ("prefix" = Option<String>, Query, description = "Only rooms whose name begins with this"),
        ("cursor" = Option<RoomCursor>, Query, description = "`next` of the page before"),
        ("limit" = Option<PageLimit>, Query, description = "Rooms per page, 100 if absent"),
    ),
    responses(
        (status = 200, description = "A page of rooms", body = RoomList),
        ArgumentFailures, KeyFailures, StoreFailures,
    ),
    security(("bearer" = ["read"])),
)]
pub(super) async fn list(
    may: May<ReadScope>,
    State(context): State<AdminContext>,
    mut query: Parameters,
) -> Result<Json<RoomList>, ApiError> {
    may.all_rooms()?;
    let prefix = query.take("prefix", |text| Ok::<_, Infallible>(text.to_owned()))?;
    let after = query.take("cursor", cursor::room)?.flatten();
    let limit = query.limit()?;
    query.end()?;
    let OnNodes { done: page, missing } = context
        .directory
        .rooms(prefix.as_deref().unwrap_or_default(), after.as_ref(), limit.into())
        .await?;
    let MissingNodesReply { nodes_missing, degraded } = missing.into();
    let last = page.items.last().filter(|_| page.has_more);
    let next = last.map(|it| cursor::after_room(&it.namespace, &it.room));
    let rooms = page.items.into_iter().map(RoomItem::from).collect();
    Ok(Json(RoomList { rooms, next, nodes_missing, degraded }))
}

/// A room and who is in it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RoomView {
    /// Its name.
    #[schema(value_type = RoomText)]
    room: String,
    /// Its namespace.
    #[schema(value_type = NamespaceText)]
    namespace: String,
    /// How many sockets are in it.
    #[schema(example = 1)]
    sockets_total: usize,
    /// A page of the sockets, in ascending order of their ids.
    sockets: Vec<SocketView>,
    /// The `cursor` of the next page; `null` on the last one.
    #[schema(required, value_type = Option<SocketCursor>)]
    next: Option<String>,
    /// In a cluster: the nodes that did not answer within 2 s; what they have is not in here. Absent if all have answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = json!(["n6hQ2xTzPaYcMbVd1wKs"]))]
    nodes_missing: Option<Vec<String>>,
    /// In a cluster: `true` if this node is cut off, so that there may be nodes that are not even named. Else absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    degraded: Option<bool>,
}

/// Look at a room
///
/// A room is there while somebody is in it; `user:{id}` is the room of all sockets of a user.
#[utoipa::path(
    get, path = "/v1/rooms/{room}", tag = "rooms", operation_id = "get_room",
    params(
        ("room" = RoomArgument, Path, description = "The name of the room, percent-encoded"),
        ("namespace" = Option<NamespaceArgument>, Query, description = "Its namespace, `/` if absent"),
        ("cursor" = Option<SocketCursor>, Query, description = "`next` of the page before"),
        ("limit" = Option<PageLimit>, Query, description = "Sockets per page, 100 if absent"),
    ),
    responses(
        (status = 200, description = "The room", body = RoomView),
        (status = 404, description = "`not_found`: nobody is in such a room, or no such namespace", body = ErrorBody),
        ArgumentFailures, KeyFailures, StoreFailures,
    ),
    security(("bearer" = ["read"])),
)]
pub(super) async fn get(
    may: May<ReadScope>,
    State(context): State<AdminContext>,
    room: Segment,
    mut query: Parameters,
) -> Result<Json<RoomView>, ApiError> {
    let room = room.parse("room", Room::parse)?;
    may.room(&room)?;
    let namespace = query.take("namespace", |text| Ok::<_, Infallible>(text.to_owned()))?;
    let after = query.take("cursor", cursor::socket)?;
    let limit = query.limit()?;
    query.end()?;
    let namespace = match namespace {
        None => Namespace::root(),
        Some(text) => names::namespace("namespace", &text, context.directory.namespaces())?,
    };
    let found = context.directory.room(&namespace, &room, after, limit.into()).await?;
    let OnNodes { done: SocketPage { total: sockets_total, sockets, has_more }, missing } = found;
    if sockets_total == 0 && missing.is_nobody() {
        return Err(ApiError::new(Code::NotFound, "nobody is in such a room"));
    }
    let last = sockets.last().filter(|_| has_more);
    let MissingNodesReply { nodes_missing, degraded } = missing.into();
    Ok(Json(RoomView {
        room: room.as_str().to_owned(),
        namespace: namespace.as_str().to_owned(),
        sockets_total,
        next: last.map(|it| cursor::after_socket(it.id())),
        sockets: sockets.into_iter().map(SocketView::from).collect(),
        nodes_missing,
        degraded,
    }))
}
