//! Memberships: which rooms a user is in wherever and whenever it connects.

use super::context::AdminContext;
use super::error::{
    ApiError, ArgumentFailures, BodyFailures, ErrorBody, KeyFailures, StoreFailures,
};
use super::error_code::Code;
use super::extract::{NoParameters, OptionalBodyBesideQuery, Parameters, Segment, Segments};
use super::may::{ControlScope, May, ReadScope};
use super::missing_nodes::{self, MissingNodesReply};
use super::time::Time;
use crate::commands::membership::{MembershipRequest, RemovalRequest};
use crate::commands::names;
use crate::commands::schema::{
    GrantableRoomArgument, NamespaceArgument, NamespaceText, RoomText, UserIdArgument, UserIdText,
};
use crate::core::rooms::memberships::{Membership, Standing};
use crate::realtime::memberships::{MembershipError, MembershipOf};
use crate::types::{Room, UserId};
use axum::Json;
use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use std::convert::Infallible;
use utoipa::ToSchema;

/// What is recorded of a user and a room.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MembershipItem {
    /// The room.
    #[schema(value_type = RoomText)]
    room: String,
    /// The namespace it is about; `null`: all that have no entry of their own.
    #[schema(required, value_type = Option<NamespaceText>)]
    namespace: Option<String>,
    /// Whether the room is denied to the user; else the user is in it.
    denied: bool,
    /// When the membership ends; `null`: when it is taken back.
    #[schema(required)]
    until: Option<Time>,
}

impl From<Membership> for MembershipItem {
    fn from(membership: Membership) -> Self {
        let Membership { room, namespace, standing } = membership;
        let (denied, until) = match standing {
            Standing::Member { until } => (false, until.map(Time)),
            Standing::Denied => (true, None),
        };
        let namespace = namespace.map(|it| it.as_str().to_owned());
        Self { room: room.as_str().to_owned(), namespace, denied, until }
    }
}

/// What is recorded of a user.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MembershipList {
    /// Who.
    #[schema(value_type = UserIdText)]
    user: String,
    /// In ascending order of rooms and namespaces.
    rooms: Vec<MembershipItem>,
}

/// A user was put into a room.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MembershipReply {
    /// Who.
    #[schema(value_type = UserIdText)]
    user: String,
    /// The room.
    #[schema(value_type = RoomText)]
    room: String,
    /// The namespace it is about; `null`: all.
    #[schema(required, value_type = Option<NamespaceText>)]
    namespace: Option<String>,
    /// When the membership ends; `null`: when it is taken back.
    #[schema(required)]
    until: Option<Time>,
    /// Sockets that have come into the room.
    #[schema(example = 2)]
    changed: usize,
    /// In a cluster: the nodes that did not answer within 2 s. They do it as soon as they can; the number is without theirs.
    /// Absent if all have answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = json!(["n6hQ2xTzPaYcMbVd1wKs"]))]
    nodes_missing: Option<Vec<String>>,
    /// In a cluster: `true` if this node is cut off, so that there may be nodes that are not even named. Else absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    degraded: Option<bool>,
}

/// A user was taken out of a room.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RemovalReply {
    /// Who.
    #[schema(value_type = UserIdText)]
    user: String,
    /// The room.
    #[schema(value_type = RoomText)]
    room: String,
    /// The namespace it is about; `null`: all.
    #[schema(required, value_type = Option<NamespaceText>)]
    namespace: Option<String>,
    /// Whether the room is denied to the user from now on.
    denied: bool,
    /// Sockets that have gone out of the room.
    #[schema(example = 2)]
    changed: usize,
    /// In a cluster: the nodes that did not answer within 2 s. They do it as soon as they can; the number is without theirs.
    /// Absent if all have answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = json!(["n6hQ2xTzPaYcMbVd1wKs"]))]
    nodes_missing: Option<Vec<String>>,
    /// In a cluster: `true` if this node is cut off, so that there may be nodes that are not even named. Else absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    degraded: Option<bool>,
}

/// What every change may be answered with.
#[derive(utoipa::IntoResponses)]
#[expect(dead_code, reason = "only its documentation is used")]
pub(super) enum MembershipFailures {
    /// `not_found`: no such namespace.
    #[response(status = 404)]
    NoNamespace(ErrorBody),
    /// `conflict`: there are as many as `limits.memberships_per_user` or `limits.memberships` allows; or a membership of all
    /// namespaces cannot be taken back in one.
    #[response(status = 409)]
    Conflict(ErrorBody),
}

