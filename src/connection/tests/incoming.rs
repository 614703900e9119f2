//! What a client sends reaches whom it is for, in order, and no faster than that is taken.

use super::clients::{WebSocket, answer, client_frame};
use super::fixture::{Engine, Server, until};
use crate::connection::AckAsker;
use crate::types::{Namespace, Reason};
use futures_util::FutureExt as _;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// A client whose first event is the last that its listener takes.
async fn held_back(server: &Server) -> (WebSocket, Engine) {
    let (mut client, mut engine) = server.websocket().await;
    engine.events.close_gate();
    let packets = [&b"42[\"a\"]"[..], b"42[\"b\"]", b"40/x,"].map(|it| client_frame(0x81, it));
    client.stream.write_all(&packets.concat()).await.unwrap();
    assert_eq!(engine.read().await.unwrap(), b"42[\"a\"]");
    engine.is_held_back().await;
    assert_eq!(engine.read().now_or_never(), None, "nothing more is taken");
    (client, engine)
}

#[tokio::test]
async fn a_client_is_not_read_while_its_listener_takes_no_more() {
    let server = Server::start().await;
    let (mut client, mut engine) = held_back(&server).await;
    client.send(b"42[\"c\"]").await;
    assert_eq!(engine.read().now_or_never(), None);

    engine.events.open_gate();

    let mut rest = Vec::new();
    for _ in 0..3 {
        rest.push(engine.read().await.unwrap());
    }
    assert!(rest.contains(&b"40/x,".to_vec()), "{rest:?}");
    let events: Vec<_> = rest.iter().filter(|it| it.starts_with(b"42")).collect();
    assert_eq!(events, [b"42[\"b\"]", b"42[\"c\"]"]);
}

#[tokio::test]
async fn a_connection_that_is_closed_while_it_is_not_read_ends() {
    let server = Server::start().await;
    let (_client, mut engine) = held_back(&server).await;

    engine.connection.close(Reason::Kicked);

    assert_eq!(engine.read().await, None);
    assert_eq!(engine.events.left(), [Reason::Kicked]);
    assert!(server.connections.is_empty());
}

#[tokio::test]
async fn a_post_is_not_answered_while_its_events_are_not_taken() {
    let server = Server::start().await;
    let (client, mut engine) = server.poller().await;
    engine.events.close_gate();
    let mut post = client.begin_post(b"42[\"a\"]\x1e42[\"b\"]").await;
    assert_eq!(engine.read().await.unwrap(), b"42[\"a\"]");
    engine.is_held_back().await;
    assert!(engine.connection.lock().polling.as_ref().is_some_and(|it| it.is_unread));

    engine.events.open_gate();
    assert_eq!(engine.read().await.unwrap(), b"42[\"b\"]");

    assert_eq!(answer(&mut post).await.status, 200);
}

#[tokio::test]
async fn a_client_that_is_not_read_is_not_missed() {
    // Long beside what a busy machine needs to hold the client back.
    let timeout = Duration::from_secs(1);
    let server = Server::pinging(timeout, timeout).await;
    let (mut client, mut engine) = server.websocket().await;
    engine.events.close_gate();
    client.send(b"42[\"a\"]").await;
    assert_eq!(engine.read().await.unwrap(), b"42[\"a\"]");
    engine.is_held_back().await;

    assert_eq!(client.next().await.unwrap(), b"2");
    client.send(b"3").await;
    client.send(b"42[\"b\"]").await;
    tokio::time::sleep(2 * timeout).await;
    assert!(!engine.connection.is_closed(), "it has answered, and could not be heard");
    assert!(!engine.connection.owes_pong());

    engine.events.open_gate();
    assert_eq!(engine.read().await.unwrap(), b"42[\"b\"]", "what stands behind the answer");
    assert!(!engine.connection.is_closed());
}

#[tokio::test]
async fn what_breaks_the_protocol_ends_the_connection() {
    let server = Server::start().await;
    for bytes in [
        client_frame(0x81, b"42["),
        client_frame(0x81, b"451[\"a\"]"),
        client_frame(0x83, b"x"),
        client_frame(0x81, b"\xff"),
        client_frame(0x81, b"47"),
        // A namespace that is joined already.
        client_frame(0x81, b"40"),
        // In a namespace that is not joined, or not any more.
        client_frame(0x81, b"42/x,[\"a\"]"),
        [client_frame(0x81, b"41"), client_frame(0x81, b"42[\"a\"]")].concat(),
    ] {
        let (mut client, mut engine) = server.websocket().await;
        client.stream.write_all(&bytes).await.unwrap();
        assert_eq!(engine.read().await, None);
        assert_eq!(client.next().await, None, "{bytes:?}");
        let reason = engine.connection.end_reason();
        assert_eq!(reason, Some(Reason::TransportError), "{bytes:?}");
        until("it is forgotten", || server.connections.is_empty().then_some(())).await;
    }
}

