//! Events, deliveries, receivers.

use super::fixture::Fixture;
use crate::core::delivery::hook_body;
use crate::types::{Reason, UserId};
use axum::http::StatusCode;
use serde_json::{Value, json};

/// The list of dead letters.
pub(super) const DEAD: &str = "/v1/hooks/deliveries?state=dead";

/// Whether a list of deliveries has this many.
pub(super) fn has(count: usize) -> impl Fn(&Value) -> bool {
    move |page| page["deliveries"].as_array().is_some_and(|it| it.len() == count)
}

#[tokio::test]
async fn events_can_be_pulled_from_where_a_list_of_users_was_made() {
    let api = Fixture::new();
    let _ann = api.connect("ann", "/", &[]).await;
    api.store.flush().await.unwrap();
    let list = api.get("/v1/users").await.json();
    let after = list["events_after"].as_u64().unwrap();
    let _bob = api.connect("bob", "/", &[]).await;
    api.store.flush().await.unwrap();

    let page = api.get(&format!("/v1/events?after={after}")).await;

    let json = page.json();
    assert_eq!(json["events"].as_array().unwrap().len(), 1, "{json}");
    let event = &json["events"][0];
    assert_eq!(event["body"]["type"], "user.online");
    assert_eq!(event["body"]["data"]["user"], "bob");
    let seq = crate::types::Seq(event["body"]["data"]["seq"].as_u64().unwrap());
    let webhook_id = hook_body::webhook_id(&UserId::parse("bob").unwrap(), seq);
    assert_eq!(event["webhook_id"], webhook_id);
    assert_eq!(json["gap"], false);
    let next = json["next"].as_u64().unwrap();
    let end = api.get(&format!("/v1/events?after={next}")).await.json();
    assert_eq!(end, json!({"events": [], "next": next, "gap": false}));
    let all = api.get("/v1/events?limit=1").await.json();
    assert_eq!(all["events"][0]["body"]["data"]["user"], "ann");
}

