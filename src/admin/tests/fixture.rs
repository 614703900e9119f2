//! The admin API without listeners, and clients without an engine.

use crate::admin::{Admin, AdminState, DevConsole, Ready};
use crate::auth::Authenticator;
use crate::clock::Clock;
use crate::config::{
    AdminConfig, ApiKey, AuthConfig, AuthMode, Coalesce, EndpointConfig, HOOK_TYPES, HistoryConfig,
    HooksConfig, IdempotencyConfig, InboxConfig, LimitsConfig, MessagesConfig, Origins,
    PresenceConfig, RecoveryConfig, Scope, SocketIoConfig, StoreConfig,
};
use crate::connection::{Acceptor, AcceptorConfig, ClientAddress, Connections, EngineStream};
use crate::core::protocol::frame;
use crate::entropy;
use crate::hooks::Hooks;
use crate::metrics::Metrics;
use crate::realtime::connect::RecoveryClaim;
use crate::realtime::sockets::Sockets;
use crate::realtime::{Bounds, InboxParts, MessageParts, Realtime};
use crate::recovery::Recoveries;
use crate::registry::{Socket, SocketParts};
use crate::store::Store;
use crate::tasks::Tasks;
use crate::types::{
    DeviceId, Grants, Namespace, Reason, Room, Secret, Seq, SocketId, UserId, WallMs,
};
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use axum::response::Response;
use http_body_util::{BodyExt as _, Full};
use parking_lot::Mutex;
use serde_json::Value;
use serde_json::value::RawValue;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// A key with every scope.
pub(super) const ALL: &str = "key-with-all-scopes";
/// Keys with one scope each, named after it.
pub(super) const ONE: [(Scope, &str); 3] = [
    (Scope::Emit, "key-that-can-emit"),
    (Scope::Read, "key-that-can-read"),
    (Scope::Control, "key-that-can-control"),
];
pub(super) const PAYLOAD_MAX: usize = 100_000;
pub(super) const BODY_TIMEOUT: Duration = Duration::from_secs(5);
/// When every client of the tests connected.
pub(super) const CONNECTED_AT: WallMs = WallMs(1_785_577_260_123);

pub(super) struct Fixture {
    pub(super) admin: Admin,
    pub(super) realtime: Realtime,
    pub(super) connections: Connections,
    /// Why the server is not ready.
    pub(super) trouble: Arc<Mutex<Option<String>>>,
    pub(super) store: Store,
    pub(super) sockets: Sockets,
    pub(super) tasks: Tasks,
    /// The tasks that send hooks.
    pub(super) senders: Tasks,
    acceptor: Acceptor,
    engine: Arc<Mutex<Vec<EngineStream>>>,
    _folder: TempDir,
}

/// An answer, read whole.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) text: String,
}

impl Answer {
    pub(super) async fn read(response: Response) -> Self {
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        Self { status: parts.status, headers: parts.headers, text }
    }

    #[track_caller]
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|why| panic!("{why}: {self:?}"))
    }

    /// Code, field and message of an error.
    #[track_caller]
    pub(super) fn error(&self) -> (String, Option<String>, String) {
        let json = self.json();
        let text = |name: &str| json["error"][name].as_str().map(str::to_owned);
        (text("code").unwrap(), text("field"), text("message").unwrap())
    }
}

/// One client: what it is registered as, and how it hears.
pub(super) struct Client {
    pub(super) socket: Arc<Socket>,
    sid: String,
}

impl Fixture {
    pub(super) fn new() -> Self {
        let trouble = Arc::new(Mutex::new(None));
        let asked = Arc::clone(&trouble);
        let ready = Ready::new(move || asked.lock().clone().map_or(Ok(()), Err));
        Self { trouble, ..Self::with_ready(ready) }
    }

    pub(super) fn with_ready(ready: Ready) -> Self {
        Self::build(ready, None)
    }

    pub(super) fn with_page(dev: DevConsole) -> Self {
        Self::build(Ready::new(|| Ok(())), Some(dev))
    }

