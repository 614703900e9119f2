//! What a key with an allow-list may do, and that no operation forgets to ask.

use super::calls::CALLS;
use super::{Walk, fill};
use crate::admin::tests::fixture::{Fixture, RESTRICTED, request};
use axum::http::{Method, StatusCode};

/// Operations that name nobody: the scope is enough.
const OPEN: [&str; 4] = ["list_sources", "list_nodes", "stats", "list_endpoints"];

#[tokio::test]
async fn every_operation_that_names_anybody_asks_the_allow_list() {
    let api = Fixture::new();
    let client = api.connect("ann", "/", &["org:7"]).await;
    let walk = Walk::new(&api).await;
    for operation in walk.operations.iter().filter(|it| it.scope().is_some()) {
        let id = operation.id();
        let calls = CALLS.iter().filter(|(it, _, _, status)| *it == id && *status == 200);
        let mut count = 0;
        for (_, path, body, _) in calls {
            count += 1;
            let (path, body) = (fill(path, &client), fill(body, &client));
            let sent = request(operation.method.clone(), &path, RESTRICTED, &body);
            let answer = api.send(sent).await;
            let is_open = OPEN.contains(&id);
            let expected = if is_open || id == "emit_batch" { 200 } else { 403 };
            assert_eq!(answer.status.as_u16(), expected, "{id} {path} {body}: {answer:?}");
            if expected == 403 {
                assert_eq!(answer.error().0, "forbidden", "{id}");
            }
            if id == "emit_batch" {
                let results = answer.json()["results"].clone();
                let statuses = results.as_array().unwrap().iter().map(|it| it["status"].as_u64());
                assert!(statuses.flatten().all(|it| it != 200), "{results}");
            }
        }
        assert!(0 < count, "{id} has no call that succeeds");
    }
    assert_eq!(api.sockets.counts().sockets, 1, "nobody was disconnected");
}

#[tokio::test]
async fn a_key_with_an_allow_list_does_what_that_allows() {
    let api = Fixture::new();
    let _client = api.connect("u1", "/", &["org:7"]).await;
    let put = Method::PUT;
    let table = [
        (Method::POST, "/v1/emit", r#"{"to":{"users":["u1"]},"event":"order:paid"}"#, 200),
        (Method::POST, "/v1/emit", r#"{"to":{"rooms":["user:u1"]},"event":"order:paid"}"#, 200),
        (Method::POST, "/v1/emit", r#"{"to":{"rooms":["project:7"]},"event":"order:paid"}"#, 200),
        (Method::POST, "/v1/emit", r#"{"to":{"rooms":["project:7"]},"event":"alert"}"#, 403),
        (Method::POST, "/v1/emit", r#"{"to":{"all":true},"event":"order:paid"}"#, 403),
        (Method::POST, "/v1/sockets/join", r#"{"to":{"users":["u1"]},"rooms":["project:7"]}"#, 200),
        (Method::POST, "/v1/sockets/join", r#"{"to":{"users":["u1"]},"rooms":["org:7"]}"#, 403),
        (
            Method::POST,
            "/v1/sockets/leave",
            r#"{"to":{"rooms":["org:7"]},"rooms":["project:7"]}"#,
            403,
        ),
        (put.clone(), "/v1/users/u1/rooms/project:8", "", 200),
        (put.clone(), "/v1/users/u1/rooms/org:8", "", 403),
        (put, "/v1/users/ann/rooms/project:8", "", 403),
        (Method::GET, "/v1/users/u1", "", 200),
        (Method::GET, "/v1/users/u1/inbox", "", 200),
        (Method::GET, "/v1/rooms/project:7", "", 200),
        (Method::GET, "/v1/rooms/user:u1", "", 200),
        (Method::GET, "/v1/rooms/user:ann", "", 403),
        (Method::POST, "/v1/presence", r#"{"users":["u1","u2"]}"#, 200),
        (Method::POST, "/v1/presence", r#"{"users":["u1","ann"]}"#, 403),
        (Method::POST, "/v1/users/u1/disconnect", "", 200),
    ];
    for (method, path, body, status) in table {
        let answer = api.send(request(method.clone(), path, RESTRICTED, body)).await;
        assert_eq!(answer.status.as_u16(), status, "{method} {path} {body}: {answer:?}");
    }
    let emits = r#"{"emits":[{"to":{"users":["u1"]},"event":"order:paid"},{"to":{"users":["ann"]},"event":"order:paid"}]}"#;
    let answer = api.send(request(Method::POST, "/v1/emit/batch", RESTRICTED, emits)).await;
    assert_eq!(answer.status, StatusCode::OK);
    let results = &answer.json()["results"];
    assert_eq!(
        (results[0]["status"].as_u64(), results[1]["status"].as_u64()),
        (Some(200), Some(403))
    );
    assert_eq!(results[1]["error"]["field"], "to.users");
}
