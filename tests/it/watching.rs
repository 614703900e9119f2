//! Clients that see who is online, and write to whoever shares a room with them, whichever nodes they are on.

use crate::rig::client::{Goodbye, Tab};
use crate::rig::eventually;
use crate::rig::nodes::{Listener, Nodes, PATIENCE};
use crate::rig::proxy::{Flow, Proxy};
use crate::rig::server::token;
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use userline::client::{Client, ClientTransport};
use userline::tasks::Tasks;

/// A client that asks, and notes what it is told.
struct Asking {
    says: mpsc::Sender<String>,
    heard: Arc<Mutex<Vec<String>>>,
    asked: Mutex<u64>,
}

impl Asking {
    async fn connect(server: SocketAddr, user: &str) -> Self {
        let mut client = Client::open(ClientTransport::WebSocket, server).await.unwrap();
        client.join(&json!({ "token": token(user) }).to_string()).await.unwrap();
        let (says, mut said) = mpsc::channel::<String>(64);
        let heard: Arc<Mutex<Vec<String>>> = Arc::default();
        let notes = Arc::clone(&heard);
        Tasks::new().spawn("asking", async move {
            loop {
                tokio::select! {
                    packet = client.receive() => match packet {
                        Ok(packet) if packet == "2" => drop(client.send("3").await),
                        Ok(packet) => notes.lock().push(packet),
                        Err(_) => return,
                    },
                    Some(packet) = said.recv() => drop(client.send(&packet).await),
                }
            }
        });
        Self { says, heard, asked: Mutex::new(0) }
    }

    /// What a request is acked with.
    async fn ask(&self, request: &str, argument: &Value) -> Value {
        let id = {
            let mut asked = self.asked.lock();
            *asked += 1;
            *asked
        };
        self.says.send(format!("42{id}{}", json!([request, argument]))).await.unwrap();
        let beginning = format!("43{id}[");
        let mut ack = Value::Null;
        eventually("it is acked", PATIENCE, async || {
            let heard = self.heard.lock();
            let found = heard.iter().find(|it| it.starts_with(&beginning));
            let json = found.map(|it| &it[beginning.len() - 1..]);
            ack = json.map_or(Value::Null, |it| serde_json::from_str(it).unwrap());
            !ack.is_null()
        })
        .await;
        ack[0].take()
    }

    /// What it was told of users since it watches, in that order.
    fn told(&self) -> Vec<(String, bool)> {
        let heard = self.heard.lock();
        let events = heard.iter().filter_map(|it| it.strip_prefix("42"));
        let events = events.filter_map(|it| serde_json::from_str::<Value>(it).ok());
        let news = events.filter(|it| it[0] == "userline:presence");
        news.map(|it| (it[1]["user"].as_str().unwrap().to_owned(), it[1]["online"] == true))
            .collect()
    }

    /// What it was told of one user.
    fn story(&self, user: &str) -> Vec<bool> {
        self.told().into_iter().filter(|(it, _)| it == user).map(|(_, online)| online).collect()
    }

    /// Who is online, as far as it was told.
    async fn watches(&self, users: &[&str]) -> BTreeMap<String, bool> {
        let answer = self.ask("userline:watch", &json!({ "users": users })).await;
        let online = answer["online"].as_array().unwrap_or_else(|| panic!("{answer}"));
        users.iter().map(|it| ((*it).to_owned(), online.contains(&json!(it)))).collect()
    }

    async fn is_told(&self, user: &str, story: &[bool]) {
        let mut last = Vec::new();
        let ended = tokio::time::timeout(
            PATIENCE,
            eventually("it is told", 2 * PATIENCE, async || {
                last = self.story(user);
                assert!(last.len() <= story.len(), "{user}: {last:?} and not {story:?}");
                last == story
            }),
        );
        assert!(ended.await.is_ok(), "{user}: {last:?} and not {story:?}");
    }
}

/// Whoever is in a room `org:…` with a client is seen by it.
fn shown(configuration: &str) -> String {
    configuration.replace("[presence]\n", "[presence]\nshown_to = [\"shared_room:org:*\"]\n")
}

async fn put(nodes: &Nodes, node: usize, user: &str, room: &str) {
    let path = format!("/v1/users/{user}/rooms/{room}");
    // 202 if a node stands still meanwhile.
    let (status, body) = nodes.api(node).put(&path, &json!({})).await;
    assert!(status == 200 || status == 202, "{status} {body}");
}