    fn build(ready: Ready, dev: Option<DevConsole>) -> Self {
        let (tasks, senders, clock) = (Tasks::new(), Tasks::new(), Clock::start(Seq(0)));
        let connections = Connections::new(1000);
        let limits = limits();
        let engine = Arc::new(Mutex::new(Vec::new()));
        let config = AcceptorConfig {
            origins: Origins::Any,
            trusted_proxies: Vec::new(),
            limits,
            socketio: socketio(),
        };
        let lent = Arc::clone(&engine);
        let acceptor =
            Acceptor::new(config, connections.clone(), tasks.clone(), clock.clone(), move |io| {
                lent.lock().push(io);
            });
        let folder = tempfile::tempdir().unwrap();
        let kept = StoreConfig {
            data_dir: folder.path().to_owned(),
            keep_events: Duration::from_hours(1),
            keep_items: inbox_config().keep,
        };
        let (store, _) = Store::open(&kept, &hooks()).unwrap();
        let sockets = Sockets::new(presence(), store.presence(), clock.clone());
        let namespaces = socketio().namespaces;
        let recoveries = Recoveries::new(&no_recovery(), &namespaces, 0, clock.clone());
        let authenticator = Authenticator::new(AuthConfig { mode: AuthMode::Trust }).unwrap();
        let inbox = InboxParts { inboxes: store.inboxes(), config: inbox_config() };
        let messages = MessageParts {
            config: messages_config(),
            tasks: tasks.clone(),
            outbox: store.outbox(),
        };
        let (history, clock_, tasks_) = (history(), clock.clone(), tasks.clone());
        let bounds =
            Bounds { limits, history, namespaces, clock: clock_, tasks: tasks_, inbox, messages };
        let realtime =
            Realtime::new(sockets.clone(), connections.clone(), recoveries, authenticator, bounds);
        let hooks = Hooks::start(&hooks(), &store.outbox(), &clock, &senders).unwrap();
        let admin = Admin::new(AdminState {
            realtime: realtime.clone(),
            keys: keys(),
            limits,
            inbox: inbox_config(),
            ready,
            records: store.presence(),
            events: store.events(),
            outbox: store.outbox(),
            hooks,
            metrics: Metrics::new(),
            clock,
            tasks: tasks.clone(),
            dev,
        });
        Self {
            admin,
            realtime,
            connections,
            trouble: Arc::default(),
            store,
            sockets,
            tasks,
            senders,
            acceptor,
            engine,
            _folder: folder,
        }
    }

    pub(super) async fn send(&self, request: Request<Body>) -> Answer {
        Answer::read(self.answer(request).await).await
    }

    /// The answer, to be read by the caller.
    pub(super) async fn answer(&self, request: Request<Body>) -> Response {
        let peer = request.extensions().get().copied();
        let stranger = ClientAddress(SocketAddr::from(([203, 0, 113, 7], 5000)));
        self.admin.answer(peer.unwrap_or(stranger), request).await
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        self.send(request(Method::GET, path, ALL, "")).await
    }

    pub(super) async fn post(&self, path: &str, body: &str) -> Answer {
        self.send(request(Method::POST, path, ALL, body)).await
    }

    /// A client of `user` on a connection of its own.
    pub(super) async fn connect(&self, user: &str, namespace: &str, rooms: &[&str]) -> Client {
        self.connect_from(None, user, namespace, rooms).await
    }

