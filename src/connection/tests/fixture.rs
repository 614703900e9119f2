//! An acceptor behind a real listener, and the server's side of its connections: what their clients say, and the loans.

use super::clients::{Poller, WebSocket, get, next_frame};
use crate::clock::Clock;
use crate::config::{GuestsConfig, LimitsConfig, Origins, SocketIoConfig};
use crate::connection::{
    Accepted, Acceptor, AcceptorConfig, AnswerBytes, ClientAddress, Connection, ConnectionNodes,
    Connections, EngineStream, EventListener, NodeKey, Sent,
};
use crate::core::protocol::frame;
use crate::core::protocol::inbound::ClientEvent;
use crate::tasks::Tasks;
use crate::types::{Namespace, Reason, Seq};
use bytes::BytesMut;
use futures_util::FutureExt as _;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use socket2::SockRef;
use std::collections::BTreeSet;
use std::collections::VecDeque;
use std::io::{self};
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};

/// How long something that must happen may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A door behind a listener of its own.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    pub(super) connections: Connections,
    lent: Loans,
    /// Connections that a test has.
    taken: Mutex<Vec<Arc<Connection>>>,
    pub(super) tasks: Tasks,
}

/// The engine's ends of loans, in the order in which they were lent.
type Loans = Arc<Mutex<VecDeque<EngineStream>>>;

impl Server {
    pub(super) async fn start() -> Self {
        Self::with(limits()).await
    }

    pub(super) async fn with(limits: LimitsConfig) -> Self {
        Self::serve(limits, socketio()).await
    }

    /// One that pings per `interval` and wants an answer within `timeout`.
    pub(super) async fn pinging(interval: Duration, timeout: Duration) -> Self {
        let times = SocketIoConfig { ping_interval: interval, ping_timeout: timeout, ..socketio() };
        Self::serve(limits(), times).await
    }

    /// The same, where the kernel holds little for a client.
    pub(super) async fn pinging_through_little(
        limits: LimitsConfig,
        interval: Duration,
        timeout: Duration,
    ) -> Self {
        let times = SocketIoConfig { ping_interval: interval, ping_timeout: timeout, ..socketio() };
        Self::serve_from(limits, times, Some(8192)).await
    }

    async fn serve(limits: LimitsConfig, socketio: SocketIoConfig) -> Self {
        Self::serve_from(limits, socketio, None).await
    }

    /// `kernel_bytes` is what the kernel may hold for a client, or as it likes.
    async fn serve_from(
        limits: LimitsConfig,
        socketio: SocketIoConfig,
        kernel_bytes: Option<usize>,
    ) -> Self {
        Self::serve_among(limits, socketio, kernel_bytes, None).await
    }

