//! What commands may hold, as JSON Schema: made from the constants that parse, so that the API's document says neither
//! more nor less than the server does.
//!
//! Lengths of names are bytes of UTF-8, and JSON Schema counts characters. The patterns here are therefore for texts that
//! are short enough in any case: what fits is taken; a mixed text that is a little longer than they allow may be, too.

mod pattern;
mod rules;

pub use rules::Rules;

use super::batch::EMITS_MAX;
use super::disconnect::REASON_BYTES_MAX;
use super::emit::TIMEOUTS;
use super::names::NAMES_MAX;
use super::number::{LIMIT_DEFAULT, LIMITS, NUMBER_MAX};
use crate::types::{
    CollapseKey, DeviceId, EventName, ItemId, Namespace, Payload, Room, SocketId, UserId, millis,
};
use pattern::{ANY, WITHOUT_SEPARATORS};
use serde_json::{Value, json};
use std::borrow::Cow;
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaType};
use utoipa::openapi::{Ref, RefOr};
use utoipa::{PartialSchema, ToSchema};

/// A schema of these words.
pub fn of(words: Value) -> RefOr<Schema> {
    let words = match words {
        Value::Object(words) => words,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            serde_json::Map::new()
        }
    };
    let any = ObjectBuilder::new().schema_type(SchemaType::AnyValue);
    RefOr::T(Schema::Object(any.extensions(Some(words.into_iter().collect())).build()))
}

/// Types that stand for schemas: the name in the document, and what the schema says.
macro_rules! schemas {
    ($($(#[$doc:meta])* $marker:ident = $name:literal: $words:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $marker;

        impl PartialSchema for $marker {
            fn schema() -> RefOr<Schema> {
                of($words)
            }
        }

        impl ToSchema for $marker {
            fn name() -> Cow<'static, str> {
                $name.into()
            }
        }
    )*};
}

schemas! {
    /// A [`UserId`] in an answer, a path or a query.
    UserIdText = "UserId": name("A user", UserId::BYTES_MAX, &pattern::name(ANY, UserId::BYTES_MAX));
    /// A [`UserId`] in a command: an integer is a name as well.
    UserIdOrInteger = "UserIdOrInteger": json!({
        "description": "A user; an integer means its decimal digits",
        "type": ["string", "integer"],
        "minLength": 1,
        "maxLength": UserId::BYTES_MAX,
        "pattern": pattern::name(ANY, UserId::BYTES_MAX),
        "minimum": i64::MIN,
        "maximum": u64::MAX,
    });
    /// A [`Room`].
    RoomText = "Room": name("A room", Room::BYTES_MAX, &pattern::name(ANY, Room::BYTES_MAX));
    /// A [`DeviceId`].
    DeviceIdText = "DeviceId":
        name("A tab or device", DeviceId::BYTES_MAX, &pattern::name(ANY, DeviceId::BYTES_MAX));
    /// An [`ItemId`].
    ItemIdText = "ItemId":
        name("The name of a stored event", ItemId::BYTES_MAX, &pattern::name(ANY, ItemId::BYTES_MAX));
    /// A [`CollapseKey`].
    CollapseKeyText = "CollapseKey": name(
        "A key whose newest unread event takes the place of older ones",
        CollapseKey::BYTES_MAX,
        &pattern::name(ANY, CollapseKey::BYTES_MAX),
    );
    /// A [`Namespace`].
    NamespaceText = "Namespace": name(
        "A namespace",
        Namespace::BYTES_MAX,
        &pattern::name_after("/", WITHOUT_SEPARATORS, Namespace::BYTES_MAX),
    );
    /// An [`EventName`].
    EventNameText = "EventName": event_name();
    /// A [`SocketId`].
    SocketIdText = "SocketId": json!({
        "description": "A socket",
        "type": "string",
        "pattern": format!("^[A-Za-z0-9_-]{{{}}}$", SocketId::TEXT_LEN),
        "example": "wTmVbPq0o3x5n2LkZr8c",
    });
    /// A socket that is left out, if it is one.
    AnySocketText = "AnySocket":
        json!({"description": "A socket; what is no id of one is nobody", "type": "string"});
    /// The reason that a client is told.
    ReasonText = "DisconnectReason": json!({
        "description": format!("What clients are told when they are disconnected: at most {REASON_BYTES_MAX} bytes of UTF-8"),
        "type": "string",
        "maxLength": REASON_BYTES_MAX,
        "pattern": pattern::text(REASON_BYTES_MAX),
    });
    /// How long acks are waited for.
    TimeoutText = "AckTimeout": json!({
        "description": "A duration such as `5s`, or milliseconds",
        "type": ["string", "integer"],
        "pattern": pattern::durations(&TIMEOUTS),
        "minimum": millis(*TIMEOUTS.start()),
        "maximum": millis(*TIMEOUTS.end()),
        "example": "5s",
    });
    /// How long a stored event is kept; the longest is configured, see [`Rules`].
    TtlText = "Ttl": json!({"description": "A duration such as `7d`", "type": "string"});
    /// A number of an event, an item or a delivery.
    StoreNumber = "StoreNumber": json!({
        "description": "The number of an event, an item or a delivery",
        "type": "integer",
        "format": "int64",
        "minimum": 0,
        "maximum": NUMBER_MAX,
    });
    /// A point in time, as it is read.
    MomentText = "Moment": json!({
        "description": "RFC 3339 with any offset from UTC, since 1970",
        "type": "string",
        "format": "date-time",
        "pattern": "^(?:19[7-9][0-9]|[2-9][0-9]{3})-",
        "example": "2026-08-01T11:41:00+02:00",
    });
    /// How many entries a page has.
    PageLimit = "PageLimit": json!({
        "description": "Entries of one page",
        "type": "integer",
        "minimum": LIMITS.start(),
        "maximum": LIMITS.end(),
        "default": LIMIT_DEFAULT,
    });
    /// The arguments of an event.
    ArgumentList = "Arguments": json!({
        "description": "The arguments of an event, any JSON values",
        "type": "array",
        "items": {},
        "maxItems": Payload::ARGS_MAX,
    });
    /// The emits of a batch: what is none is refused by itself.
    BatchItems = "BatchItems": json!({
        "description": "Emits",
        "type": "array",
        "minItems": 1,
        "maxItems": EMITS_MAX,
        "items": {
            "description": "What is no emit is refused by itself, in its place of the results",
            "anyOf": [{"$ref": "#/components/schemas/EmitRequest"}, {}],
        },
    });
}

