//! The same on Valkey: who is online, emits, clients that come back, a node that is killed.

use super::client::Comer;
use super::{RECOVERY, ann, emit};
use crate::rig::eventually;
use crate::rig::nodes::{Listener, Nodes, PATIENCE};
use crate::rig::redis::Redis;
use serde_json::json;
use std::collections::BTreeSet;

#[tokio::test]
async fn on_valkey_nodes_agree_and_a_killed_one_costs_nobody_an_event() {
    let change = |it: String| it.replace("hold = ", "node_grace = \"1s\"\nhold = ") + RECOVERY;
    let mut nodes = Nodes::start_on(Redis::start_valkey(&[]).await, 3, change).await;
    assert!(!nodes.redis.info("valkey_version").await.is_empty());
    let mut client = Comer::new("ann");
    assert!(!client.connect(nodes.public(0)).await);
    let bob = Listener::connect(nodes.public(0), "bob").await;
    let answer = emit(&nodes, 1, ann(), 1).await;
    assert_eq!((&answer["sent"], answer.get("degraded")), (&json!(1), None), "{answer}");
    emit(&nodes, 2, json!({"users": ["bob"]}), 2).await;
    client.hears(1).await;
    bob.hears(&BTreeSet::from([2])).await;
    let (status, blocked) = nodes.apis[1].put("/v1/users/eve/block", &json!({})).await;
    assert_eq!(status, 200, "{blocked}");
    let once = json!({"to": ann(), "event": "n", "args": [3]});
    for node in [1, 2] {
        assert_eq!(nodes.api(node).post_once("/v1/emit", &once, "k").await.0, 200);
    }
    client.hears(3).await;

    client.cut().await;
    emit(&nodes, 1, ann(), 4).await;
    nodes.kill(0).await;
    emit(&nodes, 2, ann(), 5).await;
    assert!(client.connect(nodes.public(1)).await);
    client.hears(5).await;
    assert_eq!(client.numbers(), [1, 3, 4, 5]);
    let state =
        async |user: &str| nodes.api(2).get(&format!("/v1/users/{user}")).await["state"].clone();
    eventually("who does not come back is offline", PATIENCE, async || {
        state("bob").await == "offline"
    })
    .await;
    assert_eq!(state("ann").await, "online");
}
