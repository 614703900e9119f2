//! Clients that take their time, and clients that are too many, at a real listener.

use super::{Listener, NodesDoor, RequestLimits};
use crate::clock::Clock;
use crate::config::{LimitsConfig, Origins, SocketIoConfig};
use crate::connection::{Acceptor, AcceptorConfig, Connections, NodeKey};
use crate::tasks::Tasks;
use crate::types::{Namespace, Secret, Seq};
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::routing::any;
use futures_util::FutureExt as _;
use socket2::SockRef;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
const KEEP_ALIVE: Duration = Duration::from_mins(2);
const BODY_TIMEOUT: Duration = Duration::from_secs(20);
const SECOND: Duration = Duration::from_secs(1);
const OPEN: &[u8] = b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nhost: a\r\n\r\n";

struct Server {
    address: SocketAddr,
    stop: CancellationToken,
    connections: Connections,
    tasks: Tasks,
}

impl Server {
    async fn start(connections_max: usize) -> Self {
        let (tasks, stop) = (Tasks::new(), CancellationToken::new());
        let connections = Connections::new(10);
        let clock = Clock::start(Seq(0));
        let acceptor = Acceptor::new(acceptor(), connections.clone(), tasks.clone(), clock, |_| {});
        let answer = any(async move |request: Request| acceptor.answer(request).await);
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = tcp.local_addr().unwrap();
        let slow = any(async || {
            tokio::time::sleep(2 * KEEP_ALIVE).await;
            let end = async {
                tokio::time::sleep(2 * KEEP_ALIVE).await;
                Ok::<_, Infallible>("done")
            };
            Body::from_stream(futures_util::stream::once(end))
        });
        let answers = Router::new().route("/socket.io/", answer).route("/slow", slow);
        let listener = Listener {
            name: "test",
            tcp,
            address,
            limits: RequestLimits { head: HEADER_TIMEOUT, pause: KEEP_ALIVE },
            stall: Duration::from_secs(20),
            connections_max,
            key: None,
        };
        tasks.spawn("listen", listener.run(answers, tasks.clone(), stop.clone()));
        Self { address, stop, connections, tasks }
    }

    /// A client that has sent `bytes`.
    async fn client(&self, bytes: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        stream
    }

    /// The id of an open polling connection.
    async fn polling(&self) -> String {
        let mut client = self.client(OPEN).await;
        let mut bytes = vec![0; 1024];
        let n = client.read(&mut bytes).await.unwrap();
        let answer = String::from_utf8_lossy(&bytes[..n]).into_owned();
        answer.split_once("\"sid\":\"").unwrap().1.split_once('"').unwrap().0.to_owned()
    }
}

/// How long it takes until the server closes `stream`, and what it says before.
async fn closed_after(stream: &mut TcpStream) -> (Duration, String) {
    let clock = Clock::start(Seq(0));
    let mut said = Vec::new();
    stream.read_to_end(&mut said).await.ok();
    (clock.now().since(crate::types::Timestamp(0)), String::from_utf8(said).unwrap())
}

fn is_about(passed: Duration, expected: Duration) -> bool {
    passed.abs_diff(expected) < SECOND
}

