//! What clients begin to send and do not finish, when that is as much as it may be in all.

use super::clients::{WebSocket, answer, client_frame};
use super::fixture::{Engine, Server, limits, until};
use crate::config::LimitsConfig;
use crate::types::{Ending, Reason};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

/// Bytes of a message that counts.
const LONG: usize = 60_000;

/// Room for two long messages of clients that have joined, and for one of others.
async fn server() -> Server {
    Server::with(LimitsConfig { unfinished_bytes: 100_000, ..limits() }).await
}

fn message() -> Vec<u8> {
    [b"42[\"".as_slice(), &vec![b'x'; LONG], b"\"]"].concat()
}

/// Sends a long message without its end, which is returned.
async fn begin(client: &mut WebSocket, engine: &Engine) -> Vec<u8> {
    let mut frame = client_frame(0x81, &message());
    let end = frame.split_off(frame.len() - 10);
    client.stream.write_all(&frame).await.unwrap();
    has_come(engine, frame.len()).await;
    end
}

async fn has_come(engine: &Engine, bytes: usize) {
    let is_over = || {
        let has_come = bytes <= usize::try_from(engine.connection.vitals().bytes_in).unwrap();
        (has_come || engine.connection.is_closed()).then_some(())
    };
    until("it is read", is_over).await;
}

#[tokio::test]
async fn a_message_that_finds_no_room_ends_its_connection_and_those_before_it_go_on() {
    let server = server().await;
    let mut clients = Vec::new();
    for _ in 0..2 {
        let (mut client, engine) = server.websocket().await;
        let end = begin(&mut client, &engine).await;
        clients.push((client, engine, end));
    }

    let (mut third, beyond) = server.websocket().await;
    begin(&mut third, &beyond).await;

    assert_eq!(beyond.connection.end_reason(), Some(Reason::TransportError));
    assert_eq!(beyond.connection.vitals().ending, Some(Ending::NoRoom));
    assert_eq!(third.next().await, None, "the bare end, after which clients come back");
    for (mut client, mut engine, end) in clients {
        client.stream.write_all(&end).await.unwrap();
        assert_eq!(engine.read().await, Some(message()));
    }
    let (mut fourth, mut engine) = server.websocket().await;
    let end = begin(&mut fourth, &engine).await;
    fourth.stream.write_all(&end).await.unwrap();
    assert_eq!(engine.read().await, Some(message()), "what was taken is there again");
}

#[tokio::test]
async fn clients_that_have_joined_nothing_leave_half_of_it_to_the_others() {
    let server = server().await;
    let mut strangers = Vec::new();
    for is_room in [true, false, false] {
        let (mut client, engine) = server.websocket().await;
        engine.connection.expect_connect(&mut engine.connection.lock());
        begin(&mut client, &engine).await;
        assert_eq!(!engine.connection.is_closed(), is_room);
        strangers.push((client, engine));
    }

    let (mut client, mut engine) = server.websocket().await;
    let end = begin(&mut client, &engine).await;
    client.stream.write_all(&end).await.unwrap();

    assert_eq!(engine.read().await, Some(message()));
}

#[tokio::test]
async fn short_messages_need_no_room() {
    let server = Server::with(LimitsConfig { unfinished_bytes: 0, ..limits() }).await;
    let (mut client, mut engine) = server.websocket().await;
    let short = [b"42[\"".as_slice(), &vec![b'x'; 16_000], b"\"]"].concat();

    client.send(&short).await;

    assert_eq!(engine.read().await, Some(short));
}

#[tokio::test]
async fn a_post_that_finds_no_room_is_answered_with_503_and_its_session_goes_on() {
    let server = server().await;
    let (first, mut engine) = server.poller().await;
    let mut post = first.begin_post_of(&message()).await;
    let (second, _) = server.poller().await;
    let other: TcpStream = second.begin_post_of(&message()).await;
    // A post is not counted as received before it is whole: what the room says is what can be seen.
    let room = &engine.connection.shared.unfinished;
    until("both are read", || (room.left() < 20_000).then_some(())).await;

    let (third, _) = server.poller().await;
    let refused = third.post(&message()).await;

    assert_eq!(refused.status, 503, "{refused:?}");
    let body = String::from_utf8(refused.body).unwrap();
    assert!(body.contains("limits.unfinished_bytes"), "{body}");
    assert_eq!(third.post(b"3").await.status, 200, "the session goes on");
    drop(other);
    until("its room is there again", || (40_000 < room.left()).then_some(())).await;
    post.write_all(b"]").await.unwrap();
    assert_eq!(engine.read().await, Some(message()));
    assert_eq!(answer(&mut post).await.status, 200);
    let room = &engine.connection.shared.unfinished;
    until("all is there again", || (room.left() == 100_000).then_some(())).await;
}
