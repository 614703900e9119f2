//! Users, rooms and sockets: what is shown of them, page by page, and how they are disconnected.

use super::fixture::{ALL, Fixture, request};
use crate::types::Reason;
use axum::http::{Method, StatusCode};
use std::collections::BTreeSet;

#[tokio::test]
async fn a_user_is_shown_with_every_socket() {
    let api = Fixture::new();
    let ann = "ann@example.com";
    let _ann = api.connect_from(Some("d1"), ann, "/chat", &["org:7", "a"]).await;

    let answer = api.get("/v1/users/ann%40example.com").await;

    assert_eq!(answer.status, StatusCode::OK);
    insta::assert_json_snapshot!(answer.json(), {
        ".since" => "[time]", ".session" => "[seq]", ".sockets[].id" => "[id]"
    }, @r#"
    {
      "session": "[seq]",
      "since": "[time]",
      "sockets": [
        {
          "address": "203.0.113.7",
          "connected_at": "2026-08-01T09:41:00.123Z",
          "data": {
            "a": 2,
            "b": 1.0
          },
          "device": "d1",
          "id": "[id]",
          "namespace": "/chat",
          "rooms": [
            "a",
            "org:7",
            "user:ann@example.com"
          ],
          "transport": "polling",
          "user": "ann@example.com",
          "user_agent": "test/1"
        }
      ],
      "sockets_total": 1,
      "state": "online",
      "user": "ann@example.com"
    }
    "#);
    let json = answer.json();
    assert!(json["session"].is_u64(), "{json}");
    assert!(
        answer.text.contains(r#""data":{"b":1.0,"a":2}"#),
        "as it was written: {}",
        answer.text
    );
}

#[tokio::test]
async fn what_the_backend_attaches_is_shown_wherever_it_looks() {
    let api = Fixture::new();
    let ann = api.connect("ann", "/", &["org:7"]).await;
    let patch = async |path: &str, body: &str| {
        let answer = api.send(request(Method::PATCH, path, ALL, body)).await;
        (answer.status.as_u16(), answer.json())
    };
    let socket = format!("/v1/sockets/{}/data", ann.socket.id);

    let (_, first) = patch("/v1/users/ann/data", r#"{"plan":"pro","n":1.50,"gone":1}"#).await;
    assert_eq!(first["attached"], serde_json::json!({"plan": "pro", "n": 1.5, "gone": 1}));
    let (_, second) = patch("/v1/users/ann/data", r#"{"gone":null,"a":{"b":null,"c":2}}"#).await;
    assert_eq!(second["attached"], serde_json::json!({"plan": "pro", "n": 1.5, "a": {"c": 2}}));
    assert_eq!(patch(&socket, r#"{"tab":"inbox"}"#).await.0, 200);

    let one = api.get("/v1/users/ann").await;
    assert!(one.text.contains(r#""attached":{"plan":"pro","n":1.50,"a":{"c":2}}"#), "{}", one.text);
    assert_eq!(one.json()["sockets"][0]["attached"]["tab"], "inbox");
    assert_eq!(api.get("/v1/users").await.json()["users"][0]["attached"]["plan"], "pro");
    let of_socket = api.get(&format!("/v1/sockets/{}", ann.socket.id)).await;
    assert_eq!(of_socket.json()["attached"]["tab"], "inbox");

    let large = format!(r#"{{"x":"{}"}}"#, "y".repeat(8200));
    for path in ["/v1/users/ann/data", &socket] {
        let (status, error) = patch(path, &large).await;
        assert_eq!((status, error["error"]["code"].as_str()), (400, Some("invalid_argument")));
    }
    assert_eq!(api.get("/v1/users/ann").await.json()["attached"]["plan"], "pro", "as before");
}

#[tokio::test]
async fn somebody_nobody_knows_is_offline_and_that_is_an_answer() {
    let api = Fixture::new();

    let answer = api.get("/v1/users/nobody").await;

    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(
        answer.text,
        r#"{"user":"nobody","state":"offline","sockets_total":0,"sockets":[]}"#
    );
}

#[tokio::test]
async fn users_come_in_pages_that_meet_without_gap_or_repeat() {
    let api = Fixture::new();
    let ids: BTreeSet<String> = (0..7).map(|n| format!("user {n}/é")).collect();
    for id in &ids {
        let _client = api.connect(id, "/", &[]).await;
    }

    let mut seen = Vec::new();
    let mut path = "/v1/users?limit=3".to_owned();
    for size in [3, 3, 1] {
        let page = api.get(&path).await.json();
        let users = page["users"].as_array().unwrap();
        assert_eq!(users.len(), size, "{page}");
        seen.extend(users.iter().map(|it| it["user"].as_str().unwrap().to_owned()));
        let next = page["next"].as_str().unwrap_or_default();
        path = format!("/v1/users?limit=3&cursor={next}");
    }

    assert!(path.ends_with("cursor="), "there was a fourth page: {path}");
    assert_eq!(seen, ids.into_iter().collect::<Vec<_>>());
}

#[tokio::test]
async fn users_can_be_listed_by_state() {
    let api = Fixture::new();
    let ann = api.connect("ann", "/", &[]).await;
    let _bob = api.connect("bob", "/", &[]).await;
    api.realtime.attendance.leave(&ann.socket, Reason::TransportClose);

    for (query, expected) in [("", 2), ("?state=online", 1), ("?state=lingering", 1)] {
        let page = api.get(&format!("/v1/users{query}")).await.json();
        assert_eq!(page["users"].as_array().unwrap().len(), expected, "{query}: {page}");
    }
    let page = api.get("/v1/users?state=lingering").await.json();
    assert_eq!(page["users"][0]["user"], "ann", "{page}");
    assert_eq!(page["users"][0]["sockets"], 0, "{page}");
}

#[tokio::test]
async fn presence_of_many_is_answered_at_once() {
    let api = Fixture::new();
    let _ann = api.connect("ann", "/", &[]).await;

    let answer = api.post("/v1/presence", r#"{"users":["ann","bob"]}"#).await;

    insta::assert_json_snapshot!(answer.json(), {
        ".users.*.since" => "[time]", ".users.*.session" => "[seq]"
    }, @r#"
    {
      "users": {
        "ann": {
          "session": "[seq]",
          "since": "[time]",
          "sockets": 1,
          "state": "online"
        },
        "bob": {
          "sockets": 0,
          "state": "offline"
        }
      }
    }
    "#);
}

#[tokio::test]
async fn rooms_come_in_pages_by_prefix_and_without_the_automatic_ones() {
    let api = Fixture::new();
    let _ann = api.connect("ann", "/", &["org:7", "org:8", "team:1"]).await;
    let _bob = api.connect("bob", "/chat", &["org:7"]).await;

    let first = api.get("/v1/rooms?limit=2&prefix=org:").await.json();
    let next = first["next"].as_str().unwrap();
    let second = api.get(&format!("/v1/rooms?limit=2&prefix=org:&cursor={next}")).await.json();

    insta::assert_json_snapshot!([&first["rooms"], &second], @r#"
    [
      [
        {
          "namespace": "/",
          "room": "org:7",
          "sockets": 1
        },
        {
          "namespace": "/",
          "room": "org:8",
          "sockets": 1
        }
      ],
      {
        "next": null,
        "rooms": [
          {
            "namespace": "/chat",
            "room": "org:7",
            "sockets": 1
          }
        ]
      }
    ]
    "#);
}

#[tokio::test]
async fn a_room_shows_its_sockets_in_pages() {
    let api = Fixture::new();
    for user in ["ann", "bob", "eve"] {
        let _client = api.connect(user, "/", &["org:7"]).await;
    }

    let first = api.get("/v1/rooms/org:7?limit=2").await.json();
    let next = first["next"].as_str().unwrap();
    let second = api.get(&format!("/v1/rooms/org:7?limit=2&cursor={next}")).await.json();

    assert_eq!(first["sockets_total"], 3, "{first}");
    assert_eq!(second["next"], serde_json::Value::Null, "{second}");
    let users: BTreeSet<_> = [&first, &second]
        .into_iter()
        .flat_map(|page| page["sockets"].as_array().unwrap())
        .map(|it| it["user"].as_str().unwrap())
        .collect();
    assert_eq!(users, BTreeSet::from(["ann", "bob", "eve"]));
    assert_eq!(api.get("/v1/rooms/user:ann").await.json()["sockets_total"], 1);
    assert_eq!(api.get("/v1/rooms/org:7?namespace=/chat").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_kicked_user_is_told_why() {
    let api = Fixture::new();
    let ann = api.connect("ann", "/", &[]).await;

    let answer = api.post("/v1/users/ann/disconnect", r#"{"reason":"enough"}"#).await;

    let id = ann.socket.id;
    assert_eq!(answer.text, format!(r#"{{"user":"ann","disconnected":1,"sockets":["{id}"]}}"#));
    let heard = api.hear(&ann).await;
    assert_eq!(heard, "42[\"userline:kicked\",{\"reason\":\"enough\"}]\u{1e}41");
    let nobody = api.post("/v1/users/nobody/disconnect", "").await;
    assert_eq!(nobody.text, r#"{"user":"nobody","disconnected":0,"sockets":[]}"#);
}

#[tokio::test]
async fn one_socket_can_be_shown_and_shown_the_door_while_its_user_keeps_the_grace() {
    let api = Fixture::new();
    let ann = api.connect("ann", "/chat", &[]).await;
    let path = format!("/v1/sockets/{}", ann.socket.id);

    let shown = api.get(&path).await;
    let gone = api.send(request(Method::DELETE, &path, ALL, "")).await;

    assert_eq!(shown.json()["namespace"], "/chat", "{shown:?}");
    assert_eq!(gone.json()["user"], "ann", "{gone:?}");
    let heard = api.hear(&ann).await;
    assert_eq!(heard, "42/chat,[\"userline:kicked\",{\"reason\":null}]\u{1e}41/chat,");
    assert_eq!(api.get("/v1/users/ann").await.json()["state"], "lingering");
    assert_eq!(api.get(&path).await.status, StatusCode::NOT_FOUND);
}