#[tokio::test(start_paused = true)]
async fn buffers_that_do_not_come_end_the_connection_and_those_that_do_have_their_time_anew() {
    let server = Server::start().await;
    let (mut client, mut engine) = server.websocket().await;
    // limits.body_timeout is 5 s.
    for _ in 0..3 {
        client.send(b"451-[\"a\"]").await;
        assert_eq!(engine.read().now_or_never(), None);
        tokio::time::sleep(Duration::from_secs(3)).await;
        client.stream.write_all(&client_frame(0x82, b"x")).await.unwrap();
        assert_eq!(engine.read().await.unwrap(), b"42[\"a\"]");
    }
    client.send(b"451-[\"a\"]").await;
    client.send(b"3").await;

    while let Some(packet) = engine.read().await {
        assert_eq!(packet, b"3");
    }
    assert_eq!(engine.connection.end_reason(), Some(Reason::TransportError));
}

#[tokio::test]
async fn nothing_is_delivered_on_a_connection_that_is_being_closed() {
    let server = Server::start().await;
    let (client, mut engine) = server.poller().await;
    engine.connection.finish(Reason::Kicked);

    let post = client.post(b"42[\"a\"]\x1e42/x,[\"b\"]\x1e40/x,").await;

    assert_eq!(post.status, 200);
    assert_eq!(engine.read().now_or_never(), None);
}

#[tokio::test]
async fn an_ack_reaches_who_waits_for_it_and_others_are_passed_over() {
    let server = Server::start().await;
    let (mut client, engine) = server.websocket().await;
    let awaited = engine.connection.await_ack(&Namespace::root(), 7, AckAsker::Backend).unwrap();
    for packet in [&b"438[\"other\"]"[..], b"43/x,7[\"other\"]", b"437[1,\"two\"]", b"437[3]"] {
        client.send(packet).await;
    }

    assert_eq!(awaited.received().await.unwrap().args.get(), "[1,\"two\"]");
    assert!(!engine.connection.is_closed());
}

#[tokio::test]
async fn clients_cannot_keep_the_backend_from_asking_for_acks() {
    let server = Server::start().await;
    let (_client, engine) = server.websocket().await;
    let (connection, root) = (&engine.connection, Namespace::root());
    let ask = |ids: std::ops::Range<u64>, asker| -> Vec<_> {
        ids.filter_map(|id| connection.await_ack(&root, id, asker).ok()).collect()
    };
    let by_clients = ask(0..200, AckAsker::Client);
    assert_eq!(by_clients.len(), 64);
    let by_backend = ask(200..400, AckAsker::Backend);
    assert_eq!(by_backend.len(), 64, "128 in all");
    drop(by_clients);
    assert_eq!(ask(400..500, AckAsker::Backend).len(), 64);
    let all = ask(500..600, AckAsker::Backend);
    assert!(connection.await_ack(&root, 600, AckAsker::Client).is_err(), "none is left");
    drop((all, by_backend));
}

#[tokio::test]
async fn a_websockets_own_ping_is_answered_and_its_close_frame_too() {
    let server = Server::start().await;
    let (mut client, mut engine) = server.websocket().await;

    let frames = [client_frame(0x89, b"hi"), client_frame(0x88, &[0x03, 0xe9])];
    client.stream.write_all(&frames.concat()).await.unwrap();

    let mut rest = Vec::new();
    client.stream.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest, b"\x8a\x02hi\x88\x02\x03\xe9");
    assert_eq!(engine.read().await, None);
    assert_eq!(engine.events.left(), [Reason::TransportClose]);
}

#[tokio::test]
async fn a_client_that_leaves_a_namespace_has_left_it_when_its_next_packet_is_read() {
    let server = Server::start().await;
    let (mut client, mut engine) = server.websocket().await;

    let frames = [client_frame(0x81, b"41"), client_frame(0x81, b"40{}")];
    client.stream.write_all(&frames.concat()).await.unwrap();

    assert_eq!(engine.read().await.unwrap(), b"40/,{}", "it may come again");
    assert_eq!(engine.events.left(), [Reason::ClientDisconnect]);
    assert!(!engine.connection.is_closed());
}
