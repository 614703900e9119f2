//! Events for many connections at once.

use super::clients::WebSocket;
use super::fixture::{Engine, Server};
use crate::connection::{Pump, Sent};
use crate::core::protocol::frame;
use crate::types::Reason;
use bytes::Bytes;

/// Too many to be written to by their sender.
const MANY: usize = 20;

fn event(n: usize) -> Bytes {
    frame::text(&[format!("42[{n}]").as_bytes()])
}

fn padded(size: usize) -> Bytes {
    frame::text(&[b"42", &vec![b'x'; size]])
}

async fn clients(server: &Server, count: usize) -> Vec<(WebSocket, Engine)> {
    let mut clients = Vec::new();
    for _ in 0..count {
        clients.push(server.websocket().await);
    }
    clients
}

#[tokio::test]
async fn what_is_sent_to_many_and_to_one_arrives_whole_and_in_the_order_of_the_calls() {
    let server = Server::start().await;
    let pump = Pump::start(&server.tasks, &server.connections);
    let mut clients = clients(&server, MANY).await;

    let count = 300;
    for n in 0..count {
        if n % 7 == 3 {
            for (_, engine) in &clients {
                assert_eq!(engine.connection.send(&event(n)), Sent::Yes);
            }
        } else if n % 7 == 5 {
            for (_, engine) in &mut clients {
                engine.write(format!("42[{n}]").as_bytes());
            }
        } else {
            let mut batch = pump.batch();
            for (_, engine) in &clients {
                assert_eq!(
                    batch.send(&engine.connection, &pump.share(event(n)), n % 7 == 6),
                    Sent::Yes
                );
            }
        }
        if n % 50 == 0 {
            tokio::task::yield_now().await;
        }
    }

    for (client, _) in &mut clients {
        for n in 0..count {
            assert_eq!(client.next().await.unwrap(), format!("42[{n}]").as_bytes());
        }
    }
}

#[tokio::test]
async fn what_is_sent_to_few_does_not_wait_for_the_pump() {
    let server = Server::start().await;
    let pump = Pump::start(&server.tasks, &server.connections);
    let (_client, engine) = server.websocket().await;

    let mut batch = pump.batch();
    assert_eq!(batch.send(&engine.connection, &pump.share(event(1)), false), Sent::Yes);
    assert_ne!(engine.connection.queued(), 0);
    drop(batch);

    assert_eq!(engine.connection.queued(), 0);
}

#[tokio::test]
async fn what_the_pump_has_not_come_by_for_is_written_before_a_connection_is_closed() {
    let server = Server::start().await;
    let pump = Pump::start(&server.tasks, &server.connections);
    let mut clients = clients(&server, MANY).await;

    let mut batch = pump.batch();
    for (_, engine) in &clients {
        assert_eq!(batch.send(&engine.connection, &pump.share(event(1)), false), Sent::Yes);
    }
    drop(batch);
    for (_, engine) in &clients {
        assert_ne!(engine.connection.queued(), 0, "the pump runs when this test waits");
        engine.connection.close(Reason::ServerShutdown);
    }

    for (client, _) in &mut clients {
        assert_eq!(client.next().await.unwrap(), b"42[1]");
    }
}

#[tokio::test]
async fn who_sends_faster_than_the_pump_writes_has_to_write() {
    let server = Server::start().await;
    let pump = Pump::start(&server.tasks, &server.connections);
    let clients = clients(&server, MANY).await;

    // The pump gets no turn: there is no await.
    for _ in 0..200 {
        let mut batch = pump.batch();
        for (_, engine) in &clients {
            assert_eq!(batch.send(&engine.connection, &pump.share(padded(1000)), false), Sent::Yes);
            assert!(engine.connection.queued() < 70_000, "{}", engine.connection.queued());
        }
    }

    for (mut client, _) in clients {
        for _ in 0..200 {
            assert_eq!(client.next().await.unwrap().len(), 1002);
        }
    }
}

#[tokio::test]
async fn a_client_that_is_only_waiting_for_the_pump_is_not_busy() {
    let server = Server::start().await;
    let pump = Pump::start(&server.tasks, &server.connections);
    let mut clients = clients(&server, MANY).await;

    for n in 0..2 {
        let mut batch = pump.batch();
        for (_, engine) in &clients {
            assert_eq!(batch.send(&engine.connection, &pump.share(event(n)), n == 1), Sent::Yes);
        }
    }

    for (client, _) in &mut clients {
        assert_eq!(client.next().await.unwrap(), b"42[0]");
        assert_eq!(client.next().await.unwrap(), b"42[1]");
    }
}

#[tokio::test]
async fn clients_that_poll_get_it_with_their_next_poll() {
    let server = Server::start().await;
    let pump = Pump::start(&server.tasks, &server.connections);
    let clients = clients(&server, MANY).await;
    let (poller, engine) = server.poller().await;

    let mut batch = pump.batch();
    for (_, engine) in &clients {
        assert_eq!(batch.send(&engine.connection, &pump.share(event(1)), false), Sent::Yes);
    }
    assert_eq!(batch.send(&engine.connection, &pump.share(event(1)), false), Sent::Yes);
    drop(batch);

    assert_eq!(poller.poll().await.packets(), [b"42[1]"]);
}
