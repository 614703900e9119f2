//! Deliveries of hooks: which wait, which fail, which are dead, and sending one again.

use super::context::AdminContext;
use super::cursor::{self, DeliveryCursor};
use super::error::{ApiError, ArgumentFailures, ErrorBody, KeyFailures, StoreFailures};
use super::error_code::Code;
use super::events::stored_json;
use super::extract::{NoParameters, Parameters, Segment};
use super::may::{ControlScope, May, ReadScope};
use super::schemas::{DeliveryStateName, HookTypeName};
use super::time::Time;
use crate::commands::number::whole;
use crate::commands::schema::{PageLimit, StoreNumber, UserIdArgument, UserIdText};
use crate::core::delivery::decision::DeliveryId;
use crate::core::delivery::record::{Delivery, DeliveryState};
use crate::hooks::DeliveryQuery;
use crate::store::ReplayError;
use crate::types::UserId;
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use serde_json::value::RawValue;
use std::convert::Infallible;
use utoipa::ToSchema;

/// A page of deliveries.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DeliveryList {
    /// In ascending order of their ids.
    deliveries: Vec<DeliveryView>,
    /// The `cursor` of the next page; `null` on the last one.
    #[schema(required, value_type = Option<DeliveryCursor>)]
    next: Option<String>,
}

/// One hook to one endpoint.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DeliveryView {
    /// Its id; in a cluster that of the event, which deliveries to several endpoints have in common.
    #[schema(example = 1042)]
    id: u64,
    /// The name of the endpoint, which may no longer be configured.
    #[schema(example = "default")]
    endpoint: String,
    /// The `webhook-id` it is sent with.
    #[schema(example = "pr_Rb1HkW0jQZq9xQ2mB4dY5w_1785577260000000")]
    webhook_id: String,
    /// Whose event.
    #[schema(value_type = UserIdText)]
    user: String,
    /// The event's place among the user's changes.
    #[schema(example = 1_785_577_260_000_000_u64)]
    seq: u64,
    /// What it tells, such as `user.offline`.
    #[serde(rename = "type")]
    #[schema(value_type = HookTypeName)]
    hook_type: String,
    /// `pending` (not tried yet), `failing` (tried, and will be again), `dead` (given up; can be sent again),
    /// `delivered`, or `replaced` (a newer event of the user took its place).
    #[schema(value_type = DeliveryStateName)]
    state: &'static str,
    /// Attempts so far.
    #[schema(example = 12)]
    attempts: u32,
    /// Older events of the user that it stands for.
    #[schema(example = 0)]
    coalesced: u64,
    /// When the event happened.
    created_at: Time,
    /// When it is tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next_attempt_at: Option<Time>,
    /// When it was delivered, given up or replaced.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    ended_at: Option<Time>,
    /// What the last failed attempt met.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "answered 500")]
    error: Option<String>,
    /// The JSON that is sent; not in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = serde_json::Value)]
    body: Option<Box<RawValue>>,
}

impl From<Delivery> for DeliveryView {
    fn from(it: Delivery) -> Self {
        Self {
            id: it.id.0,
            endpoint: it.endpoint,
            webhook_id: it.webhook_id,
            user: it.user.as_str().to_owned(),
            seq: it.seq.0,
            hook_type: it.hook_type,
            state: it.state.as_str(),
            attempts: it.attempts,
            coalesced: it.coalesced,
            created_at: Time(it.created),
            next_attempt_at: it.next_attempt.map(Time),
            ended_at: it.ended.map(Time),
            error: it.error,
            body: None,
        }
    }
}