    /// The same, of a client that names its device.
    pub(super) async fn connect_from(
        &self,
        device: Option<&str>,
        user: &str,
        namespace: &str,
        rooms: &[&str],
    ) -> Client {
        let opened = self.acceptor.answer(handshake(None));
        let engine = async {
            let mut io = self.engine.lock().pop().expect("the connection was lent");
            // The engine's own open packet, which the connection replaces by its own.
            io.write_all(&frame::text(&[b"0{}"])).await.unwrap();
            io
        };
        let (opened, io) = tokio::join!(opened, engine);
        let open = String::from_utf8(bytes_of(opened).await).unwrap();
        let open: Value = serde_json::from_str(open.strip_prefix('0').unwrap()).unwrap();
        let socket = Arc::new(Socket::new(SocketParts {
            id: SocketId::from_bytes(entropy::bytes()),
            namespace: Namespace::parse(namespace).unwrap(),
            user: UserId::parse(user).unwrap(),
            device: device.map(|it| DeviceId::parse(it).unwrap()),
            connected_at: CONNECTED_AT,
            grants: Grants {
                rooms: rooms.iter().map(|it| Room::parse(it).unwrap()).collect(),
                data: Some(RawValue::from_string(r#"{"b":1.0,"a":2}"#.to_owned()).unwrap()),
                expires_at: None,
            },
            connection: Arc::clone(io.connection()),
        }));
        self.engine.lock().insert(0, io);
        let permit = self.realtime.reserve(&socket.connection, &socket.user).await.unwrap();
        self.realtime.join(&socket, permit, &RecoveryClaim::default());
        let client = Client { socket, sid: open["sid"].as_str().unwrap().to_owned() };
        let greeting = self.hear(&client).await;
        assert!(greeting.contains("userline:session"), "{greeting}");
        client
    }

    /// Asks for `path` until `done` likes the answer.
    pub(super) async fn wait_for(&self, path: &str, done: impl Fn(&Value) -> bool) -> Value {
        for _ in 0..1000 {
            let json = self.get(path).await.json();
            if done(&json) {
                return json;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{path} is not as it should be: {:?}", self.get(path).await)
    }

    /// What waits for a client, at least one packet; several are separated by U+001E.
    pub(super) async fn hear(&self, client: &Client) -> String {
        let answer = self.acceptor.answer(handshake(Some(&client.sid)));
        String::from_utf8(bytes_of(answer.await).await).unwrap()
    }
}

impl Fixture {
    /// A client sends these packets, and the engine reads them.
    pub(super) async fn say(&self, client: &Client, packets: &str) {
        let mut io = self.take_engine(client);
        let mut post = handshake(Some(&client.sid));
        *post.method_mut() = Method::POST;
        *post.body_mut() = Full::from(packets.to_owned());
        let mut read = [0; 4096];
        let (answer, ()) = tokio::join!(self.acceptor.answer(post), async {
            assert_ne!(io.read(&mut read).await.unwrap(), 0);
        });
        assert_eq!(bytes_of(answer).await, b"ok");
        self.engine.lock().push(io);
    }

    /// A client goes away.
    pub(super) fn leave(&self, client: &Client) {
        drop(self.take_engine(client));
        client.socket.connection.close(Reason::TransportClose);
    }

    fn take_engine(&self, client: &Client) -> EngineStream {
        let mut engine = self.engine.lock();
        let of_client = |io: &EngineStream| Arc::ptr_eq(io.connection(), &client.socket.connection);
        let index = engine.iter().position(of_client).expect("the client is here");
        engine.remove(index)
    }
}

pub(super) fn request(method: Method, path: &str, key: &str, body: &str) -> Request<Body> {
    let request = Request::builder().method(method).uri(path);
    let request = request.header("authorization", format!("Bearer {key}"));
    request.body(Body::from(body.to_owned())).unwrap()
}

async fn bytes_of(response: http::Response<Full<bytes::Bytes>>) -> Vec<u8> {
    response.into_body().collect().await.unwrap().to_bytes().to_vec()
}

fn handshake(sid: Option<&str>) -> Request<Full<bytes::Bytes>> {
    let sid = sid.map(|it| format!("&sid={it}")).unwrap_or_default();
    let mut request = Request::builder()
        .uri(format!("/socket.io/?EIO=4&transport=polling{sid}"))
        .header("user-agent", "test/1")
        .body(Full::default())
        .unwrap();
    request.extensions_mut().insert(ClientAddress(SocketAddr::from(([203, 0, 113, 7], 5000))));
    request
}

fn keys() -> AdminConfig {
    let key = |name: &str, key: &str, scopes: &[Scope]| ApiKey {
        name: name.to_owned(),
        key: Secret::new(key.as_bytes()),
        scopes: scopes.to_vec(),
    };
    let mut keys = vec![key("all", ALL, &[Scope::Emit, Scope::Read, Scope::Control])];
    keys.extend(ONE.iter().map(|(scope, text)| key(scope.as_str(), text, &[*scope])));
    let idempotency =
        IdempotencyConfig { keep: Duration::from_hours(24), entries_max: 3, bytes_max: 100_000 };
    AdminConfig { keys, idempotency }
}

fn limits() -> LimitsConfig {
    LimitsConfig {
        payload_bytes: PAYLOAD_MAX,
        buffer_bytes: 1_000_000,
        stall: Duration::from_secs(20),
        connections: 1000,
        header_timeout: Duration::from_secs(10),
        keep_alive: Duration::from_mins(2),
        body_timeout: BODY_TIMEOUT,
        rooms_per_socket: 64,
        auth_bytes: 16_000,
    }
}

fn inbox_config() -> InboxConfig {
    InboxConfig { keep: Duration::from_hours(1), max_per_user: 5 }
}

fn messages_config() -> MessagesConfig {
    MessagesConfig { keep: Duration::from_hours(1), entries_max: 4, bytes_max: 10_000, recent: 20 }
}

fn no_recovery() -> RecoveryConfig {
    RecoveryConfig {
        window: Duration::ZERO,
        events_max: 1,
        bytes_max: 1,
        sessions_max: 1,
        except: Vec::new(),
    }
}

fn history() -> HistoryConfig {
    HistoryConfig { per_user: 2, total: 10, keep: Duration::from_hours(1) }
}

fn presence() -> PresenceConfig {
    PresenceConfig {
        grace: Duration::from_secs(10),
        startup_grace: Duration::from_secs(30),
        sweep_interval: Duration::from_secs(10),
    }
}

fn socketio() -> SocketIoConfig {
    SocketIoConfig {
        ping_interval: Duration::from_hours(24), // never: the clients here answer no ping
        ping_timeout: Duration::from_secs(10),
        connect_timeout: Duration::from_secs(20),
        upgrade_timeout: Duration::from_secs(10),
        polling: true,
        websocket: true,
        namespaces: vec![Namespace::root(), Namespace::parse("/chat").unwrap()],
        client_dir: None,
    }
}

/// One receiver at an address that hooks are not sent to, and no patience: every hook is a dead letter soon.
fn hooks() -> HooksConfig {
    HooksConfig {
        endpoints: vec![EndpointConfig {
            name: "default".to_owned(),
            url: "http://127.0.0.1:9/hook".to_owned(),
            secrets: vec![Secret::new([7; 32])],
            events: HOOK_TYPES.map(str::to_owned).to_vec(),
        }],
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
