//! Users: who is here, what is known of one or of many, and disconnecting one.

use super::attached::AttachedObject;
use super::blocks::{self, ControlFailures, DisconnectedReply};
use super::context::AdminContext;
use super::cursor::{self, UserCursor};
use super::error::{ApiError, ArgumentFailures, BodyFailures, KeyFailures, StoreFailures};
use super::extract::{JsonBody, NoParameters, OptionalJsonBody, Parameters, Segment};
use super::keys::CallerName;
use super::may::{ControlScope, May, ReadScope};
use super::missing_nodes::{self, MissingNodesReply};
use super::presence_state::PresenceState;
use super::schemas::ListedStateName;
use super::socket_view::{SocketView, attached_json};
use super::time::Time;
use crate::cluster::OnNodes;
use crate::commands::disconnect::{Disconnect, DisconnectRequest};
use crate::commands::names::NameList;
use crate::commands::presence::PresenceRequest;
use crate::commands::schema::{PageLimit, UserIdArgument, UserIdText};
use crate::core::presence::session::Grace;
use crate::presence::{StateFilter, UserEntry, UserStatus};
use crate::types::UserId;
use axum::Json;
use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A page of users.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct UserList {
    /// In ascending order of their ids.
    users: Vec<UserItem>,
    /// The `cursor` of the next page; `null` on the last one.
    #[schema(required, value_type = Option<UserCursor>)]
    next: Option<String>,
    /// The newest event when the list was made: `GET /v1/events?after=` with this number of the first page tells
    /// all that changed since, without a gap; what the list knows already may come again. 0 if this node is cut off: then all
    /// of it comes again.
    #[schema(example = 1042)]
    events_after: u64,
    /// In a cluster: the nodes that did not answer within 2 s; what they have is not in here. Absent if all have answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = json!(["n6hQ2xTzPaYcMbVd1wKs"]))]
    nodes_missing: Option<Vec<String>>,
    /// In a cluster: `true` if this node is cut off, so that there may be nodes that are not even named. Else absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    degraded: Option<bool>,
}

/// A user in a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct UserItem {
    /// Who.
    #[schema(value_type = UserIdText)]
    user: String,
    /// Online or lingering.
    state: PresenceState,
    /// When the session began.
    since: Time,
    /// The session: the `seq` of the user's `user.online`.
    #[schema(example = 1_785_577_260_000_000_u64)]
    session: u64,
    /// Sockets of the user.
    #[schema(example = 2)]
    sockets: usize,
    /// What `PATCH /v1/users/{user}/data` has attached to the session, if anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = AttachedObject, nullable = false)]
    attached: Option<Box<RawValue>>,
}

impl From<UserEntry> for UserItem {
    fn from(entry: UserEntry) -> Self {
        let UserEntry { user, status, session, sockets, attached } = entry;
        let (state, _) = PresenceState::of(status);
        let (since, session) = (Time(session.since), session.id.0);
        let attached = attached_json(attached.as_deref());
        Self { user: user.as_str().to_owned(), state, since, session, sockets, attached }
    }
}

/// List users
///
/// Everybody who is online or lingering, in order of their ids, page by page. Offline users are not listed.
#[utoipa::path(
    get, path = "/v1/users", tag = "users", operation_id = "list_users",
    params(
        ("state" = Option<ListedStateName>, Query, description = "Only `online` or only `lingering` ones"),
        ("cursor" = Option<UserCursor>, Query, description = "`next` of the page before"),
        ("limit" = Option<PageLimit>, Query, description = "Users per page, 100 if absent"),
    ),
    responses(
        (status = 200, description = "A page of users", body = UserList),
        ArgumentFailures, KeyFailures, StoreFailures,
    ),
    security(("bearer" = ["read"])),
)]
pub(super) async fn list(
    may: May<ReadScope>,
    State(context): State<AdminContext>,
    mut query: Parameters,
) -> Result<Json<UserList>, ApiError> {
    may.all_users()?;
    let filter = query.take("state", parse_filter)?.unwrap_or(StateFilter::All);
    let after = query.take("cursor", cursor::user)?.flatten();
    let limit = query.limit()?;
    query.end()?;
    // Before the list: what is recorded in between comes twice rather than never.
    let events_after = context.feed.head().await?;
    let found = context.directory.users(after.as_ref(), limit.into(), filter).await?;
    let OnNodes { done: page, missing } = found;
    let MissingNodesReply { nodes_missing, degraded } = missing.into();
    let last = page.items.last().filter(|_| page.has_more);
    let next = last.map(|it| cursor::after_user(&it.user));
    let users = page.items.into_iter().map(UserItem::from).collect();
    Ok(Json(UserList { users, next, events_after, nodes_missing, degraded }))
}

