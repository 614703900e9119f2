//! Inboxes: what waits for a user, page by page; what the user has seen; taking items back.

use super::context::AdminContext;
use super::error::{ApiError, ArgumentFailures, BodyFailures, KeyFailures, StoreFailures};
use super::error_code::Code;
use super::events::stored_json;
use super::extract::{JsonBody, NoParameters, Parameters, Segment, Segments};
use super::may::{EmitScope, May, ReadScope};
use super::schemas::SwitchText;
use super::time::Time;
use crate::admin::error::ErrorBody;
use crate::commands::inbox::{PageRequest, ReadRequest};
use crate::commands::number::{NUMBER_MAX, whole};
use crate::commands::schema::{
    CollapseKeyText, EventNameText, ItemIdText, NamespaceText, PageLimit, StoreNumber,
    UserIdArgument, schemas,
};
use crate::core::inbox::{InboxState, Item};
use crate::realtime::inboxes::InboxError;
use crate::types::ItemSeq;
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use serde_json::json;
use serde_json::value::RawValue;
use utoipa::ToSchema;

/// Bytes of items in one answer, about.
const PAGE_BYTES: usize = 4_000_000;

schemas! {
    /// Where a page begins: two parameters of which one may be given, which only an object of them can say.
    pub(super) InboxPosition = "InboxPosition": json!({
        "description": "Where a page of an inbox begins",
        "type": "object",
        "properties": {
            "before": {
                "description": "`next` of the page before: items below it, the newest first",
                "type": "integer", "minimum": 0, "maximum": NUMBER_MAX,
            },
            "after": {
                "description": "Items above it, the oldest first",
                "type": "integer", "minimum": 0, "maximum": NUMBER_MAX,
            },
        },
        "additionalProperties": false,
        "not": {"required": ["before", "after"]},
    });
}

/// A page of an inbox.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct InboxReply {
    /// The newest first; with `after` the oldest first.
    items: Vec<InboxItem>,
    /// The `before`, or `after`, of the next page; `null` on the last one. A page may be shorter than `limit`.
    #[schema(required, example = 4)]
    next: Option<u64>,
    /// The newest item ever; 0 if there never was one.
    #[schema(example = 7)]
    head: u64,
    /// Items that the user has not seen.
    #[schema(example = 2)]
    unread: u64,
    /// All items up to this one are read or gone.
    #[schema(example = 5)]
    read_upto: u64,
    /// Below this one items may be missing because of their age or number.
    #[schema(example = 1)]
    min_seq: u64,
}

/// The numbers of an inbox.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct InboxNumbers {
    /// The newest item ever; 0 if there never was one.
    #[schema(example = 7)]
    head: u64,
    /// Items that the user has not seen.
    #[schema(example = 0)]
    unread: u64,
    /// All items up to this one are read or gone.
    #[schema(example = 7)]
    read_upto: u64,
    /// Below this one items may be missing because of their age or number.
    #[schema(example = 1)]
    min_seq: u64,
}

/// A stored event.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct InboxItem {
    /// Its place: 1, 2, 3 and so on; items that are gone leave holes.
    #[schema(example = 7)]
    seq: u64,
    /// Its name.
    #[schema(value_type = ItemIdText)]
    id: String,
    /// The namespace it was emitted in.
    #[schema(value_type = NamespaceText)]
    namespace: String,
    /// The event.
    #[schema(value_type = EventNameText)]
    event: String,
    /// Its arguments, as they were written.
    #[schema(value_type = Vec<serde_json::Value>)]
    args: Box<RawValue>,
    /// When it came in.
    created_at: Time,
    /// When it goes.
    expires_at: Time,
    /// Whether the user has seen it.
    read: bool,
    /// A newer event with this key takes its place while it is unread.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = CollapseKeyText)]
    collapse_key: Option<String>,
}

impl TryFrom<Item> for InboxItem {
    type Error = ApiError;

    fn try_from(item: Item) -> Result<Self, ApiError> {
        Ok(Self {
            seq: item.seq.0,
            id: item.id,
            namespace: item.namespace,
            event: item.event,
            args: stored_json(item.args)?,
            created_at: Time(item.created),
            expires_at: Time(item.expires),
            read: item.is_read,
            collapse_key: item.collapse_key,
        })
    }
}

impl From<InboxState> for InboxNumbers {
    fn from(state: InboxState) -> Self {
        let InboxState { revision: _, head, unread, read_upto, min_seq } = state;
        Self { head: head.0, unread, read_upto: read_upto.0, min_seq: min_seq.0 }
    }
}

