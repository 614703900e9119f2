//! What commands may hold, as JSON Schema: made from the constants that parse, so that the API's document says neither
//! more nor less than the server does.
//!
//! Lengths of names are bytes of UTF-8, and JSON Schema counts characters. The patterns here are therefore for texts that
//! are short enough in any case: what fits is taken; a mixed text that is a little longer than they allow may be, too.

mod pattern;
mod rules;

pub use rules::SchemaRules;

use super::bounds::{BLOCK_FOR, EMITS_MAX, REASON_BYTES_MAX, TIMEOUTS};
use super::names::NAMES_MAX;
use super::number::{LIMIT_DEFAULT, LIMITS, NUMBER_MAX};
use crate::types::{
    CollapseKey, DeviceId, EventName, ItemId, Namespace, Payload, Room, UserId, millis,
};
use pattern::{ANY, WITHOUT_SEPARATORS};
use serde_json::{Value, json};
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
    ($($(#[$doc:meta])* $vis:vis $marker:ident = $name:literal: $words:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        $vis struct $marker;

        impl utoipa::PartialSchema for $marker {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                $crate::commands::schema::of($words)
            }
        }

        impl utoipa::ToSchema for $marker {
            fn name() -> std::borrow::Cow<'static, str> {
                $name.into()
            }
        }
    )*};
}
pub(crate) use schemas;

// Names as they are told: what is said of them is true of every one.
schemas! {
    /// A [`UserId`].
    pub UserIdText = "UserId": told("A user", UserId::BYTES_MAX);
    /// A [`Room`].
    pub RoomText = "Room": told("A room", Room::BYTES_MAX);
    /// A [`DeviceId`].
    pub DeviceIdText = "DeviceId": told("A tab or device", DeviceId::BYTES_MAX);
    /// An [`ItemId`].
    pub ItemIdText = "ItemId": told("The name of a stored event", ItemId::BYTES_MAX);
    /// A [`CollapseKey`].
    pub CollapseKeyText = "CollapseKey":
        told("The newest unread event with this key takes the place of older ones", CollapseKey::BYTES_MAX);
    /// A [`Namespace`].
    pub NamespaceText = "Namespace": told("A namespace", Namespace::BYTES_MAX);
    /// An [`EventName`].
    pub EventNameText = "EventName": told("An event", EventName::BYTES_MAX);
    /// A [`SocketId`](crate::types::SocketId).
    pub SocketIdText = "SocketId": json!({
        "description": "A socket",
        "type": "string",
        "pattern": pattern::socket(),
        "example": "sock_wTmVbPq0o3x5n2LkZr8c",
    });
}

// Names as they are given: whatever fits is taken.
schemas! {
    /// A [`UserId`] in a path or a query.
    pub UserIdArgument = "UserIdArgument":
        given("A user", UserId::BYTES_MAX, &pattern::name(ANY, UserId::BYTES_MAX));
    /// A [`UserId`] in a command: an integer is a name as well.
    pub UserIdOrInteger = "UserIdOrInteger": user_or_integer();
    /// A [`Room`].
    pub RoomArgument = "RoomArgument":
        given("A room", Room::BYTES_MAX, &pattern::name(ANY, Room::BYTES_MAX));
    /// A [`Room`] that sockets can be put into.
    pub GrantableRoomArgument = "GrantableRoom": grantable_room();
    /// A [`DeviceId`].
    pub DeviceIdArgument = "DeviceIdArgument":
        given("A tab or device", DeviceId::BYTES_MAX, &pattern::name(ANY, DeviceId::BYTES_MAX));
    /// An [`ItemId`].
    pub ItemIdArgument = "ItemIdArgument":
        given("The name of a stored event", ItemId::BYTES_MAX, &pattern::name(ANY, ItemId::BYTES_MAX));
    /// A [`CollapseKey`].
    pub CollapseKeyArgument = "CollapseKeyArgument": given(
        "The newest unread event with this key takes the place of older ones",
        CollapseKey::BYTES_MAX,
        &pattern::name(ANY, CollapseKey::BYTES_MAX),
    );
    /// A [`Namespace`].
    pub NamespaceArgument = "NamespaceArgument": given(
        "A namespace",
        Namespace::BYTES_MAX,
        &pattern::name_after("/", WITHOUT_SEPARATORS, Namespace::BYTES_MAX),
    );
    /// An [`EventName`].
    pub EventNameArgument = "EventNameArgument": event_name();
    /// A socket that is left out, if it is one.
    pub AnySocketText = "AnySocket":
        json!({"description": "A socket; what is no id of one is nobody", "type": "string"});
}

