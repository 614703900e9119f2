//! What every request goes through: ids, keys, types of bodies, and what the server says of itself.

use super::fixture::{ALL, BODY_TIMEOUT, Fixture, ONE, PAYLOAD_MAX, request};
use crate::clock::Clock;
use crate::types::{Reason, Seq, Timestamp};
use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use parking_lot::Mutex;
use std::convert::Infallible;
use std::sync::Arc;

const EMIT: &str = r#"{"to":{"users":["ann"]},"event":"x"}"#;

fn emit_with(name: header::HeaderName, value: &str) -> Request<Body> {
    let mut request = request(Method::POST, "/v1/emit", ALL, EMIT);
    request.headers_mut().insert(name, value.parse().unwrap());
    request
}

#[tokio::test]
async fn every_answer_has_a_request_id_and_errors_repeat_it() {
    let api = Fixture::new();
    let mut ids = Vec::new();
    for path in ["/v1/users", "/healthz", "/nowhere", "/v1/users?limit=0", "/v1/emit"] {
        let answer = api.get(path).await;
        let id = answer.headers["x-request-id"].to_str().unwrap().to_owned();
        if !answer.status.is_success() {
            assert_eq!(answer.json()["error"]["request_id"], id, "{path}");
        }
        ids.push(id);
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 5, "ids are not unique: {ids:?}");
}

#[tokio::test]
async fn a_wrong_route_or_method_is_said_in_the_same_shape() {
    let api = Fixture::new();

    let nowhere = api.get("/v1/userz").await;
    assert_eq!(nowhere.status, StatusCode::NOT_FOUND);
    assert_eq!(nowhere.error().0, "not_found");
    assert!(nowhere.error().2.contains("`/v1/userz`"), "{nowhere:?}");

    let method = api.get("/v1/emit").await;
    assert_eq!(method.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(method.error().0, "method_not_allowed");
    assert_eq!(method.headers[header::ALLOW], "POST");
}

#[tokio::test]
async fn without_a_key_nothing_is_said() {
    let api = Fixture::new();
    let table =
        ["", "Bearer", "Bearer ", "Bearer wrong", "Basic a2V5", "bearer key", "Bearer\u{e9}"];
    for value in table {
        let mut request = request(Method::GET, "/v1/users", ALL, "");
        request.headers_mut().insert(header::AUTHORIZATION, value.parse().unwrap());
        let answer = api.send(request).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{value}");
        assert_eq!(answer.error().0, "unauthenticated", "{value}");
        assert!(answer.headers[header::WWW_AUTHENTICATE].to_str().unwrap().starts_with("Bearer"));
    }
    let mut request = request(Method::GET, "/v1/users", ALL, "");
    let lower = format!("bearer {ALL}").parse().unwrap();
    request.headers_mut().insert(header::AUTHORIZATION, lower);
    assert_eq!(api.send(request).await.status, StatusCode::OK, "the scheme has no case");
}

#[tokio::test]
async fn a_key_does_what_its_scopes_say_and_the_refusal_names_the_scope() {
    let api = Fixture::new();
    let table = [
        (Method::POST, "/v1/emit", "emit"),
        (Method::GET, "/v1/users", "read"),
        (Method::POST, "/v1/users/ann/disconnect", "control"),
    ];
    for (method, path, needed) in table {
        for (scope, key) in ONE {
            let body = if needed == "emit" { EMIT } else { "" };
            let answer = api.send(request(method.clone(), path, key, body)).await;
            if scope.as_str() == needed {
                assert_eq!(answer.status, StatusCode::OK, "{path} with {key}: {answer:?}");
            } else {
                assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path} with {key}");
                assert!(answer.error().2.contains(&format!("`{needed}`")), "{answer:?}");
            }
        }
    }
}

#[tokio::test]
async fn what_curl_sends_is_taken_and_other_types_are_not() {
    let api = Fixture::new();
    let table = [
        ("application/x-www-form-urlencoded", StatusCode::OK),
        ("application/json", StatusCode::OK),
        ("Application/JSON; charset=utf-8", StatusCode::OK),
        ("application/cloudevents+json", StatusCode::OK),
        ("text/plain;charset=UTF-8", StatusCode::OK),
        ("text/html", StatusCode::UNSUPPORTED_MEDIA_TYPE),
        ("multipart/form-data; boundary=x", StatusCode::UNSUPPORTED_MEDIA_TYPE),
        ("application/xml", StatusCode::UNSUPPORTED_MEDIA_TYPE),
        ("", StatusCode::UNSUPPORTED_MEDIA_TYPE),
    ];
    for (content_type, status) in table {
        let answer = api.send(emit_with(header::CONTENT_TYPE, content_type)).await;
        assert_eq!(answer.status, status, "{content_type}: {answer:?}");
    }
    let zipped = api.send(emit_with(header::CONTENT_ENCODING, "gzip")).await;
    assert_eq!(zipped.error().0, "unsupported_media_type");
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_whether_its_length_is_known_or_not() {
    let api = Fixture::new();
    let big = format!("{EMIT}{}", " ".repeat(PAYLOAD_MAX + 1 - EMIT.len()));
    let known = api.post("/v1/emit", &big).await;
    let announced = api.send(emit_with(header::CONTENT_LENGTH, "100001")).await;
    let pieces = std::iter::repeat_n(Ok::<_, Infallible>("        "), PAYLOAD_MAX / 4);
    let mut streamed = request(Method::POST, "/v1/emit", ALL, "");
    *streamed.body_mut() = Body::from_stream(futures_util::stream::iter(pieces));
    let streamed = api.send(streamed).await;

    for answer in [known, announced, streamed] {
        assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE, "{answer:?}");
        assert_eq!(answer.error().0, "payload_too_large");
        assert_eq!(answer.headers[header::CONNECTION], "close");
    }
    let fits = &big[..PAYLOAD_MAX];
    assert_eq!(api.post("/v1/emit", fits).await.status, StatusCode::OK, "exactly the limit");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let api = Fixture::new();
    let mut request = request(Method::POST, "/v1/emit", ALL, "");
    let never = futures_util::stream::pending::<Result<&str, Infallible>>();
    *request.body_mut() = Body::from_stream(never);
    let clock = Clock::start(Seq(0));

    let answer = api.send(request).await;

    assert_eq!(answer.status, StatusCode::REQUEST_TIMEOUT, "{answer:?}");
    assert_eq!(answer.error().0, "request_timeout");
    let took = clock.now().since(Timestamp(0));
    assert!(BODY_TIMEOUT <= took && took < 2 * BODY_TIMEOUT, "{took:?}");
}

