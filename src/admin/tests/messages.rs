//! Did it arrive? What became of messages, asked afterwards.

use super::fixture::{ALL, Client, Fixture, ONE, request};
use crate::core::emit::audience::Audience;
use crate::core::emit::message::{AckOptions, Emit, Message, WhenUndelivered};
use crate::types::{EventName, Except, Namespace, Payload, Target, UserId};
use axum::http::{Method, StatusCode};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// An event for one user.
fn emit_to(user: &str) -> Emit {
    let users = vec![UserId::parse(user).unwrap()];
    Emit {
        audience: Arc::new(Audience {
            namespace: Namespace::root(),
            target: Target { users, ..Target::default() },
            except: Except::default(),
        }),
        event: EventName::parse("x").unwrap(),
        payload: Payload::default(),
        volatile: false,
        source: None,
    }
}

/// The event with an ack that a client heard, answered.
async fn answer(api: &Fixture, client: &Client, args: &str) {
    let heard = api.hear(client).await;
    let id = heard.strip_prefix("42").and_then(|it| it.split('[').next()).unwrap().to_owned();
    api.say(client, &format!("43{id}{args}")).await;
}

async fn message_status(api: &Fixture, id: &str) -> Value {
    let answer = api.get(&format!("/v1/messages/{id}")).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    answer.json()
}

/// The time differs from run to run.
fn timeless(mut ack: Value) -> Value {
    assert!(ack["emitted_at"].take().is_string(), "{ack}");
    ack.as_object_mut().unwrap().remove("emitted_at");
    ack
}

#[tokio::test]
async fn the_fate_of_an_acked_message_is_what_its_sender_was_told() {
    let api = Fixture::new();
    let ann = api.connect("ann", "/", &[]).await;
    let _silent = api.connect("bob", "/", &[]).await;
    let body = r#"{"to":{"users":["ann","bob"]},"event":"q","ack":{"timeout":"60s","need":"any"}}"#;

    let (told, ()) = tokio::join!(api.post("/v1/emit", body), answer(&api, &ann, "[1.0]"));

    let told = told.json();
    let known = message_status(&api, told["id"].as_str().unwrap()).await;
    let expected = json!({
        "state": "ended",
        "matched": 2,
        "sent": 2,
        "acked": 1,
        "met": true,
        "acks": told["acks"],
        "missing": told["missing"],
    });
    assert_eq!(timeless(known["ack"].clone()), expected);
    assert_eq!(known["missing"], Value::Null);
    assert_eq!((&known["id"], &known["inbox"]), (&told["id"], &json!({})));
}

#[tokio::test(start_paused = true)]
async fn while_acks_are_waited_for_the_message_is_under_way_also_without_its_caller() {
    let api = Fixture::new();
    let ann = api.connect("ann", "/", &[]).await;
    let posted = Message {
        emit: emit_to("ann"),
        store: None,
        undelivered: WhenUndelivered::Nothing,
        acks: Some(AckOptions {
            need: crate::core::emit::acks::AckNeed::All,
            timeout: Duration::from_secs(30),
        }),
    };
    let posted = api.realtime.messages.post(posted).await.unwrap();
    let id = posted.emitted.id.clone();
    // The caller hangs up.
    drop(posted);
    let known = api.realtime.messages.ack_status(std::slice::from_ref(&id)).unwrap();
    assert!(known.outcome.is_none(), "{known:?}");

    answer(&api, &ann, "[]").await;
    tokio::time::sleep(Duration::from_millis(5)).await;

    let known = api.realtime.messages.ack_status(std::slice::from_ref(&id)).unwrap();
    let outcome = known.outcome.expect("it has ended");
    assert_eq!((outcome.is_met, outcome.acks.len(), outcome.missing.len()), (true, 1, 0));
}

