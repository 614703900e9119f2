//! Many nodes: what is asked of one is done on all, and what is not known is said.

mod faults;
mod load;

use crate::rig::nodes::{Listener, Nodes};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Two sockets of `ann` on two nodes, one of `bob` and of `cem` on the third and the first.
async fn audience(nodes: &Nodes) -> Vec<Listener> {
    let mut all = Vec::new();
    for (node, user) in [(0, "ann"), (1, "ann"), (2, "bob"), (0, "cem")] {
        all.push(Listener::connect(nodes.servers[node].public, user).await);
    }
    all
}

#[tokio::test]
async fn an_emit_to_any_node_reaches_each_socket_once_in_the_order_of_its_caller() {
    let nodes = Nodes::start(3).await;
    let clients = audience(&nodes).await;
    let [ann, ann_too, bob, cem] = clients.as_slice() else { panic!() };
    let joined = json!({"to": {"users": ["bob", "cem"]}, "rooms": ["team"]});
    let moved = nodes.apis[1].post("/v1/sockets/join", &joined).await;
    assert_eq!((&moved["matched"], &moved["changed"]), (&json!(2), &json!(2)), "{moved}");

    let targets: Vec<(Value, Vec<&Listener>)> = vec![
        (json!({"to": {"users": ["ann"]}}), vec![ann, ann_too]),
        (
            json!({"to": {"users": ["bob", "ann"]}, "except": {"sockets": [ann.id]}}),
            vec![ann_too, bob],
        ),
        (json!({"to": {"rooms": ["team"]}}), vec![bob, cem]),
        (json!({"to": {"rooms": ["team"], "users": ["cem"]}}), vec![bob, cem]),
        (json!({"to": {"sockets": [ann_too.id, bob.id]}}), vec![ann_too, bob]),
        (json!({"to": {"all": true}}), vec![ann, ann_too, bob, cem]),
        (json!({"to": {"all": true}, "except": {"users": ["ann"]}}), vec![bob, cem]),
        (json!({"to": {"users": ["nobody"]}}), vec![]),
    ];
    let mut expected = vec![Vec::new(); clients.len()];
    let mut number = 0_u64;
    for round in 0..5 {
        for (target, receivers) in &targets {
            for api in &nodes.apis {
                let mut emit = target.clone();
                emit["event"] = json!("n");
                emit["args"] = json!([number]);
                let answer = api.post("/v1/emit", &emit).await;
                assert_eq!(answer["matched"], receivers.len(), "{round}: {emit} {answer}");
                assert_eq!(answer["sent"], receivers.len(), "{answer}");
                assert!(answer.get("nodes_missing").is_none(), "{answer}");
                let is_for = |client: &&Listener| receivers.iter().any(|it| it.id == client.id);
                let each = clients.iter().zip(&mut expected);
                each.filter(|(it, _)| is_for(it)).for_each(|(_, numbers)| numbers.push(number));
                number += 1;
            }
        }
    }
    let to_two = json!({"to": {"users": ["ann", "bob"]}, "event": "x"});
    let users = nodes.apis[2].post("/v1/emit", &to_two).await;
    assert_eq!(users["users"]["ann"]["sent"], 2, "{users}");
    assert_eq!(users["users"]["bob"]["sent"], 1, "{users}");
    assert_eq!(users["users"]["bob"]["state"], "online", "{users}");
    for (client, expected) in clients.iter().zip(&expected) {
        client.hears(&expected.iter().copied().collect()).await;
        assert_eq!(client.numbers(), *expected, "{} of {}", client.id, client.user);
    }
}

#[tokio::test]
async fn many_emits_of_one_request_arrive_in_its_order_on_every_node() {
    let nodes = Nodes::start(2).await;
    let client = Listener::connect(nodes.servers[1].public, "ann").await;
    let emit = |number: u64| json!({"to": {"users": ["ann"]}, "event": "n", "args": [number]});
    let batch: Vec<Value> = (0..200).map(emit).collect();
    let answer = nodes.apis[0].post("/v1/emit/batch", &json!({ "emits": batch })).await;
    let results = answer["results"].as_array().unwrap();
    assert!(results.iter().all(|it| it["sent"] == 1), "{answer}");
    client.hears(&(0..200).collect()).await;
    assert_eq!(client.numbers(), (0..200).collect::<Vec<_>>());
}