fn parse_filter(text: &str) -> Result<StateFilter, &'static str> {
    match text {
        "online" => Ok(StateFilter::Online),
        "lingering" => Ok(StateFilter::Lingering),
        _ => Err("must be `online` or `lingering`; offline users are not listed"),
    }
}

/// A user with every socket.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct UserView {
    /// Who.
    #[schema(value_type = UserIdText)]
    user: String,
    /// Whether the user is here.
    state: PresenceState,
    /// When the session began; absent if offline.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    since: Option<Time>,
    /// The session: the `seq` of the user's `user.online`; absent if offline.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 1_785_577_260_000_000_u64)]
    session: Option<u64>,
    /// How many sockets the user has.
    #[schema(example = 1)]
    sockets_total: usize,
    /// The sockets in the order they came, at most 1000 of them.
    sockets: Vec<SocketView>,
    /// What `PATCH /v1/users/{user}/data` has attached to the session, if anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = AttachedObject, nullable = false)]
    attached: Option<Box<RawValue>>,
    /// When the last socket of an offline user closed, if that is still known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    last_seen: Option<Time>,
    /// In a cluster: the nodes that did not answer within 2 s; what they have is not in here. Absent if all have answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = json!(["n6hQ2xTzPaYcMbVd1wKs"]))]
    nodes_missing: Option<Vec<String>>,
    /// In a cluster: `true` if this node is cut off, so that there may be nodes that are not even named. Else absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    degraded: Option<bool>,
}

/// Look at a user
///
/// An unknown user is offline: that is an answer, not an error.
#[utoipa::path(
    get, path = "/v1/users/{user}", tag = "users", operation_id = "get_user",
    params(("user" = UserIdArgument, Path, description = "The user's id, percent-encoded")),
    responses(
        (status = 200, description = "The user", body = UserView),
        ArgumentFailures, KeyFailures, StoreFailures,
    ),
    security(("bearer" = ["read"])),
)]
pub(super) async fn get(
    may: May<ReadScope>,
    _: NoParameters,
    State(context): State<AdminContext>,
    user: Segment,
) -> Result<Json<UserView>, ApiError> {
    let user = may.user(&user)?;
    let OnNodes { done: (status, page), missing } = context.directory.user(&user).await?;
    let MissingNodesReply { nodes_missing, degraded } = missing.into();
    let (state, session) = PresenceState::of(status);
    let (attached, last_seen) = match state {
        PresenceState::Online | PresenceState::Lingering => {
            (context.directory.attached(&user).await?, None)
        }
        PresenceState::Offline => (None, context.feed.last_seen(&user).await?),
    };
    Ok(Json(UserView {
        user: user.as_str().to_owned(),
        state,
        since: session.map(|it| Time(it.since)),
        session: session.map(|it| it.id.0),
        sockets_total: page.total,
        sockets: page.sockets.into_iter().map(SocketView::from).collect(),
        attached: attached_json(attached.as_deref()),
        last_seen: last_seen.map(Time),
        nodes_missing,
        degraded,
    }))
}

