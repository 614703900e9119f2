//! How emits come by other ways than this API.

use super::context::AdminContext;
use super::error::{ApiError, ArgumentFailures, KeyFailures, StoreFailures};
use super::extract::NoParameters;
use super::may::{May, ReadScope};
use super::missing_nodes::MissingNodesReply;
use super::schemas::{SourceKindName, SourceStateName};
use super::time::Time;
use crate::cluster::OnNodes;
use crate::core::ingest::report::{
    SourceCounts, SourceFacts, SourceOnNodes, SourceReport, SourceTrouble,
};
use crate::types::millis;
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

/// The sources of emits besides this API.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SourceList {
    /// In the order of the configuration; of one kind after the other.
    sources: Vec<SourceReply>,
    /// In a cluster: the nodes that did not answer within 2 s; what they have is not in here. Absent if all have answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = json!(["n6hQ2xTzPaYcMbVd1wKs"]))]
    nodes_missing: Option<Vec<String>>,
    /// In a cluster: `true` if this node is cut off, so that there may be nodes that are not even named. Else absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    degraded: Option<bool>,
}

/// How one source is doing.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SourceReply {
    /// Its name in the configuration.
    #[schema(example = "orders")]
    name: String,
    /// What it is.
    #[schema(value_type = SourceKindName)]
    kind: &'static str,
    /// What it is doing.
    #[schema(value_type = SourceStateName)]
    state: &'static str,
    /// The node that takes its messages, as `GET /v1/nodes` names it; absent if none does.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "n6hQ2xTzPaYcMbVd1wKs")]
    node: Option<String>,
    /// Messages that wait, as counted within the last seconds, up to 100,000; absent if they have not been counted, as by
    /// a server that is on standby.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 0)]
    backlog: Option<u64>,
    /// How long the first of these has waited, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 0)]
    lag_ms: Option<u64>,
    /// Messages that failed, and wait for somebody to look at them where they came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 0)]
    failed: Option<u64>,
    /// What became of its messages, since the server started; in a cluster on all nodes that run.
    counts: SourceCountsReply,
    /// What kept it from its messages last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    trouble: Option<SourceErrorReply>,
    /// When it last may have missed messages; only where nothing keeps them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    missed: Option<MissedReply>,
    /// The last message that it refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    refused: Option<SourceErrorReply>,
}

/// What became of the messages of a source.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SourceCountsReply {
    /// Emitted, to somebody or into an inbox.
    #[schema(example = 120)]
    emitted: u64,
    /// Stored before under the same name: not emitted again.
    #[schema(example = 0)]
    repeated: u64,
    /// Emitted, and nobody was there for whom they were. If this grows, look at `GET /v1/messages`.
    #[schema(example = 3)]
    unmatched: u64,
    /// Had sockets join or leave rooms, or disconnected them; only what servers of Node's and Python's are asked for on Redis.
    #[schema(example = 0)]
    changed: u64,
    /// Wrong, or not allowed: not emitted.
    #[schema(example = 1)]
    refused: u64,
    /// Too old: not emitted.
    #[schema(example = 0)]
    expired: u64,
    /// Lost before they could be read; only where nothing keeps them.
    #[schema(example = 0)]
    lost: u64,
}

/// A time in which messages may have been missed.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MissedReply {
    /// Until then it certainly heard all.
    from: Time,
    /// From then on, too.
    to: Time,
}

/// Something that went wrong with a source.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SourceErrorReply {
    /// When.
    at: Time,
    /// The stable name of what it is; docs/from-postgres.md, docs/moving-from-redis-emitter.md and
    /// docs/from-redis-stream.md have them all.
    #[schema(example = "unreachable")]
    code: String,
    /// For people.
    #[schema(example = "the connection was closed")]
    message: String,
}

impl From<SourceTrouble> for SourceErrorReply {
    fn from(trouble: SourceTrouble) -> Self {
        let SourceTrouble { at, code, message } = trouble;
        Self { at: Time(at), code: code.into_owned(), message }
    }
}

impl From<SourceCounts> for SourceCountsReply {
    fn from(counts: SourceCounts) -> Self {
        let SourceCounts { emitted, repeated, unmatched, changed, refused, expired, lost } = counts;
        Self { emitted, repeated, unmatched, changed, refused, expired, lost }
    }
}

impl From<SourceOnNodes> for SourceReply {
    fn from(SourceOnNodes { source, node }: SourceOnNodes) -> Self {
        let SourceFacts { name, kind, report } = source;
        let SourceReport { state, backlog, failed, lag, counts, trouble, missed, refused } = report;
        Self {
            name,
            kind: kind.as_str(),
            state: state.as_str(),
            node,
            backlog,
            lag_ms: lag.map(millis),
            failed,
            counts: counts.into(),
            trouble: trouble.map(Into::into),
            missed: missed.map(|(from, to)| MissedReply { from: Time(from), to: Time(to) }),
            refused: refused.map(Into::into),
        }
    }
}

/// Look at the sources of emits
///
/// How emits come from the sources in `[ingest]`: PostgreSQL and others. Empty if none is configured. In a cluster each is
/// listed once, as the node says that takes its messages.
#[utoipa::path(
    get, path = "/v1/ingest", tag = "events", operation_id = "list_sources",
    responses(
        (status = 200, description = "How each is doing", body = SourceList),
        ArgumentFailures, KeyFailures, StoreFailures,
    ),
    security(("bearer" = ["read"])),
)]
pub(super) async fn list(
    _: May<ReadScope>,
    _: NoParameters,
    State(context): State<AdminContext>,
) -> Result<Json<SourceList>, ApiError> {
    let OnNodes { done: sources, missing } = context.reports.sources().await?;
    let MissingNodesReply { nodes_missing, degraded } = missing.into();
    let sources = sources.into_iter().map(SourceReply::from).collect();
    Ok(Json(SourceList { sources, nodes_missing, degraded }))
}
