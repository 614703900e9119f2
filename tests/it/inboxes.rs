//! Inboxes over nodes: whichever is asked, and whatever is killed, what was answered as stored is there once.

use crate::rig::api::Api;
use crate::rig::eventually;
use crate::rig::nodes::{Listener, Nodes, PATIENCE};
use crate::rig::server::{KEY, token};
use futures_util::future::join_all;
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use userline::client::{Client, ClientTransport};
use userline::tasks::Tasks;

/// Events that each caller stores: fewer in all than an inbox has room for.
const EACH: usize = 200;

/// What is stored for ann.
fn stored(id: &str) -> Value {
    json!({"to": {"users": ["ann"]}, "event": "n", "args": [1], "store": "always", "id": id})
}

fn seq(answer: &Value) -> u64 {
    answer["users"]["ann"]["inbox"]["seq"].as_u64().unwrap_or_else(|| panic!("{answer}"))
}

/// The ids in an inbox with their numbers, oldest first.
async fn items(api: &Api, user: &str) -> Vec<(u64, String)> {
    let (mut all, mut after) = (Vec::new(), 0);
    loop {
        let page = api.get(&format!("/v1/users/{user}/inbox?after={after}&limit=1000")).await;
        for item in page["items"].as_array().unwrap_or_else(|| panic!("{page}")) {
            all.push((item["seq"].as_u64().unwrap(), item["id"].as_str().unwrap().to_owned()));
        }
        match page["next"].as_u64() {
            Some(next) => after = next,
            None => return all,
        }
    }
}

