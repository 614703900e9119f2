use super::{EmitTerms, parse};
use crate::commands::error::CommandCode;
use crate::core::emit::acks::AckNeed;
use crate::core::emit::message::{AckOptions, Message, WhenUndelivered};
use crate::types::{EventPattern, Namespace, UserId};
use std::time::Duration;

const TTL_MAX: Duration = Duration::from_hours(1);

fn read(json: &str) -> Result<Message, (CommandCode, Option<String>, String)> {
    let namespaces = [Namespace::root()];
    let terms = EmitTerms {
        namespaces: &namespaces,
        default_namespace: None,
        ttl_max: TTL_MAX,
        client_events: &[EventPattern::parse("typing:*").unwrap()],
    };
    parse(json.as_bytes(), terms, None).map_err(|error| (error.code, error.field, error.message))
}

/// An emit to one user with these fields besides.
fn with(fields: &str) -> String {
    format!(r#"{{"to":{{"users":["a"]}},"event":"x"{fields}}}"#)
}

#[test]
fn null_for_an_optional_field_means_that_it_is_absent() {
    let nulls = r#","namespace":null,"except":null,"args":null,"volatile":null,"binary":null,"ack":null,"store":null,"ttl":null,"collapse_key":null,"id":null,"undelivered":null"#;
    let message = read(&with(nulls)).unwrap();
    assert!(message.is_plain());
    assert_eq!(message.emit.audience, read(&with("")).unwrap().emit.audience);
    assert!(message.emit.payload.args().is_empty());

    let lists = r#"{"to":{"users":null,"rooms":["r"],"sockets":null,"all":null},"except":{"users":null,"rooms":null,"sockets":null,"devices":null},"event":"x"}"#;
    let audience = read(lists).unwrap().emit.audience;
    assert_eq!(audience.target.rooms.len(), 1);
    assert!(audience.except.is_empty());

    let ask = read(&with(r#","ack":{"timeout":7,"need":null}"#)).unwrap().acks;
    assert_eq!(ask, Some(AckOptions { need: AckNeed::All, timeout: Duration::from_millis(7) }));

    let data = read(&with(r#","data":null"#)).unwrap();
    assert_eq!(data.emit.payload.args()[0].get(), "null", "there null is a value");
}

#[test]
fn a_user_may_be_an_integer_as_in_tokens() {
    let message = read(
        r#"{"to":{"users":[42,"42",42.0,-7,18446744073709551615]},"except":{"users":[1.0]},"event":"x"}"#,
    );
    let audience = message.unwrap().emit.audience;
    let users: Vec<_> = audience.target.users.iter().map(UserId::as_str).collect();
    assert_eq!(users, ["42", "-7", "18446744073709551615"], "each once");
    assert_eq!(audience.except.users[0].as_str(), "1");
    for other in ["1.5", "18446744073709551616", "true", "null", "[]"] {
        let json = format!(r#"{{"to":{{"users":["a",{other}]}},"event":"x"}}"#);
        let (code, field, _) = read(&json).unwrap_err();
        assert_eq!(
            (code, field.as_deref()),
            (CommandCode::InvalidArgument, Some("to.users[1]")),
            "{other}"
        );
    }
    let (_, field, _) = read(r#"{"to":{"rooms":[42]},"event":"x"}"#).unwrap_err();
    assert_eq!(field.as_deref(), Some("to.rooms[0]"), "rooms are named by texts");
}

#[test]
fn milliseconds_may_be_written_with_a_fraction_of_zero() {
    let ack = |ms: &str| read(&with(&format!(r#","ack":{{"timeout":{ms}}}"#)));
    for right in ["1", "5000.0", "6e4"] {
        ack(right).unwrap();
    }
    for wrong in ["0.5", "60001.0", "-1.0", "1e300"] {
        assert_eq!(ack(wrong).unwrap_err().1.as_deref(), Some("ack.timeout"), "{wrong}");
    }
}

#[test]
fn a_field_that_is_not_there_or_there_twice_is_named() {
    let table = [
        (r#"{"event":"x"}"#.to_owned(), "to"),
        (r#"{"to":{"all":true}}"#.to_owned(), "event"),
        (r#"{"to":{"all":true},"to":{"all":true},"event":"x"}"#.to_owned(), "to"),
        (r#"{"to":{"all":true,"all":true},"event":"x"}"#.to_owned(), "to.all"),
        (with(r#","ack":{}"#), "ack.timeout"),
        (with(r#","except":{"users":[],"users":[]}"#), "except.users"),
    ];
    for (json, expected) in table {
        let (code, field, message) = read(&json).unwrap_err();
        assert_eq!(
            (code, field.as_deref()),
            (CommandCode::InvalidArgument, Some(expected)),
            "{json}"
        );
        assert!(message.starts_with(&format!("{expected}: ")), "{message}");
    }
}

#[test]
fn what_is_told_of_users_alone_goes_with_users_alone() {
    let hook = read(&with(r#","undelivered":"hook""#)).unwrap();
    assert_eq!(hook.undelivered, WhenUndelivered::Hook);
    let sockets = (r#""sockets":["sock_AAAAAAAAAAAAAAAAAAAA"]"#, "to.sockets");
    for (option, others) in [
        (r#""undelivered":"hook""#, &[(r#""rooms":["r"]"#, "to.rooms"), sockets][..]),
        (r#""store":"always""#, &[sockets]),
    ] {
        for (to, field) in others {
            let json = format!(r#"{{"to":{{"users":["a"],{to}}},"event":"x",{option}}}"#);
            assert_eq!(read(&json).unwrap_err().1.as_deref(), Some(*field), "{json}");
        }
        let json = format!(r#"{{"to":{{"all":true}},"event":"x",{option}}}"#);
        assert_eq!(read(&json).unwrap_err().1.as_deref(), Some("to.all"), "{json}");
    }
    // Whoever has a membership has an inbox.
    assert!(read(r#"{"to":{"rooms":["r"]},"event":"x","store":"always"}"#).is_ok());
}

#[test]
fn what_clients_send_to_each_other_is_emitted_by_nobody_else() {
    let emit = |event| read(&format!(r#"{{"to":{{"users":["a"]}},"event":"{event}"}}"#));
    let (code, field, message) = emit("typing:on").unwrap_err();
    assert_eq!((code, field.as_deref()), (CommandCode::ReservedEvent, Some("event")));
    assert!(message.contains("messages.allow"), "{message}");
    assert!(emit("typing").is_ok());
}
