//! The admin API without listeners, and clients that the test lets in.

use crate::admin::{Admin, AdminState, DevConsole, Ready};
use crate::app::testing::{AppParts, TestApp};
use crate::config::{
    AdminConfig, ApiKey, Coalesce, Config, EndpointConfig, HOOK_TYPES, HistoryConfig, HooksConfig,
    IdempotencyConfig, InboxConfig, MessagesConfig, PresenceConfig, Scope,
};
use crate::connection::{ClientAddress, Connections};
use crate::core::emit::allow::AllowList;
use crate::entropy;
use crate::metrics::Metrics;
use crate::realtime::Realtime;
use crate::realtime::sockets::Sockets;
use crate::registry::SocketParts;
use crate::store::Store;
use crate::tasks::Tasks;
use crate::types::{
    DeviceId, Grants, NamePattern, Namespace, Room, Secret, SocketId, UserId, WallMs,
};
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use axum::response::Response;
use http_body_util::BodyExt as _;
use parking_lot::Mutex;
use serde_json::Value;
use serde_json::value::RawValue;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

pub(super) use crate::app::testing::TestClient as Client;

/// A key with every scope.
pub(super) const ALL: &str = "key-with-all-scopes";
/// A key with every scope for users `u…`, rooms `project:…` and events `order:…`.
pub(super) const RESTRICTED: &str = "key-with-an-allow-list";
/// Keys with one scope each, named after it.
pub(super) const ONE: [(Scope, &str); 3] = [
    (Scope::Emit, "key-that-can-emit"),
    (Scope::Read, "key-that-can-read"),
    (Scope::Control, "key-that-can-control"),
];
pub(super) const PAYLOAD_MAX: usize = 100_000;
/// Bytes that the acks of all requests may say.
pub(super) const ACK_BYTES_MAX: usize = 1000;
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
    app: TestApp,
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
        let app = TestApp::with(configure);
        let AppParts { connections, sockets, tasks, .. } = app.parts.clone();
        let store = app.store.clone();
        let realtime = app.realtime.clone();
        let state = app.parts.admin_state(&app.config, &realtime, Metrics::new(), dev);
        let admin = Admin::new(AdminState { ready, ..state });
        let trouble = Arc::default();
        Self { admin, realtime, connections, trouble, store, sockets, tasks, app }
    }

    /// What is due is done from now on.
    pub(super) fn watch_deadlines(&self) {
        self.app.parts.watch_deadlines(&self.tasks);
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
        let (connection, sid) = self.app.open().await;
        let socket = SocketParts {
            id: SocketId::from_bytes(entropy::bytes()),
            namespace: Namespace::parse(namespace).unwrap(),
            user: UserId::parse(user).unwrap(),
            device: device.map(|it| DeviceId::parse(it).unwrap()),
            connected_at: CONNECTED_AT,
            grants: Grants {
                rooms: rooms.iter().map(|it| Room::parse(it).unwrap()).collect(),
                data: Some(RawValue::from_string(r#"{"b":1.0,"a":2}"#.to_owned()).unwrap()),
                ..Grants::default()
            },
            connection,
        };
        self.app.join(socket, sid).await
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
        self.app.hear(client).await
    }

    /// A client sends these packets, and they are read.
    pub(super) async fn say(&self, client: &Client, packets: &str) {
        self.app.say(client, packets).await;
    }
}

pub(super) fn request(method: Method, path: &str, key: &str, body: &str) -> Request<Body> {
    let request = Request::builder().method(method).uri(path);
    let request = request.header("authorization", format!("Bearer {key}"));
    request.body(Body::from(body.to_owned())).unwrap()
}

fn keys() -> AdminConfig {
    let key = |name: &str, key: &str, scopes: &[Scope]| ApiKey {
        name: name.to_owned(),
        key: Secret::new(key.as_bytes()),
        scopes: scopes.to_vec(),
        allow: None,
    };
    let mut keys = vec![key("all", ALL, &[Scope::Emit, Scope::Read, Scope::Control])];
    keys.extend(ONE.iter().map(|(scope, text)| key(scope.as_str(), text, &[*scope])));
    let only = |name: &str| vec![NamePattern::parse(name).unwrap()];
    let allow = AllowList { users: only("u*"), rooms: only("project:*"), events: only("order:*") };
    let restricted = key("restricted", RESTRICTED, &[Scope::Emit, Scope::Read, Scope::Control]);
    keys.push(ApiKey { allow: Some(allow), ..restricted });
    let idempotency =
        IdempotencyConfig { keep: Duration::from_hours(24), entries_max: 3, bytes_max: 100_000 };
    AdminConfig { keys, idempotency }
}

fn configure(config: &mut Config) {
    config.admin = keys();
    config.limits.payload_bytes = PAYLOAD_MAX;
    config.limits.body_timeout = BODY_TIMEOUT;
    config.limits.memberships_per_user = 2;
    config.limits.restricted_users = 2;
    config.sessions.resume_ttl = Some(Duration::from_hours(1));
    config.inbox = InboxConfig { keep: Duration::from_hours(1), max_per_user: 5 };
    config.store.keep_events = Duration::from_hours(1);
    config.store.keep_items = config.inbox.keep;
    let keep = Duration::from_hours(1);
    config.messages = MessagesConfig {
        keep,
        entries_max: 4,
        bytes_max: 10_000,
        ack_bytes_max: ACK_BYTES_MAX,
        recent: 20,
        clients: config.messages.clients.clone(),
    };
    config.history = HistoryConfig { per_user: 2, total: 10, keep };
    config.recovery.window = Duration::ZERO;
    config.presence = PresenceConfig {
        grace: Duration::from_secs(10),
        startup_grace: Duration::from_secs(30),
        sweep_interval: Duration::from_secs(10),
    };
    config.socketio.namespaces = vec![Namespace::root(), Namespace::parse("/chat").unwrap()];
    config.hooks = hooks();
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
        identity: false,
        sockets: false,
        batch_max: 1,
    }
}
