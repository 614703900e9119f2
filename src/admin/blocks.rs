//! Keeping users out: blocks, and tokens that do not count any more.

use super::context::AdminContext;
use super::cursor::{self, UserCursor};
use super::error::{
    ApiError, ArgumentFailures, BodyFailures, ErrorBody, KeyFailures, StoreFailures,
};
use super::error_code::Code;
use super::extract::{NoParameters, OptionalJsonBody, Parameters, Segment};
use super::keys::CallerName;
use super::may::{ControlScope, May, ReadScope};
use super::missing_nodes::{self, MissingNodesReply};
use super::time::Time;
use crate::commands::block::{BlockOptions, BlockRequest, NotBeforeRequest};
use crate::commands::schema::{PageLimit, SocketIdText, UserIdArgument, UserIdText};
use crate::core::control::restrictions::{Block, Restriction};
use crate::realtime::control::{BlockOrder, Blocked, ControlError, Revoked};
use crate::types::{SocketId, UserId, WallMs, millis};
use axum::Json;
use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use std::time::Duration;
use utoipa::ToSchema;

/// Socket ids in one answer.
const SOCKETS_MAX: usize = 1000;

/// A block.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct BlockView {
    /// What the user is told.
    #[schema(required, example = "spam")]
    reason: Option<String>,
    /// The name of the API key that did it.
    #[schema(example = "backend")]
    by: String,
    /// Since when.
    since: Time,
    /// When it ends; `null`: when it is lifted.
    #[schema(required)]
    until: Option<Time>,
}

impl From<Block> for BlockView {
    fn from(block: Block) -> Self {
        let Block { reason, by, since, until } = block;
        let reason = reason.map(|it| it.as_ref().to_owned());
        Self { reason, by: by.as_ref().to_owned(), since: Time(since), until: until.map(Time) }
    }
}

/// A block in a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct BlockItem {
    /// Who is blocked.
    #[schema(value_type = UserIdText)]
    user: String,
    /// What the user is told.
    #[schema(required, example = "spam")]
    reason: Option<String>,
    /// The name of the API key that did it.
    #[schema(example = "backend")]
    by: String,
    /// Since when.
    since: Time,
    /// When it ends; `null`: when it is lifted.
    #[schema(required)]
    until: Option<Time>,
}

/// A page of blocks.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct BlockList {
    /// In ascending order of their users.
    blocks: Vec<BlockItem>,
    /// The `cursor` of the next page; `null` on the last one.
    #[schema(required, value_type = Option<UserCursor>)]
    next: Option<String>,
}

/// What is held against a user.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RestrictionView {
    /// Who.
    #[schema(value_type = UserIdText)]
    user: String,
    /// The block; `null`: there is none.
    #[schema(required)]
    block: Option<BlockView>,
    /// Tokens that were issued before this time do not count; `null`: all do.
    #[schema(required)]
    not_before: Option<Time>,
}

/// What became of a user's sockets.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DisconnectedReply {
    /// Who.
    #[schema(value_type = UserIdText)]
    user: String,
    /// Sockets that were disconnected.
    #[schema(example = 2)]
    disconnected: usize,
    /// Their ids, at most 1000.
    #[schema(value_type = Vec<SocketIdText>)]
    sockets: Vec<String>,
    /// In a cluster: the nodes that did not answer within 2 s. What they were asked for they do once, or never; the numbers are
    /// without theirs. Absent if all have answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = json!(["n6hQ2xTzPaYcMbVd1wKs"]))]
    nodes_missing: Option<Vec<String>>,
    /// In a cluster: `true` if this node is cut off, so that there may be nodes that are not even named. Else absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    degraded: Option<bool>,
}

/// A user was blocked.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct BlockReply {
    /// Who.
    #[schema(value_type = UserIdText)]
    user: String,
    /// Sockets that were disconnected.
    #[schema(example = 2)]
    disconnected: usize,
    /// Their ids, at most 1000.
    #[schema(value_type = Vec<SocketIdText>)]
    sockets: Vec<String>,
    /// How.
    block: BlockView,
    /// In a cluster: the nodes that did not answer within 2 s. They do it as soon as they can; the numbers are without theirs.
    /// Absent if all have answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = json!(["n6hQ2xTzPaYcMbVd1wKs"]))]
    nodes_missing: Option<Vec<String>>,
    /// In a cluster: `true` if this node is cut off, so that there may be nodes that are not even named. Else absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    degraded: Option<bool>,
}

/// The tokens of a user were revoked.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NotBeforeReply {
    /// Who.
    #[schema(value_type = UserIdText)]
    user: String,
    /// Sockets that were disconnected.
    #[schema(example = 2)]
    disconnected: usize,
    /// Their ids, at most 1000.
    #[schema(value_type = Vec<SocketIdText>)]
    sockets: Vec<String>,
    /// Tokens that were issued before this time do not count any more.
    not_before: Time,
    /// In a cluster: the nodes that did not answer within 2 s. They do it as soon as they can; the numbers are without theirs.
    /// Absent if all have answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = json!(["n6hQ2xTzPaYcMbVd1wKs"]))]
    nodes_missing: Option<Vec<String>>,
    /// In a cluster: `true` if this node is cut off, so that there may be nodes that are not even named. Else absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    degraded: Option<bool>,
}

