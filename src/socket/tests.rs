//! The real engine behind the real acceptor on a real listener: thousands of clients that come and go while they are
//! being authenticated, and nothing of them that stays.

use crate::app::testing::TestApp;
use crate::client::{Client, ClientTransport, upgrade_request};
use crate::realtime::sockets::NodeCounts;
use crate::store::Store;
use futures_util::FutureExt as _;
use futures_util::future::join_all;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::task::coop::unconstrained;

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
    app: TestApp,
}

impl Server {
    async fn start() -> Self {
        let app = TestApp::with(|config| {
            config.limits.connections = 10_000;
            // Without a grace, so that every end of a user's last socket is news.
            config.presence.grace = Duration::ZERO;
            config.presence.startup_grace = Duration::ZERO;
            config.recovery.window = Duration::from_secs(1);
            // So long that only the end of a connection can end its sockets.
            config.socketio.ping_interval = Duration::from_mins(5);
            config.socketio.ping_timeout = Duration::from_mins(5);
            config.socketio.connect_timeout = Duration::from_mins(5);
            config.socketio.upgrade_timeout = Duration::from_mins(5);
        });
        // Nobody sweeps here: nothing may need it.
        app.parts.watch_deadlines(&app.parts.tasks);
        app.parts.tasks.spawn("test.pauses", pause_again_and_again(app.store.clone()));
        Self { address: app.serve().await, app }
    }

    /// Waits until nothing is left of anybody.
    async fn empties(&self) {
        let is_empty = async {
            while self.app.parts.sockets.counts() != NodeCounts::default()
                || !self.app.parts.connections.is_empty()
            {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, is_empty).await;
        let (counts, connections) =
            (self.app.parts.sockets.counts(), self.app.parts.connections.len());
        assert!(waited.is_ok(), "left behind: {counts:?}, {connections} connections");
    }

    /// How often each user came online, after having gone offline as often.
    async fn sessions(&self) -> BTreeMap<String, usize> {
        self.app.store.flush().await.unwrap();
        let mut sessions = BTreeMap::new();
        let mut online = BTreeMap::new();
        let mut after = 0;
        loop {
            let page = self.app.store.events().page(after, 1000).await.unwrap();
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
        // Unconstrained, because a task that has done much is told to wait, though there are places.
        while let Some(Ok(permit)) = unconstrained(store.presence().reserve()).now_or_never() {
            held.push(permit);
        }
        tokio::time::sleep(STORE_PAUSE).await;
        drop(held);
        tokio::time::sleep(STORE_EASE).await;
    }
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
        // CONNECT, answer, leave, and CONNECT once more over the same connection, in one breath.
        3 => {
            let mut client = open(address).await;
            client.join(&auth(user)).await.unwrap();
            client.send("41").await.unwrap();
            client.join(&auth(user)).await.unwrap();
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
    assert!(server.app.parts.tasks.stop(PATIENCE).await, "a task goes on");
}
