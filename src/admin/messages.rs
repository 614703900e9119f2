//! Did it arrive? What became of a message, asked afterwards, and which there were.

use super::context::AdminContext;
use super::emit::reply::{self, AckReply, MissingReply, UserReply};
use super::error::{ApiError, ArgumentFailures, ErrorBody, KeyFailures, StoreFailures};
use super::error_code::Code;
use super::extract::{Parameters, Segment};
use super::may::{May, ReadScope};
use super::missing_nodes::MissingNodesReply;
use super::schemas::{MessageIdText, PlacedStateName};
use super::time::Time;
use crate::cluster::OnNodes;
use crate::commands::schema::{
    EventNameText, ItemIdArgument, ItemIdText, NamespaceText, PageLimit, RoomText, SocketIdText,
    UserIdArgument,
};
use crate::core::cluster::bus::past::MessageFacts;
use crate::core::inbox::{Placed, PlacedState};
use crate::realtime::messages::AckStatus;
use crate::types::{ItemId, UserId, WallMs};
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// What became of a message.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MessageReply {
    /// What was asked for: the `id` of an emit, or the `id` that its sender gave.
    #[schema(value_type = ItemIdText)]
    id: String,
    /// Its acks, if it asked for them and they are remembered (`[messages]`; not over a restart).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    ack: Option<AskedReply>,
    /// Where it is or was in the inboxes of users; at most 1000 of them, by name.
    #[schema(value_type = BTreeMap<String, PlacedReply>)]
    inbox: BTreeMap<String, PlacedReply>,
    /// In a cluster: the nodes that did not answer within 2 s; what they have is not in here. Absent if all have answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = json!(["n6hQ2xTzPaYcMbVd1wKs"]))]
    nodes_missing: Option<Vec<String>>,
    /// In a cluster: `true` if this node is cut off, so that there may be nodes that are not even named. Else absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    degraded: Option<bool>,
}

/// What came of asking for acks.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AskedReply {
    /// `under_way`: they are waited for. `ended`: no more are.
    #[schema(value_type = AskedState)]
    state: AskedState,
    /// When it was emitted.
    emitted_at: Time,
    /// Sockets it was for.
    #[schema(example = 3)]
    matched: usize,
    /// Sockets whose connection took it.
    #[schema(example = 3)]
    sent: usize,
    /// Sockets that acked; absent while it is under way, as is all that follows.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 2)]
    acked: Option<usize>,
    /// Whether what was needed came.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = true)]
    met: Option<bool>,
    /// Who acked, and what they said.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Vec<AckReply>, nullable = false)]
    acks: Option<Vec<AckReply>>,
    /// Who did not, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Vec<MissingReply>, nullable = false)]
    missing: Option<Vec<MissingReply>>,
}

/// Whether acks are waited for.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum AskedState {
    UnderWay,
    Ended,
}

/// Where a message is or was in the inbox of a user.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PlacedReply {
    /// Its place.
    #[schema(example = 7)]
    seq: u64,
    /// Its name there: the one given, or that of the emit.
    #[schema(value_type = ItemIdText)]
    id: String,
    /// The emit that stored it; absent if that was before this was written down.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = MessageIdText)]
    message: Option<String>,
    /// `unread` and `read`: it is there. Gone are `deleted`, `collapsed` (a newer one with the same `collapse_key` took
    /// its place), `expired`, `pushed_out` (of too many the oldest), `unknown` (before reasons were written down).
    #[schema(value_type = PlacedStateName)]
    state: &'static str,
    /// Whether the user has seen it, or had before it went.
    read: bool,
}

impl From<Placed> for PlacedReply {
    fn from(placed: Placed) -> Self {
        let Placed { user: _, message, seq, id, state, is_read } = placed;
        let state = match state {
            PlacedState::There if is_read => "read",
            PlacedState::There => "unread",
            PlacedState::Gone(why) => why.as_str(),
        };
        let message = Some(message).filter(|it| !it.is_empty());
        Self { seq: seq.0, id, message, state, read: is_read }
    }
}

impl From<AckStatus> for AskedReply {
    fn from(asked: AckStatus) -> Self {
        let ((matched, sent), AckStatus { at, outcome, .. }) = (asked.counts(), asked);
        let state = if outcome.is_some() { AskedState::Ended } else { AskedState::UnderWay };
        let met = outcome.as_ref().map(|it| it.is_met);
        let (acks, missing) = outcome.map(|it| reply::acks(&it)).unzip();
        let acked = acks.as_ref().map(Vec::len);
        Self { state, emitted_at: Time(at), matched, sent, acked, met, acks, missing }
    }
}