/// Something that was held against a user is not any more.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LiftedReply {
    /// Who.
    #[schema(value_type = UserIdText)]
    user: String,
    /// Whether there was anything to lift.
    lifted: bool,
}

/// What every change may be answered with.
#[derive(utoipa::IntoResponses)]
#[expect(dead_code, reason = "only its documentation is used")]
pub(super) enum ControlFailures {
    /// `conflict`: something is held against `limits.restricted_users` users already.
    #[response(status = 409)]
    Full(ErrorBody),
}

/// Block a user
///
/// From now on nobody comes in as this user: refused with the code `blocked`, the reason and the end. Every client of the
/// user, in all namespaces, gets an event `userline:kicked {reason, code, until}`, is disconnected, and does not come back
/// by itself; the user is offline at once. A block takes the place of the one before. What is answered holds over a restart and a crash.
#[utoipa::path(
    put, path = "/v1/users/{user}/block", tag = "users", operation_id = "block_user",
    params(("user" = UserIdArgument, Path, description = "The user's id, percent-encoded")),
    request_body(content = Option<BlockRequest>, description = "No body means `{}`: until it is lifted"),
    responses(
        (status = 200, description = "Blocked", body = BlockReply),
        (status = 202, description = "In a cluster: blocked; the nodes in `nodes_missing` see to their sockets as soon as they can", body = BlockReply),
        ControlFailures, BodyFailures, KeyFailures, StoreFailures,
    ),
    security(("bearer" = ["control"])),
)]
pub(super) async fn block(
    may: May<ControlScope>,
    CallerName(by): CallerName,
    State(context): State<AdminContext>,
    user: Segment,
    OptionalJsonBody(request): OptionalJsonBody<BlockRequest>,
) -> Result<Response, ApiError> {
    let user = may.user(&user)?;
    let BlockOptions { reason, lasts } = request.parse()?;
    let Blocked { block, disconnected } = begin(&context, &user, &by, reason, lasts).await?;
    Ok(missing_nodes::answer(disconnected, |sockets, nodes| {
        let DisconnectedReply { user, disconnected, sockets, nodes_missing, degraded } =
            DisconnectedReply::new(&user, &sockets, nodes);
        BlockReply { user, disconnected, sockets, block: block.into(), nodes_missing, degraded }
    }))
}

/// Blocks a user for so long, or until it is lifted.
pub(super) async fn begin(
    context: &AdminContext,
    user: &UserId,
    by: &str,
    reason: Option<String>,
    lasts: Option<Duration>,
) -> Result<Blocked, ApiError> {
    let until = lasts.map(|it| WallMs(context.clock.wall().0.saturating_add(millis(it))));
    let order = BlockOrder { reason: reason.map(Into::into), by: by.into(), until };
    Ok(context.control.block(user, order).await?)
}

/// Let a user in again
///
/// Nobody being blocked is no error.
#[utoipa::path(
    delete, path = "/v1/users/{user}/block", tag = "users", operation_id = "unblock_user",
    params(("user" = UserIdArgument, Path, description = "The user's id, percent-encoded")),
    responses(
        (status = 200, description = "Not blocked", body = LiftedReply),
        ArgumentFailures, KeyFailures, StoreFailures,
    ),
    security(("bearer" = ["control"])),
)]
pub(super) async fn unblock(
    may: May<ControlScope>,
    _: NoParameters,
    State(context): State<AdminContext>,
    user: Segment,
) -> Result<Json<LiftedReply>, ApiError> {
    let user = may.user(&user)?;
    let lifted = context.control.unblock(&user).await?.is_some();
    Ok(Json(LiftedReply { user: user.as_str().to_owned(), lifted }))
}

/// Ask what is held against a user
///
/// A user who is not blocked, or not known: that is an answer, not an error.
#[utoipa::path(
    get, path = "/v1/users/{user}/block", tag = "users", operation_id = "get_block",
    params(("user" = UserIdArgument, Path, description = "The user's id, percent-encoded")),
    responses(
        (status = 200, description = "What is held against the user", body = RestrictionView),
        ArgumentFailures, KeyFailures,
    ),
    security(("bearer" = ["read"])),
)]
pub(super) async fn get(
    may: May<ReadScope>,
    _: NoParameters,
    State(context): State<AdminContext>,
    user: Segment,
) -> Result<Json<RestrictionView>, ApiError> {
    let user = may.user(&user)?;
    let Restriction { block, not_before } = context.control.restriction(&user);
    let (block, not_before) = (block.map(Into::into), not_before.map(Time));
    Ok(Json(RestrictionView { user: user.as_str().to_owned(), block, not_before }))
}

