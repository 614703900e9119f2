//! What all nodes have agreed on of users: it holds on each of them, and over the end of any.

mod durable;

use crate::rig::api::Api;
use crate::rig::eventually;
use crate::rig::nodes::{Listener, Nodes, PATIENCE};
use crate::rig::server::{KEY, token};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::net::SocketAddr;
use userline::client::{Client, ClientTransport};
use userline::tasks::Tasks;

/// What a client is told that wants to come in; `Ok` if it does.
async fn knock(server: SocketAddr, user: &str) -> Result<(), Value> {
    let mut client = Client::open(ClientTransport::WebSocket, server).await.unwrap();
    match client.join(&format!(r#"{{"token":"{}"}}"#, token(user))).await {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            Err(serde_json::from_str(&error.to_string()).unwrap())
        }
        Err(error) => panic!("{error}"),
    }
}

async fn is_refused(server: SocketAddr, user: &str, code: &str) {
    let refusal = knock(server, user).await.unwrap_err();
    assert_eq!(refusal["data"]["code"], code, "{refusal}");
}

async fn is_blocked(api: &Api, user: &str) -> bool {
    !api.get(&format!("/v1/users/{user}/block")).await["block"].is_null()
}

#[tokio::test]
async fn whoever_is_blocked_by_one_node_is_out_on_all_before_the_answer() {
    let nodes = Nodes::start(3).await;
    let mut anns = Vec::new();
    for server in &nodes.servers {
        anns.push(Listener::connect(server.public, "ann").await);
    }
    let bob = Listener::connect(nodes.servers[1].public, "bob").await;

    let order = json!({"reason": "spam", "for": "1h"});
    let (status, blocked) = nodes.apis[0].put("/v1/users/ann/block", &order).await;
    assert_eq!(status, 200, "{blocked}");
    assert_eq!(blocked["disconnected"], 3, "{blocked}");
    let mut gone: Vec<&str> =
        blocked["sockets"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
    let mut theirs: Vec<&str> = anns.iter().map(|it| it.id.as_str()).collect();
    gone.sort_unstable();
    theirs.sort_unstable();
    assert_eq!(gone, theirs);
    for (api, server) in nodes.apis.iter().zip(&nodes.servers) {
        let held = api.get("/v1/users/ann/block").await;
        assert_eq!(held["block"], blocked["block"], "{held}");
        assert_eq!(api.get("/v1/blocks").await["blocks"][0]["user"], "ann");
        is_refused(server.public, "ann", "blocked").await;
    }
    for ann in &anns {
        ann.is_disconnected().await;
        assert!(ann.has_heard("userline:kicked"));
    }
    let is_offline = async || nodes.apis[2].get("/v1/users/ann").await["state"] == json!("offline");
    eventually("the user is offline", PATIENCE, is_offline).await;

    let lifted = nodes.apis[2].delete("/v1/users/ann/block").await;
    assert_eq!((lifted.0, &lifted.1["lifted"]), (200, &json!(true)));
    let again = nodes.apis[1].delete("/v1/users/ann/block").await;
    assert_eq!((again.0, &again.1["lifted"]), (200, &json!(false)));
    for server in &nodes.servers {
        knock(server.public, "ann").await.unwrap();
    }

    let before = json!({"at": "2020-01-01T00:00:00Z"});
    let (status, revoked) = nodes.apis[2].put("/v1/users/bob/not_before", &before).await;
    assert_eq!((status, &revoked["disconnected"]), (200, &json!(0)), "{revoked}");
    let later = json!({"at": "2100-01-01T00:00:00Z"});
    let (status, revoked) = nodes.apis[2].put("/v1/users/bob/not_before", &later).await;
    assert_eq!((status, &revoked["disconnected"]), (200, &json!(1)), "{revoked}");
    bob.is_disconnected().await;
    for server in &nodes.servers {
        is_refused(server.public, "bob", "token_revoked").await;
    }

    let cem = Listener::connect(nodes.servers[2].public, "cem").await;
    let kick = json!({"block_for": "1h"});
    let kicked = nodes.apis[0].post("/v1/users/cem/disconnect", &kick).await;
    assert_eq!(kicked["disconnected"], 1, "{kicked}");
    cem.is_disconnected().await;
    is_refused(nodes.servers[1].public, "cem", "blocked").await;

    let dan = Listener::connect(nodes.servers[1].public, "dan").await;
    let out = nodes.apis[0].post("/v1/users/dan/logout", &json!({})).await;
    assert_eq!(out["disconnected"], 1, "{out}");
    dan.is_disconnected().await;
    knock(nodes.servers[0].public, "dan").await.unwrap();
}

#[tokio::test]
async fn a_block_that_was_answered_holds_though_its_node_is_killed_before_another_has_heard_of_it()
{
    let mut nodes = Nodes::start(3).await;
    let ann = Listener::connect(nodes.servers[1].public, "ann").await;
    nodes.servers[1].signal("-STOP").await;

    let (status, blocked) = nodes.apis[0].put("/v1/users/ann/block", &json!({})).await;
    assert_eq!(status, 202, "{blocked}");
    assert_eq!(blocked["nodes_missing"].as_array().map(Vec::len), Some(1), "{blocked}");
    nodes.kill(0).await;
    nodes.signal(1, "-CONT").await;

    ann.is_disconnected().await;
    let knows = async || is_blocked(&nodes.apis[1], "ann").await;
    eventually("the node knows of the block", PATIENCE, knows).await;
    is_refused(nodes.public(1), "ann", "blocked").await;
}

#[tokio::test]
async fn blocks_outlast_redis_and_hold_while_it_is_away() {
    let mut nodes = Nodes::start(2).await;
    let (status, _) = nodes.apis[0].put("/v1/users/ann/block", &json!({})).await;
    assert_eq!(status, 200);

    nodes.redis.stop();
    for (api, server) in nodes.apis.iter().zip(&nodes.servers) {
        is_refused(server.public, "ann", "blocked").await;
        let (status, refused) = api.put("/v1/users/bob/block", &json!({})).await;
        assert_eq!((status, &refused["error"]["code"]), (503, &json!("unavailable")), "{refused}");
        knock(server.public, "bob").await.unwrap();
    }
    let grows = async || age(&nodes.apis[1]).await > 0;
    eventually("the copy grows old", PATIENCE, grows).await;

    nodes.redis.run().await;
    let is_made = async || nodes.apis[1].put("/v1/users/eve/block", &json!({})).await.0 == 200;
    eventually("blocks are made again", PATIENCE, is_made).await;
    nodes.add().await;
    for (api, server) in nodes.apis.iter().zip(&nodes.servers) {
        is_refused(server.public, "ann", "blocked").await;
        is_refused(server.public, "eve", "blocked").await;
        assert!(is_blocked(api, "ann").await);
    }
}

/// How old what the node knows is, in seconds.
async fn age(api: &Api) -> u64 {
    let text = api.text("/metrics").await;
    let name = "userline_cluster_copy_age_seconds ";
    let line = text.lines().find_map(|it| it.strip_prefix(name));
    line.unwrap().parse().unwrap()
}

/// How many sockets an event to a room is sent to.
async fn heard_in(api: &Api, room: &str) -> u64 {
    let emit = json!({"to": {"rooms": [room]}, "event": "x"});
    api.post("/v1/emit", &emit).await["sent"].as_u64().unwrap()
}

#[tokio::test]
async fn whoever_is_put_into_a_room_by_one_node_is_in_on_all_before_the_answer() {
    let nodes = Nodes::start(3).await;
    let mut anns = Vec::new();
    for server in &nodes.servers {
        anns.push(Listener::connect(server.public, "ann").await);
    }
    let (status, put) = nodes.apis[0].put("/v1/users/ann/rooms/r", &json!({})).await;
    assert_eq!((status, &put["changed"]), (200, &json!(3)), "{put}");
    for api in &nodes.apis {
        assert_eq!(heard_in(api, "r").await, 3);
        assert_eq!(api.get("/v1/users/ann/rooms").await["rooms"][0]["room"], "r");
    }
    anns.push(Listener::connect(nodes.servers[1].public, "ann").await);
    assert_eq!(heard_in(&nodes.apis[2], "r").await, 4);

    let in_one = "/v1/users/ann/rooms/r?namespace=%2F";
    let (status, refused) = nodes.apis[1].delete(in_one).await;
    assert_eq!(status, 409, "a membership of all namespaces: {refused}");
    let (status, removed) = nodes.apis[1].delete("/v1/users/ann/rooms/r").await;
    assert_eq!((status, &removed["changed"]), (200, &json!(4)), "{removed}");
    assert_eq!(heard_in(&nodes.apis[0], "r").await, 0);

    // It ends by itself, on every node.
    let brief = json!({"for": "5s"});
    let (status, put) = nodes.apis[2].put("/v1/users/ann/rooms/brief", &brief).await;
    assert_eq!((status, &put["changed"]), (200, &json!(4)), "{put}");
    let is_over = async || heard_in(&nodes.apis[0], "brief").await == 0;
    eventually("the membership ends", PATIENCE, is_over).await;
    let is_gone = async || {
        let rooms = nodes.apis[1].get("/v1/users/ann/rooms").await;
        rooms["rooms"].as_array().unwrap().is_empty()
    };
    eventually("its record is gone", PATIENCE, is_gone).await;

    // The bound is that of all nodes.
    let put_some = async |api: &Api, first: usize| {
        for number in (first..256).step_by(3) {
            let (status, put) =
                api.put(&format!("/v1/users/bob/rooms/r{number}"), &json!({})).await;
            assert_eq!(status, 200, "{put}");
        }
    };
    let [one, two, three] = nodes.apis.as_slice() else { panic!() };
    tokio::join!(put_some(one, 0), put_some(two, 1), put_some(three, 2));
    for api in &nodes.apis {
        assert_eq!(api.put("/v1/users/bob/rooms/more", &json!({})).await.0, 409);
        assert_eq!(api.put("/v1/users/bob/rooms/r7", &json!({})).await.0, 200);
    }
}

#[tokio::test]
async fn memberships_outlast_redis_and_a_killed_node_and_are_known_to_one_that_starts() {
    let mut nodes = Nodes::start(2).await;
    let ann = Listener::connect(nodes.servers[1].public, "ann").await;
    nodes.servers[1].signal("-STOP").await;
    let (status, put) = nodes.apis[0].put("/v1/users/ann/rooms/r", &json!({})).await;
    assert_eq!((status, &put["changed"]), (202, &json!(0)), "{put}");
    nodes.kill(0).await;
    nodes.signal(1, "-CONT").await;
    let api = nodes.apis[1].clone();
    let is_in = async || heard_in(&api, "r").await == 1;
    eventually("the socket is in the room", PATIENCE, is_in).await;

    nodes.redis.stop();
    let (status, refused) = api.put("/v1/users/ann/rooms/s", &json!({})).await;
    assert_eq!((status, &refused["error"]["code"]), (503, &json!("unavailable")), "{refused}");
    nodes.redis.run().await;
    let another = nodes.add().await;
    let new = Listener::connect(nodes.public(another), "ann").await;
    let are_in = async || heard_in(&api, "r").await == 2;
    eventually("both sockets are in the room", PATIENCE, are_in).await;
    assert!(ann.has_heard("x") && new.has_heard("x"));
}

#[tokio::test]
async fn a_request_with_a_name_is_done_once_whichever_nodes_are_asked() {
    let mut nodes = Nodes::start(3).await;
    let ann = Listener::connect(nodes.servers[1].public, "ann").await;
    for number in 0..20_u64 {
        let emit = json!({"to": {"users": ["ann"]}, "event": "n", "args": [number]});
        let key = format!("k{number}");
        let ask = |node: usize| nodes.apis[node % 3].post_once("/v1/emit", &emit, &key);
        let answers = futures_util::future::join_all((0..9).map(ask)).await;
        let (_, _, first) = &answers[0];
        assert_eq!(first["sent"], 1, "{first}");
        assert!(answers.iter().all(|(status, _, it)| *status == 200 && it == first), "{answers:?}");
        assert_eq!(answers.iter().filter(|(_, is_repeat, _)| !is_repeat).count(), 1);
        let other = json!({"to": {"users": ["bob"]}, "event": "n", "args": [number]});
        let (status, _, refused) = nodes.apis[2].post_once("/v1/emit", &other, &key).await;
        assert_eq!((status, &refused["error"]["code"]), (409, &json!("idempotency_mismatch")));
    }
    ann.hears(&(0..20).collect()).await;
    assert_eq!(ann.numbers(), (0..20).collect::<Vec<_>>());

    // What was answered is remembered when every node has ended, and Redis has been killed.
    nodes.redis.stop();
    let emit = json!({"to": {"users": ["ann"]}, "event": "n", "args": [99]});
    let (status, _, refused) = nodes.apis[0].post_once("/v1/emit", &emit, "away").await;
    assert_eq!((status, &refused["error"]["code"]), (503, &json!("unavailable")), "{refused}");
    nodes.redis.run().await;
    for node in 0..3 {
        nodes.kill(node).await;
    }
    let another = nodes.add().await;
    let emit = json!({"to": {"users": ["ann"]}, "event": "n", "args": [7]});
    let (status, is_repeat, answer) = nodes.apis[another].post_once("/v1/emit", &emit, "k7").await;
    assert_eq!((status, is_repeat, &answer["sent"]), (200, true, &json!(1)), "{answer}");
}

#[tokio::test]
async fn what_a_killed_node_was_asked_for_is_anothers_to_do_when_it_is_gone() {
    let mut nodes = Nodes::start(2).await;
    let ann = Listener::connect_silent(nodes.servers[1].public, "ann").await;
    let ask =
        json!({"to": {"users": ["ann"]}, "event": "n", "args": [1], "ack": {"timeout": "30s"}});
    let first = nodes.apis[0].clone();
    let (tasks, body) = (Tasks::new(), ask.clone());
    tasks.spawn("asking", async move {
        // Its node does not live to answer.
        let path = first.url().to_owned() + "/v1/emit";
        let request = reqwest::Client::new().post(path).bearer_auth(KEY).body(body.to_string());
        drop(request.header("idempotency-key", "k").send().await);
    });
    ann.hears(&BTreeSet::from([1])).await;
    nodes.kill(0).await;

    let ask =
        json!({"to": {"users": ["ann"]}, "event": "n", "args": [1], "ack": {"timeout": "30s"}});
    let (tasks, api) = (Tasks::new(), nodes.apis[1].clone());
    tasks.spawn("asking", async move { drop(api.post_once("/v1/emit", &ask, "k").await) });
    let is_made_again = async || ann.numbers() == [1, 1];
    eventually("the other node makes it", PATIENCE, is_made_again).await;
}
