//! The admin API: paths, parameters, methods, headers.

use super::admin::request;
use super::gets::Gets;
use super::{Case, Group, Row};

const EMIT: &str = r#"{"to":{"users":["u"]},"event":"x"}"#;

pub(super) fn group() -> Group {
    let mut rows = paths();
    rows.extend(arguments());
    rows.extend(methods());
    rows.extend(headers());
    Group { title: "The admin API: paths, methods and headers", rows }
}

fn row(input: &'static str, gets: Gets, request: String) -> Row {
    Row { input, gets, case: Case::Admin(request.into_bytes()) }
}

fn get(path: &str) -> String {
    request(&format!("GET {path}"), "", "")
}

fn paths() -> Vec<Row> {
    let missing = || Gets::api(404, "not_found");
    let table = [
        ("a path that does not exist", "/v2/users"),
        ("`/v1/../v1/users`", "/v1/../v1/users"),
        ("`//v1/users`", "//v1/users"),
        ("`/v1/users/`", "/v1/users/"),
        ("`/V1/USERS`", "/V1/USERS"),
        ("`/v1%2fusers`", "/v1%2fusers"),
        ("the console, which only `userline dev` has", "/"),
    ];
    let mut rows: Vec<Row> = table.map(|(input, path)| row(input, missing(), get(path))).into();
    rows.push(row("its receiver of hooks", missing(), request("POST /dev/hooks", "", "{}")));
    let websocket = get("/socket.io/?EIO=4&transport=websocket")
        .replace("Host: test", "Host: test\r\nUpgrade: websocket\r\nConnection: Upgrade");
    rows.push(row("a WebSocket to the admin listener", missing(), websocket));
    rows
}

