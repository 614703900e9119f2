//! Sockets on a store in a folder of its own, sockets without clients, and what was recorded of them.

use crate::clock::Clock;
use crate::config::{
    Coalesce, HooksConfig, LimitsConfig, Origins, PresenceConfig, SocketIoConfig, StoreConfig,
};
use crate::connection::{Acceptor, AcceptorConfig, Connection, Connections, EngineStream};
use crate::core::delivery::record::RecordedEvent;
use crate::core::presence::session::UserSession;
use crate::core::protocol::frame;
use crate::presence::Place;
use crate::realtime::sockets::Sockets;
use crate::registry::{Socket, SocketParts};
use crate::store::{Recovered, Store};
use crate::tasks::Tasks;
use crate::types::{Grants, Namespace, Room, SocketId, UserId, WallMs};
use bytes::Bytes;
use futures_util::FutureExt as _;
use http::Request;
use http_body_util::Full;
use parking_lot::Mutex;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::runtime::Handle;

pub(super) const GRACE: Duration = Duration::from_secs(10);
pub(super) const STARTUP_GRACE: Duration = Duration::from_secs(30);
pub(super) const MOMENT: Duration = Duration::from_millis(500);
/// A moment less.
pub(super) const ALMOST_GRACE: Duration = Duration::from_millis(9_500);
/// A moment less.
pub(super) const ALMOST_STARTUP_GRACE: Duration = Duration::from_millis(29_500);

pub(super) struct Fixture {
    pub(super) sockets: Sockets,
    pub(super) store: Store,
    /// What the life before left behind.
    pub(super) recovered: Recovered,
    /// The connection of every socket that needs none of its own.
    pub(super) connection: Arc<Connection>,
    tasks: Tasks,
    next: AtomicU32,
    /// Holds the connections' other ends.
    engine: Arc<Mutex<Vec<EngineStream>>>,
    acceptor: Acceptor,
}

impl Fixture {
    pub(super) async fn new(folder: &TempDir) -> Self {
        Self::with(folder, presence()).await
    }

    pub(super) async fn with(folder: &TempDir, presence: PresenceConfig) -> Self {
        let (store, recovered) = store(folder.path());
        let (tasks, clock) = (Tasks::new(), Clock::start(recovered.last_seq));
        let sockets = Sockets::new(presence, store.presence(), clock.clone());
        let engine = Arc::new(Mutex::new(Vec::new()));
        let lent = Arc::clone(&engine);
        let connections = Connections::new(1000);
        let acceptor = Acceptor::new(acceptor(), connections, tasks.clone(), clock, move |io| {
            lent.lock().push(io);
        });
        let connection = open(&acceptor, &engine).await;
        sockets.watch_deadlines(&tasks);
        let next = AtomicU32::new(0);
        Self { sockets, store, recovered, connection, tasks, next, engine, acceptor }
    }

    /// A connection of its own.
    pub(super) async fn connection(&self) -> Arc<Connection> {
        open(&self.acceptor, &self.engine).await
    }

    /// A socket that is not registered yet.
    pub(super) fn socket(&self, user: &str, rooms: &[&str]) -> Arc<Socket> {
        self.socket_on(&self.connection, user, "/", rooms)
    }

