//! What was answered for is where `cluster.durability` wants it: the master may be killed at once.

use crate::rig::eventually;
use crate::rig::nodes::{Nodes, PATIENCE};
use crate::rig::redis::Redis;
use serde_json::json;

async fn start(redis: Redis, durability: &str) -> Nodes {
    let key = format!("[cluster]\ndurability = \"{durability}\"");
    Nodes::start_on(redis, 1, |it| it.replace("[cluster]", &key)).await
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
