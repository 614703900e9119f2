//! CONNECTs, lent to an engine that the test plays: each is answered in order, and nothing of it stays.

use super::clients::{WebSocket, client_frame};
use super::fixture::{Engine, Events, Server, limits, until, within};
use crate::config::LimitsConfig;
use crate::connection::shared::LOANS_MAX;
use crate::connection::{Accept, ConnectVerdict, EngineStream};
use crate::core::protocol::frame;
use crate::types::Reason;
use futures_util::FutureExt as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Has a client in `/` send these packets in one piece.
async fn sent(server: &Server, packets: &[&[u8]]) -> (WebSocket, Engine) {
    let (mut client, engine) = server.websocket().await;
    let frames: Vec<Vec<u8>> = packets.iter().map(|it| client_frame(0x81, it)).collect();
    client.stream.write_all(&frames.concat()).await.unwrap();
    (client, engine)
}

/// The next CONNECT of the client, which must be this, as the engine has it.
async fn lent(engine: &mut Engine, packet: &[u8]) -> EngineStream {
    assert_eq!(engine.read().await.as_deref(), Some(packet));
    engine.ends.pop().unwrap()
}

/// The middleware lets the client in, or refuses it, and the engine says so in its own words.
fn answer(end: &mut EngineStream, listener: Option<&Arc<Events>>, reply: &'static [u8]) {
    let frames = frame::text(&[reply]);
    let verdict = match listener {
        None => ConnectVerdict::Refuse(frames),
        Some(listener) => ConnectVerdict::Accept(Accept {
            listener: Arc::<Events>::clone(listener),
            answer: Box::new(move |connection| connection.answer_connect(&frames)),
        }),
    };
    end.loan().decide().make(verdict);
    say(end, b"40/x,{\"sid\":\"secret\"}");
}

fn say(end: &mut EngineStream, packet: &[u8]) {
    let frame = frame::text(&[packet]);
    end.write_all(&frame).now_or_never().expect("the engine never waits to write").unwrap();
}

/// Waits until nobody needs the verdict any more.
async fn abandoned(end: &EngineStream) {
    let decision = end.loan().decide();
    within("nobody waits", decision.abandoned()).await;
    decision.give_up();
}

/// Whether the engine is told to let go.
fn is_returned(end: &mut EngineStream) -> bool {
    end.read(&mut [0; 8]).now_or_never().is_some_and(|it| it.unwrap() == 0)
}

#[tokio::test]
async fn a_connect_is_answered_and_the_engine_let_go() {
    let server = Server::start().await;
    let (mut client, mut engine) = sent(&server, &[b"40/x,{}"]).await;
    let mut end = lent(&mut engine, b"40/x,{}").await;
    let joined = Arc::new(Events::default());

    // What else the engine says stays with it.
    say(&mut end, b"0{\"sid\":\"secret\"}");
    say(&mut end, b"2");
    assert!(!is_returned(&mut end));
    answer(&mut end, Some(&joined), b"40/x,{\"sid\":\"public\"}");
    assert!(is_returned(&mut end));
    drop(end);

    assert_eq!(client.next().await.unwrap(), b"40/x,{\"sid\":\"public\"}");
    client.send(b"42/x,[1]").await;
    until("it is heard there", || joined.next()).await;
    assert!(engine.connection.lock().loans.is_none());
}

#[tokio::test]
async fn connects_are_answered_in_their_order_also_behind_a_refusal() {
    let server = Server::start().await;
    let (mut client, mut engine) = sent(&server, &[b"40/x,1", b"40/x,2", b"40/nope,"]).await;
    let mut end = lent(&mut engine, b"40/x,1").await;
    assert!(client.next().await.unwrap().starts_with(b"44/nope,{"), "no engine is needed for that");
    assert_eq!(engine.read().now_or_never(), None, "one at a time");

    answer(&mut end, None, b"44/x,{}");
    assert_eq!(client.next().await.unwrap(), b"44/x,{}");
    let mut end = lent(&mut engine, b"40/x,2").await;
    answer(&mut end, Some(&Arc::default()), b"40/x,{}");

    assert_eq!(client.next().await.unwrap(), b"40/x,{}");
}

#[tokio::test]
async fn a_namespace_that_is_left_before_the_answer_can_be_joined_again() {
    let server = Server::start().await;
    let (mut client, mut engine) = sent(&server, &[b"40/x,1", b"41/x,", b"40/x,2"]).await;
    let mut end = lent(&mut engine, b"40/x,1").await;
    let (first, second) = (Arc::new(Events::default()), Arc::new(Events::default()));
    abandoned(&end).await;

    answer(&mut end, Some(&first), b"40/x,{\"first\":1}");
    let mut end = lent(&mut engine, b"40/x,2").await;
    answer(&mut end, Some(&second), b"40/x,{\"second\":2}");

    assert_eq!(client.next().await.unwrap(), b"40/x,{\"second\":2}");
    assert_eq!(Arc::strong_count(&first), 1, "nobody has joined");
    assert_eq!(second.left(), []);
}

