//! Ends of connections: from anywhere, at once or after what is pending, and what is let in at all.

use super::clients::{WebSocket, answer, client_frame, get, header};
use super::fixture::{Server, limits, until};
use crate::config::LimitsConfig;
use crate::connection::{Sent, Transport};
use crate::core::protocol::frame;
use crate::types::Reason;
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

fn event(text: &str) -> Bytes {
    frame::text(&[text.as_bytes()])
}

#[tokio::test]
async fn close_wakes_the_reader_of_a_websocket_and_ends_its_client() {
    let server = Server::start().await;
    let (mut client, mut engine) = server.websocket().await;
    let connection = Arc::clone(&engine.connection);

    connection.close(Reason::Kicked);
    // The first reason counts.
    connection.close(Reason::ServerShutdown);

    assert_eq!(engine.read().await, None);
    assert_eq!(engine.events.left(), [Reason::Kicked]);
    assert_eq!(connection.end_reason(), Some(Reason::Kicked));
    assert_eq!(connection.send(&event("42[1]")), Sent::Closed);
    assert_eq!(
        connection
            .send_shared(&connection.shared.connections.waiting().share(event("42[1]")), true),
        Sent::Closed
    );
    assert_eq!(connection.queue(&event("42[1]")), Sent::Closed);
    assert_eq!(client.next().await, None);
    assert!(server.connections.is_empty());
}

#[tokio::test]
async fn close_wakes_a_waiting_poll_and_the_reader() {
    let server = Server::start().await;
    let (client, mut engine) = server.poller().await;
    let mut poll = client.begin_poll().await;
    until("the poll waits", || engine.connection.lock().is_polled().then_some(())).await;

    engine.connection.close(Reason::ServerShutdown);

    assert_eq!(
        answer(&mut poll).await.status,
        400,
        "a close packet would be final for some clients"
    );
    assert_eq!(engine.read().await, None);
    assert_eq!(client.poll().await.status, 400, "the connection is unknown by now");
}

#[tokio::test]
async fn close_wakes_a_post_that_is_not_taken() {
    let server = Server::start().await;
    let (client, engine) = server.poller().await;
    engine.events.close_gate();
    let mut post = client.begin_post(b"42[1]\x1e42[2]").await;
    engine.is_held_back().await;

    engine.connection.close(Reason::ServerShutdown);

    assert_eq!(answer(&mut post).await.status, 200);
}

#[tokio::test]
async fn a_post_to_a_connection_that_is_not_read_any_more_is_answered_at_once() {
    let server = Server::start().await;
    let (client, engine) = server.poller().await;
    assert_eq!(client.post(b"47").await.status, 200);
    until("it is not read", || engine.connection.lock().is_let_go.then_some(())).await;

    assert_eq!(client.post(b"3").await.status, 200);

    assert_eq!(client.poll().await.status, 400);
    assert!(server.connections.is_empty());
}

#[tokio::test]
async fn what_is_pending_leaves_before_a_finished_websocket_closes() {
    let server = Server::start().await;
    let (mut client, mut engine) = server.websocket().await;
    let mut sent = 0;
    while engine.connection.queued() < 50_000 {
        assert_eq!(engine.connection.send(&event(&format!("42[{sent:01000}]"))), Sent::Yes);
        sent += 1;
    }

    engine.connection.finish(Reason::Kicked);
    assert_eq!(engine.connection.send(&event("42[\"late\"]")), Sent::Closed);
    assert!(!engine.connection.is_gone(), "it waits for the client");

    for n in 0..sent {
        assert_eq!(client.next().await.unwrap(), format!("42[{n:01000}]").as_bytes());
    }
    assert_eq!(client.next().await.unwrap(), b"1");
    // A close frame, then nothing: the client closes.
    assert_eq!(client.next().await, None);
    drop(client);
    assert_eq!(engine.read().await, None);
    let connection = Arc::clone(&engine.connection);
    until("it is closed", || connection.is_gone().then_some(())).await;
    assert_eq!(connection.end_reason(), Some(Reason::Kicked));
    assert_eq!(connection.vitals().pending_bytes, 0);
}

