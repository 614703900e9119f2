//! Two nodes, and clients whose requests come to the one that does not have their connection.

use super::clients::{Poller, WebSocket, answer, get};
use super::fixture::{Engine, Server, limits, socketio, until, within};
use crate::clock::Clock;
use crate::config::LimitsConfig;
use crate::connection::elsewhere::TransferLimits;
use crate::connection::{ConnectionNodes, NodeKey};
use crate::core::protocol::frame;
use crate::tasks::Tasks;
use crate::types::{Ending, Reason, Secret, Seq};
use std::time::Duration;
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};

struct Pair {
    owner: Server,
    other: Server,
    nodes: ConnectionNodes,
    inner: std::net::SocketAddr,
    tasks: Tasks,
}

impl Pair {
    async fn start(limits: LimitsConfig, tunnels: usize) -> Self {
        let tasks = Tasks::new();
        let (owner, _, inner) = node(limits, tunnels, &tasks).await;
        let (other, nodes, _) = node(limits, tunnels, &tasks).await;
        Self { owner, other, nodes, inner, tasks }
    }

    /// A client that has opened its connection at the owner, and whose further requests come to the other node.
    async fn poller(&self) -> (Poller, Engine) {
        let (client, engine) = self.owner.poller().await;
        (Poller { address: self.other.address, ..client }, engine)
    }
}

async fn node(
    limits: LimitsConfig,
    tunnels: usize,
    tasks: &Tasks,
) -> (Server, ConnectionNodes, std::net::SocketAddr) {
    let key = NodeKey::new(&Secret::new(*b"0123456789abcdef"));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let inner = listener.local_addr().unwrap();
    let bounds = TransferLimits {
        tunnels,
        idle: Duration::from_secs(10),
        patience: Duration::from_secs(30),
        stall: Duration::from_secs(20),
    };
    let running = (Clock::start(Seq(0)), tasks.clone());
    let nodes = ConnectionNodes::reached(&inner.to_string(), &key, |_| false, bounds, running);
    let parts = (nodes.clone(), key, listener);
    (Server::serve_among(limits, socketio(), None, Some(parts)).await, nodes, inner)
}

impl Drop for Pair {
    fn drop(&mut self) {
        use futures_util::FutureExt as _;
        self.tasks.stop(Duration::ZERO).now_or_never();
    }
}

#[tokio::test]
async fn polls_and_posts_are_handed_to_the_node_that_has_the_connection() {
    let pair = Pair::start(limits(), 1).await;
    let (client, mut engine) = pair.poller().await;
    let mut poll = client.begin_poll().await;
    until("the poll waits", || engine.connection.lock().is_polled().then_some(())).await;

    engine.write(b"2");
    let posted = client.post(b"3\x1e42[1]").await;

    let polled = answer(&mut poll).await;
    assert!(polled.head.contains("content-type: text/plain"), "{}", polled.head);
    assert_eq!(polled.packets(), [b"2"]);
    assert_eq!((posted.status, &posted.body[..]), (200, b"ok".as_slice()));
    assert_eq!(engine.read().await.unwrap(), b"42[1]");
    assert_eq!(pair.other.connections.len(), 0);
}

#[tokio::test]
async fn refusals_are_those_of_the_node_that_has_the_connection() {
    let pair = Pair::start(limits(), 1).await;
    let (client, engine) = pair.poller().await;

    let large = client.post(&vec![b'x'; limits().payload_bytes + 1]).await;
    assert_eq!(large.status, 413);
    assert!(engine.connection.end_reason().is_none(), "it goes on");
    let nonsense = client.post(b"b4not base64").await;
    assert_eq!(nonsense.status, 400);
    assert_eq!(engine.connection.vitals().ending, Some(Ending::MalformedBody));
    let gone = client.poll().await;
    assert_eq!(gone.status, 400);
    assert!(String::from_utf8_lossy(&gone.body).contains("Session ID unknown"));
}

/// As it does at its own node: nobody would ever know whether it took the answer.
#[tokio::test]
async fn a_client_that_gives_up_its_poll_has_ended_the_connection() {
    let pair = Pair::start(limits(), 1).await;
    let (client, engine) = pair.poller().await;
    let poll = client.begin_poll().await;
    until("the poll waits", || engine.connection.lock().is_polled().then_some(())).await;

    drop(poll);

    until("the connection ends", || engine.connection.end_reason()).await;
    assert_eq!(engine.connection.vitals().ending, Some(Ending::PollAbandoned));
}

