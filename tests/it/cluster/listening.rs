//! What others publish on Redis, heard by one node at a time: each message acts once.

use crate::rig::eventually;
use crate::rig::nodes::{Listener, Nodes, PATIENCE};
use crate::rig::redis::Redis;
use crate::rig::server::logged;
use redis::aio::MultiplexedConnection;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

/// Nodes that listen to what is published on a Redis beside that of the cluster.
struct World {
    nodes: Nodes,
    /// In which emits are published.
    published: MultiplexedConnection,
    next: u64,
    _redis: Redis,
}

impl World {
    async fn start() -> Self {
        let redis = Redis::start().await;
        let source = format!(
            "\n[[ingest.redis_emitter]]\nname = \"old\"\nurl = \"{}\"\npython_channel = \"py\"\nallow_control = true\n",
            redis.url()
        );
        let nodes = Nodes::start_hooked_with(2, |it| it + &source).await;
        let world = Self { nodes, published: redis.client().await, next: 0, _redis: redis };
        world.is_active(0).await;
        world
    }

    async fn publish(&mut self, message: &Value) {
        let mut publish = redis::cmd("PUBLISH");
        publish.arg("py").arg(message.to_string());
        publish.exec_async(&mut self.published).await.unwrap();
    }

    /// Emits the next numbers to everybody.
    async fn emit(&mut self, count: u64) -> BTreeSet<u64> {
        let numbers: BTreeSet<u64> = (self.next..self.next + count).collect();
        for number in &numbers {
            let emit = json!({"method": "emit", "event": "n", "data": [number], "namespace": "/"});
            self.publish(&emit).await;
        }
        self.next += count;
        numbers
    }

    async fn is_listening(&self, node: usize) -> bool {
        let metrics = self.nodes.api(node).text("/metrics").await;
        metrics.contains("userline_ingest_active{source=\"old\"} 1")
    }

    async fn is_active(&self, node: usize) {
        let is_active = async || self.is_listening(node).await;
        eventually("it listens", PATIENCE, is_active).await;
    }

    /// Waits until whoever listens has said for the next one from when on it did.
    async fn has_noted(&self) {
        let mut client = self.nodes.redis.client().await;
        let mut ask = redis::cmd("HEXISTS");
        ask.arg("userline:{userline}:endpoint:turn:old").arg("note");
        let has = async || ask.query_async::<bool>(&mut client).await.unwrap();
        eventually("it is noted", PATIENCE, has).await;
    }

    /// Emits until this node has the turn, and what it hears arrives at `client`.
    async fn emit_until_active(&mut self, node: usize, client: &Listener) {
        loop {
            let emitted = self.emit(1).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
            let has_come = client.numbers().iter().any(|it| emitted.contains(it));
            if has_come && self.is_listening(node).await {
                return;
            }
        }
    }
}

/// Numbers that came more than once.
fn repeated(client: &Listener) -> usize {
    let numbers = client.numbers();
    numbers.len() - numbers.iter().collect::<BTreeSet<_>>().len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_node_listens_and_another_one_after_it_was_killed_who_says_what_may_be_missing() {
    let mut world = World::start().await;
    let ann = Listener::connect(world.nodes.public(0), "ann").await;
    let bob = Listener::connect(world.nodes.public(1), "bob").await;
    let first = world.emit(50).await;
    ann.hears(&first).await;
    bob.hears(&first).await;
    assert!(!world.is_listening(1).await);
    // Sockets on every node join, whichever node hears that they are to.
    world
        .publish(&json!({"method": "enter_room", "sid": bob.id, "room": "team", "namespace": "/"}))
        .await;
    let to_room =
        json!({"method": "emit", "event": "n", "data": [1000], "namespace": "/", "room": "team"});
    world.publish(&to_room).await;
    bob.hears(&BTreeSet::from([1000])).await;

    world.has_noted().await;
    world.nodes.kill(0).await;
    world.emit_until_active(1, &bob).await;
    let last = world.emit(50).await;
    bob.hears(&last).await;
    assert_eq!(repeated(&bob), 0);
    let log = logged(world.nodes.dir(1));
    assert!(log.contains("may have been missed"), "{log}");

    // In order, nobody has to wait for a lease.
    let other = world.nodes.add().await;
    world.nodes.terminate(1).await;
    world.is_active(other).await;
    let log = logged(world.nodes.dir(other));
    assert!(log.contains("may have been missed"), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_stood_still_does_not_act_on_what_another_one_heard_meanwhile() {
    let mut world = World::start().await;
    let bob = Listener::connect(world.nodes.public(1), "bob").await;
    bob.hears(&world.emit(20).await).await;
    world.nodes.signal(0, "-STOP").await;
    world.emit_until_active(1, &bob).await;
    let meanwhile = world.emit(200).await;
    bob.hears(&meanwhile).await;

    world.nodes.signal(0, "-CONT").await;
    let knows = async || !world.is_listening(0).await;
    eventually("it knows that it is not its turn", PATIENCE, knows).await;
    let last = world.emit(50).await;
    bob.hears(&last).await;
    // One that it was about to emit when it was stopped, at most.
    assert!(repeated(&bob) <= 1, "{:?}", bob.numbers());
    assert!(world.is_listening(1).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_published_while_the_redis_of_the_cluster_is_away_waits_and_is_not_lost() {
    let mut world = World::start().await;
    let ann = Listener::connect(world.nodes.public(0), "ann").await;
    ann.hears(&world.emit(20).await).await;
    world.nodes.redis.stop();
    let is_uncertain = async || !world.is_listening(0).await;
    eventually("nobody knows whose turn it is", PATIENCE, is_uncertain).await;
    let meanwhile = world.emit(20).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(ann.numbers().iter().all(|it| !meanwhile.contains(it)));
    world.nodes.redis.run().await;
    ann.hears(&meanwhile).await;
    assert_eq!(ann.numbers().len(), 40);
}
