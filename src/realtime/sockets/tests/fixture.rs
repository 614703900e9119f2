//! Sockets on a store in a folder of its own, sockets without clients, and what was recorded of them.

use crate::app::testing::TestApp;
use crate::config::PresenceConfig;
use crate::connection::Connection;
use crate::core::delivery::record::RecordedEvent;
use crate::core::presence::session::UserSession;
use crate::presence::{Place, SessionAtUp};
use crate::realtime::sockets::Sockets;
use crate::registry::{Socket, SocketParts};
use crate::store::{Recovered, Store};
use crate::types::{Grants, Namespace, Room, SocketId, UserId, WallMs};
use futures_util::FutureExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use tokio::runtime::Handle;

pub(super) use crate::app::testing::until;

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
    next: AtomicU32,
    app: TestApp,
}

impl Fixture {
    pub(super) async fn new(folder: &TempDir) -> Self {
        Self::with(folder, presence()).await
    }

    pub(super) async fn with(folder: &TempDir, presence: PresenceConfig) -> Self {
        let app = TestApp::in_folder(folder.path(), |config| config.presence = presence);
        let (connection, _) = app.open().await;
        app.parts.watch_deadlines(&app.parts.tasks);
        let (sockets, store) = (app.parts.sockets.clone(), app.store.clone());
        let (recovered, next) = (app.recovered.clone(), AtomicU32::new(0));
        Self { sockets, store, recovered, connection, next, app }
    }

    /// A connection of its own.
    pub(super) async fn connection(&self) -> Arc<Connection> {
        self.app.open().await.0
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
        match self.sockets.connect(socket, self.place())? {
            SessionAtUp::Known(session) => Some(session),
            SessionAtUp::Awaited => panic!("there is no cluster"),
        }
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
        self.app.parts.tasks.stop(Duration::from_secs(20)).await;
        self.store.close().await;
    }
}

pub(super) fn user_id(user: &str) -> UserId {
    UserId::parse(user).unwrap()
}

pub(super) fn presence() -> PresenceConfig {
    PresenceConfig {
        grace: GRACE,
        startup_grace: STARTUP_GRACE,
        sweep_interval: Duration::from_secs(10),
    }
}
