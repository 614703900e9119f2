//! Messages that reach nobody are told to the backend, if it asked for that.

use super::fixture::{Client, Fixture};
use axum::http::StatusCode;
use serde_json::{Value, json};

/// An emit to users, with a hook for those whom it does not reach.
fn emit(users: &[&str], more: &str) -> String {
    let users = json!(users);
    format!(
        r#"{{"to":{{"users":{users}}},"event":"call","args":[1.0],"undelivered":"hook"{more}}}"#
    )
}

async fn post(api: &Fixture, body: &str) -> Value {
    let answer = api.post("/v1/emit", body).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    answer.json()
}

/// The messages that did not arrive: what is told of them, and whom that is sent to.
async fn told(api: &Fixture) -> Vec<Value> {
    let events = api.get("/v1/events").await.json()["events"].take();
    let bodies = events.as_array().unwrap().iter().map(|it| it["body"].clone());
    let ours = bodies.filter(|it| it["type"] == "message.undelivered");
    ours.map(|mut it| it["data"].take()).collect()
}

/// User and reason of each.
async fn reasons(api: &Fixture) -> Vec<(String, String)> {
    let text = |it: &Value| it.as_str().unwrap().to_owned();
    told(api).await.iter().map(|it| (text(&it["user"]), text(&it["why"]))).collect()
}

fn reason(user: &str, why: &str) -> (String, String) {
    (user.to_owned(), why.to_owned())
}

async fn answer(api: &Fixture, client: &Client) {
    let heard = api.hear(client).await;
    let id = heard.strip_prefix("42").and_then(|it| it.split('[').next()).unwrap().to_owned();
    api.say(client, &format!("43{id}[]")).await;
}

#[tokio::test]
async fn who_is_offline_is_told_before_the_answer_and_who_is_here_is_not() {
    let api = Fixture::new();
    let _ann = api.connect("ann", "/", &[]).await;
    let _elsewhere = api.connect("cy", "/chat", &[]).await;

    let id = post(&api, &emit(&["ann", "bob", "cy"], "")).await["id"].clone();

    let data = |user: &str| {
        json!({
            "user": user, "id": id, "event": "call", "namespace": "/", "why": "offline",
            "matched": 0, "args": [1.0],
        })
    };
    assert_eq!(told(&api).await, [data("bob"), data("cy")]);
    let waiting = api.wait_for("/v1/hooks/deliveries?state=dead", |it| {
        let items = it["deliveries"].as_array().unwrap().iter();
        items.filter(|it| it["type"] == "message.undelivered").count() == 2
    });
    let waiting = waiting.await;
    let ids = waiting["deliveries"].as_array().unwrap().iter().map(|it| it["webhook_id"].as_str());
    assert_eq!(ids.filter(|it| it.is_some_and(|it| it.starts_with("ms_"))).count(), 2);
}

#[tokio::test(start_paused = true)]
async fn who_did_not_ack_is_told_and_who_did_is_not() {
    let api = Fixture::new();
    let ann = api.connect("ann", "/", &[]).await;
    let _ann_too = api.connect("ann", "/", &[]).await;
    let _bob = api.connect("bob", "/", &[]).await;
    // The store has a thread of its own, which a paused clock would not wait for.
    tokio::time::resume();
    let body = emit(&["ann", "bob", "cy"], r#","ack":{"timeout":300}"#);

    let (done, ()) = tokio::join!(post(&api, &body), answer(&api, &ann));

    assert_eq!((&done["acked"], &done["met"]), (&json!(1), &json!(false)));
    assert_eq!(reasons(&api).await, [reason("cy", "offline"), reason("bob", "no_ack")]);
}

#[tokio::test]
async fn who_was_not_waited_for_to_the_end_is_not_told() {
    let api = Fixture::new();
    let ann = api.connect("ann", "/", &[]).await;
    let _bob = api.connect("bob", "/", &[]).await;
    let body = emit(&["ann", "bob"], r#","ack":{"timeout":"60s","need":"any"}"#);

    let (done, ()) = tokio::join!(post(&api, &body), answer(&api, &ann));

    assert_eq!(done["met"], true);
    assert_eq!(reasons(&api).await, []);
}

#[tokio::test]
async fn the_wait_for_acks_is_told_although_the_caller_hung_up() {
    let api = Fixture::new();
    let ann = api.connect("ann", "/", &[]).await;
    let body = emit(&["ann"], r#","ack":{"timeout":"60s"}"#);
    let mut given_up = Box::pin(api.post("/v1/emit", &body));
    tokio::select! {
        done = &mut given_up => panic!("{done:?}"),
        heard = api.hear(&ann) => assert!(heard.contains("call"), "{heard}"),
    }
    drop(given_up);

    ann.leave();

    api.wait_for("/v1/events", |it| {
        let events = it["events"].as_array().unwrap().iter();
        events.filter(|it| it["body"]["data"]["why"] == "no_ack").count() == 1
    })
    .await;
}

#[tokio::test]
async fn who_is_left_out_or_has_it_already_is_not_told() {
    let api = Fixture::new();
    let ann = api.connect("ann", "/", &[]).await;
    let socket = ann.socket.id;
    let except = format!(r#","except":{{"users":["bob"],"sockets":["{socket}"]}}"#);
    post(&api, &emit(&["ann", "bob", "cy"], &except)).await;
    assert_eq!(reasons(&api).await, [reason("cy", "offline")]);

    let stored = emit(&["dan"], r#","store":"always","id":"i""#);
    post(&api, &stored).await;
    let again = post(&api, &stored).await;
    assert_eq!(again["users"]["dan"]["inbox"]["duplicate"], true);
    let told = told(&api).await;
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!(told[1]["inbox"], json!({"seq": 1, "id": "i"}));
}

#[tokio::test]
async fn large_arguments_and_buffers_are_not_in_the_hook() {
    let api = Fixture::new();
    let body = |args: &str| {
        format!(r#"{{"to":{{"users":["ann"]}},"event":"x","undelivered":"hook",{args}}}"#)
    };
    post(&api, &body(&format!(r#""data":"{}""#, "x".repeat(4094)))).await;
    post(&api, &body(&format!(r#""data":"{}""#, "x".repeat(4095)))).await;
    post(&api, &body(r#""data":{"$binary":"AQI="},"binary":true"#)).await;

    let has_args: Vec<_> = told(&api).await.iter().map(|it| it.get("args").is_some()).collect();
    assert_eq!(has_args, [true, false, false]);
}

#[tokio::test]
async fn a_hook_that_makes_no_sense_is_refused_with_its_field() {
    let api = Fixture::new();
    let table = [
        (r#""to":{"users":["ann"]},"undelivered":"mail""#, "undelivered"),
        (r#""to":{"users":["ann"],"rooms":["r"]},"undelivered":"hook""#, "to.rooms"),
        (r#""to":{"all":true},"undelivered":"hook""#, "to.all"),
    ];
    for (wrong, field) in table {
        let answer = api.post("/v1/emit", &format!(r#"{{{wrong},"event":"x"}}"#)).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{wrong}: {answer:?}");
        assert_eq!(answer.error().1.as_deref(), Some(field), "{wrong}: {answer:?}");
    }
}
