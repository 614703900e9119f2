//! Emitting: who gets it, what they get, what is answered.

use super::fixture::{ALL, Fixture, request};
use axum::http::{Method, StatusCode};

#[tokio::test]
async fn an_event_for_a_user_reaches_every_device_and_the_answer_says_so() {
    let api = Fixture::new();
    let (phone, laptop) = (api.connect("42", "/", &[]).await, api.connect("42", "/", &[]).await);

    let body = r#"{"to":{"users":["42","7"]},"event":"order:paid","data":{"id":7}}"#;
    let answer = api.post("/v1/emit", body).await;

    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    insta::assert_json_snapshot!(answer.json(), {".id" => "[id]"}, @r#"
    {
      "id": "[id]",
      "matched": 2,
      "sent": 2,
      "users": {
        "42": {
          "matched": 2,
          "sent": 2,
          "state": "online"
        },
        "7": {
          "matched": 0,
          "sent": 0,
          "state": "offline"
        }
      }
    }
    "#);
    for client in [&phone, &laptop] {
        assert_eq!(api.hear(client).await, r#"42["order:paid",{"id":7}]"#);
    }
}

#[tokio::test]
async fn arguments_arrive_exactly_as_they_were_written() {
    let api = Fixture::new();
    let ann = api.connect("ann", "/", &[]).await;
    let table = [
        (
            r#""data": {"z":1.0, "a":12345678901234567890.10}"#,
            r#",{"z":1.0, "a":12345678901234567890.10}"#,
        ),
        (r#""data":"\u00e9\ud83d\ude00\u0000""#, r#","\u00e9\ud83d\ude00\u0000""#),
        (r#""data":null"#, ",null"),
        (r#""args":[1,{"two" : 2},null,[ ]]"#, r#",1,{"two" : 2},null,[ ]"#),
        (r#""args":[]"#, ""),
        (r#""args":null"#, ""),
        (r#""volatile":true"#, ""),
        (r#""data":1e400"#, ",1e400"),
        (r#""data":{"a":1,"a":2}"#, r#",{"a":1,"a":2}"#),
    ];
    for (written, heard) in table {
        let body = format!(r#"{{"to":{{"users":["ann"]}},"event":"x",{written}}}"#);
        let answer = api.post("/v1/emit", &body).await;
        assert_eq!(answer.json()["sent"], 1, "{written}: {answer:?}");
        assert_eq!(api.hear(&ann).await, format!(r#"42["x"{heard}]"#), "{written}");
    }
}

#[tokio::test]
async fn each_socket_gets_an_event_once_however_often_it_is_named() {
    let api = Fixture::new();
    let ann = api.connect("ann", "/", &["org:7"]).await;
    let bob = api.connect("bob", "/", &["org:7"]).await;
    let other = api.connect("ann", "/chat", &["org:7"]).await;
    let (ann_id, bob_id) = (ann.socket.id, bob.socket.id);
    let table = [
        (r#"{"users":["ann","ann"],"rooms":["org:7"]}"#.to_owned(), "{}", 2),
        (r#"{"all":true}"#.to_owned(), "{}", 2),
        (format!(r#"{{"sockets":["{ann_id}","{bob_id}"]}}"#), "{}", 2),
        (r#"{"rooms":["org:7"]}"#.to_owned(), r#"{"users":["bob"]}"#, 1),
        (r#"{"all":true}"#.to_owned(), r#"{"rooms":["org:7"]}"#, 0),
        (r#"{"all":true}"#.to_owned(), r#"{"sockets":["gone","sock_AAAAAAAAAAAAAAAAAAAA",""]}"#, 2),
        (r#"{"rooms":["nobody's"]}"#.to_owned(), "{}", 0),
    ];
    for (to, except, matched) in table {
        let body = format!(r#"{{"to":{to},"except":{except},"event":"x"}}"#);
        let answer = api.post("/v1/emit", &body).await;
        assert_eq!(answer.json()["matched"], matched, "{body}: {answer:?}");
    }

    let answer = api.post("/v1/emit", r#"{"to":{"all":true},"namespace":"/chat","event":"x"}"#);
    assert_eq!(answer.await.json()["matched"], 1);
    assert_eq!(api.hear(&other).await, r#"42/chat,["x"]"#);
}

#[tokio::test]
async fn a_device_that_is_left_out_is_left_out_under_whatever_id() {
    let api = Fixture::new();
    let _one = api.connect_from(Some("d1"), "ann", "/", &["org:7"]).await;
    let _again = api.connect_from(Some("d1"), "ann", "/", &["org:7"]).await;
    let _other = api.connect_from(Some("d2"), "ann", "/", &["org:7"]).await;
    let _unnamed = api.connect("ann", "/", &["org:7"]).await;
    let all = (0..1000).map(|n| format!("\"d{n}\"")).collect::<Vec<_>>().join(",");
    let table =
        [("", 4), (r#""d1""#, 2), (r#""d1","d2","d1""#, 1), (r#""nobody's""#, 4), (&*all, 1)];
    for to in [r#"{"users":["ann"]}"#, r#"{"rooms":["org:7"]}"#, r#"{"all":true}"#] {
        for (devices, matched) in table {
            let body = format!(r#"{{"to":{to},"except":{{"devices":[{devices}]}},"event":"x"}}"#);
            let answer = api.post("/v1/emit", &body).await;
            assert_eq!(answer.json()["matched"], matched, "{body}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn a_user_named_twice_is_answered_once() {
    let api = Fixture::new();
    let _ann = api.connect("ann", "/", &[]).await;

    let answer = api.post("/v1/emit", r#"{"to":{"users":["ann","ann"]},"event":"x"}"#).await;

    assert_eq!(answer.json()["users"]["ann"]["matched"], 1, "{answer:?}");
}

#[tokio::test]
async fn an_emit_is_finished_though_its_caller_hangs_up() {
    let api = Fixture::new();
    let ann = api.connect("ann", "/", &[]).await;
    // What is not stored is over before anybody could hang up.
    let body = r#"{"to":{"users":["ann"]},"event":"x","store":"always"}"#;
    let mut call = Box::pin(api.answer(request(Method::POST, "/v1/emit", ALL, body)));

    let first = futures_util::poll!(&mut call);
    drop(call);

    assert!(first.is_pending(), "the emit was over before anybody could hang up");
    assert!(api.hear(&ann).await.starts_with(r#"42["x"]"#));
}

#[tokio::test]
async fn an_emit_to_very_many_is_finished_though_its_caller_hangs_up_and_each_has_it_once() {
    let api = Fixture::new();
    // Together they name more sockets than are served in one go.
    let rooms: Vec<String> = (0..64).map(|n| format!("room:{n}")).collect();
    let rooms: Vec<&str> = rooms.iter().map(String::as_str).collect();
    let mut clients = Vec::new();
    for n in 0..65 {
        clients.push(api.connect(&format!("user-{n}"), "/", &rooms).await);
    }
    let body = serde_json::json!({"to": {"rooms": rooms}, "event": "x"}).to_string();
    let mut call = Box::pin(api.answer(request(Method::POST, "/v1/emit", ALL, &body)));

    let first = futures_util::poll!(&mut call);
    drop(call);

    assert!(first.is_pending(), "the emit was over before anybody could hang up");
    for client in &clients {
        assert_eq!(api.hear(client).await, r#"42["x"]"#);
    }
    let again = api.post("/v1/emit", &body).await.json();
    assert_eq!((&again["matched"], &again["sent"]), (&65.into(), &65.into()));
}
