//! Emitting: the JSON of one emit.

mod ack;
mod storing;

pub use storing::{StoreWhen, TTL_MIN};

use super::error::{CommandCode, CommandError};
use super::json::{self, JsonObject, present};
use super::names;
use super::schema::{
    ArgumentList, CollapseKeyArgument, EventNameArgument, ItemIdArgument, NamespaceArgument,
    TtlText,
};
use super::target::{self, EmitExcept, EmitTarget};
use crate::core::emit::audience::Audience;
use crate::core::emit::message::{Emit, Message, WhenUndelivered};
use crate::core::protocol::binary;
use crate::types::{EventName, EventNameError, EventPattern, ItemId, Namespace, Payload};
use ack::AckRequest;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::sync::Arc;
use std::time::Duration;
use storing::Storing;
use utoipa::ToSchema;

/// An event and who it is for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"to": {"users": ["42"]}, "event": "order:paid", "data": {"id": 7}}))]
pub struct EmitRequest {
    /// The namespace of the sockets; `/` if absent.
    #[schema(value_type = Option<NamespaceArgument>)]
    namespace: Option<String>,
    /// Who gets it; at least one name, or `all`.
    #[schema(value_type = EmitTarget)]
    to: JsonObject<EmitTarget>,
    /// Who of these does not get it.
    #[schema(value_type = Option<EmitExcept>)]
    except: Option<JsonObject<EmitExcept>>,
    /// The name of the event: 1 to 128 bytes, neither one of Socket.IO's own nor beginning with `userline:`.
    #[schema(value_type = EventNameArgument)]
    event: String,
    /// The one argument of the event: any JSON value, `null` included, forwarded as it is written. Not with `args`.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = serde_json::Value)]
    data: Option<Box<RawValue>>,
    /// The arguments of the event, at most 64, forwarded as they are written. Neither this nor `data`: none.
    #[schema(value_type = Option<ArgumentList>)]
    args: Option<Vec<Box<RawValue>>>,
    /// May be dropped for clients that are busy.
    volatile: Option<bool>,
    /// `{"$binary": "<base64>"}` anywhere in `data` or `args` becomes a buffer; at most 64. Not with `store`.
    binary: Option<bool>,
    /// Ask every socket for an ack, and wait for these before answering.
    #[schema(value_type = Option<AckRequest>)]
    ack: Option<JsonObject<AckRequest>>,
    /// Whether the event is kept in the inboxes of `to.users`, and of the users with a membership of one of `to.rooms`, at most
    /// 10000 of these; not with `to.sockets` and `to.all`.
    store: Option<StoreWhen>,
    /// How long it is kept, such as `7d`: 1s to `inbox.keep`, which it is if absent. Only with `store`.
    #[schema(value_type = Option<TtlText>, example = "7d")]
    ttl: Option<String>,
    /// It takes the place of unread ones with the same key, 1 to 128 bytes. Only with `store`.
    #[schema(value_type = Option<CollapseKeyArgument>, example = "order:7")]
    collapse_key: Option<String>,
    /// Your name for it, 1 to 128 bytes: what a user's inbox has or had under it is neither stored nor sent again. Only
    /// with `store`.
    #[schema(value_type = Option<ItemIdArgument>, example = "order-7-paid")]
    id: Option<String>,
    /// What happens with each user whom it does not reach; only with `to.users` alone. Absent: nothing but the answer.
    undelivered: Option<UndeliveredThen>,
}

/// What happens with each user whom an emit does not reach.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", try_from = "String")]
pub enum UndeliveredThen {
    /// A hook `message.undelivered` is sent to the endpoints that want it.
    Hook,
}

impl TryFrom<String> for UndeliveredThen {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        if text == "hook" { Ok(Self::Hook) } else { Err("must be `hook`") }
    }
}

