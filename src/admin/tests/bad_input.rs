//! Everything a request may get wrong, with what it is told.

use super::fixture::{ALL, Fixture, request};
use axum::http::StatusCode;

/// Body of an emit, and the error: status, code, field, a part of the message.
type Case = (&'static str, u16, &'static str, Option<&'static str>, &'static str);

const EMITS: &[Case] = &[
    ("", 400, "invalid_argument", None, "the body is empty"),
    ("{", 400, "invalid_argument", None, "malformed JSON: EOF while parsing"),
    ("{\n  \"to\": oops}", 400, "invalid_argument", None, "at line 2 column 9"),
    (r#"{"to":{"users":["a"]},"event":"x"} more"#, 400, "invalid_argument", None, "trailing"),
    (r#"{"to":{"users":["a"]},"event":"x","data":{]}"#, 400, "invalid_argument", None, "column 43"),
    ("[]", 400, "invalid_argument", None, "expected a JSON object"),
    ("null", 400, "invalid_argument", None, "expected a JSON object"),
    ("\u{feff}{}", 400, "invalid_argument", None, "malformed JSON"),
    ("{}", 400, "invalid_argument", Some("to"), "missing field `to`"),
    (r#"{"to":{"all":true}}"#, 400, "invalid_argument", Some("event"), "missing field `event`"),
    (
        r#"{"to":{"userz":["a"]},"event":"x"}"#,
        400,
        "invalid_argument",
        Some("to.userz"),
        "to.userz: unknown field `userz`, expected one of `users`, `rooms`, `sockets`, `all`",
    ),
    (r#"{"to":{"all":true},"event":"x","a b":1}"#, 400, "invalid_argument", Some("a b"), "unknown"),
    (
        r#"{"to":{"all":true},"event":"x","except":{"all":true}}"#,
        400,
        "invalid_argument",
        Some("except.all"),
        "unknown field",
    ),
    (
        r#"{"to":{"all":true},"to":{},"event":"x"}"#,
        400,
        "invalid_argument",
        Some("to"),
        "duplicate field",
    ),
    (r#"{"to":["a"],"event":"x"}"#, 400, "invalid_argument", Some("to"), "expected a JSON object"),
    (r#"{"to":"a","event":"x"}"#, 400, "invalid_argument", Some("to"), "expected a JSON object"),
    (r#"{"to":{"users":"a"},"event":"x"}"#, 400, "invalid_argument", Some("to.users"), "sequence"),
    (
        r#"{"to":{"users":[1.5]},"event":"x"}"#,
        400,
        "invalid_argument",
        Some("to.users[0]"),
        "string",
    ),
    (r#"{"to":{"rooms":[1]},"event":"x"}"#, 400, "invalid_argument", Some("to.rooms[0]"), "string"),
    (r#"{"to":{},"event":"x"}"#, 400, "invalid_argument", Some("to"), "name somebody"),
    (r#"{"to":{"users":[]},"event":"x"}"#, 400, "invalid_argument", Some("to"), "name somebody"),
    (r#"{"to":{"all":false},"event":"x"}"#, 400, "invalid_argument", Some("to"), "name somebody"),
    (
        r#"{"to":{"all":true,"users":["a"]},"event":"x"}"#,
        400,
        "invalid_argument",
        Some("to.all"),
        "stands alone",
    ),
    (
        r#"{"to":{"users":["a","b","c",""]},"event":"x"}"#,
        400,
        "invalid_argument",
        Some("to.users[3]"),
        "a user id must not be empty",
    ),
    (
        r#"{"to":{"rooms":["a\u0000"]},"event":"x"}"#,
        400,
        "invalid_argument",
        Some("to.rooms[0]"),
        "control characters",
    ),
    (
        r#"{"to":{"sockets":["sock_AAAAAAAAAAAAAAAAAAAA","nope"]},"event":"x"}"#,
        400,
        "invalid_argument",
        Some("to.sockets[1]"),
        "a socket id is `sock_` and 20 characters",
    ),
    (
        r#"{"to":{"all":true},"except":{"users":[""]},"event":"x"}"#,
        400,
        "invalid_argument",
        Some("except.users[0]"),
        "must not be empty",
    ),
    (
        r#"{"to":{"all":true},"except":{"devices":["d1","a\u0000"]},"event":"x"}"#,
        400,
        "invalid_argument",
        Some("except.devices[1]"),
        "control characters",
    ),
    (
        r#"{"to":{"all":true},"event":"x","data":1,"args":[1]}"#,
        400,
        "invalid_argument",
        Some("args"),
        "not both",
    ),
    (
        r#"{"to":{"all":true},"event":"x","data":null,"args":[]}"#,
        400,
        "invalid_argument",
        Some("args"),
        "not both",
    ),
    (r#"{"to":{"all":true},"event":"x","args":{}}"#, 400, "invalid_argument", Some("args"), "sequ"),
    (r#"{"to":{"all":true},"event":""}"#, 400, "invalid_argument", Some("event"), "empty"),
    (r#"{"to":{"all":true},"event":null}"#, 400, "invalid_argument", Some("event"), "string"),
    (
        r#"{"to":{"all":true},"event":"userline:x"}"#,
        422,
        "reserved_event",
        Some("event"),
        "reserved",
    ),
    (r#"{"to":{"all":true},"event":"connect"}"#, 422, "reserved_event", Some("event"), "reserved"),
    (
        r#"{"to":{"all":true},"event":"x","namespace":"/nowhere"}"#,
        404,
        "not_found",
        Some("namespace"),
        "`/nowhere`",
    ),
    (
        r#"{"to":{"all":true},"event":"x","namespace":"nowhere"}"#,
        400,
        "invalid_argument",
        Some("namespace"),
        "must begin with `/`",
    ),
    (
        r#"{"to":{"all":true},"event":"x","volatile":1}"#,
        400,
        "invalid_argument",
        Some("volatile"),
        "boolean",
    ),
];

#[tokio::test]
async fn an_emit_that_makes_no_sense_is_told_what_is_wrong_with_it() {
    let api = Fixture::new();
    assert!(!EMITS.is_empty());
    for &(body, status, code, field, message) in EMITS {
        let answer = api.post("/v1/emit", body).await;
        assert_eq!(answer.status.as_u16(), status, "{body}: {answer:?}");
        let (its_code, its_field, its_message) = answer.error();
        assert_eq!((its_code.as_str(), its_field.as_deref()), (code, field), "{body}: {answer:?}");
        assert!(its_message.contains(message), "{body}: {its_message}");
    }
}

#[tokio::test]
async fn lists_and_arguments_have_an_end() {
    let api = Fixture::new();
    let names = |n: usize| vec!["\"u\""; n].join(",");
    let table = [
        (format!(r#"{{"to":{{"users":[{}]}},"event":"x"}}"#, names(1001)), "to.users"),
        (format!(r#"{{"to":{{"rooms":[{}]}},"event":"x"}}"#, names(1001)), "to.rooms"),
        (
            format!(
                r#"{{"to":{{"all":true}},"except":{{"sockets":[{}]}},"event":"x"}}"#,
                names(1001)
            ),
            "except.sockets",
        ),
        (format!(r#"{{"to":{{"all":true}},"args":[{}],"event":"x"}}"#, names(65)), "args"),
        (format!(r#"{{"to":{{"users":["{}"]}},"event":"x"}}"#, "u".repeat(257)), "to.users[0]"),
        (format!(r#"{{"to":{{"all":true}},"event":"{}"}}"#, "e".repeat(129)), "event"),
    ];
    for (body, field) in &table {
        let answer = api.post("/v1/emit", body).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{answer:?}");
        assert_eq!(answer.error().1.as_deref(), Some(*field), "{answer:?}");
    }
    let full = format!(r#"{{"to":{{"users":[{}]}},"event":"x"}}"#, names(1000));
    assert_eq!(api.post("/v1/emit", &full).await.status, StatusCode::OK);
    let presence = format!(r#"{{"users":[{}]}}"#, names(1001));
    assert_eq!(api.post("/v1/presence", &presence).await.error().1.as_deref(), Some("users"));
    let reason = format!(r#"{{"reason":"{}"}}"#, "r".repeat(1025));
    let answer = api.post("/v1/users/ann/disconnect", &reason).await;
    assert_eq!(answer.error().1.as_deref(), Some("reason"));
}

#[tokio::test]
async fn paths_and_queries_are_read_as_strictly_as_bodies() {
    let api = Fixture::new();
    let long = format!("/v1/users/{}", "u".repeat(257));
    let table = [
        ("/v1/users?limit=0", 400, Some("limit")),
        ("/v1/users?limit=1001", 400, Some("limit")),
        ("/v1/users?limit=ten", 400, Some("limit")),
        ("/v1/users?limit=1&limit=2", 400, Some("limit")),
        ("/v1/users?lImit=1", 400, Some("lImit")),
        ("/v1/users?state=offline", 400, Some("state")),
        ("/v1/users?cursor=%21", 400, Some("cursor")),
        ("/v1/users?cursor=AA", 400, Some("cursor")),
        ("/v1/users?cursor=_w", 400, Some("cursor")),
        ("/v1/rooms?cursor=NDI", 400, Some("cursor")),
        ("/v1/rooms?surprise", 400, Some("surprise")),
        ("/v1/rooms/a?cursor=NDI", 400, Some("cursor")),
        ("/v1/rooms/a?namespace=%2Fnowhere", 404, Some("namespace")),
        ("/v1/rooms/a?namespace=nowhere", 400, Some("namespace")),
        ("/v1/rooms/nobody", 404, None),
        ("/v1/users/%00", 400, Some("user")),
        ("/v1/users/%ff", 400, None),
        (long.as_str(), 400, Some("user")),
        ("/v1/sockets/short", 400, Some("id")),
        ("/v1/sockets/sock_AAAAAAAAAAAAAAAAAAAA", 404, None),
        ("/v1/users/", 404, None),
    ];
    for (path, status, field) in table {
        let answer = api.get(path).await;
        assert_eq!(answer.status.as_u16(), status, "{path}: {answer:?}");
        assert_eq!(answer.error().1.as_deref(), field, "{path}: {answer:?}");
    }
}

#[tokio::test]
async fn a_parameter_that_a_route_does_not_know_is_refused_and_nothing_is_done() {
    let api = Fixture::new();
    let client = api.connect("ann", "/", &[]).await;
    let socket = format!("/v1/sockets/{}", client.socket.id);
    let emit = r#"{"to":{"all":true},"event":"x"}"#;
    let batch = r#"{"emits":[{"to":{"all":true},"event":"x"}]}"#;
    let table = [
        ("POST", "/v1/users/ann/disconnect", ""),
        ("POST", "/v1/users/ann/disconnect", r#"{"reason":"r"}"#),
        ("DELETE", socket.as_str(), ""),
        ("POST", "/v1/emit", emit),
        ("POST", "/v1/emit/batch", batch),
        ("GET", "/v1/users/ann", ""),
        ("GET", "/v1/users/ann/history", ""),
        ("POST", "/v1/presence", r#"{"users":["ann"]}"#),
        ("POST", "/v1/users/ann/inbox/read", r#"{"upto":1}"#),
        ("DELETE", "/v1/users/ann/inbox/1", ""),
        ("GET", socket.as_str(), ""),
        ("GET", "/v1/hooks/deliveries/1", ""),
        ("POST", "/v1/hooks/deliveries/1/replay", ""),
        ("POST", "/v1/hooks/replay", r#"{"endpoint":"default"}"#),
        ("GET", "/v1/hooks/endpoints", ""),
        ("GET", "/v1/stats", ""),
        ("GET", "/v1/openapi.json", ""),
    ];
    for (method, path, body) in table {
        let path = format!("{path}?now=false");
        let answer = api.send(request(method.parse().unwrap(), &path, ALL, body)).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{method} {path}: {answer:?}");
        let (code, field, message) = answer.error();
        assert_eq!((code.as_str(), field.as_deref()), ("invalid_argument", Some("now")), "{path}");
        assert!(message.contains("unknown parameter"), "{path}: {message}");
    }
    assert!(!client.socket.connection.is_closed(), "ann was not thrown out");
    // Probes and scrapers add what they like.
    for path in ["/healthz?t=1", "/readyz?t=1", "/metrics?t=1"] {
        assert_eq!(api.get(path).await.status, StatusCode::OK, "{path}");
    }
}