/// Did it arrive?
///
/// What became of an emit with `store` (in the inbox of each user; over restarts, as long as the inboxes know it) or with
/// `ack` (who acked and who did not, for `messages.keep`, in memory), also while acks are waited for, and after the caller
/// of the emit hung up. Asked for by the `id` in the answer, or by the `id` that the sender gave.
#[utoipa::path(
    get, path = "/v1/messages/{id}", tag = "events", operation_id = "get_message",
    params(("id" = ItemIdArgument, Path, description = "The `id` of an emit, or the one its sender gave, percent-encoded")),
    responses(
        (status = 200, description = "What is known of it", body = MessageReply),
        (status = 404, description = "`not_found`: nothing is known of it; the message says why that may be", body = ErrorBody),
        ArgumentFailures, KeyFailures, StoreFailures,
    ),
    security(("bearer" = ["read"])),
)]
pub(super) async fn get(
    may: May<ReadScope>,
    State(context): State<AdminContext>,
    id: Segment,
) -> Result<Json<MessageReply>, ApiError> {
    may.everything()?;
    let id = id.parse("id", ItemId::parse)?;
    let OnNodes { done: status, missing } = context.reports.message(id.as_str()).await?;
    if status.is_none() && missing.is_nobody() {
        let message = "nothing is known of this message: only emits with `store` or `ack` are remembered, acks for \
                       `messages.keep` and until a restart, stored events while the inboxes know their names; a repeat \
                       of a stored emit is known by the `id` its sender gave";
        return Err(ApiError::new(Code::NotFound, message));
    }
    let (acks, placed) = status.map(|it| (it.acks, it.placed)).unwrap_or_default();
    let MissingNodesReply { nodes_missing, degraded } = missing.into();
    let inbox = placed.into_iter().map(|it| (it.user.as_str().to_owned(), it.into())).collect();
    let (id, ack) = (id.as_str().to_owned(), acks.map(Into::into));
    Ok(Json(MessageReply { id, ack, inbox, nodes_missing, degraded }))
}

/// The last emits.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MessageList {
    /// The newest first.
    messages: Vec<MessageItem>,
    /// In a cluster: the nodes that did not answer within 2 s; what they have is not in here. Absent if all have answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = json!(["n6hQ2xTzPaYcMbVd1wKs"]))]
    nodes_missing: Option<Vec<String>>,
    /// In a cluster: `true` if this node is cut off, so that there may be nodes that are not even named. Else absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    degraded: Option<bool>,
}

/// An emit, without what it said.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MessageItem {
    /// Its id, as in the answer to it.
    #[schema(value_type = MessageIdText)]
    id: String,
    /// When it was emitted.
    emitted_at: Time,
    /// The namespace it was for.
    #[schema(value_type = NamespaceText)]
    namespace: String,
    /// Its event.
    #[schema(value_type = EventNameText)]
    event: String,
    /// Whether it could be dropped for clients that were busy.
    volatile: bool,
    /// The source of `[ingest]` that it came by; absent: the admin API.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "orders")]
    source: Option<String>,
    /// Who it was for, besides the users.
    to: MessageTarget,
    /// Sockets it was for.
    #[schema(example = 3)]
    matched: usize,
    /// Sockets whose connection took it.
    #[schema(example = 3)]
    sent: usize,
    /// Sockets that acked; absent if it did not ask for acks, while it waits for them, or if they are forgotten.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 2)]
    acked: Option<usize>,
    /// The same for each user that was named; of one user's messages for this one alone.
    #[schema(value_type = BTreeMap<String, UserReply>)]
    users: BTreeMap<String, UserReply>,
}

/// Who an emit was for, besides the users.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MessageTarget {
    /// Everybody in the namespace.
    all: bool,
    /// Rooms.
    #[schema(value_type = Vec<RoomText>)]
    rooms: Vec<String>,
    /// Sockets.
    #[schema(value_type = Vec<SocketIdText>)]
    sockets: Vec<String>,
}

impl From<MessageFacts> for MessageItem {
    fn from(facts: MessageFacts) -> Self {
        let users = facts.users.into_iter();
        Self {
            id: facts.id,
            emitted_at: Time(WallMs(facts.at)),
            namespace: facts.namespace,
            event: facts.event,
            volatile: facts.volatile,
            source: facts.source,
            to: MessageTarget {
                all: facts.is_to_all,
                rooms: facts.rooms,
                sockets: facts.sockets.iter().map(ToString::to_string).collect(),
            },
            matched: facts.matched,
            sent: facts.sent,
            acked: facts.acked,
            users: users.map(|(user, it)| (user.as_str().to_owned(), it.into())).collect(),
        }
    }
}

/// List the last emits
///
/// What was emitted last, with how many it was for and how many took it: for "I emitted and nobody got it". As many as
/// `messages.recent` says, in memory: a restart forgets them. In a cluster each node remembers those that it was asked for, and the
/// answer is about all of them. `matched: 0` with a user who is `online` means: in another
/// namespace, or left out by `except`.
#[utoipa::path(
    get, path = "/v1/messages", tag = "events", operation_id = "list_messages",
    params(
        ("user" = Option<UserIdArgument>, Query, description = "Only those for this user: named, in everybody, or by a room or socket that is the user's now"),
        ("limit" = Option<PageLimit>, Query, description = "Messages, 100 if absent"),
    ),
    responses(
        (status = 200, description = "The last emits, the newest first", body = MessageList),
        ArgumentFailures, KeyFailures, StoreFailures,
    ),
    security(("bearer" = ["read"])),
)]
pub(super) async fn list(
    may: May<ReadScope>,
    State(context): State<AdminContext>,
    mut query: Parameters,
) -> Result<Json<MessageList>, ApiError> {
    may.everything()?;
    let user = query.take("user", UserId::parse)?;
    let limit = usize::from(query.limit()?);
    query.end()?;
    let OnNodes { done: messages, missing } =
        context.reports.messages(user.as_ref(), limit).await?;
    let MissingNodesReply { nodes_missing, degraded } = missing.into();
    let messages = messages.into_iter().map(MessageItem::from).collect();
    Ok(Json(MessageList { messages, nodes_missing, degraded }))
}
