//! The program put together for tests: the parts that run in production, on a store in a folder of their own, and
//! clients that poll, whose engine is the test.

pub(crate) use super::parts::AppParts;

use crate::config::{AuthMode, Config, Sources};
use crate::connection::{Acceptor, AcceptorConfig, ClientAddress, Connection, EngineStream};
use crate::core::protocol::frame;
use crate::entropy;
use crate::realtime::Realtime;
use crate::registry::{Socket, SocketParts};
use crate::socket::ClientFiles;
use crate::store::{Recovered, Store};
use crate::types::{DeviceId, Grants, Namespace, Reason, Room, SocketId, UserId, WallMs};
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use parking_lot::Mutex;
use serde_json::Value;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// How long something that must happen may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// Where clients come from that poll.
const PEER: ([u8; 4], u16) = ([203, 0, 113, 7], 5000);

/// The program put together. Nothing is begun that happens by itself: expiry, sweeps, reminders.
pub(crate) struct TestApp {
    pub(crate) config: Config,
    pub(crate) parts: AppParts,
    pub(crate) realtime: Realtime,
    /// What the life before left behind.
    pub(crate) recovered: Recovered,
    acceptor: Acceptor,
    /// The engine's ends of the connections.
    engine: Arc<Mutex<Vec<EngineStream>>>,
    /// Removed at the end, if it is this app's own.
    _folder: Option<TempDir>,
}

/// A client that polls: what it is registered as, and how it hears.
pub(crate) struct TestClient {
    pub(crate) socket: Arc<Socket>,
    sid: String,
}

impl TestApp {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    /// With another configuration.
    pub(crate) fn with(change: impl FnOnce(&mut Config)) -> Self {
        let folder = TempDir::new().unwrap();
        let app = Self::in_folder(folder.path(), change);
        Self { _folder: Some(folder), ..app }
    }

    /// On the store that is in `folder`, if there is one.
    pub(crate) fn in_folder(folder: &Path, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = config(folder, &[]);
        // The clients here answer no ping.
        config.socketio.ping_interval = Duration::from_hours(24);
        config.auth.mode = AuthMode::Trust;
        change(&mut config);
        let (store, recovered) = Store::open(&config.store, &config.hooks).unwrap();
        let parts = AppParts::new(&config, store, recovered.last_seq).unwrap();
        let realtime = parts.realtime(&config);
        let engine = Arc::new(Mutex::new(Vec::new()));
        let attached = Arc::clone(&engine);
        let rules = AcceptorConfig::new(&config.listen, config.limits, &config.socketio);
        let AppParts { connections, tasks, clock, .. } = parts.clone();
        let acceptor =
            Acceptor::new(rules, connections, tasks, clock, move |io| attached.lock().push(io));
        Self { config, parts, realtime, recovered, acceptor, engine, _folder: None }
    }

    /// Serves clients by the real engine and a listener. Returns where.
    pub(crate) async fn serve(&self) -> SocketAddr {
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = tcp.local_addr().unwrap();
        let client_files = ClientFiles::load(None).unwrap();
        let edge = self.parts.public_edge(&self.config, &self.realtime, client_files).unwrap();
        let listener = AppParts::listener(
            &self.config,
            "public",
            (tcp, address),
            self.config.limits.connections,
        );
        let tasks = &self.parts.tasks;
        tasks.spawn("test.listen", listener.run(edge, tasks.clone(), CancellationToken::new()));
        address
    }

    /// A connection of its own, and its name.
    pub(crate) async fn open(&self) -> (Arc<Connection>, String) {
        let engine = async {
            let mut io = self.engine.lock().pop().expect("the connection was attached");
            // The engine's own open packet, which the connection replaces by its own.
            io.write_all(&frame::text(&[b"0{}"])).await.unwrap();
            io
        };
        let (opened, io) = tokio::join!(self.acceptor.answer(poll(None)), engine);
        assert_eq!(opened.status(), 200);
        let open = text_of(opened).await;
        let open: Value = serde_json::from_str(open.strip_prefix('0').unwrap()).unwrap();
        let connection = Arc::clone(io.connection());
        self.engine.lock().insert(0, io);
        (connection, open["sid"].as_str().unwrap().to_owned())
    }