#[tokio::test]
async fn what_is_accepted_has_the_options_of_the_listener() {
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = tcp.local_addr().unwrap();
    let limits = RequestLimits { head: HEADER_TIMEOUT, pause: KEEP_ALIVE };
    let stall = Duration::from_secs(20);
    let listener =
        Listener { name: "test", tcp, address, limits, stall, connections_max: 1, key: None };

    listener.set_options();
    let _client = TcpStream::connect(address).await.unwrap();
    let (accepted, _) = listener.tcp.accept().await.unwrap();

    assert!(accepted.nodelay().unwrap());
    assert_eq!(SockRef::from(&accepted).tcp_user_timeout().unwrap(), Some(stall));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_sends_no_request_is_closed_in_time() {
    let server = Server::start(10).await;
    let beginnings: [&[u8]; 3] =
        [b"", b"GET /socket.io/?EIO=4", b"GET / HTTP/1.1\r\nhost: a\r\nx-slow: "];
    for bytes in beginnings {
        let (passed, _) = closed_after(&mut server.client(bytes).await).await;

        assert!(is_about(passed, HEADER_TIMEOUT), "{passed:?} {bytes:?}");
    }
}

#[tokio::test]
async fn clients_that_say_nothing_and_half_a_request_hold_up_nobody() {
    let server = Server::start(1000).await;
    let mut strangers = Vec::new();
    for count in 0..300 {
        let half: &[u8] = if count < 150 { b"" } else { b"GET /socket.io/?EIO=4" };
        strangers.push(server.client(half).await);
    }

    assert!(!server.polling().await.is_empty(), "who comes last is answered");
    assert_eq!(strangers.len(), 300, "they are still there");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_sends_its_headers_byte_by_byte_wins_no_time() {
    let server = Server::start(10).await;
    let mut client = server.client(b"GET / HTTP/1.1\r\n").await;
    let head = b"x-slow: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

    let mut sent = 0;
    for byte in head {
        tokio::time::sleep(SECOND).await;
        if client.write_all(&[*byte]).await.is_err() || client.try_read(&mut [0]).is_ok() {
            break;
        }
        sent += 1;
    }

    assert!((8..=12).contains(&sent), "closed after {sent} seconds");
}

/// Load balancers and pools keep connections for a minute and more, and lose what they send to one that is closed.
#[tokio::test(start_paused = true)]
async fn a_connection_may_rest_between_requests_and_then_has_the_time_of_a_first_one_for_the_next()
{
    let server = Server::start(10).await;
    let request = b"GET /none HTTP/1.1\r\nhost: a\r\n\r\n";
    let mut client = server.client(request).await;
    for _ in 0..3 {
        assert!(0 < client.read(&mut [0; 1000]).await.unwrap());
        tokio::time::sleep(KEEP_ALIVE / 10 * 9).await;
        client.write_all(request).await.unwrap();
    }
    assert!(0 < client.read(&mut [0; 1000]).await.unwrap());

    let (passed, _) = closed_after(&mut client).await;
    assert!(is_about(passed, KEEP_ALIVE), "{passed:?}");

    let mut client = server.client(request).await;
    assert!(0 < client.read(&mut [0; 1000]).await.unwrap());
    tokio::time::sleep(KEEP_ALIVE / 2).await;
    client.write_all(b"GET /none HT").await.unwrap();
    let (passed, _) = closed_after(&mut client).await;
    assert!(is_about(passed, HEADER_TIMEOUT), "{passed:?}");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_takes_longer_than_the_pause_is_given_all_the_same() {
    let server = Server::start(10).await;
    let mut client = server.client(b"GET /slow HTTP/1.1\r\nhost: a\r\n\r\n").await;

    let (passed, said) = closed_after(&mut client).await;

    assert!(said.starts_with("HTTP/1.1 200") && said.contains("done"), "{said}");
    assert!(is_about(passed, 5 * KEEP_ALIVE), "{passed:?}");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_send_its_body_is_refused_in_time_and_its_connection_goes_on() {
    let server = Server::start(10).await;
    let sid = server.polling().await;
    let head = format!(
        "POST /socket.io/?EIO=4&transport=polling&sid={sid} HTTP/1.1\r\nhost: a\r\n\
         content-length: 1000\r\n\r\n42["
    );

    let (passed, said) = closed_after(&mut server.client(head.as_bytes()).await).await;

    assert!(said.starts_with("HTTP/1.1 400"), "{said}");
    assert!(said.contains("limits.body_timeout"), "{said}");
    assert!(is_about(passed, BODY_TIMEOUT), "{passed:?}");
    assert_eq!(server.connections.len(), 1);
}

#[tokio::test]
async fn an_answer_that_is_given_before_the_request_is_whole_arrives_all_the_same() {
    let server = Server::start(10).await;
    let body = vec![b'x'; 8_000_000];
    let head = format!("POST /none HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n", body.len());
    let mut client = server.client(head.as_bytes()).await;

    client.write_all(&body).await.unwrap();
    let (_, said) = closed_after(&mut client).await;

    assert!(said.starts_with("HTTP/1.1 404"), "{said}");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_end_its_side_does_not_keep_its_place() {
    let server = Server::start(1).await;
    let request = b"GET /none HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let clock = Clock::start(Seq(0));
    let mut client = server.client(request).await;
    let (_, said) = closed_after(&mut client).await;
    assert!(said.starts_with("HTTP/1.1 404"), "{said}");

    while server.client(request).await.read(&mut [0; 100]).await.unwrap_or(0) == 0 {
        tokio::time::sleep(SECOND).await;
    }
    let passed = clock.now().since(crate::types::Timestamp(0));
    assert!(is_about(passed, Duration::from_secs(5)), "{passed:?}");
}

#[tokio::test]
async fn a_websocket_gives_its_place_back_and_its_stream_to_the_connection() {
    let server = Server::start(1).await;
    let handshake = b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nhost: a\r\n\
        connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
        sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n\x89\x821111sq";
    let mut client = server.client(handshake).await;
    let mut head = [0; 12];
    client.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 101");
    // The answer to the ping that came with the handshake, the same without its mask.
    let mut came = Vec::new();
    while !came.ends_with(b"\x8a\x02B@") {
        assert_ne!(client.read_buf(&mut came).await.unwrap(), 0, "it was lost");
    }
    // The only place is free again.
    let mut other = server.client(b"GET /none HTTP/1.1\r\nhost: a\r\n\r\n").await;
    other.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 404");
}

#[tokio::test]
async fn more_connections_than_there_is_room_for_are_closed_at_once() {
    let server = Server::start(2).await;
    let _first = server.client(b"").await;
    let second = server.client(b"").await;

    let (_, said) = closed_after(&mut server.client(b"").await).await;
    assert_eq!(said, "");
    drop(second);

    // A place is free as soon as the server has noticed.
    tokio::time::timeout(Duration::from_secs(20), async {
        loop {
            let mut client = server.client(b"GET /none HTTP/1.1\r\nhost: a\r\n\r\n").await;
            if 0 < client.read(&mut [0; 100]).await.unwrap_or(0) {
                return;
            }
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_stop_ends_the_listener_and_idle_connections() {
    let server = Server::start(10).await;
    let mut idle = server.client(b"GET /none HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert!(0 < idle.read(&mut [0; 1000]).await.unwrap());

    server.stop.cancel();

    let (_, said) = closed_after(&mut idle).await;
    assert_eq!(said, "");
    assert!(server.tasks.stop(Duration::from_secs(20)).await);
    assert!(TcpStream::connect(server.address).await.is_err());
}

fn acceptor() -> AcceptorConfig {
    let limits = LimitsConfig {
        payload_bytes: 100_000,
        buffer_bytes: 200_000,
        waiting_bytes: 10_000_000,
        handshake_bytes: 1_000_000,
        unfinished_bytes: 1_000_000,
        stall: Duration::from_mins(1),
        connections: 10,
        per_address: 0,
        unauthenticated: 100,
        header_timeout: HEADER_TIMEOUT,
        keep_alive: KEEP_ALIVE,
        body_timeout: BODY_TIMEOUT,
        rooms_per_socket: 64,
        auth_bytes: 16_000,
        memberships_per_user: 1,
        memberships: 1,
        restricted_users: 1,
        requests_per_user: 8,
    };
    let socketio = SocketIoConfig {
        ping_interval: Duration::from_secs(20),
        ping_timeout: Duration::from_secs(10),
        connect_timeout: Duration::from_secs(45),
        upgrade_timeout: Duration::from_secs(10),
        polling: true,
        websocket: true,
        namespaces: vec![Namespace::root()],
        client_dir: None,
    };
    AcceptorConfig {
        origins: Origins::Any,
        trusted_proxies: Vec::new(),
        limits,
        socketio,
        backend: None,
        nodes: None,
    }
}

/// Whoever reaches the port of the nodes and shows nothing.
#[tokio::test]
async fn strangers_take_the_places_of_strangers_only() {
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let key = NodeKey::new(&Secret::new(*b"0123456789abcdef"));
    let door = NodesDoor { key, room: Arc::new(Semaphore::new(1)) };
    let mut streams = Vec::new();
    for _ in 0..2 {
        let client = TcpStream::connect(tcp.local_addr().unwrap()).await.unwrap();
        streams.push((client, tcp.accept().await.unwrap().0));
    }
    let [(_, first), (_, second)] = &mut streams[..] else { panic!() };

    let mut silent = Box::pin(door.admit(first));
    assert!((&mut silent).now_or_never().is_none(), "it has some time");
    assert_eq!(door.admit(second).await.unwrap_err().kind(), std::io::ErrorKind::ResourceBusy);
    drop(silent);
    assert!(Box::pin(door.admit(second)).now_or_never().is_none());
}