    /// `nodes` is what it knows of others, and where these hand over requests.
    pub(super) async fn serve_among(
        limits: LimitsConfig,
        socketio: SocketIoConfig,
        kernel_bytes: Option<usize>,
        nodes: Option<(ConnectionNodes, NodeKey, TcpListener)>,
    ) -> Self {
        let (tasks, connections) = (Tasks::new(), Connections::of(&limits, &guests(), true));
        let config = AcceptorConfig {
            origins: Origins::Any,
            trusted_proxies: Vec::new(),
            limits,
            socketio,
            backend: None,
            nodes: nodes.as_ref().map(|it| it.0.clone()),
        };
        let lent = Arc::new(Mutex::new(VecDeque::new()));
        let engine = Arc::clone(&lent);
        let clock = Clock::start(Seq(0));
        let acceptor =
            Acceptor::new(config, connections.clone(), tasks.clone(), clock, move |io| {
                engine.lock().push_back(io);
            });
        if let Some((_, key, listener)) = nodes {
            tasks.spawn("test.nodes", serve_nodes(acceptor.clone(), key, listener, tasks.clone()));
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let spawner = tasks.clone();
        tasks.spawn("test.listener", async move {
            while let Ok((stream, peer)) = listener.accept().await {
                // As the listener does it.
                let socket = SockRef::from(&stream);
                socket.set_tcp_user_timeout(Some(limits.stall)).unwrap();
                if let Some(bytes) = kernel_bytes {
                    socket.set_send_buffer_size(bytes).unwrap();
                }
                spawner.spawn("test.http", serve(acceptor.clone(), stream, peer));
            }
        });
        Self { address, connections, lent, taken: Mutex::default(), tasks }
    }

    /// The server's side of the next connection, whose client is taken to have joined the root namespace.
    pub(super) async fn engine(&self) -> Engine {
        let next = || {
            let mut taken = self.taken.lock();
            let is_new = |it: &Arc<Connection>| !taken.iter().any(|known| Arc::ptr_eq(it, known));
            let next = self.connections.snapshot().into_iter().find(is_new);
            taken.extend(next.clone());
            next
        };
        let connection = until("a connection is opened", next).await;
        let events = Arc::new(Events::default());
        let listener: Arc<dyn EventListener> = Arc::<Events>::clone(&events);
        let mut state = connection.lock();
        state.listeners.join(Namespace::root(), listener);
        connection.is_homeless_no_more(&mut state);
        drop(state);
        Engine { connection, events, lent: Arc::clone(&self.lent), ends: Vec::new() }
    }

    /// Loans that run and were not read.
    pub(super) fn lent(&self) -> usize {
        self.lent.lock().len()
    }

    /// Holds none of the connections that tests had.
    pub(super) fn forget_taken(&self) {
        self.taken.lock().clear();
    }

    /// A client that polls, and the server's side of it.
    pub(super) async fn poller(&self) -> (Poller, Engine) {
        let address = self.address;
        let opening = async move { get(address, "").await };
        let (open, engine) = tokio::join!(opening, self.engine());
        let sid = sid(&open.body);
        (Poller { address, sid }, engine)
    }

    /// A client that speaks WebSocket, and the server's side of it.
    pub(super) async fn websocket(&self) -> (WebSocket, Engine) {
        let (mut client, engine) =
            tokio::join!(WebSocket::connect(self.address, ""), self.engine());
        assert!(client.next().await.unwrap().starts_with(b"0{"), "the open packet comes first");
        (client, engine)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.tasks.stop(Duration::ZERO).now_or_never();
    }
}

async fn serve(acceptor: Acceptor, stream: TcpStream, peer: SocketAddr) {
    stream.set_nodelay(true).unwrap();
    let answer = service_fn(move |mut request: http::Request<Incoming>| {
        request.extensions_mut().insert(ClientAddress(peer));
        let acceptor = acceptor.clone();
        async move { Ok::<http::Response<AnswerBytes>, io::Error>(acceptor.answer(request).await) }
    });
    let connection = http1::Builder::new()
        // As the listener has it: little of an answer is out of our hands.
        .max_buf_size(64 * 1024)
        .writev(false)
        .serve_connection(TokioIo::new(Accepted::new(stream)), answer)
        .with_upgrades();
    connection.await.ok();
}

/// As the listener for other nodes does it.
async fn serve_nodes(acceptor: Acceptor, key: NodeKey, listener: TcpListener, tasks: Tasks) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let (acceptor, key) = (acceptor.clone(), key.clone());
        tasks.spawn("test.node", async move {
            if key.admit(&mut stream).await.is_err() {
                return;
            }
            let answer = service_fn(move |request: http::Request<Incoming>| {
                let acceptor = acceptor.clone();
                async move { Ok::<_, io::Error>(acceptor.answer_node(request).await) }
            });
            let connection = http1::Builder::new()
                .serve_connection(TokioIo::new(Accepted::new(stream)), answer)
                .with_upgrades();
            connection.await.ok();
        });
    }
}