/// What a client of the user is acked with.
async fn ask(server: SocketAddr, user: &str, name: &str, argument: &Value) -> Value {
    let mut client = Client::open(ClientTransport::WebSocket, server).await.unwrap();
    client.join(&format!(r#"{{"token":"{}"}}"#, token(user))).await.unwrap();
    client.send(&format!("4217{}", json!([name, argument]))).await.unwrap();
    loop {
        let packet = client.receive().await.unwrap();
        if let Some(ack) = packet.strip_prefix("4317") {
            let ack: Value = serde_json::from_str(ack).unwrap();
            return ack[0].clone();
        }
    }
}

/// Waits until the last numbers that a client was told are these.
async fn is_told(client: &Listener, unread: u64, head: u64) {
    let is_so = async || {
        let told = client.heard("userline:inbox");
        told.last().is_some_and(|it| it[1]["unread"] == unread && it[1]["head"] == head)
    };
    eventually("it is told of its inbox", PATIENCE, is_so).await;
}

#[tokio::test]
async fn what_is_stored_by_one_node_is_read_on_another_and_every_device_hears_of_it() {
    let nodes = Nodes::start(2).await;
    let [one, two] = nodes.apis.as_slice() else { panic!() };
    let first = seq(&one.post("/v1/emit", &stored("a")).await);
    assert_eq!(items(two, "ann").await, [(first, "a".to_owned())]);

    // A device comes to each node; the one that says how far it knows the inbox is sent the rest.
    let old = Listener::connect(nodes.servers[0].public, "ann").await;
    let new =
        Listener::connect_with(nodes.servers[1].public, "ann", json!({"inbox_after": 0})).await;
    is_told(&new, 1, first).await;
    let has_item = async || !new.heard("userline:inbox:item").is_empty();
    eventually("it is sent the rest", PATIENCE, has_item).await;
    let replayed = new.heard("userline:inbox:item");
    assert_eq!((replayed.len(), &replayed[0][1]["id"]), (1, &json!("a")), "{replayed:?}");

    let answer = two.post("/v1/emit", &stored("b")).await;
    assert_eq!(
        (answer["matched"].as_u64(), answer["sent"].as_u64()),
        (Some(2), Some(2)),
        "{answer}"
    );
    let second = seq(&answer);
    assert!(first < second);
    for device in [&old, &new] {
        is_told(device, 2, second).await;
        assert_eq!(device.numbers(), [1]);
    }
    let again = one.post("/v1/emit", &stored("b")).await;
    let inbox = &again["users"]["ann"]["inbox"];
    assert_eq!((seq(&again), &inbox["duplicate"]), (second, &json!(true)), "{again}");
    assert_eq!(
        (again["sent"].as_u64(), &again["users"]["ann"]["state"]),
        (Some(0), &json!("online"))
    );

    let read = ask(nodes.servers[1].public, "ann", "userline:read", &json!({"upto": first})).await;
    assert_eq!((&read["unread"], &read["read_upto"]), (&json!(1), &json!(second - 1)), "{read}");
    for device in [&old, &new] {
        is_told(device, 1, second).await;
    }
    let page =
        ask(nodes.servers[0].public, "ann", "userline:inbox", &json!({"unread": true})).await;
    assert_eq!(
        (page["items"].as_array().unwrap().len(), &page["items"][0]["id"]),
        (1, &json!("b"))
    );
    let read = one.post("/v1/users/ann/inbox/read", &json!({"ids": ["b"]})).await;
    assert_eq!(read["unread"], 0, "{read}");
    let path = format!("/v1/users/ann/inbox/{first}");
    assert_eq!(two.delete(&path).await.0, 200);
    assert_eq!(one.delete(&path).await.0, 404);
    for device in [&old, &new] {
        is_told(device, 0, second).await;
        assert_eq!(device.numbers(), [1], "nothing came twice");
    }

    // What is over goes by itself, and both devices hear of it.
    let mut brief = stored("brief");
    brief["ttl"] = json!("2s");
    let third = seq(&two.post("/v1/emit", &brief).await);
    for device in [&old, &new] {
        is_told(device, 0, third).await;
    }
    assert_eq!(items(one, "ann").await, [(second, "b".to_owned())]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_fell_behind_tells_its_clients_what_it_had_not_heard_of_their_inboxes() {
    let mut nodes = Nodes::start(0).await;
    for _ in 0..2 {
        let small = "[cluster]\nlog_bytes_max = \"1MB\"\n";
        nodes.add_with(|it| it.replace("[cluster]\n", small)).await;
    }
    let ann = Listener::connect(nodes.public(1), "ann").await;
    let bob = Listener::connect(nodes.public(1), "bob").await;
    nodes.signal(1, "-STOP").await;
    let head = seq(&nodes.api(0).post("/v1/emit", &stored("a")).await);
    // More than the log may hold, so that what was said of the inbox is cut off it.
    let large = json!({"to": {"users": ["eve"]}, "event": "n", "args": ["x".repeat(100_000)]});
    join_all((0..20).map(|_| nodes.api(0).post("/v1/emit", &large))).await;
    nodes.signal(1, "-CONT").await;

    is_told(&ann, 1, head).await;
    assert_eq!(ann.numbers(), Vec::<u64>::new(), "it was cut off as well");
    assert_ne!(nodes.api(1).metric("userline_cluster_missed_total ").await, 0);
    assert!(!bob.has_heard("userline:inbox"), "there is none");
}

#[tokio::test]
async fn who_is_here_on_any_node_is_not_offline_and_members_are_those_of_all_nodes() {
    let nodes = Nodes::start(2).await;
    let [one, two] = nodes.apis.as_slice() else { panic!() };
    let ann = Listener::connect(nodes.servers[0].public, "ann").await;
    let emit = json!({"to": {"users": ["ann", "bob"]}, "event": "n", "args": [7], "store": "if_offline", "id": "x"});
    for api in [two, one] {
        let answer = api.post("/v1/emit", &emit).await;
        assert_eq!(answer["users"]["ann"]["inbox"], Value::Null, "{answer}");
        assert!(answer["users"]["bob"]["inbox"]["seq"].is_u64(), "{answer}");
    }
    eventually("it has heard both", PATIENCE, async || ann.numbers() == [7, 7]).await;
    assert_eq!(items(one, "bob").await.len(), 1);
    assert_eq!(items(one, "ann").await, []);

    for (api, user) in [(one, "bob"), (two, "cem"), (one, "ann")] {
        let (status, put) = api.put(&format!("/v1/users/{user}/rooms/r"), &json!({})).await;
        assert_eq!(status, 200, "{put}");
    }
    let to_room = json!({"to": {"rooms": ["r"]}, "event": "n", "args": [8], "store": "if_offline"});
    let answer = two.post("/v1/emit", &to_room).await;
    let members = json!({"users": 3, "stored": 2, "duplicates": 0});
    assert_eq!((&answer["members"], &answer["sent"]), (&members, &json!(1)), "{answer}");
    let batch = json!({"emits": [
        {"to": {"rooms": ["r"]}, "event": "n", "args": [9], "store": "always", "id": "one"},
        {"to": {"users": ["ann"]}, "event": "n", "args": [10], "store": "always", "id": "two"},
    ]});
    let answer = one.post("/v1/emit/batch", &batch).await;
    assert_eq!(answer["results"][0]["members"]["stored"], 3, "{answer}");
    let ids = items(two, "ann").await.into_iter().map(|it| it.1).collect::<Vec<_>>();
    assert_eq!(ids, ["one", "two"]);
    ann.hears(&BTreeSet::from([7, 8, 9, 10])).await;
}

/// Stores one after the other, until the node answers no more, and notes what was answered.
async fn store_all(url: &str, caller: usize, answers: &Mutex<BTreeMap<String, u64>>) {
    let http = reqwest::Client::new();
    for number in 0..EACH {
        let id = format!("{caller}-{number}");
        // What is not answered as stored is asked for again.
        let seq = loop {
            let post = http.post(format!("{url}/v1/emit")).bearer_auth(KEY);
            let Ok(answer) = post.body(stored(&id).to_string()).send().await else { return };
            let Ok(answer) = answer.text().await else { return };
            let answer: Value = serde_json::from_str(&answer).unwrap();
            if let Some(seq) = answer["users"]["ann"]["inbox"]["seq"].as_u64() {
                break seq;
            }
        };
        answers.lock().insert(id, seq);
    }
}

#[tokio::test]
async fn what_was_answered_as_stored_outlasts_a_node_that_is_killed_under_load() {
    let mut nodes = Nodes::start(2).await;
    let answers: Arc<Mutex<BTreeMap<String, u64>>> = Arc::default();
    let tasks = Tasks::new();
    for caller in 0..4 {
        let (url, answers) = (nodes.apis[caller % 2].url().to_owned(), Arc::clone(&answers));
        tasks.spawn("storing", async move { store_all(&url, caller, &answers).await });
    }
    let are_some = async || 60 < answers.lock().len();
    eventually("some are stored", PATIENCE, are_some).await;
    nodes.kill(0).await;
    let of_other = |id: &&String| id.starts_with('1') || id.starts_with('3');
    let are_all = async || answers.lock().keys().filter(of_other).count() == 2 * EACH;
    eventually("the other node stores all it is asked for", PATIENCE, are_all).await;

    let answered = answers.lock().clone();
    let there = items(&nodes.apis[1], "ann").await;
    let by_id: BTreeMap<String, u64> = there.iter().map(|(seq, id)| (id.clone(), *seq)).collect();
    assert_eq!(by_id.len(), there.len(), "one is there twice");
    for (id, seq) in &answered {
        assert_eq!(by_id.get(id), Some(seq), "{id}");
    }
    assert_eq!(answered.values().collect::<BTreeSet<_>>().len(), answered.len());
}

#[tokio::test]
async fn no_number_comes_twice_though_redis_is_killed_or_loses_all_and_while_it_is_away_nothing_is()
{
    let mut nodes = Nodes::start(2).await;
    let mut numbers = Vec::new();
    for number in 0..10_usize {
        let answer = nodes.apis[number % 2].post("/v1/emit", &stored(&format!("i{number}"))).await;
        numbers.push(seq(&answer));
    }
    nodes.redis.stop();
    for api in &nodes.apis {
        let (status, refused) = api.post_any("/v1/emit", &stored("away")).await;
        assert_eq!((status, &refused["error"]["code"]), (503, &json!("unavailable")), "{refused}");
        let read = json!({"upto": numbers[9]});
        assert_eq!(api.post_any("/v1/users/ann/inbox/read", &read).await.0, 503);
    }
    nodes.redis.run().await;
    numbers.push(stores_again(&nodes.apis[0], "after").await);
    // The other is in the cluster again, too: it has that already.
    assert_eq!(stores_again(&nodes.apis[1], "after").await, *numbers.last().unwrap());
    let there: Vec<u64> = items(&nodes.apis[1], "ann").await.iter().map(|it| it.0).collect();
    assert_eq!(there, numbers, "Redis had written them down");

    nodes.redis.say(&["FLUSHALL"]).await;
    for (api, id) in nodes.apis.iter().zip(["anew", "more"]) {
        numbers.push(stores_again(api, id).await);
    }
    assert!(numbers.is_sorted_by(|one, other| one < other), "{numbers:?}");
    assert_eq!(items(&nodes.apis[0], "ann").await.len(), 2, "what Redis lost is lost");
}

/// Stores as soon as that can be done, and returns the number.
async fn stores_again(api: &Api, id: &str) -> u64 {
    let answered = Mutex::new(None);
    let is_stored = async || {
        let (status, answer) = api.post_any("/v1/emit", &stored(id)).await;
        if status == 200 {
            *answered.lock() = Some(seq(&answer));
        }
        status == 200
    };
    eventually("it is stored", PATIENCE, is_stored).await;
    answered.into_inner().unwrap()
}
