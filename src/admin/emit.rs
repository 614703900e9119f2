//! Emitting: what is written in the body, parsed into what the verb takes.

pub(super) mod ack;
pub(super) mod batch;
mod begin;
pub(super) mod reply;
mod storing;

use super::Api;
use super::error::{ApiError, BodyFailures, Code, ErrorBody, KeyFailures};
use super::idempotency::{self, IdempotencyFailures, IdempotencyKey, ItemNames, KeyedBytes};
use super::json::{self, Object, present};
use super::keys::{self, May};
use super::request::{Call, Route};
use crate::core::emit::audience::Audience;
use crate::core::emit::message::{Emit, Message, WhenUndelivered};
use crate::core::protocol::binary;
use crate::realtime::emit::Emitted;
use crate::types::{
    DeviceId, EventName, EventNameError, Except, ItemId, Namespace, Payload, Room, Target, UserId,
};
use axum::body::HttpBody;
use axum::response::{IntoResponse as _, Response};
use axum::{BoxError, extract};
use begin::Begun;
use bytes::Bytes;
use indexmap::IndexSet;
use reply::EmitReply;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::fmt::Display;
use std::hash::Hash;
use std::sync::Arc;
use storing::{StoreWhen, Storing};
use tokio::sync::oneshot;
use utoipa::ToSchema;

/// Where it is.
pub(super) const PATH: &str = "/v1/emit";
/// Names in one list.
pub(super) const NAMES_MAX: usize = 1000;

/// An event and who it is for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"to": {"users": ["42"]}, "event": "order:paid", "data": {"id": 7}}))]
pub(super) struct EmitRequest {
    /// The namespace of the sockets; `/` if absent.
    #[serde(default)]
    namespace: Option<String>,
    /// Who gets it; at least one name, or `all`.
    #[schema(value_type = To)]
    to: Object<To>,
    /// Who of these does not get it.
    #[serde(default)]
    #[schema(value_type = Left)]
    except: Object<Left>,
    /// The name of the event: 1 to 128 bytes, neither one of Socket.IO's own nor beginning with `userline:`.
    event: String,
    /// The one argument of the event: any JSON value, `null` included, forwarded as it is written. Not with `args`.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = serde_json::Value)]
    data: Option<Box<RawValue>>,
    /// The arguments of the event, at most 64, forwarded as they are written. Neither this nor `data`: none.
    #[serde(default)]
    #[schema(value_type = Vec<serde_json::Value>, max_items = 64)]
    args: Option<Vec<Box<RawValue>>>,
    /// May be dropped for clients that are busy.
    #[serde(default)]
    volatile: bool,
    /// `{"$binary": "<base64>"}` anywhere in `data` or `args` becomes a buffer; at most 64.
    #[serde(default)]
    binary: bool,
    /// Ask every socket for an ack, and wait for these before answering.
    #[serde(default)]
    #[schema(value_type = ack::AckRequest)]
    ack: Option<Object<ack::AckRequest>>,
    /// Whether the event is kept in the inboxes of `to.users`; only with `to.users` alone.
    #[serde(default)]
    store: StoreWhen,
    /// How long it is kept, such as `7d`: 1s to `inbox.keep`, which it is if absent. Only with `store`.
    #[serde(default)]
    #[schema(example = "7d")]
    ttl: Option<String>,
    /// It takes the place of unread ones with the same key, 1 to 128 bytes. Only with `store`.
    #[serde(default)]
    #[schema(example = "order:7")]
    collapse_key: Option<String>,
    /// Your name for it, 1 to 128 bytes: what a user's inbox has or had under it is neither stored nor sent again. Only
    /// with `store`.
    #[serde(default)]
    #[schema(example = "order-7-paid")]
    id: Option<String>,
    /// What happens with each user whom it does not reach; only with `to.users` alone. Absent: nothing but the answer.
    #[serde(default)]
    #[schema(value_type = UndeliveredThen)]
    undelivered: Option<UndeliveredThen>,
}

/// What happens with each user whom an emit does not reach.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", try_from = "String")]
enum UndeliveredThen {
    /// A hook `message.undelivered` is sent to the endpoints that want it.
    Hook,
}

impl TryFrom<String> for UndeliveredThen {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        if text == "hook" { Ok(Self::Hook) } else { Err("must be `hook`") }
    }
}

