//! The real engine behind the real door on a real listener: thousands of clients that come and go while they are
//! being authenticated, and nothing of them that stays.

use super::{ClientFiles, SocketEdge};
use crate::auth::Authenticator;
use crate::client::{Client, ClientTransport, upgrade_request};
use crate::clock::Clock;
use crate::config::{
    AuthConfig, AuthMode, Coalesce, HistoryConfig, HooksConfig, InboxConfig, LimitsConfig,
    MessagesConfig, Origins, PresenceConfig, RecoveryConfig, SocketIoConfig, StoreConfig,
};
use crate::connection::{Accepted, AcceptorConfig, ClientAddress, Connections};
use crate::realtime::sockets::{NodeCounts, Sockets};
use crate::realtime::{Bounds, InboxParts, MessageParts, Realtime};
use crate::recovery::Recoveries;
use crate::store::Store;
use crate::tasks::Tasks;
use crate::types::{Namespace, Seq};
use axum::Router;
use axum::body::Body;
use futures_util::FutureExt as _;
use futures_util::future::join_all;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tower_service::Service as _;

/// How long a client waits for its answer at most: long enough to leave before it, during it and after it.
const STORE_PAUSE: Duration = Duration::from_millis(2);
/// How long the store takes everything between two pauses.
const STORE_EASE: Duration = Duration::from_millis(1);
/// How long something that must happen may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// Clients at once, each for a user of its own.
const CLIENTS: usize = 40;
const CYCLES: usize = 200;

struct Server {
    address: SocketAddr,
    sockets: Sockets,
    connections: Connections,
    store: Store,
    tasks: Tasks,
    _folder: TempDir,
}

impl Server {
    async fn start() -> Self {
        let (tasks, clock, folder) = (Tasks::new(), Clock::start(Seq(0)), TempDir::new().unwrap());
        let data_dir = folder.path().to_owned();
        let keep_events = Duration::from_hours(1);
        let kept = StoreConfig { data_dir, keep_events, keep_items: keep_events };
        let (store, _) = Store::open(&kept, &no_hooks()).unwrap();
        let sockets = Sockets::new(presence(), store.presence(), clock.clone());
        sockets.watch_deadlines(&tasks);
        let connections = Connections::new(limits().connections);
        let bounds = Bounds {
            limits: limits(),
            history: HistoryConfig { per_user: 1, total: 10, keep: Duration::from_hours(1) },
            namespaces: socketio().namespaces,
            clock: clock.clone(),
            tasks: tasks.clone(),
            inbox: InboxParts {
                inboxes: store.inboxes(),
                config: InboxConfig { keep: Duration::from_hours(1), max_per_user: 5 },
            },
            messages: MessageParts {
                config: MessagesConfig {
                    keep: Duration::from_hours(1),
                    entries_max: 10,
                    bytes_max: 10_000,
                    recent: 10,
                },
                tasks: tasks.clone(),
                outbox: store.outbox(),
            },
        };
        let recoveries =
            Recoveries::new(&recovery(), &bounds.namespaces, limits().buffer_bytes / 2, clock);
        let authenticator = Authenticator::new(AuthConfig { mode: AuthMode::Trust }).unwrap();
        tasks.spawn("test.pauses", pause_again_and_again(store.clone()));
        let (entries, known) = (sockets.clone(), connections.clone());
        let edge = SocketEdge {
            realtime: Realtime::new(entries, known, recoveries, authenticator, bounds),
            connections: connections.clone(),
            tasks: tasks.clone(),
            acceptor: AcceptorConfig {
                origins: Origins::Any,
                trusted_proxies: Vec::new(),
                limits: limits(),
                socketio: socketio(),
            },
            path: "/socket.io/".to_owned(),
            client_files: ClientFiles::load(None).unwrap(),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (router, spawner) = (edge.router(), tasks.clone());
        tasks.spawn("test.listener", async move {
            while let Ok((stream, peer)) = listener.accept().await {
                spawner.spawn("test.http", serve(router.clone(), stream, peer));
            }
        });
        Self { address, sockets, connections, store, tasks, _folder: folder }
    }

    /// Waits until nothing is left of anybody.
    async fn empties(&self) {
        let is_empty = async {
            while self.sockets.counts() != NodeCounts::default() || !self.connections.is_empty() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, is_empty).await;
        let (counts, connections) = (self.sockets.counts(), self.connections.len());
        assert!(waited.is_ok(), "left behind: {counts:?}, {connections} connections");
    }

    /// How often each user came online, after having gone offline as often.
    async fn sessions(&self) -> BTreeMap<String, usize> {
        self.store.flush().await.unwrap();
        let mut sessions = BTreeMap::new();
        let mut online = BTreeMap::new();
        let mut after = 0;
        loop {
            let page = self.store.events().page(after, 1000).await.unwrap();
            if page.items.is_empty() {
                break;
            }
            after = page.next;
            for event in page.items {
                let (user, comes) = (event.user.to_string(), event.hook_type == "user.online");
                let was_online = online.insert(user.clone(), comes).unwrap_or(false);
                assert_ne!(was_online, comes, "{user} came or went twice: {}", event.body);
                *sessions.entry(user).or_default() += usize::from(comes);
            }
        }
        assert!(online.values().all(|is_online| !is_online), "somebody stays online: {online:?}");
        sessions
    }
}

/// Holds every place in the store's queue for a while, over and over: whoever connects then has to wait.
async fn pause_again_and_again(store: Store) {
    loop {
        let mut held = Vec::new();
        while let Some(Ok(permit)) = store.presence().reserve().now_or_never() {
            held.push(permit);
        }
        tokio::time::sleep(STORE_PAUSE).await;
        drop(held);
        tokio::time::sleep(STORE_EASE).await;
    }
}

async fn serve(router: Router, stream: TcpStream, peer: SocketAddr) {
    stream.set_nodelay(true).unwrap();
    let answer = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ClientAddress(peer));
        router.clone().call(request.map(Body::new))
    });
    let connection = http1::Builder::new()
        .serve_connection(TokioIo::new(Accepted::new(stream)), answer)
        .with_upgrades();
    connection.await.ok();
}