/// List deliveries
///
/// Hooks, page by page. Without `state`: everything that is still to be sent; with a `user`, all hooks about this user. In a
/// cluster a page may be short, or empty, though there is a `next`.
#[utoipa::path(
    get, path = "/v1/hooks/deliveries", tag = "hooks", operation_id = "list_deliveries",
    params(
        ("state" = Option<DeliveryStateName>, Query, description = "`pending` (the default unless there is a `user`; includes the failing ones), `failing`, `dead`, `delivered` or `replaced`"),
        ("endpoint" = Option<String>, Query, description = "Only of the endpoint of this name"),
        ("user" = Option<UserIdArgument>, Query, description = "Only about this user; in every state unless `state` names one"),
        ("cursor" = Option<DeliveryCursor>, Query, description = "`next` of the page before"),
        ("limit" = Option<PageLimit>, Query, description = "Deliveries per page, 100 if absent"),
    ),
    responses(
        (status = 200, description = "A page of deliveries", body = DeliveryList),
        ArgumentFailures, KeyFailures, StoreFailures,
    ),
    security(("bearer" = ["read"])),
)]
pub(super) async fn list(
    may: May<ReadScope>,
    State(context): State<AdminContext>,
    mut query: Parameters,
) -> Result<Json<DeliveryList>, ApiError> {
    may.everything()?;
    let state = query.take("state", |text| {
        DeliveryState::parse(text)
            .ok_or("must be `pending`, `failing`, `dead`, `delivered` or `replaced`")
    })?;
    let endpoint = query.take("endpoint", |text| Ok::<_, Infallible>(text.to_owned()))?;
    let user = query.take("user", UserId::parse)?;
    let after = query.take("cursor", cursor::delivery)?;
    let limit = query.limit()?;
    query.end()?;
    let query = DeliveryQuery { endpoint, user, state, after, limit };
    let page = context.hooks.deliveries(query).await?;
    let next = page.next.map(cursor::after_delivery);
    let deliveries = page.items.into_iter().map(DeliveryView::from).collect();
    Ok(Json(DeliveryList { deliveries, next }))
}

/// Look at a delivery
#[utoipa::path(
    get, path = "/v1/hooks/deliveries/{id}", tag = "hooks", operation_id = "get_delivery",
    params(("id" = StoreNumber, Path, description = "The delivery's id")),
    responses(
        (status = 200, description = "The delivery, with the body that is or was sent", body = DeliveryView),
        (status = 404, description = "`not_found`: no such delivery, or not any more", body = ErrorBody),
        ArgumentFailures, KeyFailures, StoreFailures,
    ),
    security(("bearer" = ["read"])),
)]
pub(super) async fn get(
    may: May<ReadScope>,
    _: NoParameters,
    State(context): State<AdminContext>,
    id: Segment,
) -> Result<Json<DeliveryView>, ApiError> {
    may.everything()?;
    let id = id.parse("id", parse_id)?;
    let Some((delivery, body)) = context.hooks.delivery(id).await? else {
        return Err(ApiError::new(Code::NotFound, ReplayError::Unknown));
    };
    let body = Some(stored_json(body)?);
    Ok(Json(DeliveryView { body, ..delivery.into() }))
}

/// A delivery that is sent again.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ReplayReply {
    /// Its id.
    #[schema(example = 1042)]
    id: u64,
    /// `pending`
    #[schema(value_type = DeliveryStateName)]
    state: &'static str,
}

/// Replay a delivery
///
/// Sends a dead letter, or a delivered hook, once more: with its old `webhook-id`, and tried for as long as a new one. In a
/// cluster it is sent to each endpoint that has had it, or had given it up.
#[utoipa::path(
    post, path = "/v1/hooks/deliveries/{id}/replay", tag = "hooks", operation_id = "replay_delivery",
    params(("id" = StoreNumber, Path, description = "The delivery's id")),
    responses(
        (status = 200, description = "It is sent again", body = ReplayReply),
        (status = 404, description = "`not_found`: no such delivery, or not any more", body = ErrorBody),
        (status = 409, description = "`conflict`: it is still to be sent, was replaced, or its endpoint is gone", body = ErrorBody),
        ArgumentFailures, KeyFailures, StoreFailures,
    ),
    security(("bearer" = ["control"])),
)]
pub(super) async fn replay(
    may: May<ControlScope>,
    _: NoParameters,
    State(context): State<AdminContext>,
    id: Segment,
) -> Result<Json<ReplayReply>, ApiError> {
    may.everything()?;
    let id = id.parse("id", parse_id)?;
    context.hooks.replay(id).await?;
    tracing::info!(delivery.id = %id, "a delivery is sent again");
    Ok(Json(ReplayReply { id: id.0, state: DeliveryState::Pending.as_str() }))
}

fn parse_id(text: &str) -> Result<DeliveryId, String> {
    whole(text).map(DeliveryId)
}
