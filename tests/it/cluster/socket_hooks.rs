//! Hooks of sockets: whatever becomes of a node, its sockets are told of as come once, and once as gone.

use crate::rig::eventually;
use crate::rig::nodes::{Listener, Nodes, PATIENCE};
use serde_json::Value;
use std::collections::BTreeSet;

const EVENTS: &str = r#"allow_private = true
events = ["user.online", "user.offline", "socket.connected", "socket.disconnected"]"#;

/// What was told of a user, and why, in its order; a socket is called by its place in `sockets`.
fn told(nodes: &Nodes, user: &str, sockets: &[&Listener]) -> Vec<String> {
    let hooks = nodes.receiver.accepted(user);
    let ids: BTreeSet<&String> = hooks.iter().map(|it| &it.id).collect();
    assert_eq!(ids.len(), hooks.len(), "each has an id of its own");
    let line = |body: &str| {
        let body: Value = serde_json::from_str(body).unwrap();
        let data = &body["data"];
        let place = sockets.iter().position(|it| data["socket"] == it.id);
        let (place, reason) = (place.map(|it| format!(" {it}")), data["reason"].as_str());
        let reason = reason.map(|it| format!(" {it}")).unwrap_or_default();
        format!("{}{}{reason}", body["type"].as_str().unwrap(), place.unwrap_or_default())
    };
    hooks.iter().map(|it| line(&it.body)).collect()
}

async fn hears(nodes: &Nodes, user: &str, sockets: &[&Listener], story: &[&str]) {
    let is_told = async || {
        let told = told(nodes, user, sockets);
        assert!(told.len() <= story.len(), "{told:?}, not {story:?}\n{}", nodes.log());
        told.len() == story.len()
    };
    let ended = eventually("all is told", PATIENCE, is_told);
    ended.await;
    assert_eq!(told(nodes, user, sockets), story);
}

#[tokio::test]
async fn each_socket_is_told_of_once_as_come_and_once_as_gone_whatever_becomes_of_its_node() {
    let change = |it: String| it.replace("allow_private = true", EVENTS);
    let mut nodes = Nodes::start_hooked_with(3, change).await;
    let first = Listener::connect(nodes.public(0), "ann").await;
    hears(&nodes, "ann", &[&first], &["user.online", "socket.connected 0"]).await;
    let second = Listener::connect(nodes.public(1), "ann").await;
    let mut story = vec!["user.online", "socket.connected 0", "socket.connected 1"];
    hears(&nodes, "ann", &[&first, &second], &story).await;
    let cem = Listener::connect(nodes.public(2), "cem").await;
    hears(&nodes, "cem", &[&cem], &["user.online", "socket.connected 0"]).await;

    let kicked = nodes.api(2).delete(&format!("/v1/sockets/{}", first.id)).await;
    assert_eq!(kicked.0, 200, "{kicked:?}");
    story.push("socket.disconnected 0 kicked");
    hears(&nodes, "ann", &[&first, &second], &story).await;
    nodes.kill(1).await;
    nodes.terminate(2).await;

    story.extend(["socket.disconnected 1 node_lost", "user.offline node_lost"]);
    hears(&nodes, "ann", &[&first, &second], &story).await;
    let stopped = [
        "user.online",
        "socket.connected 0",
        "socket.disconnected 0 server_shutdown",
        "user.offline server_shutdown",
    ];
    hears(&nodes, "cem", &[&cem], &stopped).await;

    // Whoever pulls gets the same; the session in all of them is that of the user.
    let events = nodes.api(0).events().await;
    for user in ["ann", "cem"] {
        let told = nodes.receiver.accepted(user);
        let pulled = events.iter().filter(|it| it.1["data"]["user"] == user);
        let pulled: Vec<&String> = pulled.map(|it| &it.0).collect();
        assert_eq!(pulled, told.iter().map(|it| &it.id).collect::<Vec<_>>());
        let session = told[0].session;
        assert!(told.iter().all(|it| it.session == session), "{told:?}");
    }
    assert_eq!(nodes.receiver.forged(), Vec::<String>::new());
}
