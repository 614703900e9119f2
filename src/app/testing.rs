//! The program put together for tests: the parts that run in production, on a store in a folder of their own, and
//! clients that poll, which are let in by the test.

pub(crate) use super::parts::AppParts;

use super::home::Home;
use crate::clock::Clock;
use crate::config::{AuthMode, Config, Sources};
use crate::connection::{Acceptor, AcceptorConfig, AnswerBytes, ClientAddress, Connection};
use crate::entropy;
use crate::realtime::Realtime;
use crate::registry::{Socket, SocketParts};
use crate::socket::ClientFiles;
use crate::store::{Recovered, Store};
use crate::types::{DeviceId, Grants, Namespace, Reason, Room, SocketId, UserId, WallMs};
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use serde_json::Value;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// How long something that must happen may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// Where clients come from that poll.
const PEER: ([u8; 4], u16) = ([203, 0, 113, 7], 5000);

/// The program put together. Nothing is begun that happens by itself: expiry, sweeps, reminders.
pub(crate) struct TestApp {
    pub(crate) config: Config,
    pub(crate) store: Store,
    pub(crate) parts: AppParts,
    pub(crate) realtime: Realtime,
    /// What the life before left behind.
    pub(crate) recovered: Recovered,
    acceptor: Acceptor,
    /// Removed at the end, if it is this app's own.
    _folder: Option<TempDir>,
}

/// A client that polls: what it is registered as, and how it hears.
pub(crate) struct TestClient {
    pub(crate) socket: Arc<Socket>,
    sid: String,
}

impl TestClient {
    /// It goes away.
    pub(crate) fn leave(&self) {
        self.socket.connection.close(Reason::TransportClose);
    }
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
        // And ask nobody to let them in.
        config.socketio.connect_timeout = Duration::from_hours(24);
        config.auth.mode = AuthMode::Trust;
        change(&mut config);
        let (store, recovered) = Store::open(&config.store, &config.hooks).unwrap();
        let (home, clock) = (Home::Alone(store.clone()), Clock::start(recovered.last_seq));
        let parts = AppParts::new(&config, home, clock).unwrap();
        let realtime = parts.realtime(&config);
        let rules = AcceptorConfig::new(&config.listen, config.limits, &config.socketio);
        let AppParts { connections, tasks, clock, .. } = parts.clone();
        let acceptor = Acceptor::new(rules, connections, tasks, clock, |_| {});
        Self { config, store, parts, realtime, recovered, acceptor, _folder: None }
    }

    /// Serves clients by the real engine and a listener. Returns where.
    pub(crate) async fn serve(&self) -> SocketAddr {
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = tcp.local_addr().unwrap();
        let client_files = ClientFiles::load(None).unwrap();
        let (edge, _) = self.parts.public_edge(&self.config, &self.realtime, client_files).unwrap();
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
        let opened = self.acceptor.answer(poll(None)).await;
        assert_eq!(opened.status(), 200);
        let open = text_of(opened).await;
        let open: Value = serde_json::from_str(open.strip_prefix('0').unwrap()).unwrap();
        let sid = open["sid"].as_str().unwrap().to_owned();
        (self.parts.connections.get(&sid).unwrap(), sid)
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
            self.realtime.attendance.reserve(&socket.connection, socket.user()).await.unwrap();
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

    /// A client sends these packets, and they are read.
    pub(crate) async fn say(&self, client: &TestClient, packets: &str) {
        let mut post = poll(Some(&client.sid));
        *post.method_mut() = Method::POST;
        *post.body_mut() = Full::from(packets.to_owned());
        assert_eq!(text_of(self.acceptor.answer(post).await).await, "ok");
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

async fn text_of(response: Response<AnswerBytes>) -> String {
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}
