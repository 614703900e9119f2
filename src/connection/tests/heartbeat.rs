//! Pings, and what becomes of those who do not answer.

use super::fixture::{Engine, Server, limits, until};
use crate::config::LimitsConfig;
use crate::connection::Sent;
use crate::core::protocol::frame;
use crate::types::{Reason, Timestamp};
use std::time::Duration;
use tokio::io::AsyncReadExt as _;

/// Between two pings.
const INTERVAL: Duration = Duration::from_millis(50);
/// For an answer that does not come.
const TIMEOUT: Duration = Duration::from_millis(50);
/// For an answer that comes, on a busy machine.
const LONG: Duration = Duration::from_secs(30);

/// When the ping that waits for an answer was sent.
fn asked(engine: &Engine) -> Option<Timestamp> {
    engine.connection.lock().pinged_at
}

/// Waits until the ping of that moment is answered. On a busy machine the next one waits for its answer by then.
async fn answered(engine: &Engine, ping: Option<Timestamp>) {
    let is_over = || asked(engine).is_none_or(|it| Some(it) != ping);
    until("it has answered", || is_over().then_some(())).await;
}

#[tokio::test]
async fn a_client_that_answers_is_pinged_again_and_again() {
    let server = Server::pinging(INTERVAL, LONG).await;
    let (mut client, engine) = server.websocket().await;

    for _ in 0..3 {
        assert_eq!(client.next().await.unwrap(), b"2");
        let ping = asked(&engine);
        client.send(b"3").await;
        answered(&engine, ping).await;
    }
    assert!(!engine.connection.is_closed());
}

#[tokio::test]
async fn a_client_that_does_not_answer_is_pinged_once_and_closed() {
    let server = Server::pinging(INTERVAL, TIMEOUT).await;
    let (mut client, mut engine) = server.websocket().await;

    assert_eq!(client.next().await.unwrap(), b"2");
    assert_eq!(client.next().await, None);
    assert!(client.stream.read_to_end(&mut Vec::new()).await.is_ok_and(|n| n == 0));
    assert_eq!(engine.read().await, None, "its sockets hear of it");
    assert_eq!(engine.connection.end_reason(), Some(Reason::PingTimeout));
    assert!(server.connections.is_empty());
}

#[tokio::test]
async fn other_messages_are_no_answer() {
    let server = Server::pinging(INTERVAL, SLOW).await;
    let (mut client, mut engine) = server.websocket().await;

    assert_eq!(client.next().await.unwrap(), b"2");
    client.send(b"42[\"3\"]").await;
    assert_eq!(engine.read().await.unwrap(), b"42[\"3\"]");

    assert_eq!(client.next().await, None);
    assert_eq!(engine.connection.end_reason(), Some(Reason::PingTimeout));
}

#[tokio::test]
async fn a_client_that_polls_is_pinged_by_the_answer_of_a_poll() {
    let server = Server::pinging(INTERVAL, LONG).await;
    let (client, engine) = server.poller().await;

    for _ in 0..2 {
        assert_eq!(client.poll().await.packets(), [b"2"]);
        let ping = asked(&engine);
        assert_eq!(client.post(b"3").await.status, 200);
        answered(&engine, ping).await;
    }
    assert!(!engine.connection.is_closed());
}

#[tokio::test]
async fn a_client_that_stopped_polling_is_closed() {
    let server = Server::pinging(INTERVAL, TIMEOUT).await;
    let (_client, mut engine) = server.poller().await;

    assert_eq!(engine.read().await, None);
    until("the connection is over", || server.connections.is_empty().then_some(())).await;
    assert_eq!(engine.connection.end_reason(), Some(Reason::PingTimeout));
}

#[tokio::test]
async fn a_connection_that_came_before_others_ended_is_pinged_as_well() {
    let server = Server::pinging(INTERVAL, LONG).await;
    let (mut first, engine) = server.websocket().await;
    engine.connection.close(Reason::Kicked);
    assert_eq!(first.next().await, None);
    // By now nobody is left to be pinged.
    tokio::time::sleep(2 * INTERVAL).await;
    let (mut second, _engine) = server.websocket().await;

    assert_eq!(second.next().await.unwrap(), b"2");
}

/// How long the slow reader has to answer a ping.
const SLOW: Duration = Duration::from_secs(2);

/// How long it takes for a byte.
const PER_BYTE: Duration = Duration::from_micros(40);

/// Bytes that it is sent: several times [`SLOW`] long.
const SLOWLY: usize = 190_000;

/// A client with a small window, which is sent an event that takes it long, and a ping behind it.
async fn slow_reader() -> (Server, super::clients::WebSocket, Engine) {
    // The kernel says that it has room only when much of what it had is taken, so that a slow reader needs a long `stall`; how
    // far it has come is then looked after less often than a ping is to be answered.
    let limits = LimitsConfig { stall: 8 * SLOW, ..limits() };
    let server = Server::pinging_through_little(limits, INTERVAL, SLOW).await;
    let (client, engine) = server.websocket().await;
    assert_eq!(engine.connection.send(&frame::text(&[b"42", &vec![b'x'; SLOWLY]])), Sent::Yes);
    (server, client, engine)
}

#[tokio::test]
async fn a_slow_but_steady_reader_is_not_closed_while_a_ping_stands_behind_what_it_takes() {
    let (server, mut client, engine) = slow_reader().await;
    let begun = engine.connection.now();
    let (mut read, mut due) = (0, Duration::ZERO);

    // Pings of before the event, and the event.
    while read <= SLOWLY {
        let mut part = [0; 1000];
        let n = client.stream.read(&mut part).await.unwrap_or(0);
        assert_ne!(n, 0, "{:?} after {read} bytes", engine.connection.end_reason());
        read += n;
        due += PER_BYTE * u32::try_from(n).unwrap();
        // As steady on a machine that is busy: what it is behind by then is read at once.
        tokio::time::sleep(due.saturating_sub(engine.connection.now().since(begun))).await;
    }

    let answers = engine.connection.now().since(begun);
    assert!(3 * SLOW < answers, "it took several times the timeout: {answers:?}");
    let ping = asked(&engine);
    client.send(b"3").await;
    answered(&engine, ping).await;
    assert!(!engine.connection.is_closed() && !server.connections.is_empty());
}

#[tokio::test]
async fn a_client_that_takes_nothing_any_more_is_closed_as_before_whatever_waits_for_it() {
    let (_server, _client, mut engine) = slow_reader().await;
    until("it is pinged", || engine.connection.lock().pinged_at.map(|_| ())).await;
    let pinged = engine.connection.lock().pinged_at.unwrap_or(Timestamp(0));

    assert_eq!(engine.read().await, None);

    assert_eq!(engine.connection.end_reason(), Some(Reason::PingTimeout));
    let silent = engine.connection.lock().closed_at.unwrap().since(pinged);
    // One timeout, or two if its kernel took something after the first look.
    assert!(silent < 7 * SLOW, "{silent:?}");
}

#[tokio::test]
async fn a_new_poll_is_a_sign_of_life() {
    let server = Server::pinging(INTERVAL, LONG).await;
    let (client, engine) = server.poller().await;
    until("it is pinged", || engine.connection.lock().pinged_at.map(|_| ())).await;
    let pinged = engine.connection.lock().pinged_at.unwrap();
    tokio::time::sleep(INTERVAL).await;

    assert_eq!(client.poll().await.packets(), [b"2"]);

    assert!(pinged < engine.connection.lock().pinged_at.unwrap());
}
