//! Nodes of a cluster keep nothing on their own disks, and take over nothing that a node had there that was alone.

use crate::rig::eventually;
use crate::rig::nodes::{Listener, Nodes, PATIENCE};
use crate::rig::server::{JWT_SECRET, KEY, Server};
use serde_json::json;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

fn files(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten();
    entries.map(|it| it.unwrap().file_name().into_string().unwrap()).collect()
}

fn threads(server: &Server) -> Vec<String> {
    let tasks = fs::read_dir(format!("/proc/{}/task", server.pid())).unwrap();
    let names = tasks.filter_map(|it| fs::read_to_string(it.ok()?.path().join("comm")).ok());
    names.map(|it| it.trim_end().to_owned()).collect()
}

/// A node that is alone, with its data in this folder.
async fn lone(dir: &Path) -> Server {
    let data = dir.join("data");
    let configuration = format!(
        "[listen]\npublic = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\n\
         [admin]\nkeys = [{{ name = \"test\", key = \"{KEY}\", scopes = [\"read\"] }}]\n\
         [presence]\nstartup_grace = \"10m\"\n[auth.jwt]\nsecret = \"{JWT_SECRET}\"\n[store]\ndata_dir = \"{}\"\n",
        data.display()
    );
    Server::run(dir, &configuration).await
}

#[tokio::test]
async fn a_node_among_many_keeps_nothing_in_its_data_folder() {
    let mut nodes = Nodes::start_hooked(1).await;
    let ann = Listener::connect(nodes.public(0), "ann").await;
    nodes.hears("ann", &["on"]).await;
    let stored = json!({"to": {"users": ["ann"]}, "event": "n", "args": [1], "store": "always"});
    nodes.api(0).post("/v1/emit", &stored).await;
    assert_eq!(nodes.api(0).put("/v1/users/bob/block", &json!({})).await.0, 200);
    assert_eq!(nodes.api(0).get("/readyz").await["status"], "ok");
    ann.hears(&BTreeSet::from([1])).await;
    let has_store = |server: &Server| threads(server).iter().any(|it| it == "userline-store");
    assert!(!has_store(&nodes.servers[0]), "{:?}", threads(&nodes.servers[0]));
    // Nor need there be one.
    let none = nodes.add_with(|it| it.replace("DATA", "/dev/null/none")).await;
    assert_eq!(nodes.api(none).get("/readyz").await["status"], "ok");
    nodes.terminate(none).await;
    nodes.terminate(0).await;
    assert_eq!(files(&nodes.dir(0).join("data")), Vec::<String>::new());

    let dir = tempfile::tempdir().unwrap();
    let server = lone(dir.path()).await;
    assert!(has_store(&server), "one that is alone has a thread of that name");
}

#[tokio::test]
async fn a_folder_in_which_users_were_online_is_not_taken_over() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = lone(dir.path()).await;
    let _ann = Listener::connect(server.public, "ann").await;
    let api = crate::rig::api::Api::new(server.admin);
    let is_online = async || api.get("/v1/users/ann").await["state"] == "online";
    eventually("ann is online", PATIENCE, is_online).await;
    server.kill().await;
    let before = files(&dir.path().join("data"));

    let nodes = Nodes::start(0).await;
    let data = dir.path().join("data").display().to_string();
    let (code, said) = nodes.refused(|it| it.replace("DATA", &data)).await;
    assert!(code.is_some_and(|it| it != 0), "{code:?}");
    assert!(said.contains("1 users were online there"), "{said}");
    assert!(said.contains("userline cluster import"), "{said}");
    let after = files(&dir.path().join("data"));
    assert!(before.iter().all(|it| after.contains(it) || it.contains("sqlite-")), "{after:?}");
    // It is as it was for whoever is alone again.
    let server = lone(dir.path()).await;
    let state = crate::rig::api::Api::new(server.admin).get("/v1/users/ann").await;
    assert_eq!(state["state"], "lingering", "{state}");
}