/// Who gets an event: the union of the lists, each socket once.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct To {
    /// All sockets of these users.
    #[serde(default)]
    #[schema(max_items = 1000)]
    users: Vec<String>,
    /// All sockets in these rooms.
    #[serde(default)]
    #[schema(max_items = 1000)]
    rooms: Vec<String>,
    /// The sockets with these ids.
    #[serde(default)]
    #[schema(max_items = 1000)]
    sockets: Vec<String>,
    /// Every socket of the namespace; not together with the lists.
    #[serde(default)]
    all: bool,
}

/// Who does not get an event. Names that nobody has, and socket ids that are none, are no error.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Left {
    /// All sockets of these users.
    #[serde(default)]
    #[schema(max_items = 1000)]
    users: Vec<String>,
    /// All sockets in these rooms.
    #[serde(default)]
    #[schema(max_items = 1000)]
    rooms: Vec<String>,
    /// The sockets with these ids.
    #[serde(default)]
    #[schema(max_items = 1000)]
    sockets: Vec<String>,
    /// All sockets of clients that came with one of these in `auth.device`.
    #[serde(default)]
    #[schema(max_items = 1000)]
    devices: Vec<String>,
}

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
    _: May<keys::Emit>,
    extract::State(api): extract::State<Api>,
    keyed: KeyedBytes,
) -> Result<Response, ApiError> {
    send(&api, keyed).await
}

/// Answers a request of which only its path has said that it is one, as [`emit`] does behind the router: the way through
/// there costs more than an emit.
pub(super) fn answer<B>(
    api: &Api,
    request: http::Request<B>,
) -> impl Future<Output = Response> + Send
where
    B: HttpBody<Data = Bytes> + Send,
    B::Error: Into<BoxError>,
{
    let call = Call::begin(api, &request, Some(Route::Emit));
    let may = May::of(call.caller());
    let name = may.and_then(|_: May<keys::Emit>| KeyedBytes::check(&request, call.caller(), api));
    // From here on it is a short future, and what is short is moved for little.
    let body = request.into_body();
    call.end(async move {
        let answer = async {
            let keyed = KeyedBytes::read(name?, PATH, body, api).await?;
            send(api, keyed).await
        };
        answer.await.into_response()
    })
}

async fn send(api: &Api, keyed: KeyedBytes) -> Result<Response, ApiError> {
    let KeyedBytes { bytes, key } = keyed;
    let Some(key) = key else {
        return match try_send(api, json::parse(&bytes)?, None)? {
            Ok(emitted) => idempotency::answer(&EmitReply::from(emitted)),
            Err(message) => idempotency::answer(&Box::pin(send_later(api.clone(), message)).await?),
        };
    };
    let request = Box::new(json::parse(&bytes)?);
    let (sending, named) = (api.clone(), ItemNames::of(Some(&key)).at(0));
    let work = async move {
        match try_send(&sending, *request, named)? {
            Ok(emitted) => Ok(emitted.into()),
            Err(message) => send_later(sending, message).await,
        }
    };
    Box::pin(idempotency::once(api, Some(key), work)).await
}

/// Sends what is sent in one go: the common case has nothing to wait for. The other messages are given back.
fn try_send(
    api: &Api,
    request: EmitRequest,
    named: Option<ItemId>,
) -> Result<Result<Emitted, Box<Message>>, ApiError> {
    let message = request.parse(api, named)?;
    let emitted = api.realtime.post_at_once(&message);
    Ok(emitted.ok_or_else(|| Box::new(message)))
}

/// Sends a message that something has to be waited for.
async fn send_later(api: Api, message: Box<Message>) -> Result<EmitReply, ApiError> {
    let (done, begun) = oneshot::channel();
    let sending = api.clone();
    // In a task of its own: a caller who hangs up would leave one half of a large room without the event.
    api.tasks.spawn_to_end("admin.emit", async move {
        // Nobody waits for the numbers any more: that is fine.
        drop(done.send(Begun::begin(&sending, *message).await));
    });
    let begun = begun.await.map_err(|_| ApiError::internal("an emit ended before its end"))?;
    begun?.end().await
}

