//! What a client says before it has joined a namespace, and how it joins one.

use super::client::Packet;
use super::gets::Gets;
use super::{Case, Group, Row};

/// `limits.payload`, as it is without being set.
const PAYLOAD_BYTES: usize = 1_000_000;

pub(super) fn group() -> Group {
    let mut rows = too_early();
    rows.extend(auth());
    rows.extend(namespaces());
    Group { title: "Joining a namespace", rows }
}

fn early(input: &'static str, gets: Gets, packets: &[&str]) -> Row {
    let packets = packets.iter().map(|it| Packet::Text((*it).to_owned())).collect();
    Row { input, gets, case: Case::Early(packets) }
}

fn joined(input: &'static str, gets: Gets, packet: &str) -> Row {
    Row { input, gets, case: Case::Packets(vec![Packet::Text(packet.to_owned())]) }
}

fn too_early() -> Vec<Row> {
    vec![
        early("an event before CONNECT", Gets::Ends, &["421[\"userline:ping\"]"]),
        early("an ack before CONNECT", Gets::Ends, &["431[]"]),
    ]
}

fn auth() -> Vec<Row> {
    let table: Vec<(&'static str, &str, String)> = vec![
        ("CONNECT without `auth`", "token_missing", String::new()),
        ("`auth` is `null`", "token_missing", "null".to_owned()),
        ("`auth` is `{}`", "token_missing", "{}".to_owned()),
        ("`auth` is a list", "auth_invalid", "[]".to_owned()),
        ("`auth` is a text", "auth_invalid", "\"token\"".to_owned()),
        ("`auth` is not JSON", "auth_malformed", "{".to_owned()),
        ("`auth` is followed by something", "auth_malformed", "{} more".to_owned()),
        ("`auth` has a key twice", "auth_invalid", r#"{"token":"a","token":"b"}"#.to_owned()),
        ("`auth` is nested 10,000 deep", "auth_malformed", "[".repeat(10_000)),
        ("`auth` is larger than `limits.auth_bytes`", "auth_too_large", large(17_000)),
        ("`auth` fills a message of `limits.payload`", "auth_too_large", large(PAYLOAD_BYTES - 2)),
        ("`auth.token` is a number", "auth_invalid", r#"{"token":1}"#.to_owned()),
        ("`auth.token` is an object", "auth_invalid", r#"{"token":{}}"#.to_owned()),
        ("`auth.token` is empty", "token_missing", r#"{"token":""}"#.to_owned()),
        ("`auth.token` is `a.b.c`", "token_invalid", r#"{"token":"a.b.c"}"#.to_owned()),
        (
            "`auth.user`, which `userline dev` believes",
            "token_missing",
            r#"{"user":"ann"}"#.to_owned(),
        ),
        (
            "`auth.token` inside `__proto__`",
            "token_missing",
            r#"{"__proto__":{"token":"a"}}"#.to_owned(),
        ),
    ];
    let row = |(input, code, auth): (&'static str, &str, String)| {
        early(input, Gets::refused(code), &[&format!("40{auth}")])
    };
    table.into_iter().map(row).collect()
}

/// An `auth` of this many bytes.
fn large(bytes: usize) -> String {
    let empty = r#"{"token":""}"#;
    format!("{{\"token\":\"{}\"}}", "x".repeat(bytes - empty.len()))
}

fn namespaces() -> Vec<Row> {
    let long = format!("40/{},", "x".repeat(10_000));
    let table = [
        ("a namespace that does not exist", "40/nope,{}"),
        ("a namespace of 10,000 bytes", long.as_str()),
        ("the namespace `/__proto__`", "40/__proto__,"),
        ("a namespace without the comma behind it", "40/nope"),
        ("a namespace with a query", "40/?token=x,"),
        ("the namespace `/%2e%2e`", "40/%2e%2e,"),
    ];
    let unknown = || Gets::refused("invalid_namespace");
    let mut rows: Vec<Row> = table.map(|(input, packet)| early(input, unknown(), &[packet])).into();
    rows.extend([
        early("a namespace without its slash", Gets::refused("auth_malformed"), &["40nope,"]),
        joined("a second CONNECT in the namespace", Gets::Ends, "40{}"),
        joined("a second CONNECT, with an ack id", Gets::Ends, "401{}"),
        joined("a CONNECT_ERROR of the client", Gets::Ends, "44{\"message\":\"x\"}"),
        joined("an event in a namespace that does not exist", Gets::Ends, "42/nope,5[\"x\"]"),
        joined("a DISCONNECT of a namespace that does not exist", Gets::Stays, "41/nope,"),
    ]);
    rows
}
