//! A door behind a real listener, the engine's end of its connections, and clients that speak bytes.

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
use bytes::{Buf as _, Bytes, BytesMut};
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
use std::io::{self, Cursor};
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Data, OpCode};

/// The key of every WebSocket handshake here.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
/// How long something that must happen may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// The mask of every client here.
const MASK: [u8; 4] = [0x12, 0x34, 0x56, 0x78];

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

/// A client that polls.
pub(super) struct Poller {
    address: SocketAddr,
    pub(super) sid: String,
}

/// An answer over HTTP.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: Vec<u8>,
}

impl Answer {
    /// The packets of a poll's answer.
    pub(super) fn packets(&self) -> Vec<Vec<u8>> {
        assert_eq!(self.status, 200, "{}", String::from_utf8_lossy(&self.body));
        self.body.split(|byte| *byte == 0x1e).map(<[u8]>::to_vec).collect()
    }
}

impl Poller {
    /// The answer to one poll.
    pub(super) async fn poll(&self) -> Answer {
        get(self.address, &format!("&sid={}", self.sid)).await
    }

    pub(super) async fn post(&self, body: &[u8]) -> Answer {
        let mut stream = self.begin_post(body).await;
        answer(&mut stream).await
    }

    /// A poll whose answer nobody reads yet.
    pub(super) async fn begin_poll(&self) -> TcpStream {
        begin(self.address, "GET", &format!("&sid={}", self.sid), b"").await
    }

    pub(super) async fn begin_post(&self, body: &[u8]) -> TcpStream {
        begin(self.address, "POST", &format!("&sid={}", self.sid), body).await
    }

    /// The WebSocket that wants to take over; `early` is sent together with its handshake.
    pub(super) async fn upgrade(&self, early: &[u8]) -> WebSocket {
        WebSocket::connect_with(self.address, &format!("&sid={}", self.sid), early).await
    }
}

/// The answer to a GET without a connection (`query` empty) or for one.
pub(super) async fn get(address: SocketAddr, query: &str) -> Answer {
    answer(&mut begin(address, "GET", query, b"").await).await
}

async fn begin(address: SocketAddr, method: &str, query: &str, body: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let head = format!(
        "{method} /socket.io/?EIO=4&transport=polling{query} HTTP/1.1\r\nhost: localhost\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), body].concat()).await.unwrap();
    stream
}

/// Reads a whole answer.
pub(super) async fn answer(stream: &mut TcpStream) -> Answer {
    within("an answer comes", async {
        let mut bytes = BytesMut::new();
        let head = read_head(stream, &mut bytes).await;
        let len = header(&head, "content-length").map_or(0, |it| it.parse().unwrap());
        while bytes.len() < len {
            assert_ne!(stream.read_buf(&mut bytes).await.unwrap(), 0, "the answer is cut short");
        }
        let status = head[9..12].parse().unwrap();
        Answer { status, head, body: bytes.to_vec() }
    })
    .await
}

async fn read_head(stream: &mut TcpStream, bytes: &mut BytesMut) -> String {
    loop {
        if let Some(end) = bytes.windows(4).position(|it| it == b"\r\n\r\n") {
            let head = bytes.split_to(end + 4);
            return String::from_utf8(head.to_vec()).unwrap().to_lowercase();
        }
        assert_ne!(stream.read_buf(bytes).await.unwrap(), 0, "no head, but {bytes:?}");
    }
}

pub(super) fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    lines.find_map(|(key, value)| (key == name).then_some(value))
}

/// A client that speaks WebSocket.
pub(super) struct WebSocket {
    pub(super) stream: TcpStream,
    bytes: BytesMut,
    /// The status of the handshake.
    pub(super) status: u16,
    pub(super) head: String,
}

impl WebSocket {
    pub(super) async fn connect(address: SocketAddr, query: &str) -> Self {
        Self::connect_with(address, query, b"").await
    }

    /// `early` is sent together with the handshake.
    pub(super) async fn connect_with(address: SocketAddr, query: &str, early: &[u8]) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        // A small window, so that a test that does not read need not write megabytes.
        socket.set_recv_buffer_size(8192).unwrap();
        let mut stream = socket.connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let head = format!(
            "GET /socket.io/?EIO=4&transport=websocket{query} HTTP/1.1\r\nhost: localhost\r\n\
             connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
             sec-websocket-key: {KEY}\r\n\r\n"
        );
        stream.write_all(&[head.as_bytes(), early].concat()).await.unwrap();
        let mut bytes = BytesMut::new();
        let head = within("the handshake", read_head(&mut stream, &mut bytes)).await;
        let status = head[9..12].parse().unwrap();
        Self { stream, bytes, status, head }
    }

    pub(super) async fn send(&mut self, packet: &[u8]) {
        self.stream.write_all(&client_frame(0x81, packet)).await.unwrap();
    }

    /// The next packet; `None` at the end, which a close frame may announce.
    pub(super) async fn next(&mut self) -> Option<Vec<u8>> {
        let frame = within("a frame comes", next_frame(&mut self.stream, &mut self.bytes)).await;
        frame.filter(|(opcode, _)| matches!(opcode, OpCode::Data(_))).map(|(_, payload)| payload)
    }
}

/// A frame as clients send it.
pub(super) fn client_frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match u16::try_from(payload.len()) {
        Ok(len @ 0..=125) => frame.push(0x80 | u8::try_from(len).unwrap()),
        Ok(len) => {
            frame.push(0xfe);
            frame.extend(len.to_be_bytes());
        }
        Err(error) => panic!("no test needs so large a frame: {error}"),
    }
    frame.extend(MASK);
    frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

/// The next frame, unmasked; `None` at the end of the stream or if it is reset.
async fn next_frame(
    stream: &mut (impl AsyncRead + Unpin),
    bytes: &mut BytesMut,
) -> Option<(OpCode, Vec<u8>)> {
    loop {
        let mut cursor = Cursor::new(&bytes[..]);
        if let Some((header, len)) = FrameHeader::parse(&mut cursor).unwrap() {
            let head = usize::try_from(cursor.position()).unwrap();
            let end = head + usize::try_from(len).unwrap();
            if end <= bytes.len() {
                let frame = bytes.split_to(end);
                let mut payload = frame.clone();
                payload.advance(head);
                let mask = header.mask.unwrap_or_default();
                let unmasked =
                    payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask);
                return Some((header.opcode, unmasked.collect()));
            }
        }
        if stream.read_buf(bytes).await.unwrap_or(0) == 0 {
            return None;
        }
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
