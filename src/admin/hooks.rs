//! Endpoints of hooks: how they are doing, and sending their dead letters again.

use super::context::AdminContext;
use super::error::{
    ApiError, ArgumentFailures, BodyFailures, ErrorBody, KeyFailures, StoreFailures,
};
use super::error_code::Code;
use super::extract::{JsonBody, NoParameters};
use super::may::{ControlScope, May, ReadScope};
use super::schemas::{DELIVERED_ELSEWHERE, EndpointStateName};
use super::time::Time;
use crate::commands::replay::{ReplayRange, ReplayRangeRequest};
use crate::core::delivery::outbox::DeadRange;
use crate::hooks::{EndpointStatus, LastError};
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

/// What a replay did.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ReplayRangeReply {
    /// Hooks that are sent again, at most 10,000.
    #[schema(example = 12)]
    replayed: usize,
    /// There are more: make the same call again.
    more: bool,
}

/// Replay dead letters
///
/// Sends the dead letters of an endpoint again, the oldest first, at most 10,000 per call. Whatever waits for another
/// attempt at this endpoint is tried at once, also if nothing is sent to it since it answered 410; only the time that
/// its `Retry-After` named is waited for.
#[utoipa::path(
    post, path = "/v1/hooks/replay", tag = "hooks", operation_id = "replay_dead",
    request_body = ReplayRangeRequest,
    responses(
        (status = 200, description = "They are sent again; how many, the number says", body = ReplayRangeReply),
        (status = 404, description = "`not_found`: no such endpoint", body = ErrorBody),
        BodyFailures, KeyFailures, StoreFailures,
    ),
    security(("bearer" = ["control"])),
)]
pub(super) async fn replay(
    may: May<ControlScope>,
    State(context): State<AdminContext>,
    JsonBody(request): JsonBody<ReplayRangeRequest>,
) -> Result<Json<ReplayRangeReply>, ApiError> {
    may.everything()?;
    let ReplayRange { endpoint: name, from, to } = request.parse()?;
    let endpoint = context.hooks.endpoint(&name).ok_or_else(|| {
        let why = format!("no endpoint `{name}`; see `hooks.endpoints`");
        ApiError { code: Code::NotFound, ..ApiError::field("endpoint", why) }
    })?;
    let range = DeadRange { endpoint, from, to };
    let done = context.hooks.replay_dead(range).await?;
    context.reports.wake_hooks(&name).await?;
    tracing::info!(endpoint = name, count = done.count, "dead letters are sent again");
    Ok(Json(ReplayRangeReply { replayed: done.count, more: done.more }))
}

/// The receivers of hooks.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EndpointList {
    /// In the order of the configuration.
    endpoints: Vec<EndpointView>,
}

/// How one receiver is doing.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EndpointView {
    /// Its name in the configuration.
    #[schema(example = "default")]
    name: String,
    /// Where it is, without user, password and query.
    #[schema(example = "https://app.example.com/hooks")]
    url: String,
    /// `ok`, `failing` (some hooks are being retried), `open` (it fails: nothing is sent but probes) or `disabled`
    /// (it answered 410: nothing is sent until a restart or a replay); `elsewhere`: another node of the cluster delivers,
    /// and says more.
    #[schema(value_type = EndpointStateName)]
    state: &'static str,
    /// Undelivered hooks.
    #[schema(example = 0)]
    backlog: u64,
    /// Hooks given up: they wait for a replay. Counted up to 100,000.
    #[schema(example = 0)]
    dead_letters: u64,
    /// Requests under way.
    #[schema(example = 1)]
    in_flight: usize,
    /// When the oldest undelivered event happened.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    oldest_pending_at: Option<Time>,
    /// When the next attempt is made if nothing new happens.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next_attempt_at: Option<Time>,
    /// What the last failed attempt met, since the server started.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    last_error: Option<EndpointError>,
}

/// What a failed attempt met.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EndpointError {
    /// When.
    at: Time,
    /// For people.
    #[schema(example = "answered 500")]
    message: String,
}

impl From<EndpointStatus> for EndpointView {
    fn from(status: EndpointStatus) -> Self {
        let error = |LastError { at, text }| EndpointError { at: Time(at), message: text };
        Self {
            name: status.name,
            url: status.url,
            state: if status.is_here { status.health.as_str() } else { DELIVERED_ELSEWHERE },
            backlog: status.backlog,
            dead_letters: status.dead_letters,
            in_flight: status.in_flight,
            oldest_pending_at: status.oldest_pending.map(Time),
            next_attempt_at: status.next_attempt.map(Time),
            last_error: status.last_error.map(error),
        }
    }
}

/// Look at the receivers of hooks
#[utoipa::path(
    get, path = "/v1/hooks/endpoints", tag = "hooks", operation_id = "list_endpoints",
    responses(
        (status = 200, description = "How each is doing", body = EndpointList),
        ArgumentFailures, KeyFailures, StoreFailures,
    ),
    security(("bearer" = ["read"])),
)]
pub(super) async fn endpoints(
    _: May<ReadScope>,
    _: NoParameters,
    State(context): State<AdminContext>,
) -> Result<Json<EndpointList>, ApiError> {
    let endpoints = context.hooks.status().await?.into_iter().map(EndpointView::from).collect();
    Ok(Json(EndpointList { endpoints }))
}
