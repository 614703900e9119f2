//! One server with everything around it.

use super::api::Api;
use super::client::{Tab, Transport};
use super::proxy::Proxy;
use super::receiver::Receiver;
use super::server::{Server, Setup, logged};
use super::truth::{ServerMark, Truth};
use super::{Watch, eventually};
use rusqlite::{Connection, OpenFlags};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::process::ExitStatus;
use std::time::Duration;
use tempfile::TempDir;
use userline::tasks::Tasks;

/// One server with everything around it. What happens to the server goes through here, so that it is written down.
#[derive(Debug)]
pub(crate) struct Stage {
    dir: TempDir,
    setup: Setup,
    pub(crate) tasks: Tasks,
    pub(crate) watch: Watch,
    pub(crate) truth: Truth,
    pub(crate) proxy: Proxy,
    pub(crate) receiver: Receiver,
    server: Option<Server>,
}

impl Stage {
    /// A server that runs, with nobody there.
    pub(crate) async fn start() -> Self {
        Self::with(Setup::default()).await
    }

    /// The same with times of its own.
    pub(crate) async fn with(setup: Setup) -> Self {
        let (tasks, watch) = (Tasks::new(), Watch::start());
        let mut it = Self {
            dir: tempfile::tempdir().unwrap(),
            setup,
            truth: Truth::new(&watch),
            proxy: Proxy::start(&tasks).await,
            receiver: Receiver::start(&tasks, &watch).await,
            server: None,
            tasks,
            watch,
        };
        it.run().await;
        it
    }

    /// Starts the server again, after [`Stage::kill`] or [`Stage::terminate`].
    pub(crate) async fn run(&mut self) {
        assert!(self.server.is_none());
        let server = Server::start(self.dir.path(), &self.receiver.url(), self.setup).await;
        self.proxy.lead_to(server.public);
        self.truth.server(ServerMark::Ready);
        self.server = Some(server);
    }

    /// SIGKILL.
    pub(crate) async fn kill(&mut self) {
        self.swept_nothing().await;
        self.truth.server(ServerMark::Gone);
        self.server.take().unwrap().kill().await;
        self.truth.server(ServerMark::Gone);
    }

    /// SIGTERM, until the server has ended.
    pub(crate) async fn terminate(&mut self) -> ExitStatus {
        self.swept_nothing().await;
        self.truth.server(ServerMark::Paused);
        let status = self.server.take().unwrap().terminate().await;
        self.truth.server(ServerMark::Gone);
        status
    }

    /// SIGSTOP, and SIGCONT so many milliseconds later.
    pub(crate) async fn pause(&self, ms: u64) {
        let server = self.server.as_ref().unwrap();
        self.truth.server(ServerMark::Paused);
        server.signal("-STOP").await;
        tokio::time::sleep(Duration::from_millis(ms)).await;
        self.truth.server(ServerMark::Resumed);
        server.signal("-CONT").await;
    }

    pub(crate) fn api(&self) -> Api {
        Api::new(self.server.as_ref().unwrap().admin)
    }

    /// Where clients connect, without the proxy.
    pub(crate) fn public(&self) -> SocketAddr {
        self.server.as_ref().unwrap().public
    }

    /// A client that is not online yet.
    pub(crate) fn tab(&self, user: &str, transport: Transport) -> Tab {
        Tab::new(user, transport, &self.proxy, &self.truth, &self.tasks)
    }

    /// A client that is online, and whose user's `user.online` has arrived.
    pub(crate) async fn arrive(&self, user: &str) -> Tab {
        let tab = self.tab(user, Transport::WebSocket);
        tab.come();
        eventually("the client is in", Duration::from_secs(20), async || tab.is_up()).await;
        self.hears(user, &["on"]).await;
        tab
    }

    /// Waits until exactly this was accepted about a user.
    pub(crate) async fn hears(&self, user: &str, story: &[&str]) {
        let what = format!("the hooks about {user} are {story:?}");
        let is_so = async || {
            let told = self.receiver.story(user);
            assert!(told.len() <= story.len(), "{what}, but were {told:?}\n{}", self.log());
            told == story
        };
        eventually(&what, Duration::from_secs(30), is_so).await;
    }

    /// The state and the number of sockets that the API tells of a user.
    pub(crate) async fn state(&self, user: &str) -> (String, u64) {
        let users = self.api().users().await;
        users.get(user).cloned().unwrap_or_else(|| ("offline".to_owned(), 0))
    }

    /// No write succeeds until what this returns is dropped.
    pub(crate) fn block_disk(&self) -> Connection {
        let db = self.database(OpenFlags::SQLITE_OPEN_READ_WRITE);
        db.execute_batch("BEGIN IMMEDIATE").unwrap();
        db
    }

    fn database(&self, flags: OpenFlags) -> Connection {
        let path = self.dir.path().join("data/userline.sqlite");
        let db = Connection::open_with_flags(path, flags).unwrap();
        db.busy_timeout(Duration::from_secs(10)).unwrap();
        db
    }

    /// Who is online by the file, which is read beside the running server.
    pub(crate) fn recorded_online(&self) -> BTreeSet<String> {
        let db = self.database(OpenFlags::SQLITE_OPEN_READ_ONLY);
        let mut query = db.prepare("SELECT user FROM presence").unwrap();
        query.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
    }

    /// Nothing is left of anybody: not in memory, not in the file, not on the way to the receiver.
    pub(crate) async fn is_empty(&self) {
        let api = self.api();
        let keys = ["users", "sockets", "rooms", "deadlines", "connections", "lingering"];
        let end = self.watch.now() + 20_000;
        loop {
            let stats = api.get("/v1/stats").await;
            let endpoints = api.get("/v1/hooks/endpoints").await;
            let hooks = endpoints["endpoints"].as_array().unwrap();
            assert!(!hooks.is_empty(), "{endpoints}");
            let online = self.recorded_online();
            if keys.iter().all(|key| stats[key] == 0)
                && hooks.iter().all(|it| it["backlog"] == 0)
                && online.is_empty()
            {
                break;
            }
            let left = format!("{stats}, in the file {online:?}, of hooks {endpoints}");
            assert!(self.watch.now() < end, "left of nobody: {left}\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let dead = api.get("/v1/hooks/deliveries?state=dead").await;
        assert_eq!(dead["deliveries"], serde_json::json!([]), "dead letters");
        self.swept_nothing().await;
        assert_eq!(self.receiver.forged(), Vec::<String>::new());
        assert_eq!(self.truth.refusals(), Vec::<String>::new());
    }

    /// The sweep has found nothing to do in this life of the server. Whoever ends a life asks before: the count ends
    /// with it.
    async fn swept_nothing(&self) {
        let removals = self.api().metric("userline_audit_removals_total").await;
        assert_eq!(removals, 0, "the sweep had to remove sockets\n{}", self.log());
    }

    /// The end of the server's log.
    pub(crate) fn log(&self) -> String {
        logged(self.dir.path())
    }
}