async fn take_out(nodes: &Nodes, node: usize, user: &str, room: &str) {
    let (status, body) = nodes.api(node).delete(&format!("/v1/users/{user}/rooms/{room}")).await;
    assert!(status == 200 || status == 202, "{status} {body}");
}

/// Whether a client sees a user, asked once.
async fn sees(client: &Asking, user: &str) -> bool {
    let answer = client.ask("userline:presence", &json!({ "users": [user] })).await;
    answer["online"] == json!([user])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watcher_is_told_of_users_on_every_node_and_of_the_last_socket_alone() {
    let mut nodes = Nodes::start_hooked_with(3, |it| shown(&it)).await;
    for user in ["ann", "bob", "eve"] {
        put(&nodes, 0, user, if user == "eve" { "org:2" } else { "org:1" }).await;
    }
    let ann = Asking::connect(nodes.public(0), "ann").await;
    assert!(!sees(&ann, "bob").await);
    let there = nodes.tab(1, "bob");
    there.come();
    let too = nodes.tab(2, "bob");
    too.come();
    let _eve = Listener::connect(nodes.public(1), "eve").await;
    nodes.hears("eve", &["on"]).await;
    eventually("bob is seen", PATIENCE, async || sees(&ann, "bob").await).await;
    let seen = ann.watches(&["ann", "bob", "eve", "nobody"]).await;
    assert_eq!(seen.values().copied().collect::<Vec<_>>(), [true, true, false, false]);

    // Of two sockets on two nodes one is no news.
    let both =
        async || nodes.api(0).get("/v1/users/bob").await["sockets"].as_array().unwrap().len();
    eventually("both are there", PATIENCE, async || both().await == 2).await;
    there.go(Goodbye::Abrupt);
    eventually("one is gone", PATIENCE, async || both().await == 1).await;
    assert!(ann.story("bob").is_empty());
    too.go(Goodbye::Abrupt);
    ann.is_told("bob", &[false]).await;

    // Rooms count on whichever node they change.
    let cem = Listener::connect(nodes.public(2), "cem").await;
    assert!(!ann.watches(&["cem"]).await["cem"]);
    put(&nodes, 1, "cem", "org:1").await;
    ann.is_told("cem", &[true]).await;
    take_out(&nodes, 0, "cem", "org:1").await;
    ann.is_told("cem", &[true, false]).await;
    put(&nodes, 2, "cem", "org:1").await;
    ann.is_told("cem", &[true, false, true]).await;
    let answer = ann.ask("userline:unwatch", &json!({"users": ["cem"]})).await;
    assert_eq!(answer, json!({}));

    // Its node is killed.
    let bob = nodes.tab(1, "bob");
    bob.come();
    ann.is_told("bob", &[false, true]).await;
    drop(bob);
    nodes.kill(1).await;
    ann.is_told("bob", &[false, true, false]).await;
    assert_eq!(ann.story("cem"), [true, false, true], "it is watched no more");
    assert!(ann.story("eve").is_empty(), "who shares no room is never seen");
    drop(cem);
}

/// Waits until whoever begins to watch is answered with these.
async fn knows(client: &Asking, users: [&str; 4], online: [bool; 4]) {
    let expected: Vec<&str> =
        users.into_iter().zip(online).filter_map(|(user, it)| it.then_some(user)).collect();
    let is_so = async || {
        let seen = client.ask("userline:watch", &json!({ "users": users })).await;
        // A node that is just coming back may not know it.
        seen["online"] == json!(expected)
    };
    eventually("watchers know who is online", PATIENCE, is_so).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_loss_of_all_data_and_a_standstill_watchers_know_what_is_so() {
    let nodes = Nodes::start_hooked_with(3, |it| shown(&it)).await;
    let users = ["bob", "cem", "dan", "ann"];
    for user in users {
        put(&nodes, 0, user, "org:1").await;
    }
    let ann = Asking::connect(nodes.public(0), "ann").await;
    let tabs = [nodes.tab(0, "bob"), nodes.tab(1, "cem"), nodes.tab(2, "dan")];
    tabs[..2].iter().for_each(Tab::come);
    ann.watches(&users).await;
    let is_so = async |online: [bool; 4]| knows(&ann, users, online).await;
    is_so([true, true, false, true]).await;

    // Memberships are gone with the rest, so whoever shares no room any more is not seen.
    nodes.redis.say(&["FLUSHALL"]).await;
    is_so([false, false, false, true]).await;
    for user in users {
        put(&nodes, 1, user, "org:1").await;
    }
    is_so([true, true, false, true]).await;

    // To the others this node is gone, and then it is back.
    nodes.signal(1, "-STOP").await;
    is_so([true, false, false, true]).await;
    tabs[2].come();
    is_so([true, false, true, true]).await;
    nodes.signal(1, "-CONT").await;
    is_so([true, true, true, true]).await;

    // The node of those who watch stands still itself.
    nodes.signal(0, "-STOP").await;
    tabs[2].go(Goodbye::Abrupt);
    let state = async || nodes.api(1).get("/v1/users/dan").await["state"] == "offline";
    eventually("dan is offline", PATIENCE, state).await;
    nodes.signal(0, "-CONT").await;
    let told = async || ann.story("dan").last() == Some(&false);
    eventually("it is told of that last", PATIENCE, told).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_reaches_no_redis_says_so_to_whoever_begins_to_watch_and_knows_all_afterwards()
{
    let mut nodes = Nodes::start_hooked_with(1, |it| shown(&it)).await;
    let way = Proxy::start(&nodes.tasks).await;
    way.lead_to(nodes.redis.address());
    let cut_off = nodes.add_by(way.address).await;
    for user in ["ann", "bob"] {
        put(&nodes, 0, user, "org:1").await;
    }
    let bob = nodes.tab(0, "bob");
    bob.come();
    let ann = Asking::connect(nodes.public(cut_off), "ann").await;
    eventually("bob is seen", PATIENCE, async || sees(&ann, "bob").await).await;
    assert!(ann.watches(&["bob"]).await["bob"]);

    way.set_all(Flow::Stall);
    let attached = async || nodes.api(cut_off).metric("userline_cluster_attached ").await;
    eventually("it notices", PATIENCE, async || attached().await == 0).await;
    for request in ["userline:watch", "userline:presence"] {
        let answer = ann.ask(request, &json!({"users": ["bob"]})).await;
        assert_eq!(answer["error"]["code"], "unavailable", "{request}: {answer}");
    }
    bob.go(Goodbye::Abrupt);
    nodes.hears("bob", &["on", "off"]).await;
    assert!(ann.story("bob").is_empty(), "it cannot be known");
    way.set_all(Flow::Pass);
    ann.is_told("bob", &[false]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_writes_to_whoever_shares_a_room_with_it_on_any_node_and_to_nobody_else() {
    let rules = "\n[messages]\nclient_to_client = \"rule\"\nallow = [\"n\"]\nto_users = [\"shared_room:org:*\"]\n";
    let nodes = Nodes::start_with(2, rules).await;
    for user in ["ann", "bob"] {
        put(&nodes, 0, user, "org:1").await;
    }
    put(&nodes, 0, "eve", "org:2").await;
    let ann = Asking::connect(nodes.public(0), "ann").await;
    let bob = Listener::connect(nodes.public(1), "bob").await;
    let eve = Listener::connect(nodes.public(1), "eve").await;
    let mut sent = 0_u64;
    let mut writes = async |user: &str| {
        sent += 1;
        let emit = json!({"to": {"user": user}, "event": "n", "data": sent});
        assert_eq!(ann.ask("userline:emit", &emit).await, json!({}));
        sent
    };
    // The other node says in which rooms its users are a moment after they came.
    eventually("bob hears", PATIENCE, async || {
        writes("bob").await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        !bob.numbers().is_empty()
    })
    .await;
    writes("eve").await;
    // Each is heard, in order, though each is asked about.
    let first = writes("bob").await;
    let mut last = first;
    for _ in 0..20 {
        last = writes("bob").await;
    }
    let all = first..=last;
    bob.hears(&all.clone().collect()).await;
    let numbers: Vec<u64> = bob.numbers().into_iter().filter(|it| all.contains(it)).collect();
    assert_eq!(numbers, all.collect::<Vec<_>>());
    assert_eq!(eve.numbers(), [0_u64; 0]);

    take_out(&nodes, 1, "bob", "org:1").await;
    put(&nodes, 1, "eve", "org:1").await;
    eventually("eve hears", PATIENCE, async || {
        writes("eve").await;
        !eve.numbers().is_empty()
    })
    .await;
    // What was said of eve's rooms was said after that of bob's.
    let unheard = writes("bob").await;
    let heard = writes("eve").await;
    eve.hears(&[heard].into()).await;
    assert!(!bob.numbers().contains(&unheard));
}