/// A stream that is closed with bytes unread is reset, and a reset overtakes the goodbye.
#[tokio::test]
async fn a_client_that_keeps_sending_reads_its_goodbye() {
    let server = Server::start().await;
    let (mut client, engine) = server.websocket().await;
    let connection = Arc::clone(&engine.connection);
    connection.send(&event("41"));
    connection.finish(Reason::Kicked);

    for _ in 0..100 {
        client.send(b"42[\"still here\"]").await;
    }

    let mut read = Vec::new();
    client.stream.read_to_end(&mut read).await.expect("an end, not a reset");
    assert_eq!(read, [&event("41")[..], b"\x81\x011\x88\x02\x03\xe8"].concat());
    drop(client);
    until("it is closed", || connection.is_gone().then_some(())).await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_leave_is_made_to() {
    let server = Server::start().await;
    let (mut client, engine) = server.websocket().await;

    engine.connection.send(&event("41"));
    engine.connection.finish(Reason::Kicked);

    assert_eq!(client.next().await.unwrap(), b"41");
    assert_eq!(client.next().await.unwrap(), b"1");
    assert_eq!(server.connections.len(), 1, "it counts as long as it is there");
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(engine.connection.is_gone());
    assert!(server.connections.is_empty());
}

#[tokio::test]
async fn who_is_meant_to_come_back_is_sent_no_goodbye() {
    let server = Server::start().await;
    let (mut client, engine) = server.websocket().await;
    engine.connection.send(&event("42[1]"));

    engine.connection.finish(Reason::TransportError);

    assert_eq!(client.next().await.unwrap(), b"42[1]");
    let mut rest = Vec::new();
    client.stream.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest, b"");
}

#[tokio::test]
async fn what_is_pending_leaves_with_a_poll_before_a_finished_connection_closes() {
    let server = Server::start().await;
    let (client, engine) = server.poller().await;
    engine.connection.send(&event("42[1]"));
    engine.connection.send(&event("42[2]"));

    engine.connection.finish(Reason::Kicked);
    assert!(!engine.connection.is_gone(), "it waits for the client");

    // Not in one body: a stock client would take the end first, and the messages never.
    assert_eq!(client.poll().await.packets(), [b"42[1]".as_slice(), b"42[2]"]);
    assert_eq!(client.poll().await.packets(), [b"1".as_slice()]);
    assert!(engine.connection.is_gone());
    assert!(server.connections.is_empty());
}

#[tokio::test]
async fn nobody_waits_for_another_poll_of_a_client_that_has_said_goodbye() {
    let server = Server::start().await;
    let (client, mut engine) = server.poller().await;
    engine.connection.send(&event("42[1]"));

    assert_eq!(client.post(b"1").await.status, 200);

    assert_eq!(engine.read().await, None);
    assert!(engine.connection.is_gone());
    assert_eq!(engine.connection.end_reason(), Some(Reason::TransportClose));
    assert!(server.connections.is_empty());
}