#[tokio::test]
async fn a_dead_letter_is_listed_shown_and_sent_again() {
    let api = Fixture::new();
    let _ann = api.connect("ann", "/", &[]).await;
    let page = api.wait_for(DEAD, has(1)).await;

    let item = &page["deliveries"][0];
    insta::assert_json_snapshot!(item, {
        ".webhook_id" => "[id]", ".seq" => "[seq]", ".created_at" => "[time]", ".ended_at" => "[time]"
    }, @r#"
    {
      "attempts": 1,
      "coalesced": 0,
      "created_at": "[time]",
      "ended_at": "[time]",
      "endpoint": "default",
      "error": "127.0.0.1 is not a public address; `hooks.allow_private` allows it",
      "id": 1,
      "seq": "[seq]",
      "state": "dead",
      "type": "user.online",
      "user": "ann",
      "webhook_id": "[id]"
    }
    "#);
    let path = format!("/v1/hooks/deliveries/{}", item["id"]);
    let one = api.get(&path).await.json();
    assert_eq!(one["body"]["data"]["user"], "ann", "{one}");

    let replayed = api.post(&format!("{path}/replay"), "").await;
    assert_eq!(replayed.json(), json!({"id": item["id"], "state": "pending"}));
    // It dies again, a little later.
    let ended = |it: &Value| it["state"] == "dead" && it["ended_at"] != item["ended_at"];
    let again = api.wait_for(&path, ended).await;
    assert_eq!(again["webhook_id"], item["webhook_id"]);
}

#[tokio::test]
async fn dead_letters_come_in_pages_and_go_by_range() {
    let api = Fixture::new();
    for user in ["ann", "bob", "eve"] {
        let _client = api.connect(user, "/", &[]).await;
    }
    api.wait_for(DEAD, has(3)).await;

    let first = api.get(&format!("{DEAD}&limit=2")).await.json();
    let next = first["next"].as_str().unwrap();
    let second = api.get(&format!("{DEAD}&limit=2&cursor={next}&endpoint=default")).await.json();
    assert_eq!(first["deliveries"].as_array().unwrap().len(), 2, "{first}");
    assert_eq!(second["deliveries"][0]["user"], "eve", "{second}");
    assert_eq!(second["next"], Value::Null);
    let other = api.get(&format!("{DEAD}&endpoint=other")).await.json();
    assert!(has(0)(&other), "{other}");

    let from = first["deliveries"][1]["created_at"].as_str().unwrap();
    let table = [
        (r#"{"endpoint":"default","to":"2020-01-01T00:00:00Z"}"#.to_owned(), 0),
        (format!(r#"{{"endpoint":"default","from":"{from}"}}"#), 2),
    ];
    for (body, at_most) in table {
        let answer = api.post("/v1/hooks/replay", &body).await;
        let json = answer.json();
        // Two may have happened in the same millisecond.
        assert!(json["replayed"].as_u64().unwrap() >= at_most, "{body}: {answer:?}");
        assert!(at_most != 0 || json["replayed"] == 0, "{body}: {answer:?}");
        assert_eq!(json["more"], false, "{body}: {answer:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_sent_again_is_refused_with_the_reason() {
    let api = Fixture::new();
    let table = [
        ("/v1/hooks/deliveries/7/replay", "", 404, "not_found", None),
        ("/v1/hooks/deliveries/-1/replay", "", 400, "invalid_argument", Some("id")),
        ("/v1/hooks/replay", r#"{"endpoint":"x"}"#, 404, "not_found", Some("endpoint")),
        ("/v1/hooks/replay", "{}", 400, "invalid_argument", Some("endpoint")),
        (
            "/v1/hooks/replay",
            r#"{"endpoint":"default","state":"delivered"}"#,
            400,
            "invalid_argument",
            Some("state"),
        ),
        (
            "/v1/hooks/replay",
            r#"{"endpoint":"default","from":"2026-01-01"}"#,
            400,
            "invalid_argument",
            Some("from"),
        ),
        (
            "/v1/hooks/replay",
            r#"{"endpoint":"default","to":"1969-12-31T23:59:59Z"}"#,
            400,
            "invalid_argument",
            Some("to"),
        ),
    ];
    for (path, body, status, code, field) in table {
        let answer = api.post(path, body).await;
        assert_eq!(answer.status.as_u16(), status, "{path} {body}: {answer:?}");
        let (its_code, its_field, _) = answer.error();
        assert_eq!((its_code.as_str(), its_field.as_deref()), (code, field), "{path} {body}");
    }
    for query in ["state=lost", "cursor=YQ", "user="] {
        let path = &format!("/v1/hooks/deliveries?{query}");
        assert_eq!(api.get(path).await.status, StatusCode::BAD_REQUEST, "{path}");
    }
}

#[tokio::test]
async fn the_hooks_about_one_user_are_listed_whatever_became_of_them() {
    let api = Fixture::new();
    for user in ["ann", "bob"] {
        drop(api.connect(user, "/", &[]).await);
    }
    api.wait_for(DEAD, has(2)).await;

    let all = api.get("/v1/hooks/deliveries?user=ann").await.json();
    assert_eq!(all["deliveries"].as_array().unwrap().len(), 1, "{all}");
    assert_eq!(all["deliveries"][0]["user"], "ann");
    assert_eq!(all["deliveries"][0]["state"], "dead");
    let waiting = api.get("/v1/hooks/deliveries?user=ann&state=pending").await.json();
    assert_eq!(waiting["deliveries"], json!([]), "{waiting}");
}

#[tokio::test]
async fn a_receiver_shows_how_it_is_doing() {
    let api = Fixture::new();
    let _ann = api.connect("ann", "/", &[]).await;
    api.wait_for(DEAD, has(1)).await;

    let failed = |it: &Value| it["endpoints"][0]["last_error"].is_object();
    let shown = api.wait_for("/v1/hooks/endpoints", failed).await;

    insta::assert_json_snapshot!(shown, {
        ".endpoints[].last_error.at" => "[time]", ".endpoints[].state" => "[state]"
    }, @r#"
    {
      "endpoints": [
        {
          "backlog": 0,
          "dead_letters": 1,
          "in_flight": 0,
          "last_error": {
            "at": "[time]",
            "message": "127.0.0.1 is not a public address; `hooks.allow_private` allows it"
          },
          "name": "default",
          "state": "[state]",
          "url": "http://127.0.0.1:9/hook"
        }
      ]
    }
    "#);
}

#[tokio::test]
async fn an_offline_user_was_last_seen_when_the_last_socket_closed() {
    let api = Fixture::new();
    let ann = api.connect("ann", "/", &[]).await;
    api.watch_deadlines();
    api.realtime.attendance.leave(&ann.socket, Reason::TransportClose);
    api.sockets.presence.end_grace(ann.socket.user(), Reason::Kicked);

    let seen = |it: &Value| it["last_seen"].is_string();
    let shown = api.wait_for("/v1/users/ann", seen).await;

    assert_eq!(shown["state"], "offline", "{shown}");
    assert_eq!(shown.get("since"), None, "{shown}");
}

#[tokio::test]
async fn a_closed_store_is_a_server_that_stops() {
    let api = Fixture::new();
    api.store.close().await;

    for path in ["/v1/users", "/v1/users/ann", "/v1/events", "/v1/hooks/deliveries"] {
        let answer = api.get(path).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{path}: {answer:?}");
        assert_eq!(answer.error().2, "the server is stopping", "{path}");
    }
    let replay = api.post("/v1/hooks/deliveries/1/replay", "").await;
    assert_eq!(replay.status, StatusCode::SERVICE_UNAVAILABLE, "{replay:?}");
}