#[tokio::test]
async fn sockets_are_moved_and_disconnected_on_every_node_before_the_answer() {
    let nodes = Nodes::start(2).await;
    let [here, there] = [0, 1].map(|node| nodes.servers[node].public);
    let (a, b) = (Listener::connect(here, "ann").await, Listener::connect(there, "ann").await);
    let bob = Listener::connect(there, "bob").await;

    let room = json!({"to": {"users": ["ann", "bob"]}, "rooms": ["r"]});
    let joined = nodes.apis[0].post("/v1/sockets/join", &room).await;
    assert_eq!((&joined["matched"], &joined["changed"]), (&json!(3), &json!(3)));
    let to_room = json!({"to": {"rooms": ["r"]}, "event": "hi"});
    assert_eq!(nodes.apis[0].post("/v1/emit", &to_room).await["sent"], 3);
    let left = json!({"to": {"users": ["bob"]}, "rooms": ["r"]});
    assert_eq!(nodes.apis[0].post("/v1/sockets/leave", &left).await["changed"], 1);
    assert_eq!(nodes.apis[1].post("/v1/emit", &to_room).await["sent"], 2);

    let gone = nodes.apis[0].post("/v1/users/ann/disconnect", &json!({"reason": "enough"})).await;
    assert_eq!(gone["disconnected"], 2, "{gone}");
    for client in [&a, &b] {
        client.is_disconnected().await;
        assert!(client.has_heard("userline:kicked"));
    }
    let socket = format!("/v1/sockets/{}", bob.id);
    let (status, gone) = nodes.apis[0].delete(&socket).await;
    assert_eq!((status, &gone["user"]), (200, &json!("bob")), "{gone}");
    bob.is_disconnected().await;
    assert_eq!(nodes.apis[0].delete(&socket).await.0, 404);

    let cem = Listener::connect(there, "cem").await;
    let all = json!({"to": {"all": true}});
    let gone = nodes.apis[0].post("/v1/sockets/disconnect", &all).await;
    assert_eq!(gone["disconnected"], 1, "{gone}");
    cem.is_disconnected().await;
}

#[tokio::test]
async fn acks_come_from_every_node_and_what_was_needed_is_said() {
    let nodes = Nodes::start(3).await;
    let clients = audience(&nodes).await;
    let silent = Listener::connect_silent(nodes.servers[2].public, "dan").await;
    let ask = async |node: usize, to: Value, need: &str, timeout: &str| {
        let emit = json!({"to": to, "event": "q", "ack": {"need": need, "timeout": timeout}});
        nodes.apis[node].post("/v1/emit", &emit).await
    };

    for node in 0..3 {
        let answer = ask(node, json!({"users": ["ann", "bob", "cem"]}), "all", "30s").await;
        assert_eq!((&answer["acked"], &answer["met"]), (&json!(4), &json!(true)), "{answer}");
        assert_eq!((&answer["matched"], &answer["sent"]), (&json!(4), &json!(4)), "{answer}");
        let acks = answer["acks"].as_array().unwrap();
        let sockets: BTreeSet<&str> =
            acks.iter().map(|it| it["socket"].as_str().unwrap()).collect();
        assert_eq!(sockets, clients.iter().map(|it| it.id.as_str()).collect());
        assert!(acks.iter().all(|it| it["args"] == json!(["got it"])), "{answer}");

        let answer = ask(node, json!({"all": true}), "all", "500ms").await;
        assert_eq!((&answer["acked"], &answer["met"]), (&json!(4), &json!(false)), "{answer}");
        let missing = answer["missing"].as_array().unwrap();
        assert_eq!(missing.len(), 1, "{answer}");
        assert_eq!(missing[0]["socket"], silent.id);

        let answer = ask(node, json!({"users": ["dan", "bob"]}), "any", "30s").await;
        assert_eq!(answer["met"], true, "{answer}");
        let answer = ask(node, json!({"users": ["ann", "bob"]}), "one_per_user", "30s").await;
        assert_eq!(answer["met"], true, "{answer}");
        let answer = ask(node, json!({"users": ["ann", "nobody"]}), "one_per_user", "30s").await;
        assert_eq!(answer["met"], false, "{answer}");
    }

    nodes.servers[2].signal("-STOP").await;
    let answer = ask(0, json!({"users": ["ann"]}), "all", "1s").await;
    assert_eq!((&answer["acked"], &answer["met"]), (&json!(2), &json!(false)), "{answer}");
    assert_eq!(answer["nodes_missing"].as_array().map(Vec::len), Some(1), "{answer}");
}

/// All pages of a list.
async fn pages(api: &crate::rig::api::Api, path: &str, name: &str) -> Vec<Value> {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = api.get(&format!("{path}limit=2{cursor}")).await;
        assert!(page.get("nodes_missing").is_none(), "{page}");
        all.extend(page[name].as_array().unwrap().iter().cloned());
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return all,
        }
    }
}

#[tokio::test]
async fn counts_are_those_of_all_nodes_and_a_user_counts_once() {
    let nodes = Nodes::start(3).await;
    let clients = audience(&nodes).await;
    for api in &nodes.apis {
        let counts = async || {
            let mut stats = Value::Null;
            // A node may be slow to answer.
            let is_whole = async || {
                stats = api.get("/v1/stats").await;
                stats.get("nodes_missing").is_none()
            };
            crate::rig::eventually("all answer", crate::rig::nodes::PATIENCE, is_whole).await;
            let of = |name: &str| stats[name].as_u64().unwrap();
            [of("users"), of("lingering"), of("sockets"), of("connections"), of("websocket")]
        };
        assert_eq!(counts().await, [3, 0, 4, 4, 4]);
    }
    drop(nodes.apis[1].post("/v1/users/ann/disconnect", &json!({})).await);
    clients[0].is_disconnected().await;
    let are_two = async || {
        let stats = nodes.apis[2].get("/v1/stats").await;
        stats["users"] == json!(2) && stats["sockets"] == json!(2)
    };
    crate::rig::eventually("the user is not counted", crate::rig::nodes::PATIENCE, are_two).await;
}