/// What of the configuration bounds an emit.
#[derive(Debug, Clone, Copy)]
pub struct EmitTerms<'a> {
    /// The namespaces that exist.
    pub namespaces: &'a [Namespace],
    /// The namespace of an emit that names none; `/` if absent.
    pub default_namespace: Option<&'a Namespace>,
    /// The longest `ttl`.
    pub ttl_max: Duration,
    /// Events that only clients send, to each other.
    pub client_events: &'a [EventPattern],
}

/// Reads an emit. `named` is what the event is called in inboxes if its sender gives no `id`.
pub fn parse(
    json: &[u8],
    terms: EmitTerms<'_>,
    named: Option<ItemId>,
) -> Result<Message, CommandError> {
    json::parse::<EmitRequest>(json)?.parse(terms, named)
}

impl EmitRequest {
    fn parse(self, terms: EmitTerms<'_>, named: Option<ItemId>) -> Result<Message, CommandError> {
        let Self {
            namespace,
            to: JsonObject(to),
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
        let namespace = match namespace {
            None => terms.default_namespace.cloned().unwrap_or_else(Namespace::root),
            Some(text) => names::namespace("namespace", &text, terms.namespaces)?,
        };
        let event = parse_event(&event, terms.client_events)?;
        let binary = binary.unwrap_or(false);
        let payload = parse_payload(data, args, binary)?;
        let except = except.map(|JsonObject(except)| except.parse()).unwrap_or_default();
        let audience = Arc::new(Audience { namespace, target: to.parse()?, except });
        let volatile = volatile.unwrap_or(false);
        let emit = Emit { audience, event, payload, volatile, source: None };
        let storing = Storing { store: store.unwrap_or_default(), ttl, collapse_key, id };
        let store = storing.parse(&emit, terms.ttl_max, named)?;
        if store.is_some() && binary {
            return Err(CommandError::field("binary", "cannot be combined with `store` yet"));
        }
        let undelivered = match undelivered {
            None => WhenUndelivered::Nothing,
            Some(UndeliveredThen::Hook) => {
                target::check_users_alone(
                    &emit.audience.target,
                    "a hook tells of users: `undelivered`",
                )?;
                WhenUndelivered::Hook
            }
        };
        let acks = ack.map(|JsonObject(ack)| ack.into());
        Ok(Message { emit, store, acks, undelivered })
    }
}

fn parse_event(text: &str, client_events: &[EventPattern]) -> Result<EventName, CommandError> {
    if client_events.iter().any(|it| it.matches(text)) {
        let why = format_args!(
            "`{text}` is what clients send to each other (`messages.allow`): a receiver could not tell who sent it"
        );
        return Err(CommandError::field("event", why).with_code(CommandCode::ReservedEvent));
    }
    EventName::parse(text).map_err(|error| {
        let code = match error {
            EventNameError::Text(_) => CommandCode::InvalidArgument,
            EventNameError::Reserved(..) => CommandCode::ReservedEvent,
        };
        CommandError::field("event", error).with_code(code)
    })
}

/// The arguments, with their buffers taken out if they have `binary` ones.
fn parse_payload(
    data: Option<Box<RawValue>>,
    args: Option<Vec<Box<RawValue>>>,
    binary: bool,
) -> Result<Payload, CommandError> {
    let args = match (data, args) {
        (None, None) => Vec::new(),
        (Some(data), None) => vec![data],
        (None, Some(args)) => args,
        (Some(_), Some(_)) => {
            return Err(CommandError::field("args", "give `data` or `args`, not both"));
        }
    };
    let mut buffers = Vec::new();
    let args = if binary {
        let taken = args.iter().map(|arg| binary::take_out(arg, &mut buffers));
        taken.collect::<Result<_, _>>().map_err(|why| CommandError::field("args", why))?
    } else {
        args
    };
    let payload = Payload::try_new(args).map_err(|why| CommandError::field("args", why))?;
    Ok(payload.with_buffers(buffers))
}

#[cfg(test)]
mod tests;
