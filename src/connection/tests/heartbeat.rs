//! Pings, and what becomes of those who do not answer.

use super::fixture::{Engine, Server, until};
use crate::types::Reason;
use std::time::Duration;
use tokio::io::AsyncReadExt as _;

/// Between two pings.
const INTERVAL: Duration = Duration::from_millis(50);
/// For an answer that does not come.
const TIMEOUT: Duration = Duration::from_millis(50);
/// For an answer that comes, on a busy machine.
const LONG: Duration = Duration::from_secs(30);

async fn answered(engine: &Engine) {
    until("it has answered", || engine.connection.lock().pinged_at.is_none().then_some(())).await;
}

#[tokio::test]
async fn a_client_that_answers_is_pinged_again_and_again() {
    let server = Server::pinging(INTERVAL, LONG).await;
    let (mut client, engine) = server.websocket().await;

    for _ in 0..3 {
        assert_eq!(client.next().await.unwrap(), b"2");
        client.send(b"3").await;
        answered(&engine).await;
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
    let server = Server::pinging(INTERVAL, TIMEOUT).await;
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
        assert_eq!(client.post(b"3").await.status, 200);
        answered(&engine).await;
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
