//! Some nodes, their Redis, and whoever is told.

use crate::rig::api::Api;
use crate::rig::client::{Tab, Transport};
use crate::rig::proxy::Proxy;
use crate::rig::receiver::Receiver;
use crate::rig::redis::Redis;
use crate::rig::server::{HOOK_SECRET, JWT_SECRET, KEY, Server, logged};
use crate::rig::truth::Truth;
use crate::rig::{Watch, eventually};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;
use userline::tasks::Tasks;

/// The times of the configuration below, in milliseconds.
pub(super) const GRACE: u64 = 1000;
pub(super) const LEASE: u64 = 3000;
pub(super) const NODE_GRACE: u64 = 3000;
/// How much later than promised anything may be on a busy machine.
pub(super) const SLACK: u64 = 10_000;
const PATIENCE: Duration = Duration::from_mins(1);

/// A cluster.
#[derive(Debug)]
pub(super) struct Nodes {
    pub(super) tasks: Tasks,
    pub(super) watch: Watch,
    pub(super) redis: Redis,
    pub(super) receiver: Receiver,
    truth: Truth,
    /// What all are set up like, but for their data.
    configuration: String,
    all: Vec<Node>,
}

#[derive(Debug)]
struct Node {
    dir: TempDir,
    /// The way to it, which may lead elsewhere.
    proxy: Proxy,
    configuration: String,
    server: Option<Server>,
}

impl Nodes {
    /// So many nodes that run, with nobody there.
    pub(super) async fn start(count: usize) -> Self {
        Self::start_with(count, |it| it).await
    }

    /// The same with another configuration.
    pub(super) async fn start_with(count: usize, change: impl Fn(String) -> String) -> Self {
        let (tasks, watch) = (Tasks::new(), Watch::start());
        let (redis, receiver) = (Redis::start().await, Receiver::start(&tasks, &watch).await);
        let configuration = change(configuration(&redis.url(), &receiver.url()));
        let truth = Truth::new(&watch);
        let all = Vec::new();
        let mut it = Self { tasks, watch, redis, receiver, truth, configuration, all };
        for _ in 0..count {
            it.add(|it| it).await;
        }
        it
    }

    /// Starts one more, whose configuration may be another; returns which one it is.
    pub(super) async fn add(&mut self, change: impl Fn(String) -> String) -> usize {
        let (dir, proxy) = (tempfile::tempdir().unwrap(), Proxy::start(&self.tasks).await);
        let configuration = change(self.configuration.clone()).replace("DATA", &data(&dir));
        self.all.push(Node { dir, proxy, configuration, server: None });
        self.run(self.all.len() - 1).await;
        self.all.len() - 1
    }

    /// How one ends that cannot start with such a configuration: its exit code, and what it says.
    pub(super) async fn refused(&self, change: impl Fn(String) -> String) -> (Option<i32>, String) {
        let dir = tempfile::tempdir().unwrap();
        let configuration = change(self.configuration.clone()).replace("DATA", &data(&dir));
        let status = Server::refused(dir.path(), &configuration).await;
        (status.code(), logged(dir.path()))
    }

    /// Where clients of a node come to.
    pub(super) fn public(&self, node: usize) -> SocketAddr {
        self.all[node].server.as_ref().unwrap().public
    }

    /// The folder of a node.
    pub(super) fn dir(&self, node: usize) -> &Path {
        self.all[node].dir.path()
    }

    /// Starts a node that does not run.
    pub(super) async fn run(&mut self, node: usize) {
        let node = &mut self.all[node];
        let server = Server::run(node.dir.path(), &node.configuration).await;
        node.proxy.lead_to(server.public);
        node.server = Some(server);
    }

    /// The same with `way` in the place of the address of Redis: each node of it reaches Redis by that.
    pub(super) async fn add_by(&mut self, way: SocketAddr) -> usize {
        let redis = self.redis.address().to_string();
        self.add(|it| it.replace(&redis, &way.to_string())).await
    }

    /// SIGKILL.
    pub(super) async fn kill(&mut self, node: usize) {
        self.all[node].server.take().unwrap().kill().await;
    }

    /// SIGTERM, until it has ended.
    pub(super) async fn terminate(&mut self, node: usize) {
        assert!(self.all[node].server.take().unwrap().terminate().await.success());
    }

    pub(super) async fn signal(&self, node: usize, signal: &str) {
        self.all[node].server.as_ref().unwrap().signal(signal).await;
    }

    /// Clients of one node come to another from now on.
    pub(super) fn lead(&self, from: usize, to: usize) {
        self.all[from].proxy.lead_to(self.all[to].server.as_ref().unwrap().public);
    }

    pub(super) fn api(&self, node: usize) -> Api {
        Api::new(self.all[node].server.as_ref().unwrap().admin)
    }

    /// A client of one node that is not online yet.
    pub(super) fn tab(&self, node: usize, user: &str) -> Tab {
        let proxy = &self.all[node].proxy;
        Tab::new(user, Transport::WebSocket, proxy, &self.truth, &self.tasks)
    }

    /// Waits until exactly this was told about a user.
    pub(super) async fn hears(&self, user: &str, story: &[&str]) {
        self.all_hear(&[user.to_owned()], story).await;
    }

    /// Waits until exactly this was told about each of these.
    pub(super) async fn all_hear(&self, users: &[String], story: &[&str]) {
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

    /// Waits for longer than anything that is still to come would take.
    pub(super) async fn is_quiet(&self) {
        tokio::time::sleep(Duration::from_millis(LEASE + NODE_GRACE + GRACE)).await;
    }

    /// The ends of the logs of all nodes.
    pub(super) fn log(&self) -> String {
        let logs = self.all.iter().map(|it| logged(it.dir.path()));
        logs.collect::<Vec<_>>().join("\n----\n")
    }
}

fn data(dir: &TempDir) -> String {
    dir.path().join("data").display().to_string()
}

fn configuration(redis: &str, hooks: &str) -> String {
    format!(
        r#"
[listen]
public = "127.0.0.1:0"
admin = "127.0.0.1:0"
drain = "1s"
[admin]
keys = [{{ name = "test", key = "{KEY}", scopes = ["emit", "read", "control"] }}]
[auth.jwt]
secret = "{JWT_SECRET}"
[presence]
grace = "{GRACE}ms"
[hooks]
url = "{hooks}"
secret = "{HOOK_SECRET}"
timeout = "1s"
allow_private = true
[store]
data_dir = "DATA"
[limits]
stall = "2s"
[socketio]
ping_interval = "1s"
ping_timeout = "1s"
[cluster]
redis = "{redis}"
heartbeat = "1s"
lease = "{LEASE}ms"
node_grace = "{NODE_GRACE}ms"
hold = "2s"
[log]
level = "info"
"#
    )
}
