//! Why was I thrown out? The last sockets of a user.

use super::context::AdminContext;
use super::error::{ApiError, ArgumentFailures, KeyFailures};
use super::extract::{NoParameters, Segment};
use super::may::{May, ReadScope};
use super::messages::{self, MessageItem};
use super::socket_view::VisitView;
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
        ArgumentFailures, KeyFailures,
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
    let sockets = context.people.history(&user);
    let sockets = sockets.iter().take(SOCKETS_MAX).map(VisitView::from).collect();
    let messages = messages::of_user(&context, &user, MESSAGES_MAX);
    Ok(Json(HistoryView { user: user.as_str().to_owned(), sockets, messages }))
}