/// Who of them is here.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PresenceReply {
    /// By id.
    users: BTreeMap<String, UserPresence>,
    /// In a cluster: the nodes that did not answer within 2 s; what they have is not in here. Absent if all have answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = json!(["n6hQ2xTzPaYcMbVd1wKs"]))]
    nodes_missing: Option<Vec<String>>,
    /// In a cluster: `true` if this node is cut off, so that there may be nodes that are not even named. Else absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    degraded: Option<bool>,
}

/// Whether a user is here.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct UserPresence {
    /// Whether the user is here.
    state: PresenceState,
    /// When the session began; absent if offline.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    since: Option<Time>,
    /// The session: the `seq` of the user's `user.online`; absent if offline.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 1_785_577_260_000_000_u64)]
    session: Option<u64>,
    /// Sockets of the user.
    #[schema(example = 2)]
    sockets: usize,
}

/// Look at many users
///
/// The state of up to 1000 users at once.
#[utoipa::path(
    post, path = "/v1/presence", tag = "users", operation_id = "presence",
    request_body = PresenceRequest,
    responses(
        (status = 200, description = "The state of each", body = PresenceReply),
        BodyFailures, KeyFailures, StoreFailures,
    ),
    security(("bearer" = ["read"])),
)]
pub(super) async fn presence(
    may: May<ReadScope>,
    State(context): State<AdminContext>,
    JsonBody(request): JsonBody<PresenceRequest>,
) -> Result<Json<PresenceReply>, ApiError> {
    let NameList(users) = request.users;
    may.users(&users)?;
    let OnNodes { done: statuses, missing } = context.directory.status(&users).await?;
    let MissingNodesReply { nodes_missing, degraded } = missing.into();
    let look = |(user, status): (UserId, UserStatus)| {
        let (state, session) = PresenceState::of(status.status);
        let presence = UserPresence {
            state,
            since: session.map(|it| Time(it.since)),
            session: session.map(|it| it.id.0),
            sockets: status.sockets,
        };
        (user.as_str().to_owned(), presence)
    };
    let users = users.into_iter().zip(statuses).map(look).collect();
    Ok(Json(PresenceReply { users, nodes_missing, degraded }))
}

/// Disconnect a user
///
/// Every client of the user, in all namespaces, gets an event `userline:kicked {reason}`, is disconnected, and does
/// not come back by itself. Nobody being there is no error. With `block_for` the user is blocked for so long first, as
/// by `PUT /v1/users/{user}/block`.
#[utoipa::path(
    post, path = "/v1/users/{user}/disconnect", tag = "users", operation_id = "disconnect_user",
    params(("user" = UserIdArgument, Path, description = "The user's id, percent-encoded")),
    request_body(content = Option<DisconnectRequest>, description = "No body means `{}`"),
    responses(
        (status = 200, description = "Disconnected; how many, the number says", body = DisconnectedReply),
        (status = 202, description = "In a cluster: done, but for the nodes in `nodes_missing`, which do it a little later or not at all", body = DisconnectedReply),
        ControlFailures, BodyFailures, KeyFailures, StoreFailures,
    ),
    security(("bearer" = ["control"])),
)]
pub(super) async fn disconnect(
    may: May<ControlScope>,
    CallerName(by): CallerName,
    State(context): State<AdminContext>,
    user: Segment,
    OptionalJsonBody(request): OptionalJsonBody<DisconnectRequest>,
) -> Result<Response, ApiError> {
    let user = may.user(&user)?;
    let Disconnect { reason, is_offline_at_once, block_for } = request.parse()?;
    let disconnected = if block_for.is_some() {
        blocks::begin(&context, &user, &by, reason, block_for).await?.disconnected
    } else {
        let grace = if is_offline_at_once { Grace::Skip } else { Grace::Keep };
        context.everywhere.kick(&user, reason.as_deref(), grace).await?
    };
    Ok(missing_nodes::answer(disconnected, |sockets, nodes| {
        DisconnectedReply::new(&user, &sockets, nodes)
    }))
}
