//! Three nodes and their Redis, with everything around them.

use crate::rig::api::Api;
use crate::rig::callers::Apis;
use crate::rig::client::{Tab, Transport};
use crate::rig::proxy::{Flow, Proxy};
use crate::rig::receiver::Receiver;
use crate::rig::redis::Redis;
use crate::rig::server::{HOOK_SECRET, Server, common, logged};
use crate::rig::truth::{ServerMark, Truth};
use crate::rig::{Watch, eventually};
use std::collections::BTreeSet;
use std::time::Duration;
use tempfile::TempDir;
use userline::tasks::Tasks;

/// The times of the configuration below, in milliseconds.
pub(super) const GRACE: u64 = 1000;
pub(super) const LEASE: u64 = 4000;
pub(super) const NODE_GRACE: u64 = 4000;
pub(super) const HOLD: u64 = 2000;
/// What all keys begin with.
const PREFIX: &str = "userline:{userline}:";
const PATIENCE: Duration = Duration::from_mins(1);

/// What happens to nodes and to Redis goes through here, so that it is written down.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) tasks: Tasks,
    pub(super) watch: Watch,
    pub(super) truth: Truth,
    pub(super) receiver: Receiver,
    /// Of the nodes that run; one that stands still is among them.
    pub(super) apis: Apis,
    /// When data of Redis were lost for the first and for the last time.
    pub(super) lost: Option<(u64, u64)>,
    redis: Redis,
    nodes: Vec<Node>,
}

#[derive(Debug)]
struct Node {
    dir: TempDir,
    /// The way of clients to it.
    clients: Proxy,
    /// Its way to Redis.
    way: Proxy,
    server: Option<Server>,
}

impl Stage {
    /// So many nodes that run, with nobody there.
    pub(super) async fn start(count: usize) -> Self {
        let (tasks, watch) = (Tasks::new(), Watch::start());
        let mut it = Self {
            truth: Truth::new(&watch),
            receiver: Receiver::start(&tasks, &watch).await,
            apis: Apis::default(),
            lost: None,
            redis: Redis::start().await,
            nodes: Vec::new(),
            tasks,
            watch,
        };
        for node in 0..count {
            let dir = tempfile::tempdir().unwrap();
            let (clients, way) = (Proxy::start(&it.tasks).await, Proxy::start(&it.tasks).await);
            way.lead_to(it.redis.address());
            it.nodes.push(Node { dir, clients, way, server: None });
            it.apis.lock().push(None);
            it.run(node).await;
        }
        it
    }

    /// Starts a node that does not run.
    pub(super) async fn run(&mut self, node: usize) {
        let it = &mut self.nodes[node];
        let way = format!("redis://{}", it.way.address);
        let configuration = configuration(&it.dir, &way, &self.receiver.url());
        let server = Server::run(it.dir.path(), &configuration).await;
        it.clients.lead_to(server.public);
        self.apis.lock()[node] = Some(Api::new(server.admin));
        it.server = Some(server);
        self.truth.node(node, ServerMark::Ready);
    }

    /// SIGKILL.
    pub(super) async fn kill(&mut self, node: usize) {
        self.apis.lock()[node] = None;
        self.truth.node(node, ServerMark::Gone);
        self.nodes[node].server.take().unwrap().kill().await;
        self.truth.node(node, ServerMark::Gone);
    }

    /// SIGTERM, until it has ended.
    pub(super) async fn terminate(&mut self, node: usize) {
        self.swept_nothing(node).await;
        self.apis.lock()[node] = None;
        self.truth.node(node, ServerMark::Paused);
        let status = self.nodes[node].server.take().unwrap().terminate().await;
        self.truth.node(node, ServerMark::Gone);
        assert!(status.success(), "{status}\n{}", self.log());
    }

    /// SIGSTOP, and SIGCONT so many milliseconds later.
    pub(super) async fn pause(&self, node: usize, ms: u64) {
        let server = self.nodes[node].server.as_ref().unwrap();
        self.truth.node(node, ServerMark::Paused);
        server.signal("-STOP").await;
        tokio::time::sleep(Duration::from_millis(ms)).await;
        server.signal("-CONT").await;
        self.attaches(node).await;
        self.truth.node(node, ServerMark::Resumed);
    }

    /// For so many milliseconds a node does not reach Redis.
    pub(super) async fn cut_off(&self, node: usize, flow: Flow, ms: u64) {
        self.truth.node(node, ServerMark::Blind);
        self.nodes[node].way.set_all(flow);
        tokio::time::sleep(Duration::from_millis(ms)).await;
        self.nodes[node].way.set_all(Flow::Pass);
        self.attaches(node).await;
        self.truth.node(node, ServerMark::Sighted);
    }

    /// Redis is killed; so many milliseconds later it is back, with all that it had. A node may be killed meanwhile.
    pub(super) async fn without_redis(&mut self, ms: u64, killed: Option<usize>) {
        self.blind();
        self.redis.stop();
        tokio::time::sleep(Duration::from_millis(ms / 2)).await;
        if let Some(node) = killed {
            self.kill(node).await;
        }
        tokio::time::sleep(Duration::from_millis(ms / 2)).await;
        self.redis.run().await;
        if let Some(node) = killed {
            self.run(node).await;
        }
        self.sighted().await;
    }

