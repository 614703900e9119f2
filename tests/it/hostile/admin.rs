//! The admin API: keys and bodies.

use super::gets::Gets;
use super::world::{NARROW_KEY, READ_KEY};
use super::{Case, Group, Row};
use crate::rig::server::KEY;

pub(super) fn group() -> Group {
    let mut rows = keys();
    rows.extend(json());
    rows.extend(emits());
    rows.extend(lengths());
    Group { title: "The admin API: keys and bodies", rows }
}

fn row(input: &'static str, gets: Gets, bytes: impl AsRef<[u8]>) -> Row {
    Row { input, gets, case: Case::Admin(bytes.as_ref().to_vec()) }
}

/// A request that has a key.
pub(super) fn request(first: &str, headers: &str, body: &str) -> String {
    let len = body.len();
    format!(
        "{first} HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {KEY}\r\n\
         {headers}Content-Length: {len}\r\n\r\n{body}"
    )
}

fn emit(body: &str) -> String {
    request("POST /v1/emit", "", body)
}

fn keys() -> Vec<Row> {
    let no = || Gets::api(401, "unauthenticated");
    let long = "x".repeat(60_000);
    let table = [
        ("no key", String::new()),
        ("another key", "Bearer another-key-of-22-bytes".to_owned()),
        ("a key with a byte more", format!("Bearer {KEY}x")),
        ("a key with a byte less", format!("Bearer {}", &KEY[1..])),
        ("`Bearer` without a key", "Bearer".to_owned()),
        ("`Basic`", "Basic dGVzdDphLWtleS1mb3ItdGhlLXRlc3Rz".to_owned()),
        ("a key without `Bearer`", KEY.to_owned()),
        ("a key that is not ASCII", "Bearer é".to_owned()),
        ("a key of 60,000 bytes", format!("Bearer {long}")),
    ];
    let get = |path: &str, key: &str| {
        format!("GET {path} HTTP/1.1\r\nHost: test\r\nAuthorization: {key}\r\n\r\n")
    };
    let mut rows: Vec<Row> =
        table.map(|(input, key)| row(input, no(), get("/v1/users", &key))).into();
    rows.push(row("a key in the query", no(), get(&format!("/v1/users?key={KEY}"), "")));
    let read_only = get("/v1/users/ann/disconnect", &format!("Bearer {READ_KEY}"));
    let read_only = read_only.replace("GET", "POST");
    rows.push(row("a key without the scope", Gets::api(403, "forbidden"), read_only));
    for (input, path) in [
        ("a user whom the key may not name", "/v1/users/ann"),
        ("a room that the key may not name", "/v1/rooms/org:7"),
        ("a list of all users by a key that may not name all", "/v1/users"),
    ] {
        let narrow = get(path, &format!("Bearer {NARROW_KEY}"));
        rows.push(row(input, Gets::api(403, "forbidden"), narrow));
    }
    rows
}

fn json() -> Vec<Row> {
    let deep = format!(r#"{{"to":{{"all":true}},"event":"x","data":{}"#, "[".repeat(100_000));
    let table = [
        ("an empty body", ""),
        ("a body that is not JSON", "{"),
        ("JSON after a byte order mark", "\u{feff}{}"),
        ("a body that is a list", "[]"),
        ("a body that is `null`", "null"),
        ("a body that is a text", "\"x\""),
        ("JSON with something behind it", r#"{"to":{"users":["u"]},"event":"x"} {}"#),
        ("the number `NaN`", r#"{"to":{"users":["u"]},"event":"x","data":NaN}"#),
        ("100,000 brackets that nothing closes", &deep),
        ("an unknown field", r#"{"to":{"users":["u"]},"event":"x","surprise":1}"#),
        ("a field `__proto__`", r#"{"to":{"users":["u"]},"event":"x","__proto__":{}}"#),
        ("a field twice", r#"{"to":{"users":["u"]},"event":"x","event":"y"}"#),
    ];
    let bad = || Gets::api(400, "invalid_argument");
    let mut rows: Vec<Row> = table.map(|(input, body)| row(input, bad(), emit(body))).into();
    let not_utf8 = [emit("xx").trim_end_matches('x').as_bytes(), b"\xff\xfe"].concat();
    rows.push(row("a body that is not UTF-8", bad(), not_utf8));
    rows
}

fn emits() -> Vec<Row> {
    let names = vec!["\"u\""; 1001].join(",");
    let many = format!(r#"{{"to":{{"users":[{names}]}},"event":"x"}}"#);
    let table: Vec<(&'static str, u16, &str, &str)> = vec![
        ("`to.users` is a text", 400, "invalid_argument", r#"{"to":{"users":"u"},"event":"x"}"#),
        ("`to` names nobody", 400, "invalid_argument", r#"{"to":{},"event":"x"}"#),
        ("1,001 users", 400, "invalid_argument", &many),
        (
            "a user with a line end",
            400,
            "invalid_argument",
            r#"{"to":{"users":["u\r\nX-Evil: 1"]},"event":"x"}"#,
        ),
        (
            "an event of the server",
            422,
            "reserved_event",
            r#"{"to":{"all":true},"event":"userline:kicked"}"#,
        ),
        (
            "an event named `connect`",
            422,
            "reserved_event",
            r#"{"to":{"all":true},"event":"connect"}"#,
        ),
        (
            "a namespace that does not exist",
            404,
            "not_found",
            r#"{"to":{"all":true},"event":"x","namespace":"/nope"}"#,
        ),
        (
            "`$binary` that is not base64",
            400,
            "invalid_argument",
            r#"{"to":{"all":true},"event":"x","binary":true,"data":{"$binary":"!"}}"#,
        ),
        (
            "`_placeholder`, which a client would take for a buffer",
            400,
            "invalid_argument",
            r#"{"to":{"all":true},"event":"x","binary":true,"data":{"_placeholder":true,"num":0}}"#,
        ),
        (
            "a timeout of 10^30 seconds",
            400,
            "invalid_argument",
            r#"{"to":{"users":["u"]},"event":"x","ack":{"timeout":"1000000000000000000000000000000s"}}"#,
        ),
    ];
    let row = |(input, status, code, body): (&'static str, u16, &str, &str)| {
        row(input, Gets::api(status, code), emit(body))
    };
    table.into_iter().map(row).collect()
}

fn lengths() -> Vec<Row> {
    let large = || Gets::api(413, "payload_too_large");
    let over = "x".repeat(1_000_001);
    let chunked = |chunk: &str| {
        let head = emit("").replace("Content-Length: 0", "Transfer-Encoding: chunked");
        format!("{head}{chunk}\r\n0\r\n\r\n")
    };
    vec![
        row("a body of one byte more than `limits.payload`", large(), emit(&over)),
        row("the same in a chunk", large(), chunked(&format!("f4241\r\n{over}"))),
        row("a `Content-Length` of 10 GB", large(), emit("").replace(": 0", ": 10000000000")),
        row(
            "a chunk whose size is no number",
            Gets::api(400, "invalid_argument"),
            chunked("zz\r\nx"),
        ),
        row(
            "a chunk whose size has 30 digits",
            Gets::api(400, "invalid_argument"),
            chunked(&"f".repeat(30)),
        ),
    ]
}