#[tokio::test]
async fn a_body_that_breaks_off_is_the_callers_mistake() {
    let api = Fixture::new();
    let mut request = request(Method::POST, "/v1/emit", ALL, "");
    let broken = futures_util::stream::iter([Ok("{"), Err(std::io::Error::other("gone"))]);
    *request.body_mut() = Body::from_stream(broken);

    let answer = api.send(request).await;

    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{answer:?}");
}

#[tokio::test]
async fn a_panic_is_answered_and_named() {
    let ready = crate::admin::Ready::new(|| panic!("a bug"));
    let api = Fixture::with_ready(ready);

    let answer = api.get("/readyz").await;

    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(answer.error().0, "internal");
    assert!(!answer.text.contains("a bug"), "{answer:?}");
    assert_eq!(api.get("/healthz").await.status, StatusCode::OK, "the server goes on");
}

#[tokio::test]
async fn readiness_says_why_not() {
    let api = Fixture::new();
    assert_eq!(api.get("/readyz").await.text, r#"{"status":"ok"}"#);

    *api.trouble.lock() = Some("the store takes nothing".to_owned());
    let answer = api.get("/readyz").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.error().0, "unavailable");
    assert_eq!(answer.error().2, "the store takes nothing");
    assert_eq!(answer.headers[header::RETRY_AFTER], "1");

    *api.trouble.lock() = None;
    api.connections.start_draining();
    assert_eq!(api.get("/readyz").await.error().2, "the server is stopping");
    assert_eq!(api.get("/healthz").await.status, StatusCode::OK);
}

#[tokio::test]
async fn metrics_and_stats_count_what_is_here() {
    let api = Fixture::new();
    let _ann = api.connect("ann", "/", &["org:7"]).await;
    let bob = api.connect("bob", "/", &[]).await;
    api.realtime.attendance.leave(&bob.socket, Reason::TransportClose);

    insta::assert_json_snapshot!(api.get("/v1/stats").await.json(), @r#"
    {
      "connections": 2,
      "deadlines": 1,
      "lingering": 1,
      "polling": 2,
      "rooms": 1,
      "sockets": 1,
      "users": 2,
      "websocket": 0
    }
    "#);
    let listed = api.get("/v1/rooms").await.json()["rooms"].as_array().unwrap().len();
    assert_eq!(listed, 1, "as many as are counted");
    let text = api.get("/metrics").await.text;
    for line in [
        "userline_rooms 4",
        "userline_users 2",
        "userline_users_lingering 1",
        "userline_connections 2",
        "userline_transports{transport=\"polling\"} 2",
        "userline_transports{transport=\"websocket\"} 0",
    ] {
        assert!(text.lines().any(|it| it == line), "no {line} in {text}");
    }
}

/// Collects what is logged.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn the_log_names_route_and_key_and_neither_users_nor_secrets() {
    let written = Written::default();
    let writer = written.clone();
    let log = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(log);
    // With one subscriber only, tracing asks whichever thread comes first by a line of code whether to log it: that
    // may be another test, which has none.
    let _second = tracing::Dispatch::new(tracing_subscriber::registry());
    let api = Fixture::new();

    api.get("/v1/users/ann%40example.com?key=hidden").await;
    api.get("/nowhere/ann@example.com").await;
    api.post("/v1/emit", r#"{"to":{"users":["ann@example.com"]},"event":"hidden"}"#).await;

    let log = String::from_utf8(written.0.lock().clone()).unwrap();
    let lines: Vec<_> = log.lines().filter(|it| it.contains("answered")).collect();
    assert_eq!(lines.len(), 3, "{log}");
    for part in ["method=GET", "path=\"/v1/users/{user}\"", "status=400", "key=\"all\"", "req_"] {
        assert!(lines[0].contains(part), "no {part} in {}", lines[0]);
    }
    assert!(lines[1].contains("path=\"(none)\" status=404"), "{}", lines[1]);
    for part in ["method=POST", "path=\"/v1/emit\"", "status=200", "key=\"all\"", "req_"] {
        assert!(lines[2].contains(part), "no {part} in {}", lines[2]);
    }
    for secret in ["example", "hidden", ALL] {
        assert!(!log.contains(secret), "{secret} in {log}");
    }
}

/// The router measures the body that it sees, and an error gets its body only after that.
#[tokio::test]
async fn an_error_is_as_long_as_it_says() {
    let api = Fixture::new();
    for (method, path) in [(Method::GET, "/v1/nothing"), (Method::DELETE, "/v1/sockets/none")] {
        let answer = api.send(request(method, path, ALL, "")).await;

        let said = answer.headers.get("content-length").map(|it| it.to_str().unwrap().parse());
        assert!(said.is_none_or(|it| it == Ok(answer.text.len())), "{path}: {:?}", answer.headers);
        assert!(!answer.text.is_empty());
    }
}