#[tokio::test]
async fn whoever_is_accepted_twice_believes_in_something_else() {
    let server = Server::start().await;
    let (mut client, mut engine) = sent(&server, &[b"40/x,", b"40/x,"]).await;
    let mut end = lent(&mut engine, b"40/x,").await;
    let joined = Arc::new(Events::default());

    answer(&mut end, Some(&joined), b"40/x,{}");

    assert_eq!(client.next().await.unwrap(), b"40/x,{}");
    assert_eq!(client.next().await, None);
    until("it has left", || (joined.left() == [Reason::TransportError]).then_some(())).await;
}

#[tokio::test]
async fn nobody_is_let_in_who_is_gone_and_nothing_is_held_for_him() {
    let server = Server::start().await;
    let (client, mut engine) = sent(&server, &[b"40/x,"]).await;
    let mut end = lent(&mut engine, b"40/x,").await;
    let joined = Arc::new(Events::default());
    drop(client);
    abandoned(&end).await;

    answer(&mut end, Some(&joined), b"40/x,{}");

    assert_eq!(Arc::strong_count(&joined), 1);
    assert!(is_returned(&mut end));
    until("it is forgotten", || server.connections.is_empty().then_some(())).await;
}

#[tokio::test]
async fn a_connect_that_the_engine_does_not_answer_ends_the_connection() {
    let server = Server::start().await;
    for is_decided in [true, false] {
        let (mut client, mut engine) = sent(&server, &[b"40/x,"]).await;
        let end = lent(&mut engine, b"40/x,").await;
        if is_decided {
            // Its middleware panics.
            drop(end.loan().decide());
        } else {
            drop(end);
        }
        assert_eq!(client.next().await, None);
        assert_eq!(engine.read().await, None);
    }
}

#[tokio::test]
async fn a_connection_that_is_over_is_freed_with_all_that_it_holds() {
    let server = Server::start().await;
    let (client, mut engine) = sent(&server, &[b"40/x,"]).await;
    let mut end = lent(&mut engine, b"40/x,").await;
    answer(&mut end, Some(&Arc::default()), b"40/x,{}");
    drop(end);
    let connection = Arc::downgrade(&engine.connection);

    drop(client);
    assert_eq!(engine.read().await, None);
    server.forget_taken();
    drop(engine);

    until("it is freed", || (connection.strong_count() == 0).then_some(())).await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_joins_nothing_is_closed_and_one_that_has_left_everything_too() {
    let server = Server::start().await;
    let (mut guest, mut engine) = server.websocket().await;
    let mut stranger = WebSocket::connect(server.address, "").await;
    assert!(stranger.next().await.unwrap().starts_with(b"0{"));

    // connect_timeout is 20 s.
    tokio::time::sleep(Duration::from_secs(19)).await;
    assert_eq!(server.connections.len(), 2);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(stranger.next().await, None);

    guest.send(b"41").await;
    assert_eq!(engine.read().await, None);
    tokio::time::sleep(Duration::from_secs(19)).await;
    assert_eq!(server.connections.len(), 1);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(guest.next().await, None);
    assert!(server.connections.is_empty());
}

#[tokio::test]
async fn only_so_many_loans_run_at_once_and_one_that_waits_keeps_nobody() {
    let server = Server::with(LimitsConfig { connections: 200, ..limits() }).await;
    let mut clients = Vec::new();
    for _ in 0..LOANS_MAX + 2 {
        clients.push(sent(&server, &[b"40/x,"]).await);
    }
    until("all that may run do", || (server.lent() == LOANS_MAX).then_some(())).await;
    let counts = || {
        let it = server.connections.loans();
        (it.under_way, it.waiting)
    };
    until("the others wait", || (counts() == (LOANS_MAX, 2)).then_some(())).await;

    let mut end = lent(&mut clients[0].1, b"40/x,").await;
    answer(&mut end, Some(&Arc::default()), b"40/x,{}");
    until("the next one runs", || (server.lent() == LOANS_MAX).then_some(())).await;
    assert_eq!(counts(), (LOANS_MAX, 1), "one is answered, one took its place");
    let waiting = lent(&mut clients[1].1, b"40/x,").await;
    let decision = waiting.loan().decide();
    decision.waits();
    decision.waits();
    until("the last one runs", || (server.lent() == LOANS_MAX).then_some(())).await;
    assert_eq!(counts(), (LOANS_MAX + 1, 0), "one waits for something else");

    decision.give_up();
}