#[tokio::test]
async fn a_goodbye_ends_a_finished_connection() {
    let server = Server::start().await;
    let (client, engine) = server.poller().await;
    engine.connection.send(&event("42[1]"));
    engine.connection.finish(Reason::Kicked);

    assert_eq!(client.post(b"1").await.status, 200);

    assert!(engine.connection.is_gone());
    assert_eq!(engine.connection.end_reason(), Some(Reason::Kicked));
    assert!(server.connections.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_finished_connection_does_not_wait_for_ever() {
    let server = Server::start().await;
    let (client, engine) = server.poller().await;
    engine.connection.send(&event("42[0]"));
    assert_eq!(client.poll().await.packets(), [b"42[0]"]);
    engine.connection.send(&event("42[1]"));
    engine.connection.finish(Reason::Kicked);

    // limits.stall is 20 s.
    tokio::time::sleep(Duration::from_secs(19)).await;
    assert!(!engine.connection.is_gone());
    tokio::time::sleep(Duration::from_secs(2)).await;

    assert!(engine.connection.is_gone());
    assert_eq!(engine.connection.end_reason(), Some(Reason::Kicked), "not slow: told to go");
}

#[tokio::test]
async fn a_client_that_is_gone_has_left() {
    let server = Server::start().await;
    let (client, mut engine) = server.websocket().await;

    drop(client);

    assert_eq!(engine.read().await, None);
    assert_eq!(engine.connection.end_reason(), Some(Reason::TransportClose));
    until("it is forgotten", || server.connections.is_empty().then_some(())).await;
}

#[tokio::test]
async fn a_client_that_resets_its_connection_has_not_closed_it_in_an_orderly_way() {
    let server = Server::start().await;
    let (client, engine) = server.websocket().await;
    socket2::SockRef::from(&client.stream).set_linger(Some(Duration::ZERO)).unwrap();

    drop(client);

    until("it is noticed", || engine.connection.is_gone().then_some(())).await;
    assert_eq!(engine.connection.end_reason(), Some(Reason::TransportError));
}

#[tokio::test]
async fn bytes_that_come_with_the_handshake_are_not_lost() {
    let server = Server::start().await;
    let early = [client_frame(0x81, b"40/x,"), client_frame(0x81, b"3")].concat();
    let connecting = WebSocket::connect_with(server.address, "", &early);
    let (mut client, mut engine) = tokio::join!(connecting, server.engine());

    client.send(b"42[\"later\"]").await;

    let read = [engine.read().await.unwrap(), engine.read().await.unwrap()];
    assert!(read.contains(&b"40/x,".to_vec()) && read.contains(&b"42[\"later\"]".to_vec()));
    assert_eq!(engine.connection.transport(), Transport::WebSocket);
}

#[tokio::test]
async fn at_the_limit_of_connections_clients_are_told_to_come_back() {
    let server = Server::with(LimitsConfig { connections: 2, ..limits() }).await;
    let (_first, _engine) = server.websocket().await;
    let (second, engine) = server.poller().await;

    let refused = get(server.address, "").await;
    assert_eq!(refused.status, 503, "{refused:?}");
    assert_eq!(header(&refused.head, "retry-after"), Some("1"));
    assert_eq!(header(&refused.head, "connection"), Some("close"), "it holds no place in HTTP");
    let refused = WebSocket::connect(server.address, "").await;
    assert_eq!((refused.status, header(&refused.head, "retry-after")), (503, Some("1")));

    engine.connection.close(Reason::Kicked);
    assert_eq!(second.poll().await.status, 400);
    let _third = server.websocket().await;
    assert_eq!(server.connections.len(), 2);
}

#[tokio::test]
async fn a_server_that_stops_takes_nobody_in_and_serves_those_who_are_there() {
    let server = Server::start().await;
    let (client, engine) = server.poller().await;

    server.connections.start_draining();

    assert_eq!(get(server.address, "").await.status, 503);
    assert_eq!(WebSocket::connect(server.address, "").await.status, 503);
    engine.connection.send(&event("42[1]"));
    assert_eq!(client.poll().await.packets(), [b"42[1]"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_handshakes_at_once_do_not_get_past_the_limit() {
    let server = Server::with(LimitsConfig { connections: 5, ..limits() }).await;
    let mut clients = Vec::new();
    for _ in 0..20 {
        clients.push(WebSocket::connect(server.address, ""));
    }

    let clients = futures_util::future::join_all(clients).await;

    // Those that were promised a place that was gone by then are closed without a word; and those that join nothing make
    // room for one another, in one half of the places.
    let promised: Vec<_> = clients.iter().filter(|it| it.status == 101).collect();
    let is_closed = |client: &&&WebSocket| matches!(client.stream.try_read(&mut [0; 1]), Ok(0));
    until("the others are closed", || {
        let open = promised.len() - promised.iter().filter(is_closed).count();
        ((1..=3).contains(&open) && open == server.connections.len()).then_some(())
    })
    .await;
}

#[tokio::test]
async fn no_debug_form_names_a_connection_by_its_secret() {
    let server = Server::start().await;
    let (client, engine) = server.poller().await;

    let shown = format!("{:?} {:?}", engine.connection, server.connections);

    assert!(shown.contains("127.0.0.1"), "{shown}");
    assert!(16 <= client.sid.len() && !shown.contains(&client.sid), "{shown}");
}

#[tokio::test]
async fn a_client_that_is_gone_is_told_no_goodbye() {
    let server = Server::start().await;
    let (mut client, mut engine) = server.websocket().await;

    client.stream.shutdown().await.unwrap();
    assert_eq!(engine.read().await, None);

    let mut rest = Vec::new();
    client.stream.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest, b"");
}

#[tokio::test]
async fn an_address_that_has_its_share_is_told_to_come_back_and_others_come_in() {
    let server = Server::with(LimitsConfig { per_address: 2, ..limits() }).await;
    let (_first, engine) = server.websocket().await;
    let (_second, _other) = server.poller().await;

    for refused in
        [get(server.address, "").await.status, WebSocket::connect(server.address, "").await.status]
    {
        assert_eq!(refused, 503);
    }

    engine.connection.close(Reason::Kicked);
    let _third = server.websocket().await;
    assert_eq!(server.connections.len(), 2);
}

#[tokio::test]
async fn a_long_handshake_that_finds_no_room_is_told_to_come_back_and_short_ones_come_in() {
    let server = Server::with(LimitsConfig { handshake_bytes: 1000, ..limits() }).await;
    let long = format!(" HTTP/1.1\r\nauthorization: Bearer {}\r\nx: ", "x".repeat(6000));

    let refused = get(server.address, &long).await;

    assert_eq!(refused.status, 503, "{refused:?}");
    let body = String::from_utf8(refused.body).unwrap();
    assert!(body.contains("limits.handshake_bytes"), "{body}");
    assert_eq!(WebSocket::connect(server.address, &long).await.status, 503);
    let _short = server.websocket().await;
    assert_eq!(server.connections.len(), 1);
}
