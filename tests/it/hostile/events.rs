//! Events and acks.

use super::client::Packet;
use super::gets::Gets;
use super::{Case, Group, Row};

pub(super) fn group() -> Group {
    let mut rows = malformed();
    rows.extend(names());
    rows.extend(arguments());
    rows.extend(acks());
    Group { title: "Events and acks", rows }
}

fn row(input: &'static str, gets: Gets, packet: &str) -> Row {
    Row { input, gets, case: Case::Packets(vec![Packet::Text(packet.to_owned())]) }
}

fn malformed() -> Vec<Row> {
    let unclosed = format!("425[\"userline:ping\",{}", "[".repeat(100_000));
    let table = [
        ("an event without its list (`42`)", "42"),
        ("an event with an empty list", "425[]"),
        ("an event with an object for a list", "425{}"),
        ("an event with a text for a list", "425\"x\""),
        ("a list that does not end", "425[\"x\""),
        ("a list with a comma at its end", "425[\"x\",]"),
        ("a list in single quotes", "425['x']"),
        ("a list with a comment", "425[\"x\"/**/]"),
        ("100,000 brackets that nothing closes", &unclosed),
        ("a name with an escape that JSON does not have", r#"425["\x00"]"#),
        ("a name with a control character that is not escaped", "425[\"a\u{1}b\"]"),
        ("the ack id -1", "42-1[\"x\"]"),
        ("a list with something behind it", "425[\"x\"]more"),
    ];
    table.map(|(input, packet)| row(input, Gets::Ends, packet)).into()
}

fn names() -> Vec<Row> {
    let long = format!("425[\"{}\"]", "x".repeat(100_000));
    let table = [
        ("an event that nothing listens to", "425[\"x\",1]"),
        ("an event with an empty name", "425[\"\"]"),
        ("an event named `__proto__`", "425[\"__proto__\"]"),
        ("an event named `connect`", "425[\"connect\"]"),
        ("an event named `disconnect`", "425[\"disconnect\",\"x\"]"),
        ("an event that only the server sends", "425[\"userline:session\",{}]"),
        ("a name with escapes", r#"425["\u0000\n\"\\"]"#),
        ("a name with half a surrogate pair", r#"425["\ud800"]"#),
        ("a name of 100,000 bytes", &long),
    ];
    table.map(|(input, packet)| row(input, Gets::acked("unknown_event"), packet)).into()
}

fn arguments() -> Vec<Row> {
    let ping = |args: &str| format!("425[\"userline:ping\",{args}]");
    let same = |args: &str| Gets::Says(format!("435[{args}]"));
    let invalid = |input, event: &str, args: &str| {
        row(input, Gets::acked("invalid_argument"), &format!("425[\"{event}\",{args}]"))
    };
    vec![
        row("the number 1e999", same("1e999"), &ping("1e999")),
        row("a number of 30 digits", same(&"9".repeat(30)), &ping(&"9".repeat(30))),
        row("a key twice", same(r#"{"a":1,"a":2}"#), &ping(r#"{"a":1,"a":2}"#)),
        row("the key `__proto__`", same(r#"{"__proto__":1}"#), &ping(r#"{"__proto__":1}"#)),
        invalid("`userline:read` of a text", "userline:read", "{\"upto\":\"1\"}"),
        invalid("`userline:read` of a negative number", "userline:read", "{\"upto\":-1}"),
        invalid("`userline:inbox` of 0 items", "userline:inbox", "{\"limit\":0}"),
        invalid("`userline:join` of no room", "userline:join", "{}"),
        invalid("`userline:join` of another user", "userline:join", "{\"room\":\"user:bob\"}"),
        row(
            "`userline:join` of a room that no rule names",
            Gets::acked("not_allowed"),
            "425[\"userline:join\",{\"room\":\"org:acme\"}]",
        ),
        invalid("`userline:leave` of a number", "userline:leave", "{\"room\":7}"),
        invalid("`userline:emit` to nobody", "userline:emit", "{\"to\":{},\"event\":\"a\"}"),
        invalid(
            "`userline:emit` as somebody else",
            "userline:emit",
            "{\"to\":{\"user\":\"a\"},\"event\":\"a\",\"from\":\"bob\"}",
        ),
        row(
            "`userline:emit` where `messages.client_to_client` is off",
            Gets::acked("not_allowed"),
            "425[\"userline:emit\",{\"to\":{\"user\":\"ann\"},\"event\":\"a\"}]",
        ),
        row(
            "`userline:refresh` with a bad token",
            Gets::acked("token_invalid"),
            "425[\"userline:refresh\",{\"token\":\"a.b.c\"}]",
        ),
        row(
            "`userline:refresh` without a token",
            Gets::acked("token_missing"),
            "425[\"userline:refresh\",{\"user\":\"bob\"}]",
        ),
        row(
            "`userline:refresh` of a text",
            Gets::acked("auth_invalid"),
            "425[\"userline:refresh\",\"a.b.c\"]",
        ),
        invalid("`userline:refresh` with two arguments", "userline:refresh", "{},{}"),
        invalid("`userline:watch` of a text", "userline:watch", "{\"users\":\"bob\"}"),
        invalid("`userline:watch` of nobody", "userline:watch", "{}"),
        invalid(
            "`userline:presence` of a user with a NUL",
            "userline:presence",
            "{\"users\":[\"a\\u0000\"]}",
        ),
        row(
            "`userline:watch` where `presence.shown_to` is empty",
            Gets::acked("not_allowed"),
            "425[\"userline:watch\",{\"users\":[\"bob\"]}]",
        ),
        invalid("`userline:logout` of another user", "userline:logout", "{\"user\":\"bob\"}"),
        row(
            "`userline:refresh` with a resume token where there are none",
            Gets::acked("token_missing"),
            "425[\"userline:refresh\",{\"resume\":\"v1.a.b.c\"}]",
        ),
        invalid("`userline:inbox` of another user", "userline:inbox", "{\"user\":\"bob\"}"),
    ]
}

fn acks() -> Vec<Row> {
    use Gets::{Ends, Says, Stays};
    let ping = |id: &str| format!("42{id}[\"userline:ping\",7]");
    vec![
        row("an ack that nothing has asked for", Stays, "43999[{}]"),
        row("an ack without an id", Ends, "43[1]"),
        row("an ack whose id is a word", Ends, "43x[1]"),
        row("an ack without a list", Ends, "431"),
        row("an ack with an object for a list", Ends, "431{}"),
        row("an ack in a namespace that does not exist", Stays, "43/nope,1[]"),
        row(
            "the ack id 2^63 - 1",
            Says("439223372036854775807[7]".to_owned()),
            &ping("9223372036854775807"),
        ),
        row("the ack id 007", Says("437[7]".to_owned()), &ping("007")),
    ]
}
