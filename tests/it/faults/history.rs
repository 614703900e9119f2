//! Why was I thrown out? What `GET /v1/users/{user}/history` says after each way to go.

use super::{PATIENCE, is_up};
use crate::rig::client::{Goodbye, Transport};
use crate::rig::proxy::Flow;
use crate::rig::server::token;
use crate::rig::stage::Stage;
use crate::rig::{eventually, http};
use bytes::{Bytes, BytesMut};
use serde_json::{Value, json};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use userline::core::protocol::frame::{self, Content};

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

    let mut upgraded = timeout(PATIENCE, upgrade(stage.proxy.address, "ann")).await.unwrap();
    eventually("it is upgraded", PATIENCE, async || {
        history(&stage, "ann").await.first().is_some_and(|it| it["upgraded"] == true)
    })
    .await;
    upgraded.shutdown().await.unwrap();
    drop(upgraded);

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
async fn upgrade(server: SocketAddr, user: &str) -> TcpStream {
    let mut polls = TcpStream::connect(server).await.unwrap();
    let mut rest = Vec::new();
    let path = "/socket.io/?EIO=4&transport=polling";
    http::ask(&mut polls, &format!("GET {path}"), "", "").await.unwrap();
    let opened = http::read(&mut polls, &mut rest).await.unwrap().body;
    let opened: Value = serde_json::from_str(opened.trim_start_matches('0')).unwrap();
    let sid = opened["sid"].as_str().unwrap();
    let path = format!("{path}&sid={sid}");
    let join = format!("40{}", json!({"token": token(user)}));
    http::ask(&mut polls, &format!("POST {path}"), "", &join).await.unwrap();
    assert_eq!(http::read(&mut polls, &mut rest).await.unwrap().status(), 200);
    // A ping may come first.
    let mut heard = String::new();
    while !heard.contains("40{") {
        http::ask(&mut polls, &format!("GET {path}"), "", "").await.unwrap();
        heard += &http::read(&mut polls, &mut rest).await.unwrap().body;
    }

    let mut stream = TcpStream::connect(server).await.unwrap();
    let headers = "connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
                   sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let first = format!("GET /socket.io/?EIO=4&transport=websocket&sid={sid}");
    http::ask(&mut stream, &first, headers, "").await.unwrap();
    let mut read = Vec::new();
    assert_eq!(http::read(&mut stream, &mut read).await.unwrap().status(), 101);
    let mut read = BytesMut::from(&read[..]);
    // A poll waits meanwhile, and is ended by the server.
    http::ask(&mut polls, &format!("GET {path}"), "", "").await.unwrap();
    say(&mut stream, "2probe").await;
    while hear(&mut stream, &mut read).await != "3probe" {}
    http::read(&mut polls, &mut rest).await.unwrap();
    say(&mut stream, "5").await;
    stream
}

async fn say(stream: &mut TcpStream, packet: &str) {
    let mut framed = BytesMut::new();
    frame::put_client_text(&mut framed, packet.as_bytes());
    stream.write_all(&framed).await.unwrap();
}

async fn hear(stream: &mut TcpStream, read: &mut BytesMut) -> String {
    loop {
        let mut bytes: Bytes = read.split().freeze();
        let taken = frame::take(&mut bytes);
        read.extend_from_slice(&bytes);
        match taken {
            Some((_, Content::Text(text))) => return String::from_utf8(text.to_vec()).unwrap(),
            Some(_) => {}
            None => assert_ne!(stream.read_buf(read).await.unwrap(), 0, "it ended"),
        }
    }
}
