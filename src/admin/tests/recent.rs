//! I emitted and nobody got it: the last emits, listed.

use super::fixture::Fixture;
use axum::http::StatusCode;
use serde_json::{Value, json};

async fn list(api: &Fixture, query: &str) -> Vec<Value> {
    let answer = api.get(&format!("/v1/messages{query}")).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    answer.json()["messages"].as_array().unwrap().clone()
}

fn events(messages: &[Value]) -> Vec<&str> {
    messages.iter().map(|it| it["event"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn the_last_emits_are_listed_with_what_became_of_them_but_not_with_what_they_said() {
    let api = Fixture::new();
    let ann = api.connect("ann", "/", &["org:7"]).await;
    let socket = ann.socket.id.to_string();
    let to_two = r#"{"to":{"users":["ann","bob"]},"event":"one","data":"secret"}"#;
    let first = api.post("/v1/emit", to_two).await.json();
    let to_some =
        json!({"to": {"rooms": ["org:7"], "sockets": [socket]}, "event": "two", "volatile": true});
    api.post("/v1/emit", &to_some.to_string()).await;
    let asked = r#"{"to":{"all":true},"event":"three","namespace":"/chat","ack":{"timeout":1}}"#;
    let stored = r#"{"to":{"users":["bob"]},"event":"four","store":"always"}"#;
    let batch = format!(r#"{{"emits":[{asked},{stored}]}}"#);
    api.post("/v1/emit/batch", &batch).await;

    let mut messages = list(&api, "").await;

    assert!(!json!(messages).to_string().contains("secret"));
    assert_eq!(messages[3]["id"], first["id"]);
    for message in &mut messages {
        let message = message.as_object_mut().unwrap();
        assert!(message.remove("id").unwrap().as_str().unwrap().starts_with("msg_"));
        assert!(message.remove("emitted_at").unwrap().is_string());
    }
    // The client has no poll open, so what is volatile is dropped for it.
    let nobody = json!({"all": false, "rooms": [], "sockets": []});
    let bob = json!({"state": "offline", "matched": 0, "sent": 0});
    let expected = json!([
        {
            "namespace": "/", "event": "four", "volatile": false, "to": nobody, "matched": 0, "sent": 0,
            "users": {"bob": bob},
        },
        {
            "namespace": "/chat", "event": "three", "volatile": false,
            "to": {"all": true, "rooms": [], "sockets": []}, "matched": 0, "sent": 0, "acked": 0, "users": {},
        },
        {
            "namespace": "/", "event": "two", "volatile": true,
            "to": {"all": false, "rooms": ["org:7"], "sockets": [socket]}, "matched": 1, "sent": 0, "users": {},
        },
        {
            "namespace": "/", "event": "one", "volatile": false, "to": nobody, "matched": 1, "sent": 1,
            "users": {"ann": {"state": "online", "matched": 1, "sent": 1}, "bob": bob},
        },
    ]);
    assert_eq!(json!(messages), expected);
}

#[tokio::test]
async fn those_of_a_user_are_what_it_was_named_in_and_what_was_for_its_rooms_and_sockets() {
    let api = Fixture::new();
    let ann = api.connect("ann", "/", &["org:7"]).await;
    api.connect("bob", "/", &["org:7", "org:8"]).await;
    let socket = ann.socket.id;
    let its = [
        r#"{"users":["bob","ann"]},"event":"named""#.to_owned(),
        r#"{"all":true},"event":"everybody""#.to_owned(),
        r#"{"rooms":["org:8","org:7"]},"event":"room""#.to_owned(),
        r#"{"rooms":["user:ann"]},"event":"own room""#.to_owned(),
        format!(r#"{{"sockets":["{socket}"]}},"event":"socket""#),
        r#"{"rooms":["org:7"]},"except":{"users":["bob"]},"event":"other left out""#.to_owned(),
    ];
    let others = [
        r#"{"users":["bob"]},"event":"x""#,
        r#"{"rooms":["org:8"]},"event":"x""#,
        r#"{"rooms":["user:bob"]},"event":"x""#,
        r#"{"rooms":["org:7"]},"namespace":"/chat","event":"x""#,
        r#"{"all":true},"except":{"users":["ann"]},"event":"x""#,
    ];
    for to in its.iter().map(String::as_str).chain(others) {
        let answer = api.post("/v1/emit", &format!(r#"{{"to":{to}}}"#)).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    }

    let messages = list(&api, "?user=ann").await;

    let expected = ["other left out", "socket", "own room", "room", "everybody", "named"];
    assert_eq!(events(&messages), expected);
    assert_eq!(
        messages[5]["users"],
        json!({"ann": {"state": "online", "matched": 1, "sent": 1}}),
        "nothing of others"
    );
    assert_eq!(events(&list(&api, "?user=ann&limit=2").await), expected[..2]);
    let history = api.get("/v1/users/ann/history").await.json();
    assert_eq!(history["messages"], json!(messages));
}

#[tokio::test]
async fn who_was_left_out_by_a_room_a_socket_or_a_device_is_not_who_it_was_for() {
    let api = Fixture::new();
    let ann = api.connect_from(Some("d1"), "ann", "/", &["org:7"]).await;
    let others = api.connect_from(Some("d2"), "bob", "/", &["org:7"]).await;
    let id = ann.socket.id;
    let left_out = [
        r#"{"rooms":["org:7"]}"#.to_owned(),
        r#"{"rooms":["user:ann"]}"#.to_owned(),
        format!(r#"{{"rooms":["{id}"]}}"#),
        format!(r#"{{"sockets":["{id}"]}}"#),
        r#"{"devices":["d1"]}"#.to_owned(),
    ];
    for except in &left_out {
        for to in [r#"{"all":true}"#, r#"{"users":["ann"]}"#, r#"{"rooms":["org:7"]}"#] {
            let body = format!(r#"{{"to":{to},"except":{except},"event":"x"}}"#);
            assert_eq!(api.post("/v1/emit", &body).await.status, StatusCode::OK, "{body}");
        }
    }
    let other = others.socket.id;
    let body = format!(r#"{{"to":{{"all":true}},"except":{{"sockets":["{other}"]}},"event":"y"}}"#);
    api.post("/v1/emit", &body).await;

    assert_eq!(events(&list(&api, "?user=ann").await), ["y"]);

    // Of two devices of a user, one is enough.
    api.connect_from(Some("d3"), "ann", "/", &[]).await;
    let body = r#"{"to":{"users":["ann"]},"except":{"devices":["d1"]},"event":"z"}"#;
    api.post("/v1/emit", body).await;
    assert_eq!(events(&list(&api, "?user=ann&limit=2").await)[0], "z");
}

#[tokio::test]
async fn as_many_are_remembered_as_the_configuration_says() {
    let api = Fixture::new();
    for n in 0..25 {
        let body = format!(r#"{{"to":{{"users":["ann"]}},"event":"e{n}"}}"#);
        api.post("/v1/emit", &body).await;
    }
    let all = list(&api, "?limit=1000").await;
    assert_eq!((all.len(), &all[0]["event"], &all[19]["event"]), (20, &json!("e24"), &json!("e5")));
    let history = api.get("/v1/users/ann/history").await.json();
    assert_eq!(history["messages"].as_array().unwrap().len(), 10, "the last ten");
}
