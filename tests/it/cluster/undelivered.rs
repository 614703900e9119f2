//! Hooks of what did not arrive, over nodes.

use crate::rig::eventually;
use crate::rig::nodes::{Listener, Nodes, PATIENCE};
use crate::rig::receiver::{Hook, Manner};
use serde_json::{Value, json};

/// Nodes of which one endpoint wants to be told.
async fn nodes() -> Nodes {
    let events = "[hooks]\nevents = [\"user.online\", \"user.offline\", \"message.undelivered\"]\n";
    let slow = "ping_timeout = \"1m\"";
    let change =
        |it: String| it.replace("[hooks]\n", events).replace("ping_timeout = \"1s\"", slow);
    Nodes::start_hooked_with(2, change).await
}

fn undelivered(nodes: &Nodes, user: &str) -> Vec<Value> {
    let told: Vec<Hook> = nodes.receiver.accepted(user);
    let bodies = told.iter().map(|it| serde_json::from_str(&it.body).unwrap());
    bodies.filter(|it: &Value| it["type"] == "message.undelivered").collect()
}

async fn is_told(nodes: &Nodes, user: &str, why: &str) {
    let is_it = async || undelivered(nodes, user).last().is_some_and(|it| it["data"]["why"] == why);
    eventually("it is told", PATIENCE, is_it).await;
}

/// An event that its sender wants to hear of if it does not arrive.
fn event(users: &[&str]) -> Value {
    json!({"to": {"users": users}, "event": "n", "args": [1], "undelivered": "hook"})
}

#[tokio::test]
async fn whom_no_node_reaches_is_told_of_once_and_whoever_is_on_another_node_is_not() {
    let nodes = nodes().await;
    let ann = Listener::connect(nodes.public(1), "ann").await;
    let dan = Listener::connect_silent(nodes.public(1), "dan").await;
    let answer = nodes.api(0).post("/v1/emit", &event(&["ann", "bob"])).await;
    assert_eq!((&answer["matched"], &answer["sent"]), (&json!(1), &json!(1)), "{answer}");
    is_told(&nodes, "bob", "offline").await;

    // What is left out on purpose did not fail to arrive.
    let mut left_out = event(&["ann", "cem"]);
    left_out["except"] = json!({"sockets": [ann.id]});
    nodes.api(0).post("/v1/emit", &left_out).await;
    is_told(&nodes, "cem", "offline").await;

    let mut asking = event(&["dan", "ann"]);
    asking["ack"] = json!({"timeout": "10s"});
    nodes.api(0).post("/v1/emit", &asking).await;
    is_told(&nodes, "dan", "no_ack").await;
    for (user, count) in [("ann", 0), ("bob", 1), ("cem", 1), ("dan", 1)] {
        assert_eq!(undelivered(&nodes, user).len(), count, "{user}");
    }
    assert_eq!((ann.numbers().len(), dan.numbers().len()), (2, 1));
    assert_eq!(nodes.receiver.forged(), Vec::<String>::new());
}

#[tokio::test]
async fn a_hook_that_was_promised_outlasts_the_node_that_promised_it_and_redis() {
    let mut nodes = nodes().await;
    nodes.receiver.behave(Manner::Status(500));
    let mut stored = event(&["bob"]);
    stored["store"] = json!("always");
    stored["id"] = json!("x");
    nodes.api(0).post("/v1/emit", &stored).await;
    nodes.kill(0).await;
    nodes.redis.stop();
    let (status, refused) = nodes.api(1).post_any("/v1/emit", &event(&["eve"])).await;
    assert_eq!((status, &refused["error"]["code"]), (503, &json!("unavailable")), "{refused}");
    nodes.redis.run().await;
    nodes.receiver.behave(Manner::Status(200));

    is_told(&nodes, "bob", "offline").await;
    let told = undelivered(&nodes, "bob");
    assert_eq!((told.len(), &told[0]["data"]["inbox"]["id"]), (1, &json!("x")), "{told:?}");
    assert_eq!(undelivered(&nodes, "eve").len(), 0, "it was refused");
}
