//! Many emits in one request: sent one after the other, answered in order.

use super::reply::EmitReply;
use super::sending::SendingEmit;
use crate::admin::context::AdminContext;
use crate::admin::error::{ApiError, BodyFailures, ErrorBody, KeyFailures};
use crate::admin::error_code::Code;
use crate::admin::error_code::ErrorCodeName;
use crate::admin::idempotency::{self, IdempotencyFailures, IdempotencyKey, ItemNames, Keyed};
use crate::admin::may::{EmitScope, May};
use crate::commands;
use crate::commands::batch::BatchRequest;
use crate::realtime::emitter::AckShare;
use crate::types::ItemId;
use axum::extract::State;
use axum::response::Response;
use futures_util::future::join_all;
use serde::Serialize;
use serde_json::value::RawValue;
use std::sync::Arc;
use utoipa::ToSchema;

/// What became of many emits.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::admin) struct BatchReply {
    /// What became of each, in the order of the request.
    results: Vec<BatchResult>,
}

/// What became of one emit of a batch.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
enum BatchResult {
    /// It was sent.
    Done(Box<EmitReply>),
    /// It was refused; the others do not care.
    Refused(BatchRefused),
}

/// An emit of a batch that was refused.
#[derive(Debug, Serialize, ToSchema)]
struct BatchRefused {
    /// The status that the emit alone would have been answered with.
    #[schema(example = 422)]
    status: u16,
    /// Why.
    error: BatchError,
}

/// Why an emit of a batch was refused.
#[derive(Debug, Serialize, ToSchema)]
struct BatchError {
    /// The stable name of the error: branch on this.
    #[schema(value_type = ErrorCodeName)]
    code: String,
    /// The same for people; the words may change.
    #[schema(example = "event: `connect` is reserved: Socket.IO clients fire it themselves")]
    message: String,
    /// The path of the field of the emit that is wrong, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "event")]
    field: Option<String>,
}

/// Emit many events
///
/// Sent one after the other in the order of the list, so each socket gets its events in that order. Each has a result of
/// its own; one that is refused does not keep the others from being sent. Acks are waited for at the same time, after
/// everything was sent. With an `Idempotency-Key` the batch is one request: its answer is remembered with the errors in
/// it. If the disk does not take an emit with `store`, its result is 503, and so are those of the emits with `store`
/// after it, which are not tried.
#[utoipa::path(
    post, path = "/v1/emit/batch", tag = "events", operation_id = "emit_batch",
    params(IdempotencyKey),
    request_body = BatchRequest,
    responses(
        (status = 200, description = "Done; for each emit, its result says what became of it", body = BatchReply),
        (status = 503, description = "`unavailable`: too many requests with an `Idempotency-Key` are under way", body = ErrorBody),
        BodyFailures, KeyFailures, IdempotencyFailures,
    ),
    security(("bearer" = ["emit"])),
)]
pub(in crate::admin) async fn batch(
    may: May<EmitScope>,
    State(context): State<AdminContext>,
    Keyed { request, key }: Keyed<BatchRequest>,
) -> Result<Response, ApiError> {
    let names = ItemNames::of(key.as_ref());
    let share = context.messages.ack_share();
    let work = run(context.clone(), may, request, names, Arc::clone(&share));
    // Also without a key to its end: half a batch is hard to make good.
    idempotency::once(&context, key, share, work).await
}

async fn run(
    context: AdminContext,
    may: May<EmitScope>,
    request: BatchRequest,
    names: ItemNames,
    share: Arc<AckShare>,
) -> Result<BatchReply, ApiError> {
    let emits = request.parse()?;
    let begun = begin_all((&context, &may), &emits, &names, &share).await;
    let results = join_all(begun.into_iter().map(end)).await;
    Ok(BatchReply { results })
}

async fn begin_all(
    asked: (&AdminContext, &May<EmitScope>),
    emits: &[Box<RawValue>],
    names: &ItemNames,
    share: &Arc<AckShare>,
) -> Vec<Result<SendingEmit, ApiError>> {
    let mut all = Vec::with_capacity(emits.len());
    let mut disk = Disk::Takes;
    for (index, emit) in emits.iter().enumerate() {
        let begun = begin(asked, emit, names.at(index), disk, Arc::clone(share)).await;
        if begun.as_ref().is_err_and(|error| error.code == Code::Unavailable) {
            disk = Disk::TakesNothing;
        }
        all.push(begun);
    }
    all
}

/// Whether the disk took the emits of the batch so far: each waits for it for seconds, and a thousand shall not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Disk {
    Takes,
    TakesNothing,
}

async fn begin(
    (context, may): (&AdminContext, &May<EmitScope>),
    emit: &RawValue,
    named: Option<ItemId>,
    disk: Disk,
    share: Arc<AckShare>,
) -> Result<SendingEmit, ApiError> {
    let message = commands::emit::parse(emit.get().as_bytes(), context.emit_terms(), named)?;
    may.emit(&message.emit)?;
    if disk == Disk::TakesNothing && message.waits_for_disk() {
        let why = "not tried: the disk did not take an emit before this one";
        return Err(ApiError::new(Code::Unavailable, why));
    }
    SendingEmit::begin(context, message, share).await
}

async fn end(begun: Result<SendingEmit, ApiError>) -> BatchResult {
    let reply = match begun {
        Ok(begun) => begun.end().await,
        Err(error) => Err(error),
    };
    match reply {
        Ok(reply) => BatchResult::Done(Box::new(EmitReply { status: Some(200), ..reply })),
        Err(ApiError { code, message, field, cause }) => {
            if let Some(cause) = cause {
                tracing::error!(cause, "an emit of a batch failed");
            }
            let error = BatchError { code: code.as_str().to_owned(), message, field };
            BatchResult::Refused(BatchRefused { status: code.status().as_u16(), error })
        }
    }
}
