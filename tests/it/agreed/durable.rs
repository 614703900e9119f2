//! What was answered for is where `cluster.durability` wants it: the master may be killed at once.

use crate::rig::Watch;
use crate::rig::eventually;
use crate::rig::nodes::{Nodes, PATIENCE};
use crate::rig::proxy::Proxy;
use crate::rig::receiver::{Manner, Receiver};
use crate::rig::redis::Redis;
use crate::rig::server::{HOOK_SECRET, logged};
use serde_json::{Value, json};
use userline::tasks::Tasks;

async fn start(redis: Redis, durability: &str) -> Nodes {
    let key = format!("[cluster]\ndurability = \"{durability}\"");
    Nodes::start_on(redis, 1, |it| it.replace("[cluster]", &key)).await
}

/// One whose hooks tell a receiver, that reaches Redis by another way.
async fn start_telling(redis: Redis, durability: &str) -> (Nodes, Receiver, Proxy) {
    let tasks = Tasks::new();
    let receiver = Receiver::start(&tasks, &Watch::start()).await;
    let hooks = format!(
        "\n[hooks]\nurl = \"{}\"\nsecret = \"{HOOK_SECRET}\"\nallow_private = true\nevents = [\"message.undelivered\"]\n",
        receiver.url()
    );
    let key = format!("[cluster]\ndurability = \"{durability}\"");
    let mut nodes = Nodes::start_on(redis, 0, |it| it.replace("[cluster]", &key) + &hooks).await;
    let way = Proxy::start(&nodes.tasks).await;
    way.lead_to(nodes.redis.address());
    nodes.add_by(way.address).await;
    (nodes, receiver, way)
}

/// An event of which the receiver is told if it does not arrive, or that is stored.
fn event(user: &str, more: &Value) -> Value {
    let mut event = json!({"to": {"users": [user]}, "event": "n", "args": [1]});
    for (key, value) in more.as_object().unwrap() {
        event[key] = value.clone();
    }
    event
}

fn stored(user: &str, id: &str) -> Value {
    event(user, &json!({"store": "always", "id": id}))
}

fn told(user: &str) -> Value {
    event(user, &json!({"undelivered": "hook"}))
}

async fn is_refused(nodes: &Nodes, event: &Value) {
    let (status, refused) = nodes.api(0).post_any("/v1/emit", event).await;
    assert_eq!((status, &refused["error"]["code"]), (503, &json!("unavailable")), "{refused}");
}

/// Asks again and again; 503 if the replica stands still for two seconds.
async fn is_answered_for(nodes: &Nodes, event: &Value) {
    let is_it = async || nodes.api(0).post_any("/v1/emit", event).await.0 == 200;
    eventually("it is answered for", PATIENCE, is_it).await;
}

async fn items(nodes: &Nodes, user: &str) -> usize {
    let inbox = nodes.api(0).get(&format!("/v1/users/{user}/inbox")).await;
    inbox["items"].as_array().map_or(0, Vec::len)
}

/// What stands in a hash of the cluster.
async fn recorded(redis: &Redis, key: &str, field: &str) -> bool {
    let mut client = redis.client().await;
    let mut ask = redis::cmd("HEXISTS");
    ask.arg(format!("userline:{{userline}}:{key}")).arg(field);
    ask.query_async(&mut client).await.unwrap()
}