fn name(description: &str, bytes_max: usize, pattern: &str) -> Value {
    json!({
        "description": format!("{description}: 1 to {bytes_max} bytes of UTF-8 without control characters"),
        "type": "string",
        "minLength": 1,
        "maxLength": bytes_max,
        "pattern": pattern,
    })
}

fn event_name() -> Value {
    let bytes_max = EventName::BYTES_MAX;
    let mut schema = name("An event", bytes_max, &pattern::name(ANY, bytes_max));
    let own = format!("^{}", EventName::OWN_PREFIX);
    if let Some(words) = schema.as_object_mut() {
        let reserved = json!({"anyOf": [{"enum": EventName::SOCKET_IO}, {"pattern": own}]});
        words.insert("not".to_owned(), reserved);
    }
    schema
}

/// Types that stand for lists of names: what each is a list of, and what the schema says of it.
macro_rules! lists {
    ($($(#[$doc:meta])* $marker:ident of $item:ident: $description:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $marker;

        impl PartialSchema for $marker {
            fn schema() -> RefOr<Schema> {
                of(json!({
                    "description": concat!($description, "; one that comes twice counts once"),
                    "type": "array",
                    "items": Ref::from_schema_name($item::name()),
                    "maxItems": NAMES_MAX,
                }))
            }
        }

        impl ToSchema for $marker {
            fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
                schemas.push(($item::name().into_owned(), $item::schema()));
            }
        }
    )*};
}

lists! {
    /// Users in a command.
    UserNames of UserIdOrInteger: "Users";
    /// Rooms in a command.
    RoomNames of RoomText: "Rooms";
    /// Sockets in a command.
    SocketIds of SocketIdText: "Sockets";
    /// Sockets that are left out, among which may be what is no socket.
    AnySocketIds of AnySocketText: "Sockets, here or not";
    /// Devices in a command.
    DeviceNames of DeviceIdText: "Tabs or devices";
    /// Names of stored events in a command.
    ItemNames of ItemIdText: "Stored events";
}

#[cfg(test)]
mod tests;
