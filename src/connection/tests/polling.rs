//! Long-polling: what clients may not do, and what happens to those who do.

use super::clients::{Poller, answer, client_frame, get};
use super::fixture::{Engine, Server, until};
use crate::connection::{Connection, ConnectionState};
use crate::core::protocol::frame;
use crate::types::{Ending, Reason};
use std::time::Duration;
use tokio::net::TcpStream;

async fn waiting_poll(client: &Poller, connection: &Connection) -> TcpStream {
    let poll = client.begin_poll().await;
    until("the poll waits", || connection.lock().is_polled().then_some(())).await;
    poll
}

#[tokio::test]
async fn packets_go_both_ways() {
    let server = Server::start().await;
    let (client, mut engine) = server.poller().await;
    let mut poll = waiting_poll(&client, &engine.connection).await;

    engine.write(b"2");
    let posted = client.post(b"3\x1e42[1]").await;

    assert_eq!(answer(&mut poll).await.packets(), [b"2"]);
    assert_eq!((posted.status, &posted.body[..]), (200, b"ok".as_slice()));
    assert_eq!(engine.read().await.unwrap(), b"42[1]");
}

#[tokio::test]
async fn a_poll_gets_what_was_sent_before_it_came() {
    let server = Server::start().await;
    let (client, engine) = server.poller().await;
    engine.connection.send(&frame::text(&[b"42[1]"]));
    engine.connection.queue(&frame::text(&[b"42[2]"]));

    assert_eq!(client.poll().await.packets(), [b"42[1]".as_slice(), b"42[2]"]);
}

#[tokio::test]
async fn two_polls_at_once_close_the_connection() {
    let server = Server::start().await;
    let (client, mut engine) = server.poller().await;
    let mut first = waiting_poll(&client, &engine.connection).await;

    let second = client.poll().await;

    assert_eq!(second.status, 400);
    assert_eq!(answer(&mut first).await.status, 400);
    assert_eq!(engine.connection.end_reason(), Some(Reason::TransportError));
    assert_eq!(engine.connection.vitals().ending, Some(Ending::PollsOverlap));
    assert_eq!(engine.read().await, None);
}

/// A post that waits, because a listener does not take its second event.
async fn waiting_post(client: &Poller, engine: &Engine) -> TcpStream {
    engine.events.close_gate();
    let post = client.begin_post(b"42[1]\x1e42[2]").await;
    engine.is_held_back().await;
    post
}

#[tokio::test]
async fn the_second_of_two_posts_at_once_waits_for_its_turn() {
    let server = Server::start().await;
    let (client, mut engine) = server.poller().await;
    let mut first = waiting_post(&client, &engine).await;
    let mut second = client.begin_post(b"42[3]").await;
    until("it waits", || (engine.connection.lock().posts() == 2).then_some(())).await;

    assert_eq!(engine.read().await.unwrap(), b"42[1]");
    engine.events.open_gate();

    assert_eq!(answer(&mut first).await.status, 200);
    assert_eq!(answer(&mut second).await.status, 200);
    assert_eq!(engine.read().await.unwrap(), b"42[2]");
    assert_eq!(engine.read().await.unwrap(), b"42[3]");
    assert_eq!(engine.connection.lock().posts(), 0);
}

#[tokio::test]
async fn three_posts_at_once_close_the_connection() {
    let server = Server::start().await;
    let (client, engine) = server.poller().await;
    let mut first = waiting_post(&client, &engine).await;
    let mut second = client.begin_post(b"42[3]").await;
    until("it waits", || (engine.connection.lock().posts() == 2).then_some(())).await;

    let third = client.post(b"42[4]").await;

    assert_eq!(third.status, 400);
    assert_eq!(answer(&mut first).await.status, 200);
    assert_eq!(answer(&mut second).await.status, 400);
    assert_eq!(engine.connection.end_reason(), Some(Reason::TransportError));
    assert_eq!(engine.connection.vitals().ending, Some(Ending::PostsOverlap));
}