schemas! {
    /// The reason that a client is told.
    pub ReasonText = "DisconnectReason": json!({
        "description": format!("What clients are told when they are disconnected: at most {REASON_BYTES_MAX} bytes of UTF-8"),
        "type": "string",
        "maxLength": REASON_BYTES_MAX,
        "pattern": pattern::text(REASON_BYTES_MAX),
    });
    /// A [`FamilyId`](crate::types::FamilyId).
    pub FamilyText = "TokenFamily": json!({
        "description": "Names the resume tokens of one client",
        "type": "string",
        "pattern": "^[0-9A-Fa-f]{32}$",
        "example": "8f14e45fceea167a5a36dedd4bea2543",
    });
    /// How long a user is blocked.
    pub BlockForText = "BlockFor": json!({
        "description": "A duration such as `1h`, 1 s to 3650 d",
        "type": "string",
        "pattern": pattern::durations(&BLOCK_FOR),
        "example": "1h",
    });
    /// How long acks are waited for.
    pub TimeoutText = "AckTimeout": json!({
        "description": "A duration such as `5s`, or milliseconds",
        "type": ["string", "integer"],
        "pattern": pattern::durations(&TIMEOUTS),
        "minimum": millis(*TIMEOUTS.start()),
        "maximum": millis(*TIMEOUTS.end()),
        "example": "5s",
    });
    /// How long a stored event is kept; the longest is configured, see [`SchemaRules`].
    pub TtlText = "Ttl": json!({"description": "A duration such as `7d`", "type": "string"});
    /// A number of an event, an item or a delivery.
    pub StoreNumber = "StoreNumber": json!({
        "description": "The number of an event, an item or a delivery",
        "type": "integer",
        "format": "int64",
        "minimum": 0,
        "maximum": NUMBER_MAX,
    });
    /// A point in time, as it is read.
    pub MomentText = "Moment": json!({
        "description": "RFC 3339 with any offset from UTC, since 1970",
        "type": "string",
        "format": "date-time",
        "pattern": "^(?:19[7-9][0-9]|[2-9][0-9]{3})-",
        "example": "2026-08-01T11:41:00+02:00",
    });
    /// How many entries a page has.
    pub PageLimit = "PageLimit": json!({
        "description": "Entries of one page",
        "type": "integer",
        "minimum": LIMITS.start(),
        "maximum": LIMITS.end(),
        "default": LIMIT_DEFAULT,
    });
    /// The arguments of an event.
    pub ArgumentList = "Arguments": json!({
        "description": "The arguments of an event, any JSON values",
        "type": "array",
        "items": {},
        "maxItems": Payload::ARGS_MAX,
    });
    /// The emits of a batch: what is none is refused by itself.
    pub BatchItems = "BatchItems": json!({
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

/// One of a closed list of names.
pub fn one_of<'a>(description: &str, names: impl IntoIterator<Item = &'a str>) -> Value {
    let names: Vec<&str> = names.into_iter().collect();
    json!({"description": description, "type": "string", "enum": names})
}

fn told(description: &str, bytes_max: usize) -> Value {
    named(description, bytes_max, pattern::PRINTABLE)
}

fn given(description: &str, bytes_max: usize, pattern: &str) -> Value {
    let rule = format!("1 to {bytes_max} bytes of UTF-8 without control characters");
    named(&format!("{description}: {rule}"), bytes_max, pattern)
}

fn named(description: &str, bytes_max: usize, pattern: &str) -> Value {
    json!({
        "description": description,
        "type": "string",
        "minLength": 1,
        "maxLength": bytes_max,
        "pattern": pattern,
    })
}

fn user_or_integer() -> Value {
    with(
        given("A user", UserId::BYTES_MAX, &pattern::name(ANY, UserId::BYTES_MAX)),
        [
            ("description", json!("A user; an integer means its decimal digits")),
            ("type", json!(["string", "integer"])),
            ("minimum", json!(i64::MIN)),
            ("maximum", json!(u64::MAX)),
        ],
    )
}

fn grantable_room() -> Value {
    let own = format!("^{}", Room::USER_PREFIX);
    let description =
        "A room that sockets can be put into, so neither `user:…` nor named like a socket";
    with(
        given(description, Room::BYTES_MAX, &pattern::name(ANY, Room::BYTES_MAX)),
        [("not", json!({"anyOf": [{"pattern": own}, {"pattern": pattern::socket()}]}))],
    )
}

fn event_name() -> Value {
    let bytes_max = EventName::BYTES_MAX;
    let own = format!("^{}", EventName::OWN_PREFIX);
    with(
        given("An event", bytes_max, &pattern::name(ANY, bytes_max)),
        [("not", json!({"anyOf": [{"enum": EventName::SOCKET_IO}, {"pattern": own}]}))],
    )
}

/// A schema with these words as well.
fn with<const N: usize>(mut schema: Value, words: [(&str, Value); N]) -> Value {
    if let Some(schema) = schema.as_object_mut() {
        schema.extend(words.map(|(word, rule)| (word.to_owned(), rule)));
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
    RoomNames of RoomArgument: "Rooms";
    /// Rooms that sockets are put into or taken out of.
    GrantableRooms of GrantableRoomArgument: "Rooms";
    /// Sockets in a command.
    SocketIds of SocketIdText: "Sockets";
    /// Sockets that are left out, among which may be what is no socket.
    AnySocketIds of AnySocketText: "Sockets, here or not";
    /// Devices in a command.
    DeviceNames of DeviceIdArgument: "Tabs or devices";
    /// Names of stored events in a command.
    ItemNames of ItemIdArgument: "Stored events";
}

#[cfg(test)]
mod tests;
