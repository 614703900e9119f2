//! Many nodes: what one of them says of all, whichever is asked.

use crate::rig::eventually;
use crate::rig::nodes::{Listener, Nodes, PATIENCE};
use crate::rig::redis::Redis;
use crate::rig::server::HOOK_SECRET;
use serde_json::{Value, json};

fn names(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn each_node_lists_all_with_what_they_do_and_names_one_that_is_silent() {
    let stream = Redis::start().await;
    let sections = format!(
        "\n[hooks]\nurl = \"http://127.0.0.1:9/\"\nsecret = \"{HOOK_SECRET}\"\nallow_private = true\n\
         [[ingest.redis_stream]]\nname = \"orders\"\nurl = \"{}\"\nstream = \"s\"\n",
        stream.url()
    );
    let nodes = Nodes::start_with(2, sections.leak()).await;
    let _ann = Listener::connect(nodes.servers[0].public, "ann").await;
    let _bob = Listener::connect(nodes.servers[1].public, "bob").await;
    let _bob_too = Listener::connect(nodes.servers[1].public, "bob").await;
    // The name of each by its own word.
    let mut own = Vec::new();
    for api in &nodes.apis {
        let list = api.get("/v1/nodes").await;
        let here = list["nodes"].as_array().unwrap().iter().find(|it| it["here"] == true).unwrap();
        own.push(here["name"].as_str().unwrap().to_owned());
    }
    let mut sorted = own.clone();
    sorted.sort_unstable();

    for api in &nodes.apis {
        let takes_source = async || {
            let list = api.get("/v1/nodes").await;
            let has = |what: &str| {
                let nodes = list["nodes"].as_array().unwrap().iter();
                nodes.filter(|it| it[what].as_array().is_some_and(|it| it.len() == 1)).count() == 1
            };
            let seen = |it: &Value| it["last_sign_ms_ago"].is_u64();
            has("endpoints") && has("sources") && list["nodes"].as_array().unwrap().iter().all(seen)
        };
        eventually("somebody delivers and takes", PATIENCE, takes_source).await;
        let list = api.get("/v1/nodes").await;
        assert_eq!(names(&list["nodes"]), sorted, "{list}");
        for node in list["nodes"].as_array().unwrap() {
            let is_first = node["name"] == own[0];
            let expected = if is_first { (json!(1), json!(1)) } else { (json!(2), json!(1)) };
            assert_eq!((&node["sockets"], &node["users"]), (&expected.0, &expected.1), "{list}");
            assert_eq!(node["version"], env!("CARGO_PKG_VERSION"), "{list}");
            assert_eq!(
                (&node["draining"], node["host"].is_string()),
                (&json!(false), true),
                "{list}"
            );
            let incarnation = node["incarnation"].as_str().unwrap();
            assert!(incarnation.starts_with(node["name"].as_str().unwrap()), "{list}");
        }
        let ingest = api.get("/v1/ingest").await;
        let source = &ingest["sources"][0];
        assert_eq!(
            (&source["name"], &source["state"]),
            (&json!("orders"), &json!("active")),
            "{ingest}"
        );
        let takes = |it: &&Value| it["sources"] == json!(["orders"]);
        let taker = list["nodes"].as_array().unwrap().iter().find(takes).unwrap();
        assert_eq!(source["node"], taker["name"], "{ingest} {list}");
        assert_eq!(ingest["sources"].as_array().unwrap().len(), 1, "{ingest}");
    }

    nodes.servers[1].signal("-STOP").await;
    let list = nodes.apis[0].get("/v1/nodes").await;
    // Until the others take it for gone, Redis knows of it.
    let other = list["nodes"].as_array().unwrap().iter().find(|it| it["name"] == own[1].as_str());
    assert!(other.is_none_or(|it| it.get("sockets").is_none()), "{list}");
    assert!(other.is_none() || list["nodes_missing"] == json!([own[1]]), "{list}");
}