/// List blocks
///
/// Everybody who is blocked, in order of their ids, page by page: who did it, why and until when.
#[utoipa::path(
    get, path = "/v1/blocks", tag = "users", operation_id = "list_blocks",
    params(
        ("cursor" = Option<UserCursor>, Query, description = "`next` of the page before"),
        ("limit" = Option<PageLimit>, Query, description = "Blocks per page, 100 if absent"),
    ),
    responses(
        (status = 200, description = "A page of blocks", body = BlockList),
        ArgumentFailures, KeyFailures,
    ),
    security(("bearer" = ["read"])),
)]
pub(super) async fn list(
    may: May<ReadScope>,
    State(context): State<AdminContext>,
    mut query: Parameters,
) -> Result<Json<BlockList>, ApiError> {
    may.all_users()?;
    let after = query.take("cursor", cursor::user)?.flatten();
    let limit = query.limit()?;
    query.end()?;
    let page = context.control.blocks(after.as_ref(), limit.into());
    let last = page.items.last().filter(|_| page.has_more);
    let next = last.map(|(user, _)| cursor::after_user(user));
    let item = |(user, block): (UserId, Block)| {
        let (user, BlockView { reason, by, since, until }) = (user, block.into());
        BlockItem { user: user.as_str().to_owned(), reason, by, since, until }
    };
    Ok(Json(BlockList { blocks: page.items.into_iter().map(item).collect(), next }))
}

/// Revoke the tokens of a user
///
/// From now on tokens count only if they were issued at `at` or later by their `iat`; those without `iat` do not count at
/// all. Without `at` it is now, by the whole second: a token that is issued after the answer counts. Connections with older
/// tokens are closed; their clients come back by themselves, with a newer token or to be refused with the code
/// `token_revoked`. What is answered holds over a restart and a crash.
#[utoipa::path(
    put, path = "/v1/users/{user}/not_before", tag = "users", operation_id = "revoke_tokens",
    params(("user" = UserIdArgument, Path, description = "The user's id, percent-encoded")),
    request_body(content = Option<NotBeforeRequest>, description = "No body means `{}`: now"),
    responses(
        (status = 200, description = "Revoked", body = NotBeforeReply),
        (status = 202, description = "In a cluster: revoked; the nodes in `nodes_missing` see to their sockets as soon as they can", body = NotBeforeReply),
        ControlFailures, BodyFailures, KeyFailures, StoreFailures,
    ),
    security(("bearer" = ["control"])),
)]
pub(super) async fn revoke(
    may: May<ControlScope>,
    State(context): State<AdminContext>,
    user: Segment,
    OptionalJsonBody(request): OptionalJsonBody<NotBeforeRequest>,
) -> Result<Response, ApiError> {
    let user = may.user(&user)?;
    let at = request.parse()?;
    let Revoked { not_before, disconnected } = context.control.revoke(&user, at).await?;
    let not_before = Time(not_before);
    Ok(missing_nodes::answer(disconnected, |sockets, nodes| {
        let DisconnectedReply { user, disconnected, sockets, nodes_missing, degraded } =
            DisconnectedReply::new(&user, &sockets, nodes);
        NotBeforeReply { user, disconnected, sockets, not_before, nodes_missing, degraded }
    }))
}

/// Let every token of a user count again
///
/// Nothing having been revoked is no error.
#[utoipa::path(
    delete, path = "/v1/users/{user}/not_before", tag = "users", operation_id = "restore_tokens",
    params(("user" = UserIdArgument, Path, description = "The user's id, percent-encoded")),
    responses(
        (status = 200, description = "They count", body = LiftedReply),
        ArgumentFailures, KeyFailures, StoreFailures,
    ),
    security(("bearer" = ["control"])),
)]
pub(super) async fn restore(
    may: May<ControlScope>,
    _: NoParameters,
    State(context): State<AdminContext>,
    user: Segment,
) -> Result<Json<LiftedReply>, ApiError> {
    let user = may.user(&user)?;
    let lifted = context.control.restore(&user).await?.is_some();
    Ok(Json(LiftedReply { user: user.as_str().to_owned(), lifted }))
}

impl DisconnectedReply {
    /// These sockets are gone.
    pub(super) fn new(user: &UserId, sockets: &[SocketId], nodes: MissingNodesReply) -> Self {
        let ids = sockets.iter().take(SOCKETS_MAX).map(ToString::to_string).collect();
        let user = user.as_str().to_owned();
        let MissingNodesReply { nodes_missing, degraded } = nodes;
        Self { user, disconnected: sockets.len(), sockets: ids, nodes_missing, degraded }
    }
}

impl From<ControlError> for ApiError {
    fn from(error: ControlError) -> Self {
        match error {
            ControlError::Full { .. } => Self::new(Code::Conflict, error),
            ControlError::Waiting | ControlError::Away => Self::new(Code::Unavailable, error),
            ControlError::Closed(_) => Self::stopping(),
            ControlError::Lost(_) => Self::internal(error),
        }
    }
}
