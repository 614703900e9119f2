//! What is told about sockets that are gone, and for how long.

use super::fixture::Fixture;
use crate::types::{Ending, Reason};
use axum::http::StatusCode;
use metrics_exporter_prometheus::PrometheusBuilder;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

fn ids(history: &Value) -> Vec<&str> {
    history["sockets"].as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_socket_that_is_gone_is_shown_with_how_it_ended() {
    let api = Fixture::new();
    let ann = api.connect("ann@example.com", "/chat", &[]).await;
    let here = api.get("/v1/users/ann%40example.com/history").await;
    ann.socket.connection.close(Reason::SlowConsumer);
    api.realtime.attendance.leave(&ann.socket, Reason::SlowConsumer);

    let gone = api.get("/v1/users/ann%40example.com/history").await;

    assert_eq!(gone.status, StatusCode::OK);
    insta::assert_json_snapshot!([here.json(), gone.json()], {
        "[].sockets[].id" => "[id]", "[].sockets[].disconnected_at" => "[time]",
        "[].sockets[].last_pong_ms_ago" => "[ms]", "[].sockets[].bytes_out" => "[bytes]"
    }, @r#"
    [
      {
        "messages": [],
        "sockets": [
          {
            "address": "203.0.113.7",
            "bytes_in": 0,
            "bytes_out": "[bytes]",
            "connected_at": "2026-08-01T09:41:00.123Z",
            "id": "[id]",
            "last_pong_ms_ago": "[ms]",
            "namespace": "/chat",
            "pending_bytes": 0,
            "transport": "polling",
            "upgraded": false,
            "user_agent": "test/1"
          }
        ],
        "user": "ann@example.com"
      },
      {
        "messages": [],
        "sockets": [
          {
            "address": "203.0.113.7",
            "bytes_in": 0,
            "bytes_out": "[bytes]",
            "connected_at": "2026-08-01T09:41:00.123Z",
            "disconnected_at": "[time]",
            "id": "[id]",
            "last_pong_ms_ago": "[ms]",
            "namespace": "/chat",
            "pending_bytes": 0,
            "reason": "slow_consumer",
            "transport": "polling",
            "upgraded": false,
            "user_agent": "test/1"
          }
        ],
        "user": "ann@example.com"
      }
    ]
    "#);
    for answer in [here, gone] {
        let socket = &answer.json()["sockets"][0];
        assert!(socket["last_pong_ms_ago"].as_u64().unwrap() < 10_000, "{socket}");
        assert!(50 < socket["bytes_out"].as_u64().unwrap(), "open packet and greeting: {socket}");
        assert_eq!(socket["id"], ann.socket.id.to_string());
    }
}

#[tokio::test]
async fn somebody_nobody_remembers_has_no_history_and_that_is_an_answer() {
    let api = Fixture::new();

    let answer = api.get("/v1/users/nobody/history").await;

    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.text, r#"{"user":"nobody","sockets":[],"messages":[]}"#);
}

#[tokio::test]
async fn those_that_are_here_come_first_and_the_oldest_of_those_that_are_gone_is_forgotten() {
    let api = Fixture::new();
    let mut clients = Vec::new();
    for _ in 0..5 {
        clients.push(api.connect("ann", "/", &[]).await);
    }
    // The fixture remembers two sockets of a user.
    for gone in [3, 0, 1] {
        api.realtime.attendance.leave(&clients[gone].socket, Reason::TransportClose);
    }
    // Repeats change nothing.
    api.realtime.attendance.leave(&clients[0].socket, Reason::Kicked);

    let answer = api.get("/v1/users/ann/history").await.json();

    let expected = [4, 2, 1, 0].map(|n: usize| clients[n].socket.id.to_string());
    assert_eq!(ids(&answer), expected, "{answer}");
    let reasons: Vec<Option<&str>> =
        answer["sockets"].as_array().unwrap().iter().map(|it| it["reason"].as_str()).collect();
    let close = Some("transport_close");
    assert_eq!(reasons, [None, None, close, close]);
}

#[tokio::test(start_paused = true)]
async fn a_socket_that_only_the_sweep_found_is_gone_counted_and_remembered() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let _counting = metrics::set_default_local_recorder(&recorder);
    let api = Fixture::new();
    let ann = api.connect("ann", "/", &[]).await;
    let _bob = api.connect("bob", "/", &[]).await;
    // Nobody says that it is gone.
    ann.socket.connection.close(Reason::TransportError);
    let mut sweeping = Box::pin(Arc::clone(&api.realtime.attendance).run_sweep());

    // The fixture sweeps every 10 s.
    for (seconds, sockets, removals) in [(15, 2, None), (10, 1, Some(1)), (30, 1, Some(1))] {
        run_for(seconds, &mut sweeping).await;
        assert_eq!(api.get("/v1/stats").await.json()["sockets"], sockets);
        let counted = recorder.handle().render();
        let line = removals.map(|n| format!("userline_audit_removals_total {n}\n"));
        assert_eq!(counted.contains("audit_removals"), line.is_some(), "{counted}");
        assert!(line.is_none_or(|line| counted.contains(&line)), "{counted}");
    }

    let answer = api.get("/v1/users/ann/history").await.json();
    assert_eq!(answer["sockets"][0]["reason"], "audit", "{answer}");
}

#[tokio::test(start_paused = true)]
async fn what_is_too_old_is_forgotten_though_nobody_asks() {
    let api = Fixture::new();
    let ann = api.connect("ann", "/", &[]).await;
    api.realtime.attendance.leave(&ann.socket, Reason::TransportClose);
    let mut sweeping = Box::pin(Arc::clone(&api.realtime.attendance).run_sweep());

    // The fixture remembers for an hour.
    run_for(59 * 60, &mut sweeping).await;
    assert_eq!(ids(&api.get("/v1/users/ann/history").await.json()).len(), 1);
    run_for(2 * 60, &mut sweeping).await;

    assert_eq!(ids(&api.get("/v1/users/ann/history").await.json()).len(), 0);
    assert_eq!(api.realtime.attendance.visits().len(), 0);
}

async fn run_for(seconds: u64, task: impl Future<Output = ()>) {
    tokio::time::timeout(Duration::from_secs(seconds), task).await.unwrap_err();
}

#[tokio::test]
async fn the_document_names_every_reason_and_every_ending() {
    let api = Fixture::new();

    let document = api.get("/v1/openapi.json").await.json();

    let schemas = &document["components"]["schemas"];
    let reasons = Reason::ALL.map(Reason::as_str);
    let endings = Ending::ALL.map(Ending::as_str);
    for (schema, names) in [("ReasonName", &reasons[..]), ("EndingName", &endings[..])] {
        assert_eq!(schemas[schema]["enum"], Value::from(names), "{}", schemas[schema]);
        let description = schemas[schema]["description"].as_str().unwrap();
        for name in names {
            assert!(description.contains(&format!("`{name}`")), "{name}: {description}");
        }
    }
}