    /// A client of `user` in `/`, on a connection of its own.
    pub(crate) async fn connect(&self, user: &str) -> TestClient {
        self.connect_in("/", user, &[], None).await
    }

    pub(crate) async fn connect_in(
        &self,
        namespace: &str,
        user: &str,
        rooms: &[&str],
        device: Option<&str>,
    ) -> TestClient {
        let (connection, sid) = self.open().await;
        let rooms = rooms.iter().map(|it| Room::parse(it).unwrap()).collect();
        let parts = SocketParts {
            id: SocketId::from_bytes(entropy::bytes()),
            namespace: Namespace::parse(namespace).unwrap(),
            user: UserId::parse(user).unwrap(),
            device: device.map(|it| DeviceId::parse(it).unwrap()),
            connected_at: WallMs(0),
            grants: Grants { rooms, ..Grants::default() },
            connection,
        };
        self.join(parts, sid).await
    }

    /// A client with this socket, which is taken in and greeted.
    pub(crate) async fn join(&self, parts: SocketParts, sid: String) -> TestClient {
        let socket = Arc::new(Socket::new(parts));
        let place =
            self.realtime.attendance.reserve(&socket.connection, &socket.user).await.unwrap();
        self.realtime.attendance.join(&socket, place, None);
        let client = TestClient { socket, sid };
        let greeting = self.hear(&client).await;
        assert!(greeting.contains("userline:session"), "{greeting}");
        client
    }

    /// What waits for a client, at least one packet; several are separated by U+001E.
    pub(crate) async fn hear(&self, client: &TestClient) -> String {
        text_of(self.acceptor.answer(poll(Some(&client.sid))).await).await
    }

    /// A client sends these packets, and the engine reads them.
    pub(crate) async fn say(&self, client: &TestClient, packets: &str) {
        let mut io = self.take_engine(client);
        let mut post = poll(Some(&client.sid));
        *post.method_mut() = Method::POST;
        *post.body_mut() = Full::from(packets.to_owned());
        let mut read = [0; 4096];
        // Events and acks are delivered while the engine reads, which gets only what else there is.
        let reading = async { while io.read(&mut read).await.unwrap() != 0 {} };
        let answer = tokio::select! {
            answer = self.acceptor.answer(post) => answer,
            () = reading => panic!("the connection ended"),
        };
        assert_eq!(text_of(answer).await, "ok");
        self.engine.lock().push(io);
    }

    /// A client goes away.
    pub(crate) fn leave(&self, client: &TestClient) {
        drop(self.take_engine(client));
        client.socket.connection.close(Reason::TransportClose);
    }

    fn take_engine(&self, client: &TestClient) -> EngineStream {
        let mut engine = self.engine.lock();
        let of_client = |io: &EngineStream| Arc::ptr_eq(io.connection(), &client.socket.connection);
        let index = engine.iter().position(of_client).expect("the client is here");
        engine.remove(index)
    }
}

/// A configuration for tests, with these keys changed: tokens, no hooks, free ports.
pub(crate) fn config(folder: &Path, changes: &[(&str, &str)]) -> Config {
    let settings = [
        ("listen.public", "127.0.0.1:0"),
        ("listen.admin", "127.0.0.1:0"),
        ("auth.jwt.secret", "a-secret-for-the-tokens-of-the-tests"),
        ("store.data_dir", folder.to_str().unwrap()),
    ];
    let all = settings.iter().chain(changes);
    let set =
        |sources: Sources, (key, value): &(&str, &str)| sources.with_flag("--set", key, value);
    Config::load(&all.fold(Sources::new(), set)).unwrap()
}

/// Waits until something is true.
pub(crate) async fn until(what: &str, mut is_true: impl FnMut() -> bool) {
    let waiting = async {
        while !is_true() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, waiting).await.is_ok(), "in vain: {what}");
}

fn poll(sid: Option<&str>) -> Request<Full<Bytes>> {
    let sid = sid.map(|it| format!("&sid={it}")).unwrap_or_default();
    let request = Request::builder()
        .uri(format!("/socket.io/?EIO=4&transport=polling{sid}"))
        .header("user-agent", "test/1")
        .extension(ClientAddress(SocketAddr::from(PEER)));
    request.body(Full::default()).unwrap()
}

async fn text_of(response: Response<Full<Bytes>>) -> String {
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}
