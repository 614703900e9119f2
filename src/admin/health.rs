//! How the server is: numbers, and whether it lives and is ready.

use super::context::AdminContext;
use super::error::{ApiError, ArgumentFailures, ErrorBody, Failures, KeyFailures};
use super::error_code::Code;
use super::extract::NoParameters;
use super::may::{May, ReadScope};
use super::missing_nodes::MissingNodesReply;
use crate::cluster::OnNodes;
use axum::Json;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use serde::Serialize;
use std::time::Duration;
use utoipa::ToSchema;

/// How many are here.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StatsView {
    /// Users online, lingering ones included.
    #[schema(example = 40)]
    users: usize,
    /// Of these, lingering.
    #[schema(example = 2)]
    lingering: usize,
    /// Sockets: clients, once per namespace.
    #[schema(example = 61)]
    sockets: usize,
    /// Rooms with a socket in them, as `GET /v1/rooms` lists them: without those that every socket and user has.
    #[schema(example = 12)]
    rooms: usize,
    /// Open connections, also those without a socket.
    #[schema(example = 60)]
    connections: usize,
    /// Of these, by long-polling.
    #[schema(example = 3)]
    polling: usize,
    /// Of these, by WebSocket. If this stays 0, a proxy may not forward `Upgrade`.
    #[schema(example = 57)]
    websocket: usize,
    /// Graces that may run out.
    #[schema(example = 2)]
    deadlines: usize,
    /// With several nodes: those that did not answer in time; the counts are without what they have.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = json!(["n6hQ2xTzPaYcMbVd1wKs"]))]
    nodes_missing: Option<Vec<String>>,
    /// With several nodes: `true` if this one cannot reach the others.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    degraded: Option<bool>,
}

/// Count what is here
///
/// With several nodes, of all of them; `rooms` counts a room once for each node on which a socket is in it, and `deadlines` what nodes
/// have to look at again besides the graces, which are in Redis.
#[utoipa::path(
    get, path = "/v1/stats", tag = "server", operation_id = "stats",
    responses(
        (status = 200, description = "The counts", body = StatsView),
        ArgumentFailures, KeyFailures,
    ),
    security(("bearer" = ["read"])),
)]
pub(super) async fn stats(
    _: May<ReadScope>,
    _: NoParameters,
    State(context): State<AdminContext>,
) -> Result<Json<StatsView>, ApiError> {
    let OnNodes { done: (users, totals), missing } = context.directory.totals().await?;
    let MissingNodesReply { nodes_missing, degraded } = missing.into();
    Ok(Json(StatsView {
        users: users.users,
        lingering: users.lingering,
        sockets: totals.sockets,
        rooms: totals.rooms,
        connections: totals.connections,
        polling: totals.polling,
        websocket: totals.websocket,
        deadlines: totals.deadlines,
        nodes_missing,
        degraded,
    }))
}

/// All is well, or well enough.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Well {
    /// `ok`; of `/readyz` in a cluster also `degraded`: this node is cut off from Redis, and serves its clients alone.
    #[schema(example = "ok")]
    status: &'static str,
}

/// Ask whether the process lives
///
/// Restart it if this fails; `/readyz` says whether to send it clients. Needs no key.
#[utoipa::path(
    get, path = "/healthz", tag = "server", operation_id = "healthz",
    responses((status = 200, description = "It lives", body = Well), Failures),
    security(()),
)]
pub(super) async fn healthz() -> Json<Well> {
    Json(Well { status: "ok" })
}

/// Ask whether the server takes clients
///
/// Needs no key.
#[utoipa::path(
    get, path = "/readyz", tag = "server", operation_id = "readyz",
    responses(
        (status = 200, description = "It does", body = Well),
        (status = 503, description = "`unavailable`: not now, and why", body = ErrorBody),
        Failures,
    ),
    security(()),
)]
pub(super) async fn readyz(State(context): State<AdminContext>) -> Result<Json<Well>, ApiError> {
    let drained =
        if context.directory.is_draining() { Err("the server is stopping") } else { Ok(()) };
    match drained.map_err(str::to_owned).and_then(|()| context.ready.check()) {
        Ok(()) if context.ready.is_degraded() => Ok(Json(Well { status: "degraded" })),
        Ok(()) => Ok(Json(Well { status: "ok" })),
        Err(why) => Err(ApiError::new(Code::Unavailable, why)),
    }
}

/// Scrape metrics
///
/// In the text format of Prometheus. Needs no key.
#[utoipa::path(
    get, path = "/metrics", tag = "server", operation_id = "metrics",
    responses(
        (status = 200, description = "Every metric", body = String, content_type = "text/plain"),
        Failures,
    ),
    security(()),
)]
pub(super) async fn metrics(State(context): State<AdminContext>) -> impl IntoResponse {
    let stats = context.directory.stats();
    let (counts, transports) = (stats.counts, stats.transports);
    let held = context.control.held();
    let copy_age = context.control.copy_age().max(context.memberships.copy_age());
    let text = context.metrics.render(&[
        ("userline_users", &[], counts.users),
        ("userline_users_lingering", &[], counts.lingering),
        ("userline_sockets", &[], counts.sockets),
        ("userline_connections", &[], stats.connections),
        ("userline_guests", &[], stats.guests),
        ("userline_transports", &[("transport", "polling")], transports.polling),
        ("userline_transports", &[("transport", "websocket")], transports.websocket),
        ("userline_unauthenticated", &[], stats.homeless),
        ("userline_loans", &[], stats.loans.under_way),
        ("userline_loans_waiting", &[], stats.loans.waiting),
        ("userline_waiting_bytes", &[], stats.waiting_bytes),
        ("userline_rooms", &[], stats.counts.rooms),
        ("userline_blocks", &[], held.blocks),
        ("userline_not_befores", &[], held.not_befores),
        ("userline_cluster_copy_age_seconds", &[], seconds(copy_age)),
        ("userline_cluster_inbox_bytes", &[], context.inboxes.bytes()),
        ("userline_memberships", &[], context.memberships.count()),
    ]);
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text)
}

/// In whole seconds, as metrics count.
fn seconds(time: Duration) -> usize {
    usize::try_from(time.as_secs()).unwrap_or(usize::MAX)
}
