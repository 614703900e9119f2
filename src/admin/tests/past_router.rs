//! `POST /v1/emit` is answered past the router: nobody may see that.

use super::fixture::{ALL, Answer, Fixture, PAYLOAD_MAX, request};
use axum::body::Body;
use axum::http::{Method, Request, header};
use serde_json::Value;
use std::convert::Infallible;
use tower::ServiceExt as _;

const EMIT: &str = r#"{"to":{"users":["ann","bob"]},"event":"x","data":{"n":1.0}}"#;

fn emit(body: &str) -> Request<Body> {
    request(Method::POST, "/v1/emit", ALL, body)
}

fn emit_with(name: &'static str, value: &str) -> Request<Body> {
    let mut request = emit(EMIT);
    request.headers_mut().append(name, value.parse().unwrap());
    request
}

fn streamed(pieces: &'static [&'static str]) -> Request<Body> {
    let mut request = emit("");
    let pieces = pieces.iter().map(|it| Ok::<_, Infallible>(*it));
    *request.body_mut() = Body::from_stream(futures_util::stream::iter(pieces));
    request
}

/// What the router answers to what is else answered past it.
async fn send_to_router(api: &Fixture, request: Request<Body>) -> Answer {
    Answer::read(api.admin.router.clone().oneshot(request).await.unwrap()).await
}

/// What is seen of an answer, without the names that are new each time and the length, which hyper writes.
fn seen(answer: &Answer) -> (u16, Vec<(String, String)>, Value) {
    let mut headers: Vec<_> = answer.headers.iter().collect();
    headers.retain(|(name, _)| **name != header::CONTENT_LENGTH);
    let id = |name: &str, value: &str| {
        if name == "x-request-id" { value[..4].to_owned() } else { value.to_owned() }
    };
    let headers = headers
        .into_iter()
        .map(|(name, value)| (name.to_string(), id(name.as_str(), value.to_str().unwrap())));
    let mut headers: Vec<_> = headers.collect();
    headers.sort();
    let mut json = answer.json();
    if let Some(id) = json.get_mut("id") {
        *id = "msg_".into();
    }
    if let Some(id) = json.get_mut("error").and_then(|it| it.get_mut("request_id")) {
        assert_eq!(*id, answer.headers["x-request-id"].to_str().unwrap());
        *id = "req_".into();
    }
    (answer.status.as_u16(), headers, json)
}

#[tokio::test]
async fn it_is_answered_as_the_router_would() {
    let api = Fixture::new();
    let _ann = api.connect("ann", "/", &["room"]).await;
    let _bob = api.connect("bob", "/", &["room"]).await;
    let big = format!("{EMIT}{}", " ".repeat(PAYLOAD_MAX));
    let requests: [(u16, &dyn Fn() -> Request<Body>); 25] = [
        (200, &|| emit(EMIT)),
        (200, &|| emit(r#"{"to":{"all":true},"event":"x","except":{"users":["bob"]}}"#)),
        (200, &|| emit(r#"{"to":{"rooms":["room"],"users":["zoe"]},"event":"x","args":[1,2]}"#)),
        (200, &|| emit(r#"{"to":{"users":["ann"]},"event":"x","store":"always"}"#)),
        (200, &|| emit(r#"{"to":{"users":["zoe"]},"event":"x","ack":{"timeout":"1s"}}"#)),
        (200, &|| emit_with("content-type", "application/json")),
        (200, &|| emit_with("content-type", "text/plain; charset=utf-8")),
        (200, &|| streamed(&[r#"{"to":{"users":["#, r#""ann"]},"event":"#, r#""x"}"#])),
        (200, &|| request(Method::POST, "/v1/emit?", ALL, EMIT)),
        (400, &|| request(Method::POST, "/v1/emit?now=1", ALL, EMIT)),
        (400, &|| emit("")),
        (400, &|| emit("{")),
        (400, &|| emit(r#"{"to":{"users":["ann",""]},"event":"x"}"#)),
        (400, &|| emit(r#"{"to":{"users":["ann"]},"event":"x","evnt":1}"#)),
        (400, &|| emit_with("idempotency-key", "")),
        (401, &|| request(Method::POST, "/v1/emit", "none", EMIT)),
        (401, &|| {
            let mut request = emit(EMIT);
            request.headers_mut().remove("authorization");
            request
        }),
        (403, &|| request(Method::POST, "/v1/emit", "key-that-can-read", EMIT)),
        (404, &|| emit(r#"{"namespace":"/none","to":{"all":true},"event":"x"}"#)),
        (405, &|| request(Method::PUT, "/v1/emit", ALL, EMIT)),
        (413, &|| emit(&big)),
        (413, &|| emit_with("content-length", "100001")),
        (415, &|| emit_with("content-encoding", "gzip")),
        (415, &|| emit_with("content-type", "text/html")),
        (422, &|| emit(r#"{"to":{"all":true},"event":"connect"}"#)),
    ];
    for (index, (status, request)) in requests.into_iter().enumerate() {
        let by_router = seen(&send_to_router(&api, request()).await);
        let past_it = seen(&api.send(request()).await);

        assert_eq!(past_it.0, status, "{index}: {past_it:?}");
        // Each is another item of the inbox.
        let is_stored = by_router.2["users"]["ann"]["inbox"].is_object();
        if !is_stored {
            assert_eq!(past_it, by_router, "{index}");
        }
    }
}

#[tokio::test]
async fn a_request_repeated_on_the_other_way_is_the_same_request() {
    let api = Fixture::new();
    let first = send_to_router(&api, emit_with("idempotency-key", "k")).await;

    let again = api.send(emit_with("idempotency-key", "k")).await;
    let mut other = emit_with("idempotency-key", "k");
    *other.body_mut() = Body::from(r#"{"to":{"all":true},"event":"y"}"#);
    let other = api.send(other).await;

    assert_eq!(again.text, first.text);
    assert_eq!(again.headers["idempotent-replayed"], "true");
    assert_eq!(other.error().0, "idempotency_mismatch");
}
