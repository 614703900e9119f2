//! Why was I thrown out? What `GET /v1/users/{user}/history` says after each way to go.

use super::{PATIENCE, is_up};
use crate::rig::client::{Goodbye, Transport};
use crate::rig::eventually;
use crate::rig::proxy::Flow;
use crate::rig::server::token;
use crate::rig::stage::Stage;
use serde_json::{Value, json};
use std::net::SocketAddr;
use tokio::time::timeout;
use userline::client::Client;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_fell_silent_is_a_ping_timeout_with_the_time_of_the_last_pong() {
    let stage = Stage::start().await;
    let ann = stage.arrive("ann").await;

    // The client wants to stay away, and its goodbye never arrives.
    ann.suffer(Flow::HalfOpen);
    ann.go(Goodbye::Polite);
    let visit = ended(&stage, "ann").await;

    assert_eq!(visit["reason"], "ping_timeout", "{visit}");
    assert_eq!(visit["transport"], "websocket", "{visit}");
    assert_eq!(visit["upgraded"], false, "{visit}");
    // The ping that was not answered went out a second before.
    let silent = visit["last_pong_ms_ago"].as_u64().unwrap();
    assert!(900 <= silent, "{visit}");
    assert!(visit["bytes_in"].as_u64().unwrap() > 0, "{visit}");
    let times = ["connected_at", "disconnected_at"].map(|it| visit[it].as_str().unwrap());
    assert!(times[0] < times[1], "{visit}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_who_was_thrown_out_by_the_backend_was_kicked() {
    let stage = Stage::start().await;
    let _ann = stage.arrive("ann").await;

    stage.api().post("/v1/users/ann/disconnect", &json!({"reason": "banned"})).await;
    let visit = ended(&stage, "ann").await;

    assert_eq!(visit["reason"], "kicked", "{visit}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_came_back_on_another_connection_has_replaced_its_old_socket() {
    let stage = Stage::start().await;
    let ann = stage.arrive("ann").await;

    ann.suffer(Flow::HalfOpen);
    is_up(&ann).await;
    let visit = ended(&stage, "ann").await;

    assert_eq!(visit["reason"], "replaced", "{visit}");
    let sockets = history(&stage, "ann").await;
    assert_eq!(sockets.len(), 2, "{sockets:?}");
    assert_eq!(sockets[0].get("reason"), None, "the new one is here: {sockets:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_began_by_polling_and_went_over_is_said_to_be_upgraded() {
    let stage = Stage::start().await;
    let polling = stage.tab("poll", Transport::Polling);
    polling.come();
    is_up(&polling).await;
    let still = &history(&stage, "poll").await[0];
    assert_eq!((&still["transport"], &still["upgraded"]), (&json!("polling"), &json!(false)));

    let upgraded = timeout(PATIENCE, upgrade(stage.proxy.address, "ann")).await.unwrap();
    eventually("it is upgraded", PATIENCE, async || {
        history(&stage, "ann").await.first().is_some_and(|it| it["upgraded"] == true)
    })
    .await;
    upgraded.close().await.unwrap();

    let visit = ended(&stage, "ann").await;
    assert_eq!((&visit["transport"], &visit["upgraded"]), (&json!("websocket"), &json!(true)));
    assert_eq!(visit["reason"], "transport_close", "{visit}");
}

async fn history(stage: &Stage, user: &str) -> Vec<Value> {
    let history = stage.api().get(&format!("/v1/users/{user}/history")).await;
    history["sockets"].as_array().unwrap().clone()
}

/// The socket of the user that ended last, once there is one.
async fn ended(stage: &Stage, user: &str) -> Value {
    let mut found = None;
    eventually("a socket has ended", PATIENCE, async || {
        let sockets = history(stage, user).await;
        found = sockets.into_iter().find(|it| it.get("reason").is_some());
        found.is_some()
    })
    .await;
    found.unwrap()
}

/// A client that polls, joins, and goes over to WebSocket as stock clients do.
async fn upgrade(server: SocketAddr, user: &str) -> Client {
    let mut client = Client::open(Transport::Polling, server).await.unwrap();
    client.join(&json!({"token": token(user)}).to_string()).await.unwrap();
    client.upgrade().await.unwrap();
    client
}