#[tokio::test]
async fn a_large_answer_that_nobody_takes_stays_with_the_node_that_has_the_connection() {
    // More than the kernel takes on both ways.
    let size = 30_000_000;
    let limits = LimitsConfig { buffer_bytes: 2 * size, waiting_bytes: 8 * size, ..limits() };
    let pair = Pair::start(limits, 1).await;
    let (client, engine) = pair.poller().await;
    engine.connection.send(&frame::text(&[b"42", &vec![b'x'; size]]));
    let mut first = client.begin_poll().await;
    until("it is answered", || (engine.connection.queued() == 0).then_some(())).await;
    let mut second = client.begin_poll().await;
    until("it polls again", || engine.connection.lock().is_polled().then_some(())).await;
    engine.connection.send(&frame::text(&[b"42[1]"]));
    assert_ne!(engine.connection.lock().untaken_bytes(), 0);
    assert_ne!(engine.connection.queued(), 0);

    assert_eq!(answer(&mut first).await.packets()[0].len(), 2 + size);
    assert_eq!(answer(&mut second).await.packets(), [b"42[1]"]);
}

#[tokio::test]
async fn a_client_of_a_node_that_is_gone_begins_anew() {
    let pair = Pair::start(limits(), 1).await;
    let (client, _engine) = pair.poller().await;
    pair.owner.tasks.stop(Duration::from_secs(20)).await;

    let answer = client.poll().await;

    assert_eq!(answer.status, 400);
    assert!(String::from_utf8_lossy(&answer.body).contains("Session ID unknown"));
    assert_eq!(get(pair.other.address, "").await.status, 200);
}

/// Over to a WebSocket through the other node; then long packets to a client that reads nothing for a while.
#[tokio::test]
async fn a_websocket_goes_through_and_nothing_is_lost_or_kept_on_the_way() {
    let pair = Pair::start(limits(), 1).await;
    let (client, mut engine) = pair.poller().await;
    let mut websocket = client.upgrade(b"").await;
    assert_eq!(websocket.status, 101, "{}", websocket.head);
    websocket.send(b"2probe").await;
    assert_eq!(websocket.next().await.unwrap(), b"3probe");
    websocket.send(b"5").await;
    websocket.send(b"42[1]").await;
    assert_eq!(engine.read().await.unwrap(), b"42[1]");
    assert_eq!(pair.nodes.tunnelled(), 1);

    let long = |n: u8| vec![b'a' + n; 60_000];
    for n in 0..3 {
        engine.connection.send(&frame::text(&[&long(n)]));
    }
    for n in 0..3 {
        assert_eq!(websocket.next().await.unwrap(), long(n));
    }
    for n in 0..20_u8 {
        let packet = format!("42[\"{}\",{n}]", "y".repeat(30_000));
        websocket.send(packet.as_bytes()).await;
        assert_eq!(engine.read().await.unwrap(), packet.as_bytes());
    }

    assert_eq!(client.upgrade(b"").await.status, 503, "there is room for one");
    drop(websocket);
    until("its node sees the end", || engine.connection.end_reason()).await;
    until("its room is free", || (pair.nodes.tunnelled() == 0).then_some(())).await;
}

#[tokio::test]
async fn a_node_that_stops_ends_those_that_pass_through_one_after_the_other() {
    let pair = Pair::start(limits(), 3).await;
    let mut clients = Vec::new();
    for _ in 0..3 {
        let (client, engine) = pair.poller().await;
        let mut websocket: WebSocket = client.upgrade(b"").await;
        websocket.send(b"2probe").await;
        assert_eq!(websocket.next().await.unwrap(), b"3probe");
        websocket.send(b"5").await;
        websocket.send(b"42[1]").await;
        until("it went over", || engine.events.next()).await;
        clients.push((websocket, engine));
    }
    let ended = || clients.iter().filter(|it| it.1.connection.end_reason().is_some()).count();

    pair.nodes.end_one();
    until("one ends", || (ended() == 1).then_some(())).await;
    assert_eq!(clients[0].1.connection.end_reason(), Some(Reason::TransportClose), "the oldest");
    assert_eq!(pair.nodes.tunnelled(), 2);
    pair.nodes.end_all();
    until("all end", || (ended() == 3).then_some(())).await;
    until("nothing is left", || (pair.nodes.tunnelled() == 0).then_some(())).await;
}

#[tokio::test]
async fn nobody_else_is_served_where_nodes_listen_for_each_other() {
    let pair = Pair::start(limits(), 1).await;
    let (client, engine) = pair.owner.poller().await;
    let mut stream = TcpStream::connect(pair.inner).await.unwrap();
    let request = format!(
        "GET /?EIO=4&transport=polling&sid={} HTTP/1.1\r\nhost: localhost\r\n\r\n",
        client.sid
    );
    tokio::io::AsyncWriteExt::write_all(&mut stream, request.as_bytes()).await.unwrap();

    let mut said = Vec::new();
    // It may be reset, because not all that was sent is read.
    drop(within("the connection ends", stream.read_to_end(&mut said)).await);

    assert!(!String::from_utf8_lossy(&said).contains("HTTP/1.1"), "no answer");
    assert!(!engine.connection.lock().is_polled());
    assert!(engine.connection.end_reason().is_none());
}
