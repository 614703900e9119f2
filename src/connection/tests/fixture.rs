//! An acceptor behind a real listener, and the engine's end of its connections.

use super::clients::{Poller, WebSocket, get, next_frame};
use crate::clock::Clock;
use crate::config::{LimitsConfig, Origins, SocketIoConfig};
use crate::connection::{
    Accepted, Acceptor, AcceptorConfig, ClientAddress, Connection, Connections, EngineStream,
    EventListener,
};
use crate::core::protocol::frame;
use crate::core::protocol::inbound::ClientEvent;
use crate::tasks::Tasks;
use crate::types::{Namespace, Seq};
use bytes::{Bytes, BytesMut};
use futures_util::FutureExt as _;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use socket2::SockRef;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::{self};
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tungstenite::protocol::frame::coding::{Data, OpCode};

/// How long something that must happen may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A door behind a listener of its own.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    pub(super) connections: Connections,
    lent: Arc<Mutex<VecDeque<EngineStream>>>,
    pub(super) tasks: Tasks,
}

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

    async fn serve(limits: LimitsConfig, socketio: SocketIoConfig) -> Self {
        let (tasks, connections) = (Tasks::new(), Connections::new(limits.connections));
        let config =
            AcceptorConfig { origins: Origins::Any, trusted_proxies: Vec::new(), limits, socketio };
        let lent = Arc::new(Mutex::new(VecDeque::new()));
        let engine = Arc::clone(&lent);
        let clock = Clock::start(Seq(0));
        let acceptor =
            Acceptor::new(config, connections.clone(), tasks.clone(), clock, move |io| {
                engine.lock().push_back(io);
            });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let spawner = tasks.clone();
        tasks.spawn("test.listener", async move {
            while let Ok((stream, peer)) = listener.accept().await {
                // As the listener does it.
                SockRef::from(&stream).set_tcp_user_timeout(Some(limits.stall)).unwrap();
                spawner.spawn("test.http", serve(acceptor.clone(), stream, peer));
            }
        });
        Self { address, connections, lent, tasks }
    }

    /// The engine's end of the next connection, which greets its client.
    pub(super) async fn engine(&self) -> Engine {
        let io = until("a connection is lent", || self.lent.lock().pop_front()).await;
        let connection = Arc::clone(io.connection());
        let events = Arc::new(Events::default());
        let listener: Arc<dyn EventListener> = Arc::<Events>::clone(&events);
        connection.lock().listeners.join(Namespace::root(), listener);
        let mut engine = Engine { connection, io, bytes: BytesMut::new(), events };
        // The engine's own open packet, which the connection replaces by its own.
        engine.write(b"0{}");
        engine
    }

    /// A client that polls, and its engine.
    pub(super) async fn poller(&self) -> (Poller, Engine) {
        let address = self.address;
        let opening = async move { get(address, "").await };
        let (open, engine) = tokio::join!(opening, self.engine());
        let sid = sid(&open.body);
        (Poller { address, sid }, engine)
    }

    /// A client that speaks WebSocket, and its engine.
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
        async move { Ok::<http::Response<Full<Bytes>>, io::Error>(acceptor.answer(request).await) }
    });
    let connection = http1::Builder::new()
        .serve_connection(TokioIo::new(Accepted::new(stream)), answer)
        .with_upgrades();
    connection.await.ok();
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

/// The engine's end of one connection, and who listens to its client.
pub(super) struct Engine {
    pub(super) connection: Arc<Connection>,
    io: EngineStream,
    bytes: BytesMut,
    pub(super) events: Arc<Events>,
}

/// What the client emits in the root namespace, which it is taken to have joined.
#[derive(Default)]
pub(super) struct Events {
    /// As packets.
    delivered: Mutex<VecDeque<Vec<u8>>>,
    gate: Mutex<Gate>,
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
}

impl Engine {
    /// Writes one packet, which must not make the engine wait.
    #[track_caller]
    pub(super) fn write(&mut self, packet: &[u8]) {
        self.try_write(packet).unwrap();
    }

    #[track_caller]
    pub(super) fn try_write(&mut self, packet: &[u8]) -> io::Result<()> {
        let frame = frame::text(&[packet]);
        let written = self.io.write_all(&frame).now_or_never();
        written.expect("the engine never waits to write")
    }

    /// The next packet of the client, be it for the engine or an event; `None` at the end. Of those that come together,
    /// the ones for the engine are first.
    pub(super) async fn read(&mut self) -> Option<Vec<u8>> {
        if let Some(event) = self.events.next() {
            return Some(event);
        }
        let Self { io, bytes, events, .. } = self;
        let frame = next_frame(io, bytes);
        tokio::pin!(frame);
        let next = poll_fn(|cx| match frame.as_mut().poll(cx) {
            Poll::Ready(None) => Poll::Ready(events.next()),
            Poll::Ready(Some((OpCode::Data(Data::Text), payload))) => Poll::Ready(Some(payload)),
            Poll::Ready(Some((_, payload))) => Poll::Ready(Some([b"b", &payload[..]].concat())),
            Poll::Pending => events.next().map_or(Poll::Pending, |it| Poll::Ready(Some(it))),
        });
        within("the engine reads", next).await
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
        stall: Duration::from_secs(20),
        connections: 100,
        header_timeout: Duration::from_secs(10),
        keep_alive: Duration::from_mins(2),
        body_timeout: Duration::from_secs(5),
        rooms_per_socket: 64,
        auth_bytes: 16_000,
        restricted_users: 1,
    }
}

fn socketio() -> SocketIoConfig {
    SocketIoConfig {
        // Never: the clients here answer no ping.
        ping_interval: Duration::from_hours(24),
        ping_timeout: Duration::from_secs(10),
        connect_timeout: Duration::from_secs(20),
        upgrade_timeout: Duration::from_secs(10),
        polling: true,
        websocket: true,
        namespaces: vec![Namespace::root()],
        client_dir: None,
    }
}