/// Put a user into a room
///
/// For the sockets that the user has and will have, in all namespaces or in one, until that is taken back or `for` is over. When
/// this is answered every live socket is in, and it holds over a restart and a crash. A record of all namespaces takes the place of
/// those of each; the record of one counts before that of all.
#[utoipa::path(
    put, path = "/v1/users/{user}/rooms/{room}", tag = "rooms", operation_id = "put_membership",
    params(
        ("user" = UserIdArgument, Path, description = "The user's id, percent-encoded"),
        ("room" = GrantableRoomArgument, Path, description = "The name of the room, percent-encoded"),
        ("namespace" = Option<NamespaceArgument>, Query, description = "The namespace; all if absent"),
    ),
    request_body(content = Option<MembershipRequest>, description = "No body means `{}`: until it is taken back"),
    responses(
        (status = 200, description = "The user is in the room", body = MembershipReply),
        (status = 202, description = "In a cluster: recorded; the nodes in `nodes_missing` see to their sockets as soon as they can", body = MembershipReply),
        MembershipFailures, BodyFailures, KeyFailures, StoreFailures,
    ),
    security(("bearer" = ["control"])),
)]
pub(super) async fn put(
    may: May<ControlScope>,
    State(context): State<AdminContext>,
    Segments(user, room): Segments,
    query: Parameters,
    OptionalBodyBesideQuery(request): OptionalBodyBesideQuery<MembershipRequest>,
) -> Result<Response, ApiError> {
    let of = meant(&context, may.user(&user)?, &room, query)?;
    may.room(&of.room)?;
    let until = request.parse()?.map(|lasts| context.memberships.end_of(lasts));
    let changed = context.memberships.put(of.clone(), until).await?;
    let (user, room, namespace) = texts(&of);
    let until = until.map(Time);
    Ok(missing_nodes::answer(changed, |changed, nodes| {
        let MissingNodesReply { nodes_missing, degraded } = nodes;
        MembershipReply { user, room, namespace, until, changed, nodes_missing, degraded }
    }))
}

/// Take a user out of a room
///
/// Takes the membership back, and takes the user's sockets out of the room, whatever had granted it: when this is answered no live
/// socket is in. A later credential may grant the room again; with `deny` none does, until the user is put into it. Somebody who is
/// not in the room is no error.
#[utoipa::path(
    delete, path = "/v1/users/{user}/rooms/{room}", tag = "rooms", operation_id = "delete_membership",
    params(
        ("user" = UserIdArgument, Path, description = "The user's id, percent-encoded"),
        ("room" = GrantableRoomArgument, Path, description = "The name of the room, percent-encoded"),
        ("namespace" = Option<NamespaceArgument>, Query, description = "The namespace; all if absent"),
    ),
    request_body(content = Option<RemovalRequest>, description = "No body means `{}`: a later credential may grant it again"),
    responses(
        (status = 200, description = "The user is not in the room", body = RemovalReply),
        (status = 202, description = "In a cluster: recorded; the nodes in `nodes_missing` see to their sockets as soon as they can", body = RemovalReply),
        MembershipFailures, BodyFailures, KeyFailures, StoreFailures,
    ),
    security(("bearer" = ["control"])),
)]
pub(super) async fn delete(
    may: May<ControlScope>,
    State(context): State<AdminContext>,
    Segments(user, room): Segments,
    query: Parameters,
    OptionalBodyBesideQuery(request): OptionalBodyBesideQuery<RemovalRequest>,
) -> Result<Response, ApiError> {
    let of = meant(&context, may.user(&user)?, &room, query)?;
    may.room(&of.room)?;
    let denied = request.is_denial();
    let changed = context.memberships.remove(of.clone(), denied).await?;
    let (user, room, namespace) = texts(&of);
    Ok(missing_nodes::answer(changed, |changed, nodes| {
        let MissingNodesReply { nodes_missing, degraded } = nodes;
        RemovalReply { user, room, namespace, denied, changed, nodes_missing, degraded }
    }))
}

/// List the memberships of a user
///
/// The rooms that the user is put into, and those that are denied to it. What credentials grant is not among them: for that there
/// are the sockets of `GET /v1/users/{user}`.
#[utoipa::path(
    get, path = "/v1/users/{user}/rooms", tag = "rooms", operation_id = "list_memberships",
    params(("user" = UserIdArgument, Path, description = "The user's id, percent-encoded")),
    responses(
        (status = 200, description = "What is recorded of the user", body = MembershipList),
        ArgumentFailures, KeyFailures,
    ),
    security(("bearer" = ["read"])),
)]
pub(super) async fn list(
    may: May<ReadScope>,
    _: NoParameters,
    State(context): State<AdminContext>,
    user: Segment,
) -> Result<Json<MembershipList>, ApiError> {
    let user = may.user(&user)?;
    let rooms = context.memberships.of(&user).into_iter().map(MembershipItem::from).collect();
    Ok(Json(MembershipList { user: user.as_str().to_owned(), rooms }))
}

/// Which membership a path and a query mean.
fn meant(
    context: &AdminContext,
    user: UserId,
    room: &Segment,
    mut query: Parameters,
) -> Result<MembershipOf, ApiError> {
    let room = room.parse("room", Room::parse_grantable)?;
    let namespace = query.take("namespace", |text| Ok::<_, Infallible>(text.to_owned()))?;
    query.end()?;
    let known = context.directory.namespaces();
    let namespace =
        namespace.map(|text| names::namespace("namespace", &text, known)).transpose()?;
    Ok(MembershipOf { user, room, namespace })
}

fn texts(of: &MembershipOf) -> (String, String, Option<String>) {
    let MembershipOf { user, room, namespace } = of;
    let namespace = namespace.as_ref().map(|it| it.as_str().to_owned());
    (user.as_str().to_owned(), room.as_str().to_owned(), namespace)
}

impl From<MembershipError> for ApiError {
    fn from(error: MembershipError) -> Self {
        match error {
            MembershipError::Flaw(_) => Self::new(Code::Conflict, error),
            MembershipError::Waiting | MembershipError::Away => Self::new(Code::Unavailable, error),
            MembershipError::Closed(_) => Self::stopping(),
            MembershipError::Lost(_) => Self::internal(error),
        }
    }
}
