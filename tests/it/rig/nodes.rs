//! Several real nodes on one real Redis, clients that note what they get, and whoever is told.

mod listener;
mod setup;

pub(crate) use listener::Listener;

use super::api::Api;
use super::client::{Tab, Transport};
use super::proxy::Proxy;
use super::receiver::Receiver;
use super::redis::Redis;
use super::server::{Server, logged};
use super::truth::Truth;
use super::{Watch, eventually};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;
use userline::tasks::Tasks;

/// How long anything of the nodes may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// The times of nodes with hooks, in milliseconds.
pub(crate) const GRACE: u64 = 1000;
pub(crate) const LEASE: u64 = 3000;
pub(crate) const NODE_GRACE: u64 = 3000;
/// How much later than promised anything may be on a busy machine.
pub(crate) const SLACK: u64 = 10_000;

/// The nodes of one cluster.
#[derive(Debug)]
pub(crate) struct Nodes {
    pub(crate) tasks: Tasks,
    pub(crate) watch: Watch,
    pub(crate) redis: Redis,
    /// Who is told by the hooks, if there are any.
    pub(crate) receiver: Receiver,
    pub(crate) servers: Vec<Server>,
    pub(crate) apis: Vec<Api>,
    places: Vec<Place>,
    truth: Truth,
    /// What all are set up like, but for their data.
    configuration: String,
}

/// Where a node runs, each time it does.
#[derive(Debug)]
struct Place {
    dir: TempDir,
    /// The way to it, which may lead elsewhere.
    proxy: Proxy,
    configuration: String,
}

impl Nodes {
    /// So many nodes without hooks, with a long lease and a long grace.
    pub(crate) async fn start(count: usize) -> Self {
        Self::start_with(count, "").await
    }

    /// With these sections in their configurations, too.
    pub(crate) async fn start_with(count: usize, sections: &str) -> Self {
        let configured = |redis: &str, _: &str| setup::quiet(redis) + sections;
        Self::run_all(count, configured).await
    }

    /// So many nodes whose hooks tell the receiver, with a short lease and short graces.
    pub(crate) async fn start_hooked(count: usize) -> Self {
        Self::start_hooked_with(count, |it| it).await
    }

    /// The same with another configuration.
    pub(crate) async fn start_hooked_with(
        count: usize,
        change: impl FnOnce(String) -> String,
    ) -> Self {
        Self::run_all(count, |redis, hooks| change(setup::hooked(redis, hooks))).await
    }

    /// The same without hooks, on this Redis.
    pub(crate) async fn start_on(
        redis: Redis,
        count: usize,
        change: impl FnOnce(String) -> String,
    ) -> Self {
        Self::run_on(redis, count, |redis, _| change(setup::quiet(redis))).await
    }

    async fn run_all(count: usize, configured: impl FnOnce(&str, &str) -> String) -> Self {
        Self::run_on(Redis::start().await, count, configured).await
    }

    async fn run_on(
        redis: Redis,
        count: usize,
        configured: impl FnOnce(&str, &str) -> String,
    ) -> Self {
        let (tasks, watch) = (Tasks::new(), Watch::start());
        let receiver = Receiver::start(&tasks, &watch).await;
        let configuration = configured(&redis.url(), &receiver.url());
        let (truth, servers, apis, places) = (Truth::new(&watch), vec![], vec![], vec![]);
        let mut it =
            Self { tasks, watch, redis, receiver, servers, apis, places, truth, configuration };
        for _ in 0..count {
            it.add().await;
        }
        it
    }

    /// Starts one more; returns which one it is.
    pub(crate) async fn add(&mut self) -> usize {
        self.add_with(|it| it).await
    }

    /// The same with another configuration.
    pub(crate) async fn add_with(&mut self, change: impl FnOnce(String) -> String) -> usize {
        let (dir, proxy) = (tempfile::tempdir().unwrap(), Proxy::start(&self.tasks).await);
        let configuration = change(self.configuration.clone()).replace("DATA", &data(&dir));
        let server = Server::run(dir.path(), &configuration).await;
        proxy.lead_to(server.public);
        self.apis.push(Api::new(server.admin));
        self.servers.push(server);
        self.places.push(Place { dir, proxy, configuration });
        self.places.len() - 1
    }

