//! Pulling events: the same as the hooks, in the order in which they were recorded.

use super::context::AdminContext;
use super::error::{ApiError, ArgumentFailures, KeyFailures, StoreFailures};
use super::extract::Parameters;
use super::may::{May, ReadScope};
use crate::commands::number::whole;
use crate::commands::schema::{PageLimit, StoreNumber};
use crate::core::delivery::hook_body;
use crate::core::delivery::record::RecordedEvent;
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

/// A page of the event log.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EventList {
    /// In ascending order of their ids; empty at the end of the log.
    events: Vec<EventItem>,
    /// The `after` of the next page; at the end of the log, of the next question.
    #[schema(example = 1043)]
    next: u64,
    /// Events between `after` and the first one here are no longer kept, or `after` lies behind the end of the log
    /// (which began anew, because the data folder, or in a cluster what Redis had, was lost): take a fresh `GET /v1/users`.
    gap: bool,
}

/// One presence change, one socket that came or went, or one message that did not reach a user.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EventItem {
    /// Its place in the log.
    #[schema(example = 1043)]
    id: u64,
    /// The `webhook-id` that its hook has.
    #[schema(example = "pr_Rb1HkW0jQZq9xQ2mB4dY5w_1785577260000000")]
    webhook_id: String,
    /// The body that its hook has: `type`, `timestamp`, `data`.
    #[schema(value_type = serde_json::Value)]
    body: Box<RawValue>,
}

impl TryFrom<RecordedEvent> for EventItem {
    type Error = ApiError;

    fn try_from(event: RecordedEvent) -> Result<Self, ApiError> {
        let RecordedEvent { id, user, seq, hook_type, body, .. } = event;
        let webhook_id = hook_body::id_of(&hook_type, &user, seq);
        Ok(Self { id, webhook_id, body: stored_json(body)? })
    }
}

/// JSON that this server wrote itself.
pub(super) fn stored_json(text: String) -> Result<Box<RawValue>, ApiError> {
    let damaged = |error| ApiError::internal(format_args!("the database is damaged: {error}"));
    RawValue::from_string(text).map_err(damaged)
}

/// Pull events
///
/// `user.online`, `user.offline` and `message.undelivered` after a place in the log, the same as the hooks tell; where hooks tell
/// of sockets, also `socket.connected` and `socket.disconnected`. Remember `next` and ask again; `seq` in `data` orders the
/// presence changes of one user. Skip types that you do not know.
#[utoipa::path(
    get, path = "/v1/events", tag = "hooks", operation_id = "list_events",
    params(
        ("after" = Option<StoreNumber>, Query, description = "`next` of the answer before, or `events_after` of a list of users; the beginning of the log if absent"),
        ("limit" = Option<PageLimit>, Query, description = "Events per page, 100 if absent"),
    ),
    responses(
        (status = 200, description = "A page of the log", body = EventList),
        ArgumentFailures, KeyFailures, StoreFailures,
    ),
    security(("bearer" = ["read"])),
)]
pub(super) async fn list(
    may: May<ReadScope>,
    State(context): State<AdminContext>,
    mut query: Parameters,
) -> Result<Json<EventList>, ApiError> {
    may.all_users()?;
    let after = query.take("after", whole)?;
    let limit = query.limit()?;
    query.end()?;
    let page = context.feed.page(after.unwrap_or(0), limit).await?;
    let events = page.items.into_iter().map(EventItem::try_from).collect::<Result<_, _>>()?;
    Ok(Json(EventList { events, next: page.next, gap: page.gap }))
}