/// Asks for a WebSocket and waits for no answer.
async fn ask(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let target = "/socket.io/?EIO=4&transport=websocket";
    let request = upgrade_request("localhost", target, "");
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

async fn open(address: SocketAddr) -> Client {
    Client::open(ClientTransport::WebSocket, address).await.unwrap()
}

/// Ends a connection: in an orderly way or with a reset.
fn end(client: Client, is_reset: bool) {
    if is_reset {
        client.reset().unwrap();
    } else {
        drop(client);
    }
}

fn auth(user: &str) -> String {
    format!(r#"{{"user":"{user}"}}"#)
}

/// One client that comes and goes; the cycle says in which way and how soon.
async fn come_and_go(address: SocketAddr, user: &str, cycle: usize) {
    // From 0 to 5 ms, in steps of a third: the client is waiting for its answer, has it, or has not asked.
    let pause = STORE_PAUSE * u32::try_from(cycle % 16).unwrap() / 6;
    let is_reset = cycle.is_multiple_of(3);
    // The server may have closed before a packet is sent: that is no failure here.
    let connect = format!("40{}", auth(user));
    match cycle % 5 {
        // Gone before it is a connection.
        0 => {
            let stream = ask(address).await;
            tokio::time::sleep(pause).await;
            if is_reset {
                stream.set_zero_linger().unwrap();
            }
        }
        // CONNECT and close.
        1 => {
            let mut client = open(address).await;
            client.send(&connect).await.ok();
            tokio::time::sleep(pause).await;
            end(client, is_reset);
        }
        // CONNECT and leave, without waiting for the answer.
        2 => {
            let mut client = open(address).await;
            client.send(&connect).await.ok();
            tokio::time::sleep(pause).await;
            client.send("41").await.ok();
            tokio::time::sleep(pause).await;
            end(client, is_reset);
        }
        // CONNECT, answer, leave, and CONNECT once more over the same connection. The engine ignores that in silence
        // when it comes before it is quite done with the first, so nobody waits for its answer.
        3 => {
            let mut client = open(address).await;
            client.join(&auth(user)).await.unwrap();
            client.send("41").await.ok();
            client.send(&connect).await.ok();
            tokio::time::sleep(pause).await;
            end(client, is_reset);
        }
        // CONNECT, answer and close.
        _ => {
            let mut client = open(address).await;
            client.join(&auth(user)).await.unwrap();
            end(client, is_reset);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_comes_and_goes_while_being_authenticated_leaves_nothing_behind() {
    let server = Server::start().await;
    let address = server.address;
    let clients = (0..CLIENTS).map(async |number| {
        let user = format!("u{number}");
        for cycle in 0..CYCLES {
            let way = number + cycle;
            let going = tokio::time::timeout(PATIENCE, come_and_go(address, &user, way));
            going
                .await
                .unwrap_or_else(|_| panic!("{user} hangs in cycle {cycle}, way {}", way % 5));
        }
    });

    join_all(clients).await;
    server.empties().await;

    let sessions = server.sessions().await;
    assert_eq!(sessions.len(), CLIENTS, "everybody was online");
    let total: usize = sessions.values().sum();
    assert!(CLIENTS * CYCLES / 5 < total, "hardly anybody was ever online: {total}");
    assert!(server.tasks.stop(PATIENCE).await, "a task goes on");
}

fn limits() -> LimitsConfig {
    LimitsConfig {
        payload_bytes: 100_000,
        buffer_bytes: 1_000_000,
        stall: Duration::from_secs(20),
        connections: 10_000,
        header_timeout: Duration::from_secs(10),
        keep_alive: Duration::from_mins(2),
        body_timeout: Duration::from_secs(20),
        rooms_per_socket: 64,
        auth_bytes: 16_000,
    }
}

/// Without a grace, so that every end of a user's last socket is news.
fn presence() -> PresenceConfig {
    PresenceConfig {
        grace: Duration::ZERO,
        startup_grace: Duration::ZERO,
        // Nobody sweeps here: nothing may need it.
        sweep_interval: Duration::from_hours(1),
    }
}

fn recovery() -> RecoveryConfig {
    RecoveryConfig {
        window: Duration::from_secs(1),
        events_max: 100,
        bytes_max: 100_000,
        sessions_max: 100,
        except: Vec::new(),
    }
}

/// With timeouts so long that only the end of a connection can end its sockets.
fn socketio() -> SocketIoConfig {
    SocketIoConfig {
        ping_interval: Duration::from_mins(5),
        ping_timeout: Duration::from_mins(5),
        connect_timeout: Duration::from_mins(5),
        upgrade_timeout: Duration::from_mins(5),
        polling: true,
        websocket: true,
        namespaces: vec![Namespace::root()],
        client_dir: None,
    }
}

fn no_hooks() -> HooksConfig {
    HooksConfig {
        endpoints: Vec::new(),
        timeout: Duration::from_secs(1),
        retry_for: Duration::ZERO,
        concurrency: 1,
        reject_after: 1,
        allow_private: false,
        ca: Vec::new(),
        coalesce: Coalesce::None,
        backlog_max: 1000,
        batch_max: 1,
    }
}