#[tokio::test]
async fn posts_that_are_given_up_one_after_the_other_do_not_fill_the_memory() {
    let server = Server::start().await;
    let (client, engine) = server.poller().await;
    drop(waiting_post(&client, &engine).await);
    let body = [b"42".as_slice(), &vec![b'x'; 90_000]].concat();

    for n in 0..10 {
        if engine.connection.is_closed() {
            assert!((2..=4).contains(&n), "closed after {n} posts");
            return;
        }
        let inbox_len = |state: &ConnectionState| {
            state.polling.as_ref().and_then(|it| it.inbox.as_ref()).map_or(0, |it| it.frames.len())
        };
        let before = inbox_len(&engine.connection.lock());
        drop(client.begin_post(&body).await);
        until("the post is over", || {
            let state = engine.connection.lock();
            let is_over = before < inbox_len(&state)
                && !state.polling.as_ref().is_some_and(|it| it.is_posted);
            (is_over || engine.connection.shared.connections.is_empty()).then_some(())
        })
        .await;
    }
    panic!("it is never closed");
}

#[tokio::test]
async fn a_client_that_abandons_a_poll_has_closed_the_connection() {
    let server = Server::start().await;
    let (client, mut engine) = server.poller().await;

    drop(waiting_poll(&client, &engine.connection).await);

    assert_eq!(engine.read().await, None);
    assert_eq!(engine.connection.end_reason(), Some(Reason::TransportClose));
    assert_eq!(engine.connection.vitals().ending, Some(Ending::PollAbandoned));
}

#[tokio::test]
async fn nonsense_in_a_post_closes_the_connection() {
    let server = Server::start().await;
    let (client, mut engine) = server.poller().await;

    let refused = client.post(b"hello").await;

    assert_eq!(refused.status, 400);
    assert_eq!(engine.read().await, None);
    assert_eq!(engine.connection.vitals().ending, Some(Ending::MalformedBody));
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_and_the_connection_goes_on() {
    let server = Server::start().await;
    let (client, mut engine) = server.poller().await;

    let refused = client.post(&vec![b'4'; 100_001]).await;

    assert_eq!(refused.status, 413);
    assert_eq!(client.post(b"42[1]").await.status, 200);
    assert_eq!(engine.read().await.unwrap(), b"42[1]");
}

#[tokio::test]
async fn a_connection_that_nobody_has_heard_of_is_refused() {
    let server = Server::start().await;

    let refused = get(server.address, "&sid=AAAAAAAAAAAAAAAAAAAA").await;

    assert_eq!(refused.status, 400);
    assert!(String::from_utf8_lossy(&refused.body).contains("Session ID unknown"));
}

#[tokio::test]
async fn a_websocket_does_not_poll() {
    let server = Server::start().await;
    let (client, mut engine) = server.poller().await;
    let mut socket = client.upgrade(&client_frame(0x81, b"2probe")).await;
    assert_eq!(socket.next().await.unwrap(), b"3probe");
    socket.send(b"5").await;
    socket.send(b"42[1]").await;
    assert_eq!(engine.read().await.unwrap(), b"42[1]");

    assert_eq!(client.poll().await.status, 400);
    assert_eq!(client.post(b"42[2]").await.status, 400);

    socket.send(b"42[3]").await;
    assert_eq!(engine.read().await.unwrap(), b"42[3]", "and goes on undisturbed");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_never_asks_for_anything_keeps_no_place() {
    let server = Server::start().await;
    let (silent, _engine) = server.poller().await;
    let (heard, other) = server.poller().await;
    other.connection.send(&frame::text(&[b"42[1]"]));
    assert_eq!(heard.poll().await.status, 200);

    tokio::time::sleep(Duration::from_secs(11)).await;

    assert_eq!(server.connections.len(), 1);
    assert_eq!(silent.poll().await.status, 400);
    assert!(!other.connection.is_closed());
}