#[tokio::test]
async fn the_fate_of_a_stored_message_is_where_it_is_in_each_inbox() {
    let api = Fixture::new();
    let emit = |id: &str| {
        format!(r#"{{"to":{{"users":["ann","bob","cy"]}},"event":"x","store":"always"{id}}}"#)
    };
    let made = api.post("/v1/emit", &emit("")).await.json();
    let made = made["id"].as_str().unwrap();
    let given = api.post("/v1/emit", &emit(r#","id":"a/b""#)).await.json();
    api.post("/v1/users/ann/inbox/read", r#"{"upto":1}"#).await;
    api.send(request(Method::DELETE, "/v1/users/bob/inbox/1", ALL, "")).await;

    let inbox = message_status(&api, made).await["inbox"].clone();
    let item = |state: &str, read: bool| json!({"seq": 1, "id": made, "message": made, "state": state, "read": read});
    let expected = json!({
        "ann": item("read", true),
        "bob": item("deleted", false),
        "cy": item("unread", false),
    });
    assert_eq!(inbox, expected);

    let by_name = message_status(&api, "a%2Fb").await;
    assert_eq!((&by_name["id"], &by_name["ack"]), (&json!("a/b"), &Value::Null));
    let by_id = message_status(&api, given["id"].as_str().unwrap()).await;
    assert_eq!(by_name["inbox"], by_id["inbox"]);
    assert_eq!(by_name["inbox"]["cy"]["message"], given["id"]);
}

#[tokio::test]
async fn a_message_that_was_neither_stored_nor_acked_is_not_known_and_the_answer_says_why() {
    let api = Fixture::new();
    let plain = api.post("/v1/emit", r#"{"to":{"users":["ann"]},"event":"x"}"#).await.json();

    let answer = api.get(&format!("/v1/messages/{}", plain["id"].as_str().unwrap())).await;

    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    let (code, _, message) = answer.error();
    assert_eq!(code, "not_found");
    assert!(message.contains("`store` or `ack`"), "{message}");
}

#[tokio::test]
async fn acks_are_forgotten_when_there_are_too_many() {
    let api = Fixture::new();
    let mut ids = Vec::new();
    for _ in 0..5 {
        let body = r#"{"to":{"users":["ann"]},"event":"q","ack":{"timeout":1}}"#;
        ids.push(api.post("/v1/emit", body).await.json()["id"].as_str().unwrap().to_owned());
    }
    let first = api.get(&format!("/v1/messages/{}", ids[0])).await;
    assert_eq!(first.status, StatusCode::NOT_FOUND);
    for id in &ids[1..] {
        assert_eq!(message_status(&api, id).await["ack"]["state"], "ended");
    }
}

#[tokio::test]
async fn asking_needs_the_scope_read() {
    let api = Fixture::new();
    for (scope, key) in ONE {
        let answer = api.send(request(Method::GET, "/v1/messages/x", key, "")).await;
        let expected = if scope.as_str() == "read" { 404 } else { 403 };
        assert_eq!(answer.status.as_u16(), expected, "{scope:?}");
    }
}

#[tokio::test]
async fn a_stored_message_can_ask_for_acks_and_whoever_has_it_is_not_asked_again() {
    let api = Fixture::new();
    let ann = api.connect("ann", "/", &[]).await;
    let body = r#"{"to":{"users":["ann","bob"]},"event":"q","store":"always","id":"i","ack":{"timeout":"60s"}}"#;

    let (told, ()) = tokio::join!(api.post("/v1/emit", body), async {
        let heard = api.hear(&ann).await;
        // It was on disk before anybody was asked.
        let inbox = message_status(&api, "i").await["inbox"].clone();
        assert_eq!(
            (&inbox["ann"]["state"], &inbox["bob"]["state"]),
            (&json!("unread"), &json!("unread"))
        );
        let id = heard.strip_prefix("42").and_then(|it| it.split('[').next()).unwrap();
        api.say(&ann, &format!("43{id}[7]")).await;
    });

    let told = told.json();
    assert_eq!((&told["met"], &told["acks"][0]["args"]), (&json!(true), &json!([7])), "{told}");
    assert_eq!(told["missing"], json!([{"user": "bob", "why": "offline"}]));
    for user in ["ann", "bob"] {
        let inbox = json!({"seq": 1, "id": "i", "duplicate": false});
        assert_eq!(told["users"][user]["inbox"], inbox, "{told}");
    }
    let known = message_status(&api, "i").await;
    assert_eq!(known["ack"]["acks"], told["acks"], "by the sender's name, too");

    let again = api.post("/v1/emit", body).await.json();
    assert_eq!(again["users"]["ann"]["inbox"]["duplicate"], true);
    assert_eq!((&again["met"], &again["acked"]), (&json!(false), &json!(0)));
    assert_eq!((&again["acks"], &again["missing"]), (&json!([]), &json!([])));
}