#[tokio::test]
async fn whoever_is_asked_knows_the_sockets_users_and_rooms_of_every_node() {
    let nodes = Nodes::start(3).await;
    let clients = audience(&nodes).await;
    for (user, room) in [("ann", "a"), ("bob", "a"), ("bob", "b"), ("cem", "c"), ("ann", "d")] {
        let join = json!({"to": {"users": [user]}, "rooms": [room]});
        nodes.apis[0].post("/v1/sockets/join", &join).await;
    }
    for api in &nodes.apis {
        let users = pages(api, "/v1/users?state=online&", "users").await;
        let users: Vec<(&str, u64)> = users
            .iter()
            .map(|it| (it["user"].as_str().unwrap(), it["sockets"].as_u64().unwrap()))
            .collect();
        assert_eq!(users, [("ann", 2), ("bob", 1), ("cem", 1)]);
        let rooms = pages(api, "/v1/rooms?", "rooms").await;
        let rooms: Vec<(&str, u64)> = rooms
            .iter()
            .map(|it| (it["room"].as_str().unwrap(), it["sockets"].as_u64().unwrap()))
            .collect();
        assert_eq!(rooms, [("a", 3), ("b", 1), ("c", 1), ("d", 2)]);
        let in_room = pages(api, "/v1/rooms/a?", "sockets").await;
        let mut in_room: Vec<&str> = in_room.iter().map(|it| it["id"].as_str().unwrap()).collect();
        in_room.sort_unstable();
        let mut expected: Vec<&str> = clients[..3].iter().map(|it| it.id.as_str()).collect();
        expected.sort_unstable();
        assert_eq!(in_room, expected);

        let ann = api.get("/v1/users/ann").await;
        assert_eq!((&ann["state"], &ann["sockets_total"]), (&json!("online"), &json!(2)), "{ann}");
        let ids: Vec<&str> = ann["sockets"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["id"].as_str().unwrap())
            .collect();
        assert_eq!(ids, [clients[0].id.as_str(), clients[1].id.as_str()], "the first came first");
        assert_eq!(api.get("/v1/users?state=lingering").await["users"], json!([]));
        let who = json!({"users": ["ann", "bob", "nobody"]});
        let presence = api.post("/v1/presence", &who).await;
        let sockets = ["ann", "bob", "nobody"].map(|it| presence["users"][it]["sockets"].clone());
        assert_eq!(sockets, [json!(2), json!(1), json!(0)], "{presence}");
        for client in &clients {
            let socket = api.get(&format!("/v1/sockets/{}", client.id)).await;
            assert_eq!(socket["user"], client.user);
        }
        let nobody = api.get("/v1/sockets/sock_AAAAAAAAAAAAAAAAAAAA").await;
        assert_eq!(nobody["error"]["code"], "not_found", "{nobody}");
        let nowhere = api.get("/v1/rooms/nowhere").await;
        assert_eq!(nowhere["error"]["code"], "not_found", "{nowhere}");
    }
    // With its grace: else it would be offline within a second.
    nodes.apis[1].post("/v1/users/bob/disconnect", &json!({"now": false})).await;
    clients[2].is_disconnected().await;
    for api in &nodes.apis {
        let lingers = async || {
            let bob = api.get("/v1/users/bob").await;
            bob["state"] == "lingering"
        };
        crate::rig::eventually("the cluster knows", crate::rig::nodes::PATIENCE, lingers).await;
        let all = pages(api, "/v1/users?", "users").await;
        let all: Vec<(&str, &str)> = all
            .iter()
            .map(|it| (it["user"].as_str().unwrap(), it["state"].as_str().unwrap()))
            .collect();
        assert_eq!(all, [("ann", "online"), ("bob", "lingering"), ("cem", "online")]);
        let lingering = api.get("/v1/users?state=lingering").await;
        assert_eq!(lingering["users"][0]["user"], "bob", "{lingering}");
        an_emit_says_that_bob_lingers(api).await;
    }
}

async fn an_emit_says_that_bob_lingers(api: &crate::rig::api::Api) {
    let emit = json!({"to": {"users": ["bob"]}, "event": "x"});
    // A node that has just lost Redis cannot know, and says so.
    let knows = async || {
        let answer = api.post("/v1/emit", &emit).await;
        let state = &answer["users"]["bob"]["state"];
        assert!(state == "lingering" || answer["degraded"] == true, "{answer}");
        state == "lingering"
    };
    crate::rig::eventually("the answer says so", crate::rig::nodes::PATIENCE, knows).await;
}