    /// Redis stands still for so many milliseconds.
    pub(super) async fn freeze_redis(&self, ms: u64) {
        self.blind();
        self.redis.signal("-STOP").await;
        tokio::time::sleep(Duration::from_millis(ms)).await;
        self.redis.signal("-CONT").await;
        self.sighted().await;
    }

    /// Redis loses everything.
    pub(super) async fn flush(&mut self) {
        self.blind();
        let since = self.watch.now();
        self.redis.say(&["FLUSHALL"]).await;
        self.has_lost(since);
        let mut client = self.redis.client().await;
        let are_back = async || {
            let mut count = redis::cmd("HLEN");
            count.arg(format!("{PREFIX}nodes"));
            count.query_async::<usize>(&mut client).await.unwrap() == self.nodes.len()
        };
        eventually("the nodes have said who is there", PATIENCE, are_back).await;
        self.sighted().await;
    }

    /// A replica that lost the writes of the last `ms` milliseconds takes the place of Redis.
    pub(super) async fn fail_over(&mut self, ms: u64) {
        let replica = Redis::start_replica(&self.redis).await;
        self.blind();
        let since = self.watch.now();
        replica.say(&["REPLICAOF", "NO", "ONE"]).await;
        tokio::time::sleep(Duration::from_millis(ms)).await;
        self.redis.stop();
        self.has_lost(since);
        for node in &self.nodes {
            node.way.lead_to(replica.address());
        }
        self.redis = replica;
        self.sighted().await;
    }

    /// What was written between `since` and now may be lost.
    fn has_lost(&mut self, since: u64) {
        let first = self.lost.map_or(since, |(first, _)| first);
        self.lost = Some((first, self.watch.now()));
    }

    fn blind(&self) {
        for node in 0..self.nodes.len() {
            self.truth.node(node, ServerMark::Blind);
        }
    }

    async fn sighted(&self) {
        for node in 0..self.nodes.len() {
            self.attaches(node).await;
        }
        for node in 0..self.nodes.len() {
            self.truth.node(node, ServerMark::Sighted);
        }
    }

    /// Waits until a node is in the cluster.
    async fn attaches(&self, node: usize) {
        let api = self.api(node);
        let is_attached = async || api.metric("userline_cluster_attached ").await == 1;
        eventually("the node is in the cluster", PATIENCE, is_attached).await;
    }

    pub(super) fn api(&self, node: usize) -> Api {
        self.apis.lock()[node].clone().unwrap()
    }

    pub(super) fn nodes(&self) -> std::ops::Range<usize> {
        0..self.nodes.len()
    }

    /// A client that is not online yet, and comes to any node.
    pub(super) fn tab(&self, user: &str, transport: Transport) -> Tab {
        let ways: Vec<Proxy> = self.nodes.iter().map(|it| it.clients.clone()).collect();
        Tab::among(user, transport, &ways, &self.truth, &self.tasks)
    }

    /// Who is online by what Redis has.
    pub(super) async fn recorded_online(&self) -> BTreeSet<String> {
        let users = self.keys("u:").await;
        users.iter().map(|it| it[PREFIX.len() + 2..].to_owned()).collect()
    }

    async fn keys(&self, of: &str) -> Vec<String> {
        let mut client = self.redis.client().await;
        let pattern = format!("{PREFIX}{of}*").replace('{', "\\{");
        redis::cmd("KEYS").arg(pattern).query_async(&mut client).await.unwrap()
    }

    /// Nothing is left of anybody: not in Redis, not on the way to the receiver.
    pub(super) async fn is_empty(&self) {
        let end = self.watch.now() + 40_000;
        loop {
            let mut left = Vec::new();
            // Keys of sets and lists that are empty are not there.
            for of in ["u:", "of:", "due", "dead", "wait:", "tries:", "failed:"] {
                left.extend(self.keys(of).await);
            }
            if left.is_empty() {
                break;
            }
            assert!(self.watch.now() < end, "left of nobody: {left:?}\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        for node in self.nodes() {
            self.swept_nothing(node).await;
        }
        assert_eq!(self.receiver.forged(), Vec::<String>::new());
        assert_eq!(self.truth.refusals(), Vec::<String>::new());
    }

    /// The sweep of a node has found nothing to do.
    async fn swept_nothing(&self, node: usize) {
        let removals = self.api(node).metric("userline_audit_removals_total").await;
        assert_eq!(removals, 0, "the sweep had to remove sockets\n{}", self.log());
    }

    /// The ends of the logs of all nodes.
    pub(super) fn log(&self) -> String {
        let logs = self.nodes.iter().map(|it| logged(it.dir.path()));
        logs.collect::<Vec<_>>().join("\n----\n")
    }
}

fn configuration(dir: &TempDir, redis: &str, hooks: &str) -> String {
    let common = common(&dir.path().join("data").to_string_lossy(), "1s");
    format!(
        r#"
{common}[presence]
grace = "{GRACE}ms"
# A busy machine may take more than a second between the end of a connection and the news of it; a true leak stays.
sweep_interval = "3s"
[hooks]
url = "{hooks}"
secret = "{HOOK_SECRET}"
timeout = "1s"
allow_private = true
[recovery]
window = "2m"
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
hold = "{HOLD}ms"
[log]
level = "info"
"#
    )
}