#[tokio::test]
async fn what_was_answered_for_is_on_the_replica_when_the_master_is_killed_at_once() {
    let master = Redis::start().await;
    let replica = Redis::start_replica(&master).await;
    let mut nodes = start(master, "replica").await;
    for user in ["ann", "bob", "cem"] {
        // 503 if the replica stands still for two seconds.
        let path = format!("/v1/users/{user}/block");
        let is_blocked = async || nodes.apis[0].put(&path, &json!({})).await.0 == 200;
        eventually("it is answered for", PATIENCE, is_blocked).await;
    }
    let emit = json!({"to": {"users": ["ann"]}, "event": "n", "args": [1]});
    let is_emitted = async || nodes.apis[0].post_once("/v1/emit", &emit, "k").await.0 == 200;
    eventually("it is answered for", PATIENCE, is_emitted).await;
    let (status, put) = nodes.apis[0].put("/v1/users/dan/rooms/r", &json!({})).await;
    nodes.redis.stop();
    assert_eq!(status, 200, "{put}");
    for user in ["ann", "bob", "cem"] {
        assert!(recorded(&replica, "book:restrictions", user).await, "{user}");
    }
    let mut client = replica.client().await;
    let mut count = async |name: &str, key: &str| -> u64 {
        let mut ask = redis::cmd(name);
        ask.arg(format!("userline:{{userline}}:{key}")).query_async(&mut client).await.unwrap()
    };
    assert_eq!(count("HLEN", "book:memberships").await, 1);
    assert_eq!(count("ZCARD", "answered").await, 1);
}

#[tokio::test]
async fn what_no_replica_confirms_is_not_answered_for() {
    let master = Redis::start().await;
    let replica = Redis::start_replica(&master).await;
    let nodes = start(master, "replica").await;
    let api = &nodes.apis[0];
    replica.signal("-STOP").await;
    let (status, refused) = api.put("/v1/users/ann/block", &json!({})).await;
    assert_eq!((status, &refused["error"]["code"]), (503, &json!("unavailable")), "{refused}");
    assert!(0 < api.metric("userline_cluster_unconfirmed_total ").await);
    for ask in ["the first", "the same again, which finds it there"] {
        let (status, refused) = api.put("/v1/users/dan/rooms/r", &json!({})).await;
        assert_eq!(
            (status, &refused["error"]["code"]),
            (503, &json!("unavailable")),
            "{ask}: {refused}"
        );
    }
    // What is not stored goes on.
    let emit = json!({"to": {"users": ["bob"]}, "event": "n", "args": [1]});
    assert_eq!(api.post("/v1/emit", &emit).await["matched"], 0);
    replica.signal("-CONT").await;
    let is_stored = async || api.put("/v1/users/ann/block", &json!({})).await.0 == 200;
    eventually("it is stored", PATIENCE, is_stored).await;
    assert!(recorded(&replica, "book:restrictions", "ann").await);
}

#[tokio::test]
async fn what_the_disk_has_not_is_not_answered_for() {
    let redis = Redis::start_valkey(&["--appendfsync", "always"]).await;
    let nodes = start(redis, "fsync").await;
    let api = &nodes.apis[0];
    let is_stored = async || api.put("/v1/users/ann/block", &json!({})).await.0 == 200;
    eventually("it is stored", PATIENCE, is_stored).await;
    nodes.redis.say(&["CONFIG", "SET", "appendonly", "no"]).await;
    let (status, refused) = api.put("/v1/users/bob/block", &json!({})).await;
    assert_eq!((status, &refused["error"]["code"]), (503, &json!("unavailable")), "{refused}");
}

#[tokio::test]
async fn messages_and_hooks_that_no_replica_has_are_not_answered_for_and_may_be_there() {
    let master = Redis::start().await;
    let replica = Redis::start_replica(&master).await;
    let (nodes, receiver, _way) = start_telling(master, "replica").await;
    replica.signal("-STOP").await;
    is_refused(&nodes, &stored("ann", "x")).await;
    is_refused(&nodes, &told("bob")).await;
    // Both may be there all the same: the one is in the inbox once, however often it is asked for, the other is told.
    assert_eq!(items(&nodes, "ann").await, 1);
    let is_told = async || !receiver.accepted("bob").is_empty();
    eventually("it is told", PATIENCE, is_told).await;
    replica.signal("-CONT").await;
    is_answered_for(&nodes, &stored("ann", "x")).await;
    is_answered_for(&nodes, &told("cem")).await;
    assert_eq!(items(&nodes, "ann").await, 1);
    assert!(recorded(&replica, "inbox:ann", "rev").await);
    let mut client = replica.client().await;
    let events: u64 = redis::cmd("XLEN")
        .arg("userline:{userline}:events")
        .query_async(&mut client)
        .await
        .unwrap();
    assert!(2 <= events, "{events}");
}

