//! Forgetting a user.

use super::context::AdminContext;
use super::error::{ApiError, ArgumentFailures, ErrorBody, KeyFailures, StoreFailures};
use super::error_code::Code;
use super::extract::{Parameters, Segment};
use super::may::{ControlScope, May};
use super::missing_nodes::{self, MissingNodesReply};
use super::schemas::UndeliveredName;
use crate::cluster::OnNodes;
use crate::commands::schema::{UserIdArgument, UserIdText};
use crate::realtime::erasure::{EraseError, Erased, PendingHooks};
use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

/// A user who was erased.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EraseReply {
    /// Who.
    #[schema(value_type = UserIdText)]
    user: String,
    /// Sockets that were disconnected.
    #[schema(example = 2)]
    disconnected: usize,
    /// Hooks that were still to be sent, and are not any more.
    #[schema(example = 0)]
    hooks_dropped: u64,
    /// In a cluster: nodes that did not answer, and may still remember the user. Absent if there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    nodes_missing: Option<Vec<String>>,
}

/// Erase a user
///
/// Disconnects every client of the user like `POST /v1/users/{user}/disconnect`, and deletes what names the user: presence, events,
/// hooks, inbox, history, recovery, what is remembered of emits and requests. Only the numbers of the inbox stay, under a
/// keyed hash, because they are never given twice. A `user.offline` that is due is sent first, within ten seconds. Somebody
/// who is not known is no error. Nothing keeps the user from coming back: end the tokens first.
#[utoipa::path(
    delete, path = "/v1/users/{user}", tag = "users", operation_id = "erase_user",
    params(
        ("user" = UserIdArgument, Path, description = "The user's id, percent-encoded"),
        ("undelivered" = Option<UndeliveredName>, Query, description = "What becomes of hooks that are still to be sent: \
            they are sent first, which is so if this is absent, or dropped"),
    ),
    responses(
        (status = 200, description = "Erased", body = EraseReply),
        (status = 202, description = "In a cluster: erased, but for the nodes in `nodes_missing`, which may still remember the \
            user: ask again when they are back or gone", body = EraseReply),
        (status = 409, description = "`conflict`: hooks of the user could not be sent within ten seconds; the user is \
            disconnected, and nothing is erased", body = ErrorBody),
        ArgumentFailures, KeyFailures, StoreFailures,
    ),
    security(("bearer" = ["control"])),
)]
pub(super) async fn erase(
    may: May<ControlScope>,
    State(context): State<AdminContext>,
    user: Segment,
    mut query: Parameters,
) -> Result<Response, ApiError> {
    let user = may.user(&user)?;
    let hooks = query.take("undelivered", parse_hooks)?.unwrap_or(PendingHooks::Send);
    query.end()?;
    let erasing = {
        let (context, user) = (context.clone(), user.clone());
        // To its end, whether the caller waits or not: a user must not stay half erased.
        async move { context.erasure.erase(&user, hooks).await }
    };
    let erased = context.tasks.run_to_end("users.erase", erasing).result().await;
    let Erased { disconnected, dropped, missing } = erased.map_err(ApiError::internal)??;
    Ok(missing_nodes::answer(OnNodes { done: dropped, missing }, |hooks_dropped, nodes| {
        let MissingNodesReply { nodes_missing, .. } = nodes;
        EraseReply { user: user.as_str().to_owned(), disconnected, hooks_dropped, nodes_missing }
    }))
}

fn parse_hooks(text: &str) -> Result<PendingHooks, &'static str> {
    match text {
        "send" => Ok(PendingHooks::Send),
        "drop" => Ok(PendingHooks::Drop),
        _ => Err("must be `send` or `drop`"),
    }
}

impl From<EraseError> for ApiError {
    fn from(error: EraseError) -> Self {
        match error {
            EraseError::HooksWait { .. } => {
                let message = format!(
                    "{error}, so nothing is erased: ask again when `GET /v1/hooks/endpoints` is well, or drop them \
                     with `?undelivered=drop`"
                );
                Self::new(Code::Conflict, message)
            }
            EraseError::Busy | EraseError::StillThere | EraseError::Away => {
                Self::new(Code::Unavailable, error)
            }
            EraseError::Closed(_) => Self::stopping(),
        }
    }
}