    /// The same with `way` in the place of the address of Redis: the node reaches Redis by that.
    pub(crate) async fn add_by(&mut self, way: SocketAddr) -> usize {
        let redis = self.redis.address().to_string();
        self.add_with(|it| it.replace(&redis, &way.to_string())).await
    }

    /// How one ends that cannot start with such a configuration: its exit code, and what it says.
    pub(crate) async fn refused(
        &self,
        change: impl FnOnce(String) -> String,
    ) -> (Option<i32>, String) {
        let dir = tempfile::tempdir().unwrap();
        let configuration = change(self.configuration.clone()).replace("DATA", &data(&dir));
        let status = Server::refused(dir.path(), &configuration).await;
        (status.code(), logged(dir.path()))
    }

    /// Starts a node again that has ended.
    pub(crate) async fn run(&mut self, node: usize) {
        let place = &self.places[node];
        let server = Server::run(place.dir.path(), &place.configuration).await;
        place.proxy.lead_to(server.public);
        self.apis[node] = Api::new(server.admin);
        self.servers[node] = server;
    }

    /// SIGKILL.
    pub(crate) async fn kill(&mut self, node: usize) {
        self.servers[node].kill().await;
    }

    /// SIGTERM, until it has ended.
    pub(crate) async fn terminate(&mut self, node: usize) {
        assert!(self.servers[node].terminate().await.success());
    }

    pub(crate) async fn signal(&self, node: usize, signal: &str) {
        self.servers[node].signal(signal).await;
    }

    /// Where clients of a node come to.
    pub(crate) fn public(&self, node: usize) -> SocketAddr {
        self.servers[node].public
    }

    pub(crate) fn api(&self, node: usize) -> &Api {
        &self.apis[node]
    }

    /// The folder of a node.
    pub(crate) fn dir(&self, node: usize) -> &Path {
        self.places[node].dir.path()
    }

    /// Tabs of one node come to another from now on.
    pub(crate) fn lead(&self, from: usize, to: usize) {
        self.places[from].proxy.lead_to(self.public(to));
    }

    /// A client of one node that is not online yet.
    pub(crate) fn tab(&self, node: usize, user: &str) -> Tab {
        let proxy = &self.places[node].proxy;
        Tab::new(user, Transport::WebSocket, proxy, &self.truth, &self.tasks)
    }

    /// Waits until exactly this was told about a user.
    pub(crate) async fn hears(&self, user: &str, story: &[&str]) {
        self.all_hear(&[user.to_owned()], story).await;
    }

    /// Waits until exactly this was told about each of these.
    pub(crate) async fn all_hear(&self, users: &[String], story: &[&str]) {
        let mut last = String::new();
        let is_so = async || {
            let mut missing = 0;
            for user in users {
                let told = self.receiver.story(user);
                let is_wrong = story.len() < told.len();
                assert!(!is_wrong, "{user}: {told:?} and not {story:?}\n{}", self.log());
                missing += usize::from(told != story);
            }
            last = format!("{missing} of {} are still to be told {story:?}", users.len());
            missing == 0
        };
        let ended = tokio::time::timeout(PATIENCE, eventually("all is told", 2 * PATIENCE, is_so));
        assert!(ended.await.is_ok(), "{last}\n{}", self.log());
    }

    /// Waits for longer than anything that is still to be told would take.
    pub(crate) async fn is_quiet(&self) {
        tokio::time::sleep(Duration::from_millis(LEASE + NODE_GRACE + GRACE)).await;
    }

    /// The ends of the logs of all nodes.
    pub(crate) fn log(&self) -> String {
        let logs = self.places.iter().map(|it| logged(it.dir.path()));
        logs.collect::<Vec<_>>().join("\n----\n")
    }
}

fn data(dir: &TempDir) -> String {
    dir.path().join("data").display().to_string()
}
