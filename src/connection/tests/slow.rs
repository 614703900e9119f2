//! Clients that take too little of what they are sent: closed at the bound, and nobody waits for them.

use super::fixture::{Engine, Server, limits, until};
use crate::config::LimitsConfig;
use crate::connection::Sent;
use crate::core::protocol::frame;
use crate::types::{Ending, Reason};
use bytes::Bytes;
use std::io;
use std::time::Duration;
use tokio::io::AsyncReadExt as _;

/// More than any kernel takes for a client that does not read.
const TOO_MUCH: usize = 100_000_000;
/// A second less than `limits.stall`.
const ALMOST_STALL: Duration = Duration::from_secs(19);

fn event(size: usize) -> Bytes {
    frame::text(&[b"42", &vec![b'x'; size]])
}

/// Sends until something waits in the server.
fn fill(engine: &Engine) {
    let mut sent = 0;
    while engine.connection.queued() == 0 {
        assert_eq!(engine.connection.send(&event(1000)), Sent::Yes);
        sent += 1000;
        assert!(sent < TOO_MUCH, "the kernel takes everything");
    }
}

#[tokio::test]
async fn a_client_that_stops_reading_is_closed_at_the_byte_bound() {
    let server = Server::start().await;
    let (_client, mut engine) = server.websocket().await;

    let mut sent = 0;
    while engine.connection.send(&event(10_000)) == Sent::Yes {
        assert!(
            engine.connection.queued() <= limits().buffer_bytes,
            "{}",
            engine.connection.queued()
        );
        sent += 10_000;
        assert!(sent < TOO_MUCH, "it is never closed");
    }

    assert!(engine.connection.is_gone());
    assert_eq!(engine.connection.end_reason(), Some(Reason::SlowConsumer));
    let vitals = engine.connection.vitals();
    assert_eq!(vitals.ending, Some(Ending::BufferFull));
    let bound = limits().buffer_bytes;
    assert!((bound - 11_000..=bound).contains(&vitals.pending_bytes), "{vitals:?}");
    assert_eq!(engine.read().await, None, "its sockets hear of it");
    assert!(server.connections.is_empty());
}

#[tokio::test]
async fn a_client_that_does_not_poll_is_closed_at_the_byte_bound() {
    let server = Server::start().await;
    let (_client, engine) = server.poller().await;

    let fitting = limits().buffer_bytes / event(10_000).len();
    for _ in 0..fitting {
        assert_eq!(engine.connection.send(&event(10_000)), Sent::Yes);
    }

    assert_eq!(engine.connection.send(&event(10_000)), Sent::Closed);
    assert_eq!(engine.connection.vitals().ending, Some(Ending::BufferFull));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_nothing_is_closed_at_the_stall_deadline_and_not_before() {
    let server = Server::start().await;
    let (_client, mut engine) = server.websocket().await;
    fill(&engine);

    tokio::time::sleep(ALMOST_STALL).await;
    assert!(!engine.connection.is_closed(), "it still has a second");
    tokio::time::sleep(Duration::from_secs(2)).await;

    assert!(engine.connection.is_gone());
    assert_eq!(engine.connection.end_reason(), Some(Reason::SlowConsumer));
    assert_eq!(engine.connection.vitals().ending, Some(Ending::Stalled));
    assert_eq!(engine.read().await, None);
}

#[tokio::test]
async fn a_client_that_takes_nothing_of_what_the_kernel_has_for_it_is_slow_too() {
    // Long enough for a busy machine to look once before it ends.
    let server = Server::with(LimitsConfig { stall: Duration::from_secs(3), ..limits() }).await;
    let (_client, mut engine) = server.websocket().await;
    for _ in 0..100 {
        assert_eq!(engine.connection.send(&event(1000)), Sent::Yes);
    }
    assert_eq!(engine.connection.queued(), 0, "all is in the kernel");

    assert_eq!(engine.read().await, None);

    assert_eq!(engine.connection.end_reason(), Some(Reason::SlowConsumer));
    assert_eq!(engine.connection.vitals().ending, Some(Ending::Stalled));
    assert!(engine.connection.is_gone());
}

#[tokio::test]
async fn a_client_that_the_network_has_lost_is_not_slow() {
    let server = Server::start().await;
    let (_client, engine) = server.websocket().await;
    assert_eq!(engine.connection.send(&event(1000)), Sent::Yes);

    let error = io::ErrorKind::TimedOut.into();
    assert!(!engine.connection.stream_failed(&mut engine.connection.lock(), &error));

    assert_eq!(engine.connection.vitals().ending, Some(Ending::Unreachable));
    assert_eq!(engine.connection.end_reason(), None);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_a_little_now_and_then_is_not_closed() {
    let server = Server::start().await;
    let (mut client, engine) = server.websocket().await;
    fill(&engine);

    for _ in 0..10 {
        tokio::time::sleep(ALMOST_STALL).await;
        assert!(!engine.connection.is_closed());
        // Enough for the kernel to want more.
        let mut taken = vec![0; 4_000_000];
        while 0 < engine.connection.queued() {
            assert!(0 < client.stream.read(&mut taken).await.unwrap());
            tokio::task::yield_now().await;
        }
        fill(&engine);
    }
}

#[tokio::test(start_paused = true)]
async fn a_steady_reader_of_little_is_not_closed_though_the_kernel_has_much_for_it() {
    let server = Server::start().await;
    let (mut client, engine) = server.websocket().await;
    fill(&engine);

    let mut taken = [0; 8192];
    for _ in 0..20 {
        tokio::time::sleep(limits().stall / 4).await;
        assert!(!engine.connection.is_closed());
        assert_ne!(client.stream.read(&mut taken).await.unwrap(), 0);
    }
}

#[tokio::test]
async fn volatile_events_are_dropped_while_something_waits() {
    let server = Server::start().await;
    let (_client, engine) = server.websocket().await;
    let event = server.connections.waiting().share(event(10));
    assert_eq!(engine.connection.send_shared(&event, true), Sent::Yes);
    fill(&engine);

    assert_eq!(engine.connection.send_shared(&event, true), Sent::Dropped);
    let mut state = engine.connection.lock();
    assert_eq!(engine.connection.queue_locked(&mut state, event.bytes(), true), Sent::Dropped);
    drop(state);
    assert!(!engine.connection.is_closed());
}

#[tokio::test]
async fn what_waited_arrives_whole_and_in_order_when_the_client_reads_again() {
    let server = Server::start().await;
    let (mut client, mut engine) = server.websocket().await;
    fill(&engine);
    for n in 0..50 {
        let text = format!("42[{n}]");
        match n % 3 {
            0 => engine.write(text.as_bytes()),
            1 => assert_eq!(engine.connection.send(&frame::text(&[text.as_bytes()])), Sent::Yes),
            _ => assert_eq!(engine.connection.queue(&frame::text(&[text.as_bytes()])), Sent::Yes),
        }
    }
    engine.connection.flush_queued();

    let mut next = 0;
    while next < 50 {
        let packet = client.next().await.unwrap();
        if packet.starts_with(b"42[") {
            assert_eq!(packet, format!("42[{next}]").as_bytes());
            next += 1;
        } else {
            assert_eq!(packet.len(), 1002, "a frame is broken");
        }
    }
    until("nothing waits", || (engine.connection.queued() == 0).then_some(())).await;
}
