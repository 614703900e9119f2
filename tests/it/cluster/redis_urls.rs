//! Where Redis may be: behind TLS, behind sentinels, in a Redis Cluster. What is wrong is said, and no password.

use crate::rig::eventually;
use crate::rig::nodes::{Listener, Nodes, PATIENCE};
use crate::rig::redis::{PASSWORD, Redis, free_port, patient};
use serde_json::json;
use std::collections::BTreeSet;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

const KEYS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/keys");

/// An event from the last node to a client of the first one.
async fn an_emit_arrives(nodes: &Nodes, client: &Listener, number: u64) {
    let emit = json!({"to": {"users": [client.user]}, "event": "n", "args": [number]});
    nodes.apis[nodes.apis.len() - 1].post("/v1/emit", &emit).await;
    client.hears(&BTreeSet::from([number])).await;
}

async fn all_are_attached(nodes: &Nodes) {
    for api in &nodes.apis {
        let is_back = async || api.metric("userline_cluster_attached ").await == 1;
        eventually("the node is in the cluster", PATIENCE, is_back).await;
    }
}

/// A Redis that listens for TLS, too, and where.
async fn with_tls() -> (Redis, String) {
    let port = free_port().to_string();
    let (certificate, key) = (format!("{KEYS}/tls.cert.pem"), format!("{KEYS}/tls.pem"));
    let tls = ["--tls-port", &port, "--tls-cert-file", &certificate, "--tls-key-file", &key];
    let trusting =
        ["--tls-ca-cert-file", &format!("{KEYS}/ca.cert.pem"), "--tls-auth-clients", "no"];
    let protected = ["--requirepass", PASSWORD, "--masterauth", PASSWORD];
    let redis = Redis::start_with(&[&tls[..], &trusting, &protected].concat()).await;
    (redis, format!("127.0.0.1:{port}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_are_verified_and_what_is_wrong_is_said_without_the_password() {
    let (redis, tls) = with_tls().await;
    let plain = redis.url();
    let good = format!("rediss://:{PASSWORD}@{tls}/3\"\nca_file = \"{KEYS}/ca.cert.pem");
    let nodes = Nodes::start_on(redis, 2, |it| it.replace(&plain, &good)).await;
    let ann = Listener::connect(nodes.public(0), "ann").await;
    an_emit_arrives(&nodes, &ann, 1).await;
    assert!(nodes.redis.info("db3").await.starts_with("keys="), "in database 3");

    let good = good.as_str();
    let another = |url: String| nodes.refused(move |it| it.replace(good, &url));
    let refused = tokio::join!(
        another(format!("rediss://:{PASSWORD}@{tls}")),
        another(format!("rediss://:{PASSWORD}@{}", nodes.redis.address())),
        another(format!("rediss://:not-{PASSWORD}@{tls}\"\nca_file = \"{KEYS}/ca.cert.pem")),
        another(format!("redis://{}", nodes.redis.address())),
        another(format!("rediss://:{PASSWORD}@{tls}/#insecure")),
        another(format!("redis://:{PASSWORD}@{tls}/x")),
        another(format!("redis+sentinel://:{PASSWORD}@127.0.0.1:1/main")),
    );
    let refused = [
        (refused.0, "cannot be spoken to with TLS", 70),
        // It waits for the end of what is no command.
        (refused.1, "does this port speak TLS?", 70),
        (refused.2, "refuses user or password", 70),
        (refused.3, "refuses user or password", 70),
        (refused.4, "cluster.redis: must have nothing behind #", 78),
        (refused.5, "cluster.redis: must be a URL such as", 78),
        (refused.6, "cannot be reached", 70),
    ];
    for ((status, said), expected, code) in refused {
        assert!(said.contains(expected), "{expected}: {said}");
        assert_eq!(status, Some(code), "{said}");
        assert!(!said.contains(PASSWORD), "{said}");
        let last = said.lines().last().unwrap();
        assert_eq!(last.matches(expected).count(), 1, "once: {last}");
    }
    assert!(!nodes.log().contains(PASSWORD), "{}", nodes.log());
}

/// One that watches a Redis as `main`, and whether somebody who asks needs the password.
struct Sentinel {
    _dir: TempDir,
    process: Child,
    port: u16,
}

impl Sentinel {
    async fn start(redis: &Redis) -> Self {
        let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
        let config = dir.path().join("sentinel.conf");
        let text = format!(
            "port {port}\nbind 127.0.0.1\ndir {}\nrequirepass {PASSWORD}\n\
             sentinel monitor main 127.0.0.1 {} 1\nsentinel auth-pass main {PASSWORD}\n\
             sentinel down-after-milliseconds main 60000\nsentinel failover-timeout main 3000\n",
            dir.path().display(),
            redis.address().port()
        );
        std::fs::write(&config, text).unwrap();
        let mut command = Command::new("redis-server");
        command.arg(config).arg("--sentinel").stdin(Stdio::null()).stdout(Stdio::null());
        let process = command.spawn().unwrap();
        let it = Self { _dir: dir, process, port };
        let knows = async || it.knows_a_replica().await.is_some_and(|it| it);
        eventually("the sentinel knows the replica", PATIENCE, knows).await;
        it
    }

    /// From now on a server that is silent for a second is down.
    async fn notices_soon(&self) {
        let url = format!("redis://:{PASSWORD}@127.0.0.1:{}", self.port);
        let client = redis::Client::open(url).unwrap();
        let client = client.get_multiplexed_async_connection_with_config(&patient()).await;
        let mut set = redis::cmd("SENTINEL");
        set.arg("SET").arg("main").arg("down-after-milliseconds").arg(1000);
        set.exec_async(&mut client.unwrap()).await.unwrap();
    }

    async fn knows_a_replica(&self) -> Option<bool> {
        let url = format!("redis://:{PASSWORD}@127.0.0.1:{}", self.port);
        let client = redis::Client::open(url).unwrap();
        let mut client = client.get_multiplexed_async_connection().await.ok()?;
        let mut ask = redis::cmd("SENTINEL");
        ask.arg("CKQUORUM").arg("main");
        ask.exec_async(&mut client).await.ok()?;
        let mut ask = redis::cmd("SENTINEL");
        let replicas: Vec<Vec<String>> =
            ask.arg("REPLICAS").arg("main").query_async(&mut client).await.ok()?;
        // Fields and values, one after the other.
        let is_up = |it: &Vec<String>| {
            it.chunks(2).any(|it| it == ["master-link-status".to_owned(), "ok".to_owned()])
        };
        Some(replicas.iter().any(is_up))
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_nodes_follow_the_sentinels_to_whatever_server_they_name() {
    let redis = Redis::start_with_password().await;
    let replica = Redis::start_replica(&redis).await;
    let sentinel = Sentinel::start(&redis).await;
    let plain = redis.url();
    // The first one is not there.
    let sentinels =
        format!("redis+sentinel://:{PASSWORD}@127.0.0.1:1,127.0.0.1:{}/main", sentinel.port);
    redis.say(&["CONFIG", "SET", "appendfsync", "everysec"]).await;
    let mut nodes = Nodes::start_on(redis, 2, |it| it.replace(&plain, &sentinels)).await;
    let ann = Listener::connect(nodes.public(0), "ann").await;
    an_emit_arrives(&nodes, &ann, 1).await;
    let (status, blocked) = nodes.apis[0].put("/v1/users/eve/block", &json!({})).await;
    assert_eq!(status, 200, "{blocked}");
    let has_it = async || {
        let (ours, theirs) =
            (nodes.redis.info("master_repl_offset").await, replica.info("slave_repl_offset").await);
        ours.parse::<u64>().unwrap() <= theirs.parse::<u64>().unwrap_or(0)
    };
    eventually("the replica has it", PATIENCE, has_it).await;

    sentinel.notices_soon().await;
    nodes.redis.stop();
    let is_promoted = async || replica.info("role").await == "master";
    eventually("the sentinel promotes the replica", 2 * PATIENCE, is_promoted).await;
    all_are_attached(&nodes).await;
    an_emit_arrives(&nodes, &ann, 2).await;
    let eve = nodes.apis[1].get("/v1/users/eve/block").await;
    assert!(eve["block"].is_object(), "{eve}");
    for node in 0..2 {
        let state = nodes.api(node).get("/v1/users/ann").await["state"].clone();
        assert_eq!(state, "online");
    }
    assert!(!nodes.log().contains(PASSWORD), "{}", nodes.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_redis_cluster_the_nodes_find_the_server_that_has_their_keys() {
    let member = async || {
        let port = free_port().to_string();
        Redis::start_with(&["--cluster-enabled", "yes", "--cluster-port", &port]).await
    };
    let (named, has_all) = (member().await, member().await);
    let other = has_all.address().port().to_string();
    has_all.say(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]).await;
    let bus_port = has_all.setting("cluster-port").await;
    named.say(&["CLUSTER", "MEET", "127.0.0.1", &other, &bus_port]).await;
    let is_whole = async || {
        let mut client = named.client().await;
        let mut ask = redis::cmd("CLUSTER");
        let info: String = ask.arg("INFO").query_async(&mut client).await.unwrap();
        info.contains("cluster_state:ok")
    };
    eventually("the Redis Cluster is whole", PATIENCE, is_whole).await;

    let nodes = Nodes::start_on(named, 2, |it| it).await;
    let ann = Listener::connect(nodes.public(0), "ann").await;
    an_emit_arrives(&nodes, &ann, 1).await;
    assert!(has_all.info("db0").await.starts_with("keys="));
    assert!(nodes.log().contains("Redis Cluster"), "{}", nodes.log());
}
