//! Large answers to polls, which their clients take slowly or not at all.

use super::clients::{Poller, answer};
use super::fixture::{Engine, Server, limits, until};
use crate::config::LimitsConfig;
use crate::connection::Sent;
use crate::core::protocol::frame;
use crate::types::{Ending, Reason};
use bytes::Bytes;
use std::time::Duration;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

/// More than the kernel holds of an answer.
const LARGE: usize = 900_000;
/// A second less than `limits.stall`.
const ALMOST_STALL: Duration = Duration::from_secs(19);

fn event(size: usize) -> Bytes {
    frame::text(&[b"42", &vec![b'x'; size]])
}

/// One where the kernel holds little, and so much may wait for all.
async fn server(waiting_bytes: usize) -> Server {
    let limits = LimitsConfig { buffer_bytes: 1_000_000, waiting_bytes, ..limits() };
    let never = Duration::from_hours(24);
    Server::pinging_through_little(limits, never, Duration::from_secs(10)).await
}

/// A client that takes nothing of the large answer to its poll.
async fn idle_reader(server: &Server) -> (Poller, Engine, TcpStream) {
    let (client, engine) = server.poller().await;
    assert_eq!(engine.connection.send(&event(LARGE)), Sent::Yes);
    let poll = client.begin_poll().await;
    until("it is answered", || (engine.connection.queued() == 0).then_some(())).await;
    assert!(LARGE / 2 < engine.connection.lock().untaken_bytes(), "the kernel holds too much");
    (client, engine, poll)
}

/// Another poll, on another TCP connection.
async fn next_poll(client: &Poller, engine: &Engine) -> TcpStream {
    let poll = client.begin_poll().await;
    until("it polls", || engine.connection.lock().is_polled().then_some(())).await;
    poll
}

#[tokio::test]
async fn the_next_poll_waits_until_the_answer_is_taken() {
    let server = server(10_000_000).await;
    let (client, engine, mut first) = idle_reader(&server).await;
    assert_eq!(engine.connection.send(&event(1)), Sent::Yes);

    let mut second = next_poll(&client, &engine).await;
    assert_ne!(engine.connection.queued(), 0);

    assert_eq!(answer(&mut first).await.packets()[0].len(), 2 + LARGE);
    assert_eq!(answer(&mut second).await.packets(), [b"42x"]);
    until("nothing waits", || (server.connections.waiting_bytes() == 0).then_some(())).await;
}

#[tokio::test]
async fn the_next_poll_is_answered_when_nobody_takes_the_answer_any_more() {
    let server = server(10_000_000).await;
    let (client, engine, first) = idle_reader(&server).await;
    assert_eq!(engine.connection.send(&event(1)), Sent::Yes);
    let mut second = next_poll(&client, &engine).await;

    drop(first);

    assert_eq!(answer(&mut second).await.packets(), [b"42x"]);
    assert!(!engine.connection.is_closed());
}

#[tokio::test]
async fn an_answer_that_is_not_taken_goes_with_its_connection() {
    let server = server(10_000_000).await;
    let (client, engine, mut first) = idle_reader(&server).await;
    let mut second = next_poll(&client, &engine).await;
    assert!(LARGE < server.connections.waiting_bytes());

    engine.connection.close(Reason::ServerShutdown);

    until("nothing waits", || (server.connections.waiting_bytes() == 0).then_some(())).await;
    assert_eq!(answer(&mut second).await.status, 400);
    let mut taken = Vec::new();
    let end = first.read_to_end(&mut taken).await;
    assert!(taken.len() < LARGE, "{end:?}");
}

#[tokio::test]
async fn whoever_does_not_take_an_answer_owes_it() {
    let server = server(1_500_000).await;
    let (_client, debtor, _first) = idle_reader(&server).await;
    let others = [server.poller().await.1, server.poller().await.1];

    for other in &others {
        assert_eq!(other.connection.send(&event(400_000)), Sent::Yes);
    }
    until("somebody goes", || (server.connections.waiting_bytes() < 1_000_000).then_some(())).await;

    assert_eq!(debtor.connection.vitals().ending, Some(Ending::Crowded));
    assert!(others.iter().all(|it| !it.connection.is_closed()));
}

#[tokio::test(start_paused = true)]
async fn who_takes_a_large_answer_slowly_is_not_closed_for_what_waits_behind_it() {
    let server = server(10_000_000).await;
    let (_client, engine, mut first) = idle_reader(&server).await;
    assert_eq!(engine.connection.send(&event(1)), Sent::Yes);

    for _ in 0..5 {
        tokio::time::sleep(ALMOST_STALL).await;
        assert!(!engine.connection.is_closed());
        let before = engine.connection.lock().untaken_bytes();
        let mut taken = vec![0; 100_000];
        first.read_exact(&mut taken).await.unwrap();
        let moves = || (engine.connection.lock().untaken_bytes() < before).then_some(());
        until("more of it is taken", moves).await;
    }
}
