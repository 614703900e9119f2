//! `POST /v1/emit` is answered past the router, by what the router has for it: nobody may see the difference.

use super::fixture::{ALL, Answer, Fixture, request};
use crate::connection::ClientAddress;
use axum::body::Body;
use axum::http::{Method, Request};
use tower::ServiceExt as _;

const EMIT: &str = r#"{"to":{"users":["ann"]},"event":"x"}"#;

fn emit(body: &str) -> Request<Body> {
    let mut request = request(Method::POST, "/v1/emit", ALL, body);
    request.headers_mut().insert("idempotency-key", "k".parse().unwrap());
    request
}

#[tokio::test]
async fn a_request_repeated_by_way_of_the_router_is_the_same_request() {
    let api = Fixture::new();
    let first = api.send(emit(EMIT)).await;

    let mut again = emit(EMIT);
    let caller = api.admin.context.keys.caller(again.headers());
    again.extensions_mut().insert(caller);
    let again = Answer::read(api.admin.router.clone().oneshot(again).await.unwrap()).await;

    assert_eq!((again.status, &again.text), (first.status, &first.text));
    assert_eq!(again.headers["idempotent-replayed"], "true");
}

/// Each request moves it several times, also if nothing of what may happen happens.
#[tokio::test]
async fn an_emit_is_a_short_future() {
    let api = Fixture::new();
    let peer = ClientAddress(([127, 0, 0, 1], 9).into());

    let answer = api.admin.answer(peer, emit(EMIT));

    let bytes = size_of_val(&answer);
    assert!(bytes <= 1200, "{bytes} bytes: put what few requests need into a box");
}