impl EmitRequest {
    /// `named` is what the event is called in inboxes if it has no `id`.
    fn parse(self, api: &Api, named: Option<ItemId>) -> Result<Message, ApiError> {
        let Self {
            namespace,
            to,
            except,
            event,
            data,
            args,
            volatile,
            binary,
            ack,
            store,
            ttl,
            collapse_key,
            id,
            undelivered,
        } = self;
        let namespaces = api.realtime.namespaces();
        let (Object(to), Object(except)) = (to, except);
        let namespace = match namespace {
            None => Namespace::root(),
            Some(text) => parse_namespace("namespace", &text, namespaces)?,
        };
        let event = EventName::parse(&event).map_err(|error| match error {
            EventNameError::Text(_) => ApiError::field("event", error),
            EventNameError::Reserved(..) => {
                ApiError { code: Code::ReservedEvent, ..ApiError::field("event", error) }
            }
        })?;
        let args = match (data, args) {
            (None, None) => Vec::new(),
            (Some(data), None) => vec![data],
            (None, Some(args)) => args,
            (Some(_), Some(_)) => {
                return Err(ApiError::field("args", "give `data` or `args`, not both"));
            }
        };
        let payload = parse_payload(args, binary)?;
        let ask = ack.map(|Object(ack)| ack.parse()).transpose()?;
        let (target, except) = (to.parse()?, except.parse()?);
        let audience = Arc::new(Audience { namespace, target, except });
        let emit = Emit { audience, event, payload, volatile };
        let store = Storing { store, ttl, collapse_key, id }.parse(&emit, api.inbox.keep, named)?;
        if store.is_some() && binary {
            return Err(ApiError::field("binary", "cannot be combined with `store` yet"));
        }
        let undelivered = match undelivered {
            None => WhenUndelivered::Nothing,
            Some(UndeliveredThen::Hook) => storing::check_hook(&emit.audience.target)?,
        };
        Ok(Message { emit, store, ask, undelivered })
    }
}

/// The arguments, with their buffers taken out if they have `binary` ones.
fn parse_payload(args: Vec<Box<RawValue>>, binary: bool) -> Result<Payload, ApiError> {
    let mut buffers = Vec::new();
    let args = if binary {
        let taken = args.iter().map(|arg| binary::take_out(arg, &mut buffers));
        taken.collect::<Result<_, _>>().map_err(|why| ApiError::field("args", why))?
    } else {
        args
    };
    let payload = Payload::try_new(args).map_err(|why| ApiError::field("args", why))?;
    Ok(payload.with_buffers(buffers))
}

impl To {
    fn parse(&self) -> Result<Target, ApiError> {
        let Self { users, rooms, sockets, all } = self;
        let is_empty = users.is_empty() && rooms.is_empty() && sockets.is_empty();
        if is_empty && !all {
            let why = "name somebody in `users`, `rooms` or `sockets`, or say `all: true`";
            return Err(ApiError::field("to", why));
        }
        if *all && !is_empty {
            return Err(ApiError::field("to.all", "stands alone: with it the lists mean nothing"));
        }
        Ok(Target {
            users: names("to.users", users, UserId::parse)?,
            rooms: names("to.rooms", rooms, Room::parse)?,
            sockets: names("to.sockets", sockets, str::parse)?,
            all: *all,
        })
    }
}

impl Left {
    fn parse(&self) -> Result<Except, ApiError> {
        let Self { users, rooms, sockets, devices } = self;
        check_count("except.sockets", sockets)?;
        Ok(Except {
            users: names("except.users", users, UserId::parse)?,
            rooms: names("except.rooms", rooms, Room::parse)?,
            sockets: sockets.iter().filter_map(|it| it.parse().ok()).collect(),
            devices: names("except.devices", devices, DeviceId::parse)?,
        })
    }
}

/// Reads a list of names, each once.
pub(super) fn names<T: Eq + Hash, E: Display>(
    field: &'static str,
    texts: &[String],
    parse: impl Fn(&str) -> Result<T, E>,
) -> Result<Vec<T>, ApiError> {
    check_count(field, texts)?;
    let names = texts.iter().enumerate().map(|(index, text)| {
        parse(text).map_err(|why| ApiError::field(format!("{field}[{index}]"), why))
    });
    let names: Vec<T> = names.collect::<Result<_, _>>()?;
    // Nearly always there is one.
    Ok(if names.len() < 2 {
        names
    } else {
        names.into_iter().collect::<IndexSet<T>>().into_iter().collect()
    })
}

fn check_count(field: &'static str, texts: &[String]) -> Result<(), ApiError> {
    if texts.len() <= NAMES_MAX {
        return Ok(());
    }
    let why = format!("at most {NAMES_MAX} names, not {}", texts.len());
    Err(ApiError::field(field, why))
}

/// Reads the name of a namespace that must exist.
pub(super) fn parse_namespace(
    field: &'static str,
    text: &str,
    namespaces: &[Namespace],
) -> Result<Namespace, ApiError> {
    let namespace = Namespace::parse(text).map_err(|why| ApiError::field(field, why))?;
    if namespaces.contains(&namespace) {
        return Ok(namespace);
    }
    let why = format!("no namespace `{namespace}`; see `socketio.namespaces`");
    Err(ApiError { code: Code::NotFound, ..ApiError::field(field, why) })
}