#[tokio::test]
async fn what_was_answered_for_outlasts_a_failover_and_what_was_not_is_there_once_at_the_most() {
    let master = Redis::start().await;
    let replica = Redis::start_replica(&master).await;
    let (mut nodes, receiver, way) = start_telling(master, "replica").await;
    receiver.behave(Manner::Status(500));
    is_answered_for(&nodes, &stored("ann", "x")).await;
    is_answered_for(&nodes, &told("bob")).await;
    replica.signal("-STOP").await;
    // The master has it, the replica has not, and it is waited for when the master is killed.
    let api = nodes.api(0).clone();
    let asked = stored("dan", "y");
    let asking =
        nodes.tasks.run_to_end("asking", async move { api.post_any("/v1/emit", &asked).await });
    let is_written = async || recorded(&nodes.redis, "inbox:dan", "rev").await;
    eventually("it is written", PATIENCE, is_written).await;
    nodes.redis.stop();
    let (status, refused) = asking.result().await.unwrap();
    assert_eq!((status, &refused["error"]["code"]), (503, &json!("unavailable")), "{refused}");

    replica.signal("-CONT").await;
    replica.say(&["REPLICAOF", "NO", "ONE"]).await;
    way.lead_to(replica.address());
    nodes.redis = replica;
    // Nothing follows the new one yet.
    let follower = Redis::start_replica(&nodes.redis).await;
    is_answered_for(&nodes, &stored("dan", "y")).await;
    assert_eq!((items(&nodes, "ann").await, items(&nodes, "dan").await), (1, 1));
    receiver.behave(Manner::Status(200));
    let is_told = async || receiver.accepted("bob").len() == 1;
    eventually("what was promised is told", PATIENCE, is_told).await;
    assert!(recorded(&follower, "inbox:dan", "rev").await);
}

#[tokio::test]
async fn messages_and_hooks_that_the_disk_has_not_are_not_answered_for() {
    let redis = Redis::start_valkey(&["--appendfsync", "always"]).await;
    let (nodes, receiver, _way) = start_telling(redis, "fsync").await;
    is_answered_for(&nodes, &stored("ann", "x")).await;
    is_answered_for(&nodes, &told("bob")).await;
    nodes.redis.say(&["CONFIG", "SET", "appendonly", "no"]).await;
    is_refused(&nodes, &stored("ann", "y")).await;
    is_refused(&nodes, &told("cem")).await;
    let are_told = async || ["bob", "cem"].iter().all(|it| receiver.accepted(it).len() == 1);
    eventually("what may be told is told", PATIENCE, are_told).await;
}

#[tokio::test]
async fn that_redis_lost_what_was_recorded_of_users_is_said_once_by_each_node() {
    let nodes = Nodes::start(2).await;
    let block =
        async |user: &str| nodes.api(0).put(&format!("/v1/users/{user}/block"), &json!({})).await.0;
    assert_eq!(block("ann").await, 200);
    let losses = async |node: usize, what: &str| {
        let name = format!("userline_cluster_lost_total{{what=\"{what}\"}} ");
        let text = nodes.api(node).text("/metrics").await;
        let line = text.lines().find_map(|it| it.strip_prefix(&name));
        line.map_or(0, |it| it.parse::<u64>().unwrap())
    };
    nodes.redis.say(&["FLUSHALL"]).await;
    let is_said = async || losses(0, "restrictions").await + losses(1, "restrictions").await == 2;
    eventually("both say so", PATIENCE, is_said).await;
    let is_blocked = async || block("bob").await == 200;
    eventually("what is new is recorded", PATIENCE, is_blocked).await;
    let list = nodes.api(1).get("/v1/blocks").await;
    assert_eq!(list["blocks"].as_array().unwrap().len(), 1, "{list}");
    for node in 0..2 {
        assert_eq!((losses(node, "restrictions").await, losses(node, "memberships").await), (1, 0));
        let log = logged(nodes.dir(node));
        assert_eq!(log.matches("Redis has lost some of the blocks").count(), 1, "{log}");
    }
}
