//! Inboxes over the API: what is stored, who hears of it, what is refused.

use super::fixture::{Client, Fixture, ONE, request};
use crate::core::inbox::InboxState;
use crate::types::ItemSeq;
use axum::http::{Method, StatusCode};
use serde_json::{Value, json};
use std::sync::Arc;

/// An emit to `ann`, with further fields.
fn to_ann(more: &str) -> String {
    format!(r#"{{"to":{{"users":["ann"]}},"event":"hello","data":{{"n":1.0}},{more}}}"#)
}

/// The packets that wait for a client.
async fn heard(api: &Fixture, client: &Client) -> Vec<String> {
    api.hear(client).await.split('\u{1e}').map(str::to_owned).collect()
}

fn state(head: u64, unread: u64, read_upto: u64, min_seq: u64) -> String {
    format!(
        r#"["userline:inbox",{{"head":{head},"unread":{unread},"read_upto":{read_upto},"min_seq":{min_seq}}}]"#
    )
}

#[tokio::test]
async fn a_stored_event_arrives_as_any_other_and_then_every_socket_hears_the_numbers() {
    let api = Fixture::new();
    let here = api.connect("ann", "/", &[]).await;
    let elsewhere = api.connect("ann", "/chat", &[]).await;

    let answer = api.post("/v1/emit", &to_ann(r#""store":"always","id":"a""#)).await.json();

    assert_eq!(answer["users"]["ann"]["inbox"], json!({"seq": 1, "id": "a", "duplicate": false}));
    assert_eq!(answer["users"]["ann"]["sent"], 1);
    let live = r#"42["hello",{"n":1.0}]"#.to_owned();
    assert_eq!(heard(&api, &here).await, [live, format!("42{}", state(1, 1, 0, 1))]);
    assert_eq!(heard(&api, &elsewhere).await, [format!("42/chat,{}", state(1, 1, 0, 1))]);
}

#[tokio::test]
async fn a_repeat_with_the_same_id_is_neither_stored_nor_sent_even_after_it_was_deleted() {
    let api = Fixture::new();
    let first = api.post("/v1/emit", &to_ann(r#""store":"always","id":"a""#)).await.json();
    assert_eq!(first["users"]["ann"]["state"], "offline");
    let ann = api.connect("ann", "/", &[]).await;
    api.send(request(Method::DELETE, "/v1/users/ann/inbox/1", super::fixture::ALL, "")).await;
    assert_eq!(heard(&api, &ann).await, [format!("42{}", state(1, 0, 1, 1))]);

    let again = r#"{"to":{"users":["ann","bob"]},"event":"hello","store":"if_offline","id":"a"}"#;
    let again = api.post("/v1/emit", again).await.json();

    let expected = json!({"seq": 1, "id": "a", "duplicate": true});
    assert_eq!(again["users"]["ann"]["inbox"], expected);
    assert_eq!((&again["users"]["ann"]["matched"], &again["matched"]), (&json!(0), &json!(0)));
    assert_eq!(again["users"]["ann"]["state"], "online");
    assert_eq!(again["users"]["bob"]["inbox"]["duplicate"], false, "an id is unique per user");

    api.post("/v1/emit", r#"{"to":{"users":["ann"]},"event":"end"}"#).await;
    assert_eq!(heard(&api, &ann).await, [r#"42["end"]"#], "nothing was sent again");
}

#[tokio::test]
async fn if_offline_stores_for_those_who_have_no_socket_in_the_namespace() {
    let api = Fixture::new();
    let _here = api.connect("ann", "/", &[]).await;
    let _elsewhere = api.connect("bob", "/chat", &[]).await;
    let body = r#"{"to":{"users":["ann","bob","cy","dan"]},"event":"x","store":"if_offline","except":{"users":["dan"]}}"#;

    let users = api.post("/v1/emit", body).await.json()["users"].clone();

    assert_eq!(users["ann"].get("inbox"), None);
    assert_eq!(users["dan"].get("inbox"), None, "who is excepted gets nothing at all");
    let id = users["bob"]["inbox"]["id"].as_str().unwrap().to_owned();
    assert!(id.starts_with("msg_"), "{id}");
    assert_eq!(users["cy"]["inbox"], json!({"seq": 1, "id": id, "duplicate": false}));
    assert_eq!(users["bob"]["state"], "online");
}

#[tokio::test]
async fn who_is_left_out_by_the_room_of_the_user_is_left_out_as_by_name() {
    let api = Fixture::new();
    let except = r#""store":"always","except":{"rooms":["user:ann"]}"#;

    let answer = api.post("/v1/emit", &to_ann(except)).await.json();

    assert_eq!(answer["users"]["ann"].get("inbox"), None);
    assert_eq!(api.get("/v1/users/ann/inbox").await.json()["head"], 0);
}

#[tokio::test]
async fn an_event_that_leaves_out_the_only_socket_is_not_stored_if_offline() {
    let api = Fixture::new();
    let ann = api.connect("ann", "/", &[]).await;
    let except = format!(r#""store":"if_offline","except":{{"sockets":["{}"]}}"#, ann.socket.id);

    let answer = api.post("/v1/emit", &to_ann(&except)).await.json();

    assert_eq!(answer["users"]["ann"], json!({"state": "online", "matched": 0, "sent": 0}));
}

async fn items(api: &Fixture, query: &str) -> (Vec<u64>, Value) {
    let page = api.get(&format!("/v1/users/ann/inbox{query}")).await.json();
    let items = page["items"].as_array().unwrap_or_else(|| panic!("{page}"));
    (items.iter().map(|it| it["seq"].as_u64().unwrap()).collect(), page["next"].clone())
}

#[tokio::test]
async fn an_inbox_is_paged_in_both_directions_and_filtered() {
    let api = Fixture::new();
    for n in 1..=5 {
        api.post("/v1/emit", &to_ann(&format!(r#""store":"always","id":"i{n}""#))).await;
    }

    assert_eq!(items(&api, "?limit=3").await, (vec![5, 4, 3], json!(3)));
    assert_eq!(items(&api, "?limit=3&before=3").await, (vec![2, 1], json!(null)));
    assert_eq!(items(&api, "?after=0&limit=2").await, (vec![1, 2], json!(2)));
    assert_eq!(items(&api, "?after=2&limit=3").await, (vec![3, 4, 5], json!(null)));
    let read = api.post("/v1/users/ann/inbox/read", r#"{"ids":["i1","i3","no"]}"#).await.json();
    assert_eq!(read, json!({"head": 5, "unread": 3, "read_upto": 1, "min_seq": 1}));
    assert_eq!(items(&api, "?unread=1").await.0, [5, 4, 2]);
    assert_eq!(items(&api, "?unread=false").await.0, [5, 4, 3, 2, 1]);
    let page = api.get("/v1/users/ann/inbox?limit=1&before=4").await;
    let args = r#""event":"hello","args":[{"n":1.0}]"#;
    assert!(page.text.contains(args), "as it was written: {page:?}");
    insta::assert_json_snapshot!(
        page.json(),
        {".items[].created_at" => "[time]", ".items[].expires_at" => "[time]"},
        @r#"
    {
      "head": 5,
      "items": [
        {
          "args": [
            {
              "n": 1.0
            }
          ],
          "created_at": "[time]",
          "event": "hello",
          "expires_at": "[time]",
          "id": "i3",
          "namespace": "/",
          "read": true,
          "seq": 3
        }
      ],
      "min_seq": 1,
      "next": 3,
      "read_upto": 1,
      "unread": 3
    }
    "#
    );
}

#[tokio::test]
async fn a_newer_event_takes_the_place_of_an_unread_one_and_too_many_push_out_the_oldest() {
    let api = Fixture::new();
    for n in 1..=2 {
        let more = format!(r#""store":"always","collapse_key":"k","id":"c{n}""#);
        api.post("/v1/emit", &to_ann(&more)).await;
    }
    assert_eq!(items(&api, "").await.0, [2], "the newer one has a number of its own");
    api.post("/v1/users/ann/inbox/read", r#"{"upto":2}"#).await;
    api.post("/v1/emit", &to_ann(r#""store":"always","collapse_key":"k""#)).await;
    assert_eq!(items(&api, "").await.0, [3, 2], "what was read stays");

    for _ in 4..=8 {
        api.post("/v1/emit", &to_ann(r#""store":"always""#)).await;
    }
    assert_eq!(items(&api, "").await.0, [8, 7, 6, 5, 4]);
    let page = api.get("/v1/users/ann/inbox?limit=1").await.json();
    let numbers = (&page["head"], &page["unread"], &page["read_upto"], &page["min_seq"]);
    assert_eq!(numbers, (&json!(8), &json!(5), &json!(3), &json!(4)));
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_with_its_field() {
    let api = Fixture::new();
    let big = format!(r#""args":["{}"]"#, "x".repeat(65_535));
    let long = "x".repeat(129);
    let emit =
        |to: &str, more: &str| format!(r#"{{"to":{to},"event":"x","store":"always"{more}}}"#);
    let ann = r#"{"users":["ann"]}"#;
    let table = [
        (emit(r#"{"all":true}"#, ""), "to.all"),
        (
            emit(&format!(r#"{{"sockets":["{}"]}}"#, format_args!("sock_{}", "A".repeat(20))), ""),
            "to.sockets",
        ),
        (emit(ann, r#","ttl":"61m""#), "ttl"),
        (emit(ann, r#","ttl":"0s""#), "ttl"),
        (emit(ann, r#","ttl":"soon""#), "ttl"),
        (emit(ann, r#","id":"""#), "id"),
        (emit(ann, &format!(r#","collapse_key":"{long}""#)), "collapse_key"),
        (emit(ann, &format!(",{big}")), "data"),
        (r#"{"to":{"users":["ann"]},"event":"x","id":"a"}"#.to_owned(), "id"),
        (r#"{"to":{"users":["ann"]},"event":"x","store":"never","ttl":"1m"}"#.to_owned(), "ttl"),
        (r#"{"to":{"users":["ann"]},"event":"x","store":true}"#.to_owned(), "store"),
        (emit(ann, r#","binary":true,"data":{"$binary":"AQI="}"#), "binary"),
    ];
    for (body, field) in table {
        let answer = api.post("/v1/emit", &body).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{body}: {answer:?}");
        assert_eq!(answer.error().1.as_deref(), Some(field), "{answer:?}");
    }
    let table = [
        (r#"{"upto":1,"ids":["a"]}"#, "upto"),
        (r#"{"ids":[""]}"#, "ids[0]"),
        (r#"{"upto":-1}"#, "upto"),
    ];
    for (body, field) in table {
        let answer = api.post("/v1/users/ann/inbox/read", body).await;
        assert_eq!(answer.error().1.as_deref(), Some(field), "{body}: {answer:?}");
    }
    for query in ["before=x", "after=-1", "unread=maybe", "limit=0"] {
        let answer = api.get(&format!("/v1/users/ann/inbox?{query}")).await;
        assert_eq!(answer.error().1.as_deref(), query.split('=').next(), "{answer:?}");
    }
    assert!(items(&api, "").await.0.is_empty(), "nothing was stored");
}

#[tokio::test]
async fn a_key_that_reads_does_not_mark() {
    let api = Fixture::new();
    let key = |scope: &str| ONE.iter().find(|(it, _)| it.as_str() == scope).unwrap().1;
    let body = r#"{"upto":1}"#;
    let path = "/v1/users/ann/inbox/read";
    let refused = api.send(request(Method::POST, path, key("read"), body)).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    let taken = api.send(request(Method::POST, path, key("emit"), body)).await;
    assert_eq!(taken.status, StatusCode::OK, "{taken:?}");
}

#[tokio::test]
async fn a_socket_is_never_told_older_numbers_than_it_knows() {
    let api = Fixture::new();
    let ann = api.connect("ann", "/", &[]).await;
    let known =
        |revision| InboxState { revision, head: ItemSeq(revision), ..InboxState::default() };
    let mut told = Vec::new();
    for revision in [3, 2, 3, 5] {
        ann.socket.tell_inbox(known(revision), || told.push(revision));
    }
    assert_eq!(told, [3, 5]);
    for (given, newest) in [(4, 5), (6, 6)] {
        let told = ann.socket.tell_newest_inbox(known(given), |it| it.revision);
        assert_eq!(told, newest);
    }
    ann.socket.tell_inbox(known(6), || panic!("it knows"));
}

#[tokio::test]
async fn a_replay_is_oldest_first_and_ends_with_the_numbers() {
    let api = Fixture::new();
    for n in 1..=3 {
        api.post("/v1/emit", &to_ann(&format!(r#""store":"always","id":"i{n}""#))).await;
    }
    let ann = api.connect("ann", "/", &[]).await;

    api.realtime.inboxes.replay(Arc::clone(&ann.socket), ItemSeq(1));

    let mut packets = heard(&api, &ann).await;
    while packets.len() < 3 {
        packets.extend(heard(&api, &ann).await);
    }
    for (packet, n) in packets.iter().zip(2..=3) {
        let begin = format!(
            r#"42["userline:inbox:item",{{"seq":{n},"id":"i{n}","namespace":"/","event":"hello","args":[{{"n":1.0}}],"#
        );
        assert!(packet.starts_with(&begin), "{packet}");
    }
    let end =
        r#"42["userline:inbox",{"head":3,"unread":3,"read_upto":0,"min_seq":1,"has_more":false}]"#;
    assert_eq!(packets[2], end);
}
