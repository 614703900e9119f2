//! What is between the fields of a command: which need each other, and which exclude each other. A schema that is derived
//! from a type says nothing of that; this is merged into it.

use super::pattern;
use crate::commands::emit::TTL_MIN;
use serde_json::{Value, json};
use std::time::Duration;

/// The rules between fields, for the document of a server with this configuration.
#[derive(Debug, Clone, Copy)]
pub struct SchemaRules {
    /// The longest `ttl`.
    pub ttl_max: Duration,
}

impl SchemaRules {
    /// Merges the rules into the schemas of a document, by name.
    pub fn merge_into(self, schemas: &mut Value) {
        merge(
            schemas,
            json!({
                "DisconnectRequest": disconnect(),
                "EmitRequest": emit(),
                "EmitTarget": target(),
                "MoveRequest": {"properties": {"rooms": {"minItems": 1}}},
                "Ttl": {"pattern": pattern::durations(&(TTL_MIN..=self.ttl_max))},
                "ReadRequest": read(),
            }),
        );
    }
}

fn disconnect() -> Value {
    let absent = json!({"type": "null"});
    let at_once = json!({"properties": {"now": {"enum": [true, null]}}});
    json!({"anyOf": [{"properties": {"block_for": absent}}, at_once]})
}

fn emit() -> Value {
    let absent = json!({"type": "null"});
    let not_stored = json!({"properties": {"store": {"enum": ["never", null]}}});
    let to_those_who_have_inboxes =
        json!({"properties": {"to": {"properties": {"sockets": none_of(), "all": no()}}}});
    let to_users_alone = json!({"properties": {"to": {"properties": {
        "rooms": none_of(), "sockets": none_of(), "all": no(),
    }}}});
    json!({
        "allOf": [
            {"anyOf": [{"properties": {"data": false}}, {"properties": {"args": absent}}]},
            {"anyOf": [
                {"properties": {"ttl": absent, "collapse_key": absent, "id": absent}},
                {"required": ["store"], "properties": {"store": {"enum": ["if_offline", "always"]}}},
            ]},
            {"anyOf": [not_stored, to_those_who_have_inboxes]},
            {"anyOf": [{"properties": {"undelivered": absent}}, to_users_alone]},
            {"anyOf": [not_stored, {"properties": {"binary": no()}}]},
        ],
    })
}

fn target() -> Value {
    let named = |list: &str| {
        let properties = json!({list: {"type": "array", "minItems": 1}, "all": no()});
        json!({"required": [list], "properties": properties})
    };
    let everybody = json!({
        "required": ["all"],
        "properties": {
            "all": {"const": true}, "users": none_of(), "rooms": none_of(), "sockets": none_of(),
        },
    });
    json!({"anyOf": [named("users"), named("rooms"), named("sockets"), everybody]})
}

fn read() -> Value {
    let either = |given: &str, other: &str| {
        let properties = json!({given: {"not": {"type": "null"}}, other: {"type": "null"}});
        json!({"required": [given], "properties": properties})
    };
    json!({"anyOf": [either("upto", "ids"), either("ids", "upto")]})
}

/// An empty list, or none.
fn none_of() -> Value {
    json!({"type": ["array", "null"], "maxItems": 0})
}

/// `false`, or nothing.
fn no() -> Value {
    json!({"enum": [false, null]})
}

/// Adds `more` to `value`, objects key by key.
fn merge(value: &mut Value, more: Value) {
    match (value, more) {
        (Value::Object(value), Value::Object(more)) => {
            for (key, more) in more {
                merge(value.entry(key).or_insert(Value::Null), more);
            }
        }
        (value, more) => *value = more,
    }
}