    pub(super) fn socket_on(
        &self,
        connection: &Arc<Connection>,
        user: &str,
        namespace: &str,
        rooms: &[&str],
    ) -> Arc<Socket> {
        let mut id = [0; SocketId::BYTES];
        id[..4].copy_from_slice(&self.next.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        Arc::new(Socket::new(SocketParts {
            id: SocketId::from_bytes(id),
            namespace: Namespace::parse(namespace).unwrap(),
            user: user_id(user),
            device: None,
            connected_at: WallMs(0),
            grants: Grants {
                rooms: rooms.iter().map(|it| Room::parse(it).unwrap()).collect(),
                ..Grants::default()
            },
            connection: Arc::clone(connection),
        }))
    }

    pub(super) fn place(&self) -> Place {
        let reserve = tokio::task::coop::unconstrained(self.sockets.presence.reserve());
        reserve.now_or_never().expect("there is room").unwrap()
    }

    pub(super) fn register(&self, socket: &Arc<Socket>) -> Option<UserSession> {
        self.sockets.connect(socket, self.place())
    }

    /// A registered socket.
    pub(super) fn connect(&self, user: &str) -> Arc<Socket> {
        let socket = self.socket(user, &[]);
        self.register(&socket).expect("it is new");
        socket
    }

    /// Lets the tasks do what is due now, without letting time pass.
    pub(super) async fn settle(&self) {
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    }

    /// All that was recorded, as `type user reason`. Time stands still meanwhile.
    pub(super) async fn recorded(&self) -> Vec<String> {
        let line = |event: &RecordedEvent| {
            let body: serde_json::Value = serde_json::from_str(&event.body).unwrap();
            let reason = body["data"]["reason"].as_str().unwrap_or_default();
            format!("{} {} {reason}", event.hook_type, event.user).trim_end().to_owned()
        };
        self.events().await.iter().map(line).collect()
    }

    /// All that was recorded, in the order of the log.
    pub(super) async fn events(&self) -> Vec<RecordedEvent> {
        // On a thread for blocking work, because a paused clock would run on if nobody were busy.
        let (store, runtime) = (self.store.clone(), Handle::current());
        let flushed = tokio::task::spawn_blocking(move || runtime.block_on(store.flush()));
        flushed.await.unwrap().unwrap();
        let mut events = Vec::new();
        loop {
            let after = events.last().map_or(0, |it: &RecordedEvent| it.id);
            let page = self.store.events().page(after, 1000).await.unwrap().items;
            if page.is_empty() {
                return events;
            }
            events.extend(page);
        }
    }

    /// Stops as a crash would: what is committed stays, nothing is said.
    pub(super) async fn crash(self) {
        self.tasks.stop(Duration::from_secs(20)).await;
        self.store.close().await;
    }
}

pub(super) fn user_id(user: &str) -> UserId {
    UserId::parse(user).unwrap()
}

async fn open(acceptor: &Acceptor, engine: &Mutex<Vec<EngineStream>>) -> Arc<Connection> {
    let request = Request::builder().uri("/socket.io/?EIO=4&transport=polling");
    let request: Request<Full<Bytes>> = request.body(Full::default()).unwrap();
    let greeting = async {
        let mut io = engine.lock().pop().expect("the connection was lent");
        io.write_all(&frame::text(&[b"0{}"])).await.unwrap();
        io
    };
    let (response, io) = tokio::join!(acceptor.answer(request), greeting);
    assert_eq!(response.status(), 200);
    let connection = Arc::clone(io.connection());
    engine.lock().insert(0, io);
    connection
}

pub(super) fn presence() -> PresenceConfig {
    PresenceConfig {
        grace: GRACE,
        startup_grace: STARTUP_GRACE,
        sweep_interval: Duration::from_secs(10),
    }
}

fn store(folder: &Path) -> (Store, Recovered) {
    let keep = Duration::from_hours(1);
    let config = StoreConfig { data_dir: folder.to_owned(), keep_events: keep, keep_items: keep };
    let hooks = HooksConfig {
        endpoints: Vec::new(),
        timeout: Duration::from_secs(1),
        retry_for: Duration::from_secs(1),
        concurrency: 1,
        reject_after: 1,
        allow_private: false,
        ca: Vec::new(),
        coalesce: Coalesce::None,
        backlog_max: 1,
        batch_max: 1,
    };
    Store::open(&config, &hooks).unwrap()
}

fn acceptor() -> AcceptorConfig {
    let limits = LimitsConfig {
        payload_bytes: 100_000,
        buffer_bytes: 200_000,
        stall: Duration::from_secs(20),
        connections: 1000,
        header_timeout: Duration::from_secs(10),
        keep_alive: Duration::from_mins(2),
        body_timeout: Duration::from_secs(5),
        rooms_per_socket: 64,
        auth_bytes: 16_000,
    };
    let socketio = SocketIoConfig {
        // Never: the clients here answer no ping.
        ping_interval: Duration::from_hours(24),
        ping_timeout: Duration::from_secs(10),
        connect_timeout: Duration::from_secs(20),
        upgrade_timeout: Duration::from_secs(10),
        polling: true,
        websocket: true,
        namespaces: vec![Namespace::root()],
        client_dir: None,
    };
    AcceptorConfig { origins: Origins::Any, trusted_proxies: Vec::new(), limits, socketio }
}

/// Waits until something is true, by the clock on the wall.
pub(super) async fn until(what: &str, mut is_true: impl FnMut() -> bool) {
    let waiting = async {
        while !is_true() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let patience = Duration::from_secs(20);
    assert!(tokio::time::timeout(patience, waiting).await.is_ok(), "in vain: {what}");
}