fn arguments() -> Vec<Row> {
    let long = format!("/v1/users/{}", "u".repeat(257));
    let table = [
        ("a user with a NUL (`%00`)", "/v1/users/%00"),
        ("a user with a line end (`%0d%0a`)", "/v1/users/a%0d%0aX-Evil:%201"),
        ("a user that is not UTF-8 (`%ff`)", "/v1/users/%ff"),
        ("a user of 257 bytes", &long),
        ("a socket id of 5 bytes", "/v1/sockets/short"),
        ("an unknown parameter", "/v1/users?surprise=1"),
        ("a parameter twice", "/v1/users?limit=1&limit=2"),
        ("`limit=-1`", "/v1/users?limit=-1"),
        ("`limit=1e3`", "/v1/users?limit=1e3"),
        ("a cursor that is none", "/v1/users?cursor=%21"),
        ("a delivery that is a word", "/v1/hooks/deliveries/one"),
    ];
    let bad = || Gets::api(400, "invalid_argument");
    let mut rows: Vec<Row> = table.map(|(input, path)| row(input, bad(), get(path))).into();
    let erase = request("DELETE /v1/users/u?undelivered=maybe", "", "");
    rows.push(row("a user to be erased, with `undelivered=maybe`", bad(), erase));
    for (input, body) in [
        ("a block `for` a time that is none", r#"{"for":"soon"}"#),
        ("a block `for` longer than 3650 days", r#"{"for":"3651d"}"#),
        ("a block with `until`", r#"{"until":1}"#),
    ] {
        rows.push(row(input, bad(), request("PUT /v1/users/u/block", "", body)));
    }
    for (input, path, body) in [
        ("a patch that is a list", "PATCH /v1/users/u/data", "[1]"),
        ("a patch with a key twice that is cut off", "PATCH /v1/users/u/data", r#"{"a":1,"a":"#),
        ("a patch for a socket id of 5 bytes", "PATCH /v1/sockets/short/data", "{}"),
    ] {
        rows.push(row(input, bad(), request(path, "", body)));
    }
    let offline = request("PATCH /v1/users/u/data", "", r#"{"__proto__":{"a":1}}"#);
    rows.push(row("a patch for a user who is offline", Gets::api(404, "not_found"), offline));
    let revoke = request("PUT /v1/users/u/not_before", "", r#"{"at":1}"#);
    rows.push(row("tokens revoked at a number", bad(), revoke));
    let both = request("POST /v1/users/u/disconnect", "", r#"{"block_for":"1s","now":false}"#);
    rows.push(row("`block_for` with `now: false`", bad(), both));
    rows.extend(rooms());
    // A user id is any text: these are nobody's, which is an answer.
    for (input, path) in [
        ("the user `../../etc/passwd`, encoded", "/v1/users/..%2f..%2fetc%2fpasswd"),
        ("a percent sign without its digits", "/v1/users/%zz"),
    ] {
        rows.push(row(input, Gets::Status(200), get(path)));
    }
    rows
}

fn rooms() -> Vec<Row> {
    let bad = || Gets::api(400, "invalid_argument");
    let mut rows = Vec::new();
    for (input, path, body) in [
        (
            "sockets that join another user's room",
            "join",
            r#"{"to":{"all":true},"rooms":["user:u"]}"#,
        ),
        (
            "sockets that join a room named like a socket",
            "join",
            r#"{"to":{"all":true},"rooms":["sock_AAAAAAAAAAAAAAAAAAAA"]}"#,
        ),
        ("sockets that leave no room", "leave", r#"{"to":{"all":true},"rooms":[]}"#),
        ("sockets of nobody, disconnected", "disconnect", r#"{"to":{}}"#),
        ("sockets disconnected `now: 1`", "disconnect", r#"{"to":{"all":true},"now":1}"#),
    ] {
        rows.push(row(input, bad(), request(&format!("POST /v1/sockets/{path}"), "", body)));
    }
    for (input, first, body) in [
        ("a membership of another user's room", "PUT /v1/users/u/rooms/user:v", ""),
        (
            "a membership of a room named like a socket",
            "PUT /v1/users/u/rooms/sock_AAAAAAAAAAAAAAAAAAAA",
            "",
        ),
        ("a membership of a room with a NUL (`%00`)", "PUT /v1/users/u/rooms/a%00", ""),
        ("a membership `for` a time that is none", "PUT /v1/users/u/rooms/r", r#"{"for":"soon"}"#),
        ("a membership with `deny`", "PUT /v1/users/u/rooms/r", r#"{"deny":true}"#),
        ("a membership with an unknown parameter", "PUT /v1/users/u/rooms/r?surprise=1", ""),
        ("`deny: 1`", "DELETE /v1/users/u/rooms/r", r#"{"deny":1}"#),
    ] {
        rows.push(row(input, bad(), request(first, "", body)));
    }
    let nowhere = request("PUT /v1/users/u/rooms/r?namespace=/nope", "", "");
    let input = "a membership in a namespace that does not exist";
    rows.push(row(input, Gets::api(404, "not_found"), nowhere));
    rows
}

fn methods() -> Vec<Row> {
    let wrong = || Gets::api(405, "method_not_allowed");
    let table = [
        ("GET where POST belongs", "GET /v1/emit"),
        ("PUT", "PUT /v1/emit"),
        ("TRACE", "TRACE /v1/emit"),
        ("a method of the client's own", "PWN /v1/emit"),
    ];
    let mut rows: Vec<Row> =
        table.map(|(input, first)| row(input, wrong(), request(first, "", ""))).into();
    let over = request("GET /v1/emit", "X-HTTP-Method-Override: POST\r\n", "");
    rows.push(row("GET with `X-HTTP-Method-Override: POST`", wrong(), over));
    rows
}

fn headers() -> Vec<Row> {
    let media = || Gets::api(415, "unsupported_media_type");
    let bad = || Gets::api(400, "invalid_argument");
    let long = format!("Idempotency-Key: {}", "x".repeat(256));
    let table = [
        ("`Content-Type: multipart/form-data`", media(), "Content-Type: multipart/form-data"),
        ("`Content-Type: application/xml`", media(), "Content-Type: application/xml"),
        ("`Content-Type: ;;;`", media(), "Content-Type: ;;;"),
        ("`Content-Encoding: gzip`", media(), "Content-Encoding: gzip"),
        ("an empty `Idempotency-Key`", bad(), "Idempotency-Key:"),
        ("an `Idempotency-Key` of 256 bytes", bad(), &long),
        ("two `Idempotency-Key`", bad(), "Idempotency-Key: a\r\nIdempotency-Key: b"),
    ];
    table
        .map(|(input, gets, header)| {
            row(input, gets, request("POST /v1/emit", &format!("{header}\r\n"), EMIT))
        })
        .into()
}
