//! Users: who is here, what is known of one, bulk presence, and the door.

use super::Api;
use super::cursor::{self, CursorError};
use super::emit::names;
use super::error::{ApiError, ArgumentFailures, BodyFailures, KeyFailures, StoreFailures};
use super::extract::{Body, NoParameters, OptionalBody, Parameters, Segment};
use super::keys::{Control, May, Read};
use super::sockets::SocketView;
use super::time::Time;
use crate::core::presence::session::{PresenceStatus, UserSession};
use crate::presence::{StateFilter, UserEntry, UserStatus};
use crate::realtime::kick::Grace;
use crate::types::UserId;
use axum::Json;
use axum::extract;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Sockets of one user that are shown.
const SOCKETS_MAX: usize = 1000;
/// Longest reason that a client is told, in bytes.
const REASON_BYTES_MAX: usize = 1024;

/// Whether a user is here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    /// At least one socket.
    Online,
    /// No socket, and the grace is still running: counts as online.
    Lingering,
    /// Gone.
    Offline,
}

impl State {
    /// The state, and the session unless it is offline.
    pub(super) fn of(status: PresenceStatus) -> (Self, Option<UserSession>) {
        match status {
            PresenceStatus::Offline => (Self::Offline, None),
            PresenceStatus::Online(session) => (Self::Online, Some(session)),
            PresenceStatus::Lingering(session) => (Self::Lingering, Some(session)),
        }
    }
}

/// A page of users.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct UserList {
    /// In ascending order of their ids.
    users: Vec<UserItem>,
    /// The `cursor` of the next page; `null` on the last one.
    #[schema(required, example = "NDI")]
    next: Option<String>,
    /// The newest event when the list was made: `GET /v1/events?after=` with this number of the first page tells
    /// all that changed since, without a gap; what the list knows already may come again.
    #[schema(example = 1042)]
    events_after: u64,
}

/// A user in a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct UserItem {
    /// Who.
    #[schema(example = "42")]
    user: String,
    /// Online or lingering.
    state: State,
    /// When the session began.
    since: Time,
    /// The session: the `seq` of the user's `user.online`.
    #[schema(example = 1_785_577_260_000_000_u64)]
    session: u64,
    /// Sockets of the user.
    #[schema(example = 2)]
    sockets: usize,
}

impl From<UserEntry> for UserItem {
    fn from(entry: UserEntry) -> Self {
        let UserEntry { user, status, session, sockets } = entry;
        let (state, _) = State::of(status);
        let (since, session) = (Time(session.since), session.id.0);
        Self { user: user.as_str().to_owned(), state, since, session, sockets }
    }
}

/// List users
///
/// Everybody who is online or lingering, in order of their ids, page by page. Offline users are not listed.
#[utoipa::path(
    get, path = "/v1/users", tag = "users", operation_id = "list_users",
    params(
        ("state" = Option<String>, Query, description = "Only `online` or only `lingering` ones"),
        ("cursor" = Option<String>, Query, description = "`next` of the page before"),
        ("limit" = Option<u16>, Query, description = "Users per page, 100 if absent", minimum = 1, maximum = 1000),
    ),
    responses(
        (status = 200, description = "A page of users", body = UserList),
        ArgumentFailures, KeyFailures, StoreFailures,
    ),
    security(("bearer" = ["read"])),
)]
pub(super) async fn list(
    _: May<Read>,
    extract::State(api): extract::State<Api>,
    mut query: Parameters,
) -> Result<Json<UserList>, ApiError> {
    let filter = query.take("state", parse_filter)?.unwrap_or(StateFilter::All);
    let after = query.take("cursor", |text| {
        let key = cursor::key(text)?;
        UserId::parse(&key).map_err(|_| CursorError)
    })?;
    let limit = query.limit()?;
    query.end()?;
    // Before the list: what is recorded in between comes twice rather than never.
    let events_after = api.events.head().await?;
    let page = api.realtime.users(after.as_ref(), limit.into(), filter);
    let last = page.items.last().filter(|_| page.has_more);
    let next = last.map(|it| cursor::after(it.user.as_str()));
    let users = page.items.into_iter().map(UserItem::from).collect();
    Ok(Json(UserList { users, next, events_after }))
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
    #[schema(example = "42")]
    user: String,
    /// Whether the user is here.
    state: State,
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
    /// When the last socket of an offline user closed, if that is still known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    last_seen: Option<Time>,
}

