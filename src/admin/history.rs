//! Why was I thrown out? The last sockets of a user.

use super::context::AdminContext;
use super::error::{ApiError, ArgumentFailures, KeyFailures, StoreFailures};
use super::extract::{NoParameters, Segment};
use super::may::{May, ReadScope};
use super::messages::MessageItem;
use super::missing_nodes::MissingNodesReply;
use super::socket_view::VisitView;
use crate::cluster::OnNodes;
use crate::commands::schema::{UserIdArgument, UserIdText};
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

/// Sockets that are shown.
const SOCKETS_MAX: usize = 1000;
/// Messages that are shown.
const MESSAGES_MAX: usize = 10;

/// A user's last sockets, and what was sent to it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct HistoryView {
    /// Who.
    #[schema(value_type = UserIdText)]
    user: String,
    /// First those that are here, the latest first, then those that are remembered, the one that ended last first; at
    /// most 1000.
    sockets: Vec<VisitView>,
    /// The last ten emits that were for the user, as `GET /v1/messages` lists them.
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

/// Ask why a user was disconnected
///
/// The user's last sockets and how each of them ended, within the bounds of `[history]`, and the last emits: in memory, so a
/// restart forgets them. A user nobody remembers has none: that is an answer, not an error.
#[utoipa::path(
    get, path = "/v1/users/{user}/history", tag = "users", operation_id = "get_user_history",
    params(("user" = UserIdArgument, Path, description = "The user's id, percent-encoded")),
    responses(
        (status = 200, description = "The sockets", body = HistoryView),
        ArgumentFailures, KeyFailures, StoreFailures,
    ),
    security(("bearer" = ["read"])),
)]
pub(super) async fn get(
    may: May<ReadScope>,
    _: NoParameters,
    State(context): State<AdminContext>,
    user: Segment,
) -> Result<Json<HistoryView>, ApiError> {
    let user = may.user(&user)?;
    let OnNodes { done: sockets, missing } = context.reports.history(&user).await?;
    let sent = context.reports.messages(Some(&user), MESSAGES_MAX).await?;
    let MissingNodesReply { nodes_missing, degraded } = missing.into();
    let sockets = sockets.into_iter().take(SOCKETS_MAX).map(VisitView::from).collect();
    let messages = sent.done.into_iter().map(MessageItem::from).collect();
    let user = user.as_str().to_owned();
    Ok(Json(HistoryView { user, sockets, messages, nodes_missing, degraded }))
}
