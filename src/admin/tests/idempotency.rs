//! Requests with a name of their own are done once.

use super::fixture::{ALL, Answer, Client, Fixture, ONE, request};
use axum::http::{Method, StatusCode};
use std::time::Duration;

const EMIT: &str = r#"{"to":{"users":["ann"]},"event":"x","data":1}"#;
const ASK: &str = r#"{"to":{"users":["ann"]},"event":"q","ack":{"timeout":"9s"}}"#;

async fn post(api: &Fixture, path: &str, key: &str, body: &str) -> Answer {
    post_as(api, ALL, path, key, body).await
}

async fn post_as(api: &Fixture, caller: &str, path: &str, key: &str, body: &str) -> Answer {
    let mut request = request(Method::POST, path, caller, body);
    request.headers_mut().insert("idempotency-key", key.parse().unwrap());
    api.send(request).await
}

/// What the client heard so far, when nothing more can come.
async fn heard(api: &Fixture, client: &Client) -> Vec<String> {
    let end = api.post("/v1/emit", r#"{"to":{"users":["ann"]},"event":"end"}"#).await;
    assert_eq!(end.status, StatusCode::OK);
    let heard = api.hear(client).await;
    let mut heard: Vec<String> = heard.split('\u{1e}').map(str::to_owned).collect();
    assert_eq!(heard.pop().as_deref(), Some(r#"42["end"]"#));
    heard
}

#[tokio::test]
async fn the_same_request_is_answered_the_same_and_done_once() {
    let api = Fixture::new();
    let ann = api.connect("ann", "/", &[]).await;

    let first = post(&api, "/v1/emit", "k 1", EMIT).await;
    let second = post(&api, "/v1/emit", "k 1", EMIT).await;

    assert_eq!((first.status, &first.text), (StatusCode::OK, &second.text));
    assert_eq!(second.status, StatusCode::OK);
    assert!(first.headers.get("idempotent-replayed").is_none());
    assert_eq!(second.headers["idempotent-replayed"], "true");
    assert_eq!(heard(&api, &ann).await, [r#"42["x",1]"#]);
}

#[tokio::test]
async fn another_body_or_route_is_a_mismatch_and_another_caller_is_not() {
    let api = Fixture::new();
    let ann = api.connect("ann", "/", &[]).await;
    post(&api, "/v1/emit", "k", EMIT).await;

    let batch = format!(r#"{{"emits":[{EMIT}]}}"#);
    for (path, body) in [("/v1/emit", ASK), ("/v1/emit/batch", &batch)] {
        let answer = post(&api, path, "k", body).await;
        assert_eq!(answer.status, StatusCode::CONFLICT, "{answer:?}");
        assert_eq!(answer.error().0, "idempotency_mismatch");
    }
    let other = post_as(&api, ONE[0].1, "/v1/emit", "k", EMIT).await;
    assert_eq!(other.status, StatusCode::OK);
    assert!(other.headers.get("idempotent-replayed").is_none());
    assert_eq!(heard(&api, &ann).await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_second_request_waits_for_the_first() {
    let api = Fixture::new();
    let ann = api.connect("ann", "/", &[]).await;

    let (first, second, ()) =
        tokio::join!(post(&api, "/v1/emit", "k", ASK), post(&api, "/v1/emit", "k", ASK), async {
            let event = api.hear(&ann).await;
            let id = event.strip_prefix("42").unwrap().split('[').next().unwrap();
            assert!(!event.contains('\u{1e}'), "once: {event}");
            api.say(&ann, &format!("43{id}[7]")).await;
        },);

    assert_eq!(first.text, second.text);
    assert_eq!(first.json()["acked"], 1, "{first:?}");
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_hung_up_gets_the_answer_when_it_asks_again() {
    let api = Fixture::new();
    let ann = api.connect("ann", "/", &[]).await;
    let given_up = post(&api, "/v1/emit", "k", ASK);
    assert!(tokio::time::timeout(Duration::from_millis(1), given_up).await.is_err());

    let event = api.hear(&ann).await;
    let id = event.strip_prefix("42").unwrap().split('[').next().unwrap();
    api.say(&ann, &format!("43{id}[7]")).await;
    let again = post(&api, "/v1/emit", "k", ASK).await;

    assert_eq!(again.json()["acked"], 1, "{again:?}");
    assert!(heard(&api, &ann).await.is_empty());
}

#[tokio::test]
async fn a_refusal_is_not_remembered() {
    let api = Fixture::new();
    let bad = r#"{"to":{"all":true},"event":"connect"}"#;
    assert_eq!(post(&api, "/v1/emit", "k", bad).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(post(&api, "/v1/emit", "k", EMIT).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_batch_is_one_request() {
    let api = Fixture::new();
    let ann = api.connect("ann", "/", &[]).await;
    let batch = format!(r#"{{"emits":[{EMIT},{EMIT},{{"event":"bad"}}]}}"#);

    let first = post(&api, "/v1/emit/batch", "k", &batch).await;
    let second = post(&api, "/v1/emit/batch", "k", &batch).await;

    assert_eq!(first.text, second.text);
    assert_eq!(heard(&api, &ann).await.len(), 2);
}

#[tokio::test]
async fn a_key_that_is_none_is_refused() {
    let api = Fixture::new();
    for key in ["", "k\u{e9}", &"k".repeat(256)] {
        let answer = post(&api, "/v1/emit", key, EMIT).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{key}: {answer:?}");
        assert_eq!(answer.error().1.as_deref(), Some("Idempotency-Key"));
    }
    assert_eq!(post(&api, "/v1/emit", &"k".repeat(255), EMIT).await.status, StatusCode::OK);
}

/// Forgets all answers, as a restart does.
async fn forget(api: &Fixture) {
    for key in ["f1", "f2", "f3"] {
        post(api, "/v1/emit", key, r#"{"to":{"users":["nobody"]},"event":"x"}"#).await;
    }
}

#[tokio::test]
async fn what_was_stored_is_done_once_also_after_its_answer_is_forgotten() {
    let api = Fixture::new();
    let ann = api.connect("ann", "/", &[]).await;
    let stored = r#"{"to":{"users":["ann"]},"event":"x","store":"always"}"#;
    let batch = format!(r#"{{"emits":[{stored},{stored}]}}"#);

    let first = post(&api, "/v1/emit", "k", stored).await.json();
    forget(&api).await;
    let again = post(&api, "/v1/emit", "k", stored).await;
    assert!(again.headers.get("idempotent-replayed").is_none(), "its answer is forgotten");
    let again = again.json();

    let inbox = |reply: &serde_json::Value| reply["users"]["ann"]["inbox"].clone();
    assert_eq!((&inbox(&first)["seq"], &inbox(&first)["duplicate"]), (&1.into(), &false.into()));
    assert_eq!((&inbox(&again)["seq"], &inbox(&again)["duplicate"]), (&1.into(), &true.into()));
    assert_eq!(inbox(&first)["id"], inbox(&again)["id"]);
    assert!(inbox(&first)["id"].as_str().unwrap().starts_with("ik_"), "{first}");

    let other = post_as(&api, ONE[0].1, "/v1/emit", "k", stored).await.json();
    assert_eq!(inbox(&other)["seq"], 2, "the keys of another caller are others");
    for duplicate in [false, true] {
        forget(&api).await;
        let reply = post(&api, "/v1/emit/batch", "b", &batch).await.json();
        let results = reply["results"].as_array().unwrap();
        let told: Vec<_> = results.iter().map(|it| inbox(it)["seq"].as_u64().unwrap()).collect();
        assert_eq!(told, [3, 4], "each emit of a batch has a name of its own");
        assert!(results.iter().all(|it| inbox(it)["duplicate"] == duplicate), "{reply}");
    }
    let heard = heard(&api, &ann).await;
    assert_eq!(heard.iter().filter(|it| **it == r#"42["x"]"#).count(), 4, "{heard:?}");
}

#[tokio::test]
async fn a_senders_own_id_goes_before_the_key() {
    let api = Fixture::new();
    let stored = r#"{"to":{"users":["ann"]},"event":"x","store":"always","id":"mine"}"#;
    let reply = post(&api, "/v1/emit", "k", stored).await.json();
    assert_eq!(reply["users"]["ann"]["inbox"]["id"], "mine");
}
