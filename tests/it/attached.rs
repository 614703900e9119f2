//! Many nodes: what the backend attaches to users and sockets, and what hooks say of users.

use crate::rig::eventually;
use crate::rig::nodes::{Listener, Nodes, PATIENCE};
use serde_json::{Value, json};

/// What was told of a user, bodies in their order.
fn told(nodes: &Nodes, user: &str) -> Vec<Value> {
    let hooks = nodes.receiver.accepted(user).into_iter();
    hooks.map(|it| serde_json::from_str(&it.body).unwrap()).collect()
}

async fn is_told(nodes: &Nodes, user: &str, count: usize) -> Vec<Value> {
    let all = async || count <= told(nodes, user).len();
    eventually("it is told", PATIENCE, all).await;
    let told = told(nodes, user);
    assert_eq!(told.len(), count, "{told:?}");
    told
}

#[tokio::test]
async fn data_is_attached_to_a_socket_on_whichever_node_it_is() {
    let nodes = Nodes::start(2).await;
    let ann = Listener::connect(nodes.public(1), "ann").await;
    let path = format!("/v1/sockets/{}/data", ann.id);
    let patches = [json!({"page": "/a", "n": 1}), json!({"page": null})];
    let mut attached = json!(null);
    for (api, patch) in nodes.apis.iter().zip(&patches) {
        let (status, answer) = api.patch(&path, patch).await;
        assert_eq!((status, &answer["socket"]), (200, &json!(ann.id)), "{answer}");
        attached = answer["attached"].clone();
    }
    assert_eq!(attached, json!({"n": 1}));
    for api in &nodes.apis {
        let socket = api.get(&format!("/v1/sockets/{}", ann.id)).await;
        assert_eq!(socket["attached"], attached, "{socket}");
        let much = json!({"much": "x".repeat(9000)});
        assert_eq!(api.patch(&path, &much).await.0, 400);
        let nobody = format!("/v1/sockets/sock_{}/data", "A".repeat(20));
        assert_eq!(api.patch(&nobody, &patches[0]).await.0, 404);
    }
}

#[tokio::test]
async fn data_of_a_user_is_one_truth_on_all_nodes_and_told_when_the_user_is_gone() {
    let mut nodes = Nodes::start_hooked_with(2, |it| {
        it.replace("allow_private = true", "allow_private = true\nidentity = true")
    })
    .await;
    let path = "/v1/users/ann/data";
    assert_eq!(nodes.api(0).patch(path, &json!({"a": 1})).await.0, 404, "offline");
    let _ann = Listener::connect(nodes.public(1), "ann").await;
    is_told(&nodes, "ann", 1).await;

    // Members of one object, by both nodes at once: none is lost, whoever comes first.
    let (here, there) = (nodes.api(0).clone(), nodes.api(1).clone());
    let patching = async |api: &crate::rig::api::Api, name: &str| {
        for number in 0..10 {
            let (status, answer) =
                api.patch(path, &json!({format!("{name}{number}"): number})).await;
            assert_eq!(status, 200, "{answer}");
            assert_eq!(answer["attached"][format!("{name}{number}")], number, "{answer}");
        }
    };
    tokio::join!(patching(&here, "a"), patching(&there, "b"));
    let expected: serde_json::Map<String, Value> = ["a", "b"]
        .into_iter()
        .flat_map(|name| (0..10).map(move |number| (format!("{name}{number}"), json!(number))))
        .collect();
    for api in [&here, &there] {
        let user = api.get("/v1/users/ann").await;
        assert_eq!(user["attached"], json!(expected), "{user}");
        let list = api.get("/v1/users").await;
        assert_eq!(list["users"][0]["attached"], json!(expected), "{list}");
        let much = json!({"much": "x".repeat(9000)});
        assert_eq!(api.patch(path, &much).await.0, 400);
    }

    // Its node is killed: what was attached, and what the user was granted, is known all the same.
    nodes.kill(1).await;
    let told = is_told(&nodes, "ann", 2).await;
    assert_eq!(told[0]["data"]["rooms"], json!([]), "{told:?}");
    assert_eq!(told[0]["data"].get("attached"), None, "{told:?}");
    assert_eq!(told[1]["data"]["attached"], json!(expected), "{told:?}");
    assert_eq!(told[1]["data"]["reason"], "node_lost", "{told:?}");
    assert_eq!(told[1]["data"]["rooms"], json!([]), "{told:?}");
    assert_eq!(here.patch(path, &json!({"a": 1})).await.0, 404, "offline");
}
