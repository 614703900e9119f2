//! Only the newest hook of a user, and what became of the others, over nodes.

use crate::rig::client::Goodbye;
use crate::rig::eventually;
use crate::rig::nodes::{Nodes, PATIENCE};
use crate::rig::receiver::{Hook, Manner};
use serde_json::{Value, json};

/// Two nodes whose receiver refuses all, of which none is taken for gone because it stands still for a while.
async fn nodes(hooks: &str) -> Nodes {
    let hooks = format!("[hooks]\n{hooks}\n");
    let change = |it: String| {
        it.replace("[hooks]\n", &hooks)
            .replace("ping_timeout = \"1s\"", "ping_timeout = \"1m\"")
            .replace("node_grace = \"3000ms\"", "node_grace = \"2m\"")
    };
    let nodes = Nodes::start_hooked_with(2, change).await;
    nodes.receiver.behave(Manner::Status(500));
    nodes
}

/// Type, state and count of each delivery about ann, as a node lists them.
async fn of_ann(nodes: &Nodes, node: usize) -> Vec<(String, String, u64)> {
    let list = nodes.api(node).get("/v1/hooks/deliveries?user=ann").await;
    let text = |it: &Value, name: &str| it[name].as_str().unwrap_or_default().to_owned();
    let all = list["deliveries"].as_array().into_iter().flatten();
    let waits = |state: String| if state == "failing" { "pending".to_owned() } else { state };
    all.map(|it| (text(it, "type"), waits(text(it, "state")), it["coalesced"].as_u64().unwrap()))
        .collect()
}

async fn becomes(nodes: &Nodes, node: usize, expected: &[(&str, &str, u64)]) {
    let expected: Vec<_> =
        expected.iter().map(|it| (it.0.to_owned(), it.1.to_owned(), it.2)).collect();
    let is_so = async || of_ann(nodes, node).await == expected;
    eventually("the deliveries are these", PATIENCE, is_so).await;
}

const ON: &str = "user.online";
const OFF: &str = "user.offline";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_newest_hook_of_a_user_is_sent_also_by_whoever_takes_over() {
    let mut nodes = nodes("coalesce = \"latest\"").await;
    let ann = nodes.tab(1, "ann");
    ann.come();
    becomes(&nodes, 0, &[(ON, "pending", 0)]).await;
    ann.go(Goodbye::Polite);
    becomes(&nodes, 1, &[(ON, "replaced", 0), (OFF, "pending", 1)]).await;
    nodes.kill(0).await;
    ann.come();
    let all = [(ON, "replaced", 0), (OFF, "replaced", 1), (ON, "pending", 2)];
    becomes(&nodes, 1, &all).await;

    nodes.receiver.behave(Manner::Status(200));
    becomes(&nodes, 1, &[all[0], all[1], (ON, "delivered", 2)]).await;
    let told = nodes.receiver.accepted("ann");
    let bodies: Vec<Value> =
        told.iter().map(|it| serde_json::from_str(&it.body).unwrap()).collect();
    let said: Vec<_> = bodies.iter().map(|it| (&it["type"], &it["data"]["coalesced"])).collect();
    assert_eq!(said, [(&json!(ON), &json!(2))]);

    let api = nodes.api(1);
    let delivered = api.get("/v1/hooks/deliveries?state=delivered").await;
    let [delivered] = &delivered["deliveries"].as_array().unwrap()[..] else {
        panic!("{delivered}");
    };
    assert_eq!(delivered["webhook_id"], told[0].id.as_str());
    assert!(delivered["ended_at"].is_string() && delivered["attempts"].as_u64() >= Some(1));
    let replaced = api.get("/v1/hooks/deliveries?state=replaced&endpoint=default").await;
    assert_eq!(replaced["deliveries"].as_array().unwrap().len(), 2, "{replaced}");
    let path = |it: &Value| format!("/v1/hooks/deliveries/{}", it["id"]);
    let shown = api.get(&path(delivered)).await;
    assert_eq!(shown["body"], bodies[0], "{shown}");

    let old = format!("{}/replay", path(&replaced["deliveries"][0]));
    let (status, refused) = api.post_any(&old, &json!({})).await;
    assert_eq!((status, &refused["error"]["code"]), (409, &json!("conflict")), "{refused}");
    let before = nodes.receiver.hooks().len();
    api.post(&format!("{}/replay", path(delivered)), &json!({})).await;
    let again = |it: &Hook| it.id == told[0].id && it.acked.is_some();
    let is_again = async || nodes.receiver.hooks().iter().skip(before).any(again);
    eventually("what was delivered is sent again", PATIENCE, is_again).await;
    becomes(&nodes, 1, &[all[0], all[1], (ON, "delivered", 2)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_too_many_hooks_wait_older_ones_of_a_user_give_way() {
    let nodes = nodes(
        "backlog_max = 1000\nevents = [\"user.online\", \"user.offline\", \"message.undelivered\"]",
    )
    .await;
    let ann = nodes.tab(1, "ann");
    ann.come();
    becomes(&nodes, 0, &[(ON, "pending", 0)]).await;
    ann.go(Goodbye::Polite);
    becomes(&nodes, 0, &[(ON, "pending", 0), (OFF, "pending", 0)]).await;

    let users: Vec<String> = (0..1000).map(|it| format!("u{it}")).collect();
    let event = json!({"to": {"users": users}, "event": "n", "undelivered": "hook"});
    nodes.api(1).post("/v1/emit", &event).await;
    becomes(&nodes, 0, &[(ON, "replaced", 0), (OFF, "pending", 1)]).await;
    ann.come();
    becomes(&nodes, 1, &[(ON, "replaced", 0), (OFF, "replaced", 1), (ON, "pending", 2)]).await;
    let (status, refused) = nodes.api(0).post_any("/v1/emit", &event).await;
    assert_eq!((status, &refused["error"]["code"]), (503, &json!("unavailable")), "{refused}");
}
