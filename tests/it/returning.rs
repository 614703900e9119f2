//! Clients that come back to another node than they left, also when theirs is gone, or Redis was.

mod client;
mod load;
mod valkey;

use crate::rig::eventually;
use crate::rig::nodes::{Nodes, PATIENCE};
use client::Comer;
use serde_json::{Value, json};

const RECOVERY: &str = "[recovery]\nwindow = \"1m\"\n";

/// Emits a number at a node.
async fn emit(nodes: &Nodes, node: usize, to: Value, number: u64) -> Value {
    let message = json!({"to": to, "event": "n", "args": [number]});
    nodes.apis[node].post("/v1/emit", &message).await
}

fn ann() -> Value {
    json!({"users": ["ann"]})
}

#[tokio::test]
async fn whoever_comes_back_to_another_node_gets_what_it_missed_once_and_in_order() {
    let nodes = Nodes::start_with(3, RECOVERY).await;
    let mut client = Comer::on_device("ann", "phone");
    assert!(!client.connect(nodes.servers[0].public).await);
    let answer = emit(&nodes, 0, ann(), 1).await;
    assert_eq!((&answer["sent"], answer.get("degraded")), (&json!(1), None), "{answer}");
    let answer = emit(&nodes, 1, ann(), 2).await;
    assert_eq!((&answer["sent"], answer.get("degraded")), (&json!(1), None), "{answer}");
    client.hears(2).await;
    client.cut().await;

    // By any name, at any node, and nothing that is not for it.
    emit(&nodes, 1, ann(), 3).await;
    emit(&nodes, 2, json!({"all": true}), 4).await;
    emit(&nodes, 0, json!({"sockets": [client.id]}), 5).await;
    emit(&nodes, 1, json!({"users": ["bob"]}), 600).await;
    let others =
        json!({"to": ann(), "except": {"devices": ["phone"]}, "event": "n", "args": [601]});
    nodes.apis[2].post("/v1/emit", &others).await;
    let first = client.id.clone();
    assert!(client.connect(nodes.servers[1].public).await);
    client.hears(5).await;
    emit(&nodes, 2, json!({"sockets": [first]}), 6).await;
    client.hears(6).await;
    assert_eq!(client.numbers(), [1, 2, 3, 4, 5, 6]);

    // Again and again, with nothing missed, too.
    for node in [2, 0, 1, 1] {
        client.cut().await;
        assert!(client.connect(nodes.servers[node].public).await);
    }
    emit(&nodes, 0, ann(), 7).await;
    client.hears(7).await;
    assert_eq!(client.numbers(), [1, 2, 3, 4, 5, 6, 7]);
}

#[tokio::test]
async fn rooms_come_along_and_what_was_decided_while_the_client_was_away_counts() {
    let mut nodes = Nodes::start_with(2, RECOVERY).await;
    let mut client = Comer::new("ann");
    client.connect(nodes.servers[0].public).await;
    let rooms = json!({"to": ann(), "rooms": ["a", "b"]});
    assert_eq!(nodes.apis[1].post("/v1/sockets/join", &rooms).await["changed"], 1);
    client.cut().await;
    emit(&nodes, 1, json!({"rooms": ["a"]}), 1).await;
    let left = json!({"to": ann(), "rooms": ["b"]});
    nodes.apis[0].post("/v1/sockets/leave", &left).await;
    emit(&nodes, 1, json!({"rooms": ["b"]}), 200).await;

    // A node that was not there has read what was before it.
    nodes.add().await;
    assert!(client.connect(nodes.servers[2].public).await);
    client.hears(1).await;
    assert_eq!(emit(&nodes, 0, json!({"rooms": ["b"]}), 201).await["sent"], 0);
    assert_eq!(emit(&nodes, 0, json!({"rooms": ["a"]}), 2).await["sent"], 1);
    client.hears(2).await;
    assert_eq!(client.numbers(), [1, 2]);

    // Whoever is kicked does not come back to its session, wherever it was.
    let gone = nodes.apis[0].post("/v1/users/ann/disconnect", &json!({})).await;
    assert_eq!(gone["disconnected"], 1, "{gone}");
    eventually("it is disconnected", PATIENCE, async || client.is_over()).await;
    assert!(!client.connect(nodes.servers[1].public).await);
}

#[tokio::test]
async fn of_two_that_come_with_one_session_at_once_one_has_it() {
    let nodes = Nodes::start_with(2, RECOVERY).await;
    for round in 0..10 {
        let mut first = Comer::new("ann");
        first.connect(nodes.servers[0].public).await;
        emit(&nodes, 0, ann(), 10 * round).await;
        first.hears(10 * round).await;
        let mut second = first.twin();
        first.cut().await;
        emit(&nodes, 1, ann(), 10 * round + 1).await;
        let servers = (nodes.servers[0].public, nodes.servers[1].public);
        let recovered = tokio::join!(first.try_connect(servers.0), second.try_connect(servers.1));
        let is_one_left = match recovered {
            (Some(true), Some(true)) => {
                let has_ended = async || first.is_over() || second.is_over();
                eventually("one of them is closed", PATIENCE, has_ended).await;
                emit(&nodes, 0, ann(), 10 * round + 2).await;
                let left = if first.is_over() { &second } else { &first };
                left.hears(10 * round + 2).await;
                first.is_over() != second.is_over()
            }
            // One of them was closed before it heard that it was let in.
            (one, other) => (one == Some(true)) != (other == Some(true)),
        };
        assert!(is_one_left, "round {round}: {recovered:?}");
        for mut it in [first, second] {
            if !it.is_over() {
                it.cut().await;
            }
        }
    }
}

#[tokio::test]
async fn a_node_that_stops_in_order_leaves_its_sessions_to_the_others() {
    let mut nodes = Nodes::start_with(2, RECOVERY).await;
    let mut client = Comer::new("ann");
    client.connect(nodes.servers[0].public).await;
    emit(&nodes, 1, ann(), 1).await;
    client.hears(1).await;
    nodes.terminate(0).await;
    emit(&nodes, 1, ann(), 2).await;
    assert!(client.connect(nodes.servers[1].public).await);
    client.hears(2).await;
    assert_eq!(client.numbers(), [1, 2]);
}

#[tokio::test]
async fn redis_may_be_killed_while_clients_are_away_and_what_it_forgot_is_not_claimed() {
    let mut nodes = Nodes::start_with(2, RECOVERY).await;
    let mut client = Comer::new("ann");
    client.connect(nodes.servers[0].public).await;
    emit(&nodes, 1, ann(), 1).await;
    client.hears(1).await;
    client.cut().await;
    emit(&nodes, 1, ann(), 2).await;
    nodes.redis.stop();
    nodes.redis.run().await;
    for api in &nodes.apis {
        let is_back = async || api.metric("userline_cluster_attached").await == 1;
        eventually("the node is in the cluster again", PATIENCE, is_back).await;
    }
    assert!(client.connect(nodes.servers[1].public).await);
    client.hears(2).await;
    assert_eq!(client.numbers(), [1, 2]);
    client.cut().await;

    let mut redis = nodes.redis.client().await;
    redis::cmd("FLUSHALL").exec_async(&mut redis).await.unwrap();
    assert!(!client.connect(nodes.servers[0].public).await);
    client.cut().await;
    // Sessions of the time after that count again.
    let begins_anew = async || {
        let is_recovered = client.connect(nodes.servers[1].public).await;
        client.cut().await;
        is_recovered
    };
    eventually("a session counts", PATIENCE, begins_anew).await;
}