/// Waits until `look` finds something.
pub(super) async fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let waiting = async {
        loop {
            if let Some(found) = look() {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    within(what, waiting).await
}

/// The same for what ends by itself.
pub(super) async fn within<T>(what: &str, it: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, it).await.unwrap_or_else(|_| panic!("in vain: {what}"))
}

/// The server's side of one connection.
pub(super) struct Engine {
    pub(super) connection: Arc<Connection>,
    pub(super) events: Arc<Events>,
    lent: Loans,
    /// The engine's ends of the loans that were read.
    pub(super) ends: Vec<EngineStream>,
}

/// What the client emits in the root namespace, which it is taken to have joined.
#[derive(Default)]
pub(super) struct Events {
    /// As packets.
    delivered: Mutex<VecDeque<Vec<u8>>>,
    gate: Mutex<Gate>,
    /// Why the client has left.
    left: Mutex<Vec<Reason>>,
}

#[derive(Default)]
struct Gate {
    /// Nothing more is taken.
    is_closed: bool,
    waiting: Option<Waker>,
}

impl Events {
    /// Takes nothing from now on, once what is being delivered is.
    pub(super) fn close_gate(&self) {
        self.gate.lock().is_closed = true;
    }

    pub(super) fn open_gate(&self) {
        let mut gate = self.gate.lock();
        gate.is_closed = false;
        gate.waiting.take().into_iter().for_each(Waker::wake);
    }

    pub(super) fn next(&self) -> Option<Vec<u8>> {
        self.delivered.lock().pop_front()
    }

    pub(super) fn left(&self) -> Vec<Reason> {
        self.left.lock().clone()
    }
}

impl EventListener for Events {
    fn deliver(self: Arc<Self>, event: &ClientEvent<'_>) {
        assert!(!self.gate.lock().is_closed || self.delivered.lock().is_empty());
        let id = event.ack.map_or_else(String::new, |it| it.to_string());
        let parts: Vec<&str> = event.parts.iter().map(|it| it.get()).collect();
        self.delivered.lock().push_back(format!("42{id}[{}]", parts.join(",")).into_bytes());
    }

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut gate = self.gate.lock();
        if !gate.is_closed {
            return Poll::Ready(());
        }
        gate.waiting = Some(cx.waker().clone());
        Poll::Pending
    }

    fn leave(&self, reason: Reason) {
        self.left.lock().push(reason);
    }
}

impl Engine {
    /// Sends one packet.
    #[track_caller]
    pub(super) fn write(&mut self, packet: &[u8]) {
        assert_eq!(self.connection.send(&frame::text(&[packet])), Sent::Yes);
    }

    /// The next event or CONNECT of the client; `None` when it has left.
    pub(super) async fn read(&mut self) -> Option<Vec<u8>> {
        until("the client says something or leaves", || {
            let Self { connection, events, lent, ends } = self;
            let is_ours = |it: &EngineStream| Arc::ptr_eq(it.loan().connection(), connection);
            if let Some(event) = events.next() {
                return Some(Some(event));
            }
            let mut lent = lent.lock();
            if let Some(place) = lent.iter().position(is_ours) {
                let mut end = lent.remove(place).unwrap();
                let read = next_frame(&mut end, &mut BytesMut::new()).now_or_never();
                ends.push(end);
                return Some(read.flatten().map(|(_, payload)| payload));
            }
            (!events.left().is_empty()).then_some(None)
        })
        .await
    }

    /// Waits until the client is not read any more, because a listener takes nothing.
    pub(super) async fn is_held_back(&self) {
        until("it is not read", || self.connection.lock().is_paused.then_some(())).await;
    }
}

/// The session id in an open packet.
fn sid(open: &[u8]) -> String {
    let open: serde_json::Value = serde_json::from_slice(&open[1..]).unwrap();
    open["sid"].as_str().unwrap().to_owned()
}

pub(super) fn limits() -> LimitsConfig {
    LimitsConfig {
        payload_bytes: 100_000,
        buffer_bytes: 200_000,
        waiting_bytes: 10_000_000,
        handshake_bytes: 1_000_000,
        unfinished_bytes: 1_000_000,
        stall: Duration::from_secs(20),
        connections: 100,
        per_address: 0,
        unauthenticated: 100,
        header_timeout: Duration::from_secs(10),
        keep_alive: Duration::from_mins(2),
        body_timeout: Duration::from_secs(5),
        rooms_per_socket: 64,
        auth_bytes: 16_000,
        memberships_per_user: 1,
        memberships: 1,
        restricted_users: 1,
        requests_per_user: 8,
    }
}

pub(super) fn socketio() -> SocketIoConfig {
    SocketIoConfig {
        // Never: the clients here answer no ping.
        ping_interval: Duration::from_hours(24),
        ping_timeout: Duration::from_secs(10),
        connect_timeout: Duration::from_secs(20),
        upgrade_timeout: Duration::from_secs(10),
        polling: true,
        websocket: true,
        namespaces: vec![Namespace::root(), Namespace::parse("/x").unwrap()],
        client_dir: None,
    }
}

/// One at most.
fn guests() -> GuestsConfig {
    GuestsConfig {
        is_on: true,
        max: 2,
        per_address: 1,
        rooms: Arc::default(),
        may: BTreeSet::new(),
        has_hooks: false,
    }
}