impl From<InboxError> for ApiError {
    fn from(error: InboxError) -> Self {
        match error {
            InboxError::Closed => Self::stopping(),
            InboxError::Waiting | InboxError::Cluster(_) => Self::new(Code::Unavailable, error),
            InboxError::Database(source) => {
                Self::internal(format_args!("cannot read the database: {source}"))
            }
        }
    }
}

/// List an inbox
///
/// What was emitted to a user with `store`, page by page: the newest first, to scroll through; or with `after` the
/// oldest first, to catch up. A user who never got anything has an empty inbox.
#[utoipa::path(
    get, path = "/v1/users/{user}/inbox", tag = "inbox", operation_id = "list_inbox",
    params(
        ("user" = UserIdArgument, Path, description = "The user's id, percent-encoded"),
        ("position" = Option<InboxPosition>, Query, style = Form, explode, description = "`before=7` or `after=7`, not both; the newest page if absent"),
        ("limit" = Option<PageLimit>, Query, description = "Items per page, 100 if absent"),
        ("unread" = Option<SwitchText>, Query, description = "Only items that the user has not seen"),
    ),
    responses(
        (status = 200, description = "A page of the inbox", body = InboxReply),
        ArgumentFailures, KeyFailures, StoreFailures,
    ),
    security(("bearer" = ["read"])),
)]
pub(super) async fn list(
    may: May<ReadScope>,
    State(context): State<AdminContext>,
    user: Segment,
    mut query: Parameters,
) -> Result<Json<InboxReply>, ApiError> {
    let user = may.user(&user)?;
    let (before, after) = (query.take("before", whole)?, query.take("after", whole)?);
    let limit = Some(query.limit()?);
    let unread = query.take("unread", parse_unread)?;
    query.end()?;
    let query = PageRequest { after, before, limit, unread }.parse(PAGE_BYTES)?;
    let page = context.inboxes.page(&user, query).await?;
    let items = page.items.into_iter().map(InboxItem::try_from).collect::<Result<_, _>>()?;
    let InboxNumbers { head, unread, read_upto, min_seq } = page.state.into();
    let next = page.next.map(|seq| seq.0);
    Ok(Json(InboxReply { items, next, head, unread, read_upto, min_seq }))
}

fn parse_unread(text: &str) -> Result<bool, &'static str> {
    match text {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err("must be `true` or `false`"),
    }
}

/// Mark as read
///
/// All tabs of the user hear the new numbers at once. Marking again what is read changes nothing.
#[utoipa::path(
    post, path = "/v1/users/{user}/inbox/read", tag = "inbox", operation_id = "read_inbox",
    params(("user" = UserIdArgument, Path, description = "The user's id, percent-encoded")),
    request_body = ReadRequest,
    responses(
        (status = 200, description = "The inbox afterwards", body = InboxNumbers),
        BodyFailures, KeyFailures, StoreFailures,
    ),
    security(("bearer" = ["emit"])),
)]
pub(super) async fn read(
    may: May<EmitScope>,
    State(context): State<AdminContext>,
    user: Segment,
    JsonBody(request): JsonBody<ReadRequest>,
) -> Result<Json<InboxNumbers>, ApiError> {
    let user = may.user(&user)?;
    let seen = request.parse()?;
    Ok(Json(context.inboxes.mark_read(&user, seen).await?.into()))
}

/// Delete an item
///
/// Takes an event back that is no longer true. Its number is not given again; what was shown stays shown until the
/// app hears `userline:inbox` and asks.
#[utoipa::path(
    delete, path = "/v1/users/{user}/inbox/{seq}", tag = "inbox", operation_id = "delete_inbox_item",
    params(
        ("user" = UserIdArgument, Path, description = "The user's id, percent-encoded"),
        ("seq" = StoreNumber, Path, description = "The item"),
    ),
    responses(
        (status = 200, description = "The inbox afterwards", body = InboxNumbers),
        (status = 404, description = "`not_found`: no such item, or not any more", body = ErrorBody),
        ArgumentFailures, KeyFailures, StoreFailures,
    ),
    security(("bearer" = ["emit"])),
)]
pub(super) async fn delete(
    may: May<EmitScope>,
    _: NoParameters,
    State(context): State<AdminContext>,
    Segments(user, seq): Segments,
) -> Result<Json<InboxNumbers>, ApiError> {
    let user = may.user(&user)?;
    let seq = seq.parse("seq", |text| whole(text).map(ItemSeq))?;
    match context.inboxes.delete_item(&user, seq).await? {
        Some(state) => Ok(Json(state.into())),
        None => Err(ApiError::new(Code::NotFound, "no such item, or not any more")),
    }
}