/// Look at a user
///
/// An unknown user is offline: that is an answer, not an error.
#[utoipa::path(
    get, path = "/v1/users/{user}", tag = "users", operation_id = "get_user",
    params(("user" = String, Path, description = "The user's id, percent-encoded")),
    responses(
        (status = 200, description = "The user", body = UserView),
        ArgumentFailures, KeyFailures, StoreFailures,
    ),
    security(("bearer" = ["read"])),
)]
pub(super) async fn get(
    _: May<Read>,
    _: NoParameters,
    extract::State(api): extract::State<Api>,
    user: Segment,
) -> Result<Json<UserView>, ApiError> {
    let user = user.parse("user", UserId::parse)?;
    let (status, sockets) = api.realtime.user(&user);
    let (state, session) = State::of(status);
    let last_seen = match state {
        State::Online | State::Lingering => None,
        State::Offline => api.records.last_seen(&user).await?,
    };
    Ok(Json(UserView {
        user: user.as_str().to_owned(),
        state,
        since: session.map(|it| Time(it.since)),
        session: session.map(|it| it.id.0),
        sockets_total: sockets.len(),
        sockets: sockets.iter().take(SOCKETS_MAX).map(|it| SocketView::of(it)).collect(),
        last_seen: last_seen.map(Time),
    }))
}

/// Who to look at.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PresenceRequest {
    /// Their ids.
    #[schema(max_items = 1000, example = json!(["42", "43"]))]
    users: Vec<String>,
}

/// Who of them is here.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PresenceReply {
    /// By id.
    users: BTreeMap<String, UserPresence>,
}

/// Whether a user is here.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct UserPresence {
    /// Whether the user is here.
    state: State,
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
        BodyFailures, KeyFailures,
    ),
    security(("bearer" = ["read"])),
)]
pub(super) async fn presence(
    _: May<Read>,
    extract::State(api): extract::State<Api>,
    Body(request): Body<PresenceRequest>,
) -> Result<Json<PresenceReply>, ApiError> {
    let users = names("users", &request.users, UserId::parse)?;
    let statuses = api.realtime.status(&users).await;
    let look = |(user, status): (UserId, UserStatus)| {
        let (state, session) = State::of(status.status);
        let presence = UserPresence {
            state,
            since: session.map(|it| Time(it.since)),
            session: session.map(|it| it.id.0),
            sockets: status.sockets,
        };
        (user.as_str().to_owned(), presence)
    };
    Ok(Json(PresenceReply { users: users.into_iter().zip(statuses).map(look).collect() }))
}

/// How to disconnect a user.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct DisconnectRequest {
    /// What the clients are told, at most 1024 bytes.
    #[schema(max_length = 1024, example = "signed out everywhere")]
    reason: Option<String>,
    /// Whether the user is offline at once; else the grace runs as usual.
    #[schema(default = true)]
    now: bool,
}

impl Default for DisconnectRequest {
    fn default() -> Self {
        Self { reason: None, now: true }
    }
}

/// What became of a user's sockets.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DisconnectReply {
    /// Who.
    #[schema(example = "42")]
    user: String,
    /// Sockets that were disconnected.
    #[schema(example = 2)]
    disconnected: usize,
}

/// Disconnect a user
///
/// Every client of the user, in all namespaces, gets an event `userline:kicked {reason}`, is disconnected, and does
/// not come back by itself. Nobody being there is no error.
#[utoipa::path(
    post, path = "/v1/users/{user}/disconnect", tag = "users", operation_id = "disconnect_user",
    params(("user" = String, Path, description = "The user's id, percent-encoded")),
    request_body(content = Option<DisconnectRequest>, description = "No body means `{}`"),
    responses(
        (status = 200, description = "Disconnected; how many, the number says", body = DisconnectReply),
        BodyFailures, KeyFailures,
    ),
    security(("bearer" = ["control"])),
)]
pub(super) async fn disconnect(
    _: May<Control>,
    extract::State(api): extract::State<Api>,
    user: Segment,
    OptionalBody(request): OptionalBody<DisconnectRequest>,
) -> Result<Json<DisconnectReply>, ApiError> {
    let user = user.parse("user", UserId::parse)?;
    let DisconnectRequest { reason, now } = request;
    if let Some(reason) = &reason
        && REASON_BYTES_MAX < reason.len()
    {
        let why = format!("at most {REASON_BYTES_MAX} bytes, not {}", reason.len());
        return Err(ApiError::field("reason", why));
    }
    let grace = if now { Grace::Skip } else { Grace::Keep };
    let disconnected = api.realtime.kick(&user, reason.as_deref(), grace);
    Ok(Json(DisconnectReply { user: user.as_str().to_owned(), disconnected }))
}
