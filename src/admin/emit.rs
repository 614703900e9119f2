//! Emitting: a request with one emit, answered with what became of it.

pub(super) mod batch;
pub(super) mod reply;
mod sending;

use super::answered::RouteName;
use super::context::AdminContext;
use super::error::{ApiError, BodyFailures, ErrorBody, KeyFailures};
use super::idempotency::{self, IdempotencyFailures, IdempotencyKey, ItemNames, KeyedBytes};
use super::keys::Caller;
use super::may::{EmitScope, May};
use crate::commands;
use crate::commands::emit::EmitRequest;
use crate::core::emit::message::Message;
use crate::realtime::emitter::{AckShare, Emitting};
use axum::BoxError;
use axum::body::HttpBody;
use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use futures_util::TryFutureExt as _;
use futures_util::future::{Either, ready};
use reply::EmitReply;
use sending::SendingEmit;
use std::sync::Arc;

/// Where it is.
pub(super) const PATH: &str = "/v1/emit";

/// Emit an event
///
/// Sends an event to users (every tab, every device), rooms, sockets or everybody. A user who is offline is an
/// answer (`matched: 0`), not an error. Once begun, an emit is finished even if the caller hangs up, and acks
/// are waited for; `GET /v1/messages/{id}` tells what came of it. With `store` it is on disk, in the inboxes of the users,
/// before anybody hears of it.
#[utoipa::path(
    post, path = "/v1/emit", tag = "events", operation_id = "emit",
    params(IdempotencyKey),
    request_body = EmitRequest,
    responses(
        (status = 200, description = "Emitted; for how many, the numbers say", body = EmitReply),
        (status = 404, description = "`not_found`: no such namespace", body = ErrorBody),
        (status = 422, description = "`reserved_event`: the event may not be emitted", body = ErrorBody),
        (status = 503, description = "`unavailable`: with `store` or `undelivered`, the disk takes nothing: repeat it with the same `id` or `Idempotency-Key`; or too many hooks wait; or too many requests with an `Idempotency-Key` are under way", body = ErrorBody),
        BodyFailures, KeyFailures, IdempotencyFailures,
    ),
    security(("bearer" = ["emit"])),
)]
pub(super) async fn emit(
    State(context): State<AdminContext>,
    request: Request,
) -> Result<Response, ApiError> {
    let caller = request.extensions().get::<Caller>().unwrap_or(&Caller::Nobody).clone();
    answer(&context, &caller, request).await
}

/// Answers a request of which it is known that it is one: the router needs not be asked, which costs more than an emit.
pub(super) fn answer<'a, B>(
    context: &'a AdminContext,
    caller: &Caller,
    request: http::Request<B>,
) -> impl Future<Output = Result<Response, ApiError>> + Send + use<'a, B>
where
    B: HttpBody<Data = Bytes> + Send,
    B::Error: Into<BoxError>,
{
    let may = May::<EmitScope>::of(caller);
    let keyed = KeyedBytes::read(request, caller, Some(RouteName::Direct(PATH)), context);
    match may {
        Ok(may) => Either::Left(keyed.and_then(move |keyed| send(context, may, keyed))),
        Err(refused) => Either::Right(ready(Err(refused))),
    }
}

async fn send(
    context: &AdminContext,
    may: May<EmitScope>,
    keyed: KeyedBytes,
) -> Result<Response, ApiError> {
    let KeyedBytes { bytes, key } = keyed;
    let named = ItemNames::of(key.as_ref()).at(0);
    let message = commands::emit::parse(&bytes, context.emit_terms(), named)?;
    may.emit(&message.emit)?;
    if key.is_none() {
        let message = match try_send(context, message) {
            Ok(emitting) => {
                return idempotency::answer(&EmitReply::from(emitting.end().await));
            }
            Err(message) => message,
        };
        let share = context.messages.ack_share();
        let reply = Box::pin(send_later(context, message, Arc::clone(&share))).await?;
        return idempotency::answer_holding(&reply, share);
    }
    let (sending, message) = (context.clone(), Box::new(message));
    let share = context.messages.ack_share();
    let within = Arc::clone(&share);
    let work = async move {
        match try_send(&sending, *message) {
            Ok(emitting) => Ok(emitting.end().await.into()),
            Err(message) => send_later(&sending, message, within).await,
        }
    };
    Box::pin(idempotency::once(context, key, share, work)).await
}

/// Sends what is sent in one go: the common case has nothing to wait for. The other messages are given back.
fn try_send(context: &AdminContext, message: Message) -> Result<Emitting, Box<Message>> {
    let emitting = context.messages.post_at_once(&message);
    emitting.ok_or_else(|| Box::new(message))
}

/// Sends a message that something has to be waited for.
async fn send_later(
    context: &AdminContext,
    message: Box<Message>,
    share: Arc<AckShare>,
) -> Result<EmitReply, ApiError> {
    SendingEmit::begin(context, *message, share).await?.end().await
}
