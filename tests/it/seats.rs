//! How many connections a user may have is one number, whichever nodes they are on, and over the end of any.

use crate::rig::eventually;
use crate::rig::nodes::{Listener, Nodes, PATIENCE};
use crate::rig::proxy::{Flow, Proxy};
use crate::rig::server::token;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use serde_json::Value;
use std::io::ErrorKind;
use std::net::SocketAddr;
use userline::client::{Client, ClientTransport};

// Clients that are only held answer no pings.
const REFUSE_ONE: &str =
    "[socketio]\nping_interval = \"5m\"\n[sessions]\nmax_sockets_per_user = 1\n";
const REFUSE_THREE: &str =
    "[socketio]\nping_interval = \"5m\"\n[sessions]\nmax_sockets_per_user = 3\n";
const EVICT_THREE: &str = "[socketio]\nping_interval = \"5m\"\n[sessions]\nmax_sockets_per_user = 3\non_limit = \"evict_oldest\"\n";

/// Nobody comes in who is not counted.
fn careful(configuration: &str) -> String {
    configuration.replace("[cluster]\n", "[cluster]\nadmit_when_cut_off = false\n")
}

/// What becomes of a client that wants to come in.
#[derive(Debug)]
enum Entry {
    In(Box<Client>),
    Refused(Value),
    /// It was cut off, so that it comes again.
    ComeAgain,
}

async fn knock(server: SocketAddr, user: &str, more: &str) -> Entry {
    let Ok(mut client) = Client::open(ClientTransport::WebSocket, server).await else {
        return Entry::ComeAgain;
    };
    match client.join(&format!(r#"{{"token":"{}"{more}}}"#, token(user))).await {
        Ok(_) => Entry::In(Box::new(client)),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            Entry::Refused(serde_json::from_str(&error.to_string()).unwrap())
        }
        Err(_) => Entry::ComeAgain,
    }
}

async fn is_refused(server: SocketAddr, user: &str) {
    let refused = async || match knock(server, user, "").await {
        Entry::Refused(refusal) => {
            assert_eq!(refusal["data"]["code"], "user_limit", "{refusal}");
            true
        }
        // A Redis or a node may be slow to answer.
        Entry::ComeAgain | Entry::In(_) => false,
    };
    eventually("it is refused", PATIENCE, refused).await;
}

async fn comes_in(server: SocketAddr, user: &str) -> Box<Client> {
    let mut client = None;
    let comes = async || match knock(server, user, "").await {
        Entry::In(it) => Some(it),
        Entry::Refused(_) | Entry::ComeAgain => None,
    };
    eventually("it comes in", PATIENCE, async || {
        client = comes().await;
        client.is_some()
    })
    .await;
    client.unwrap()
}

async fn sockets(nodes: &Nodes, node: usize, user: &str) -> usize {
    let user = nodes.apis[node].get(&format!("/v1/users/{user}")).await;
    user["sockets"].as_array().map_or(0, Vec::len)
}

async fn seats(nodes: &Nodes, user: &str) -> usize {
    let mut redis = nodes.redis.client().await;
    let key = format!("userline:{{userline}}:seats:{user}");
    redis::cmd("HLEN").arg(key).query_async(&mut redis).await.unwrap()
}

/// So many clients of one user come at the same moment, spread over all nodes.
async fn race(nodes: &Nodes, count: usize) -> Vec<Entry> {
    let servers = nodes.servers.iter().map(|it| it.public).cycle().take(count);
    let all: FuturesUnordered<_> = servers.map(|it| knock(it, "ann", "")).collect();
    all.collect().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_clients_that_race_for_seats_on_three_nodes_as_many_come_in_as_there_are() {
    let mut nodes = Nodes::start_with(0, REFUSE_THREE).await;
    for _ in 0..3 {
        nodes.add_with(|it| careful(&it)).await;
    }
    let mut came = race(&nodes, 200).await;
    let inside = came.iter().filter(|it| matches!(it, Entry::In(_))).count();
    assert!(inside <= 3, "{inside}");
    // Where the machine is slow some were asked to come again.
    for _ in inside..3 {
        came.push(Entry::In(comes_in(nodes.servers[0].public, "ann").await));
    }
    for entry in &came {
        if let Entry::Refused(refusal) = entry {
            assert_eq!(refusal["data"]["code"], "user_limit", "{refusal}");
        }
    }
    eventually("they are counted", PATIENCE, async || sockets(&nodes, 0, "ann").await == 3).await;
    for server in &nodes.servers {
        is_refused(server.public, "ann").await;
        comes_in(server.public, "bob").await;
    }
    // Who leaves makes room, on any node.
    drop(came);
    for server in &nodes.servers {
        comes_in(server.public, "ann").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_the_oldest_goes_as_many_stay_of_a_race_as_there_are_seats() {
    let nodes = Nodes::start_with(3, EVICT_THREE).await;
    let first = Listener::connect(nodes.servers[1].public, "ann").await;
    let came = race(&nodes, 60).await;
    // One that has to go before it is answered is cut off.
    assert!(!came.iter().any(|it| matches!(it, Entry::Refused(_))));
    let are_left = async || sockets(&nodes, 0, "ann").await == 3 && seats(&nodes, "ann").await == 3;
    eventually("three are left", PATIENCE, are_left).await;
    first.is_disconnected().await;
    assert!(first.has_heard("userline:kicked"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_has_one_seat_wherever_it_comes_and_the_seats_of_a_killed_node_come_back() {
    let mut nodes = Nodes::start_with(3, REFUSE_ONE).await;
    let public: Vec<SocketAddr> = nodes.servers.iter().map(|it| it.public).collect();
    let phone = r#","device":"phone""#;
    let Entry::In(_before) = knock(public[0], "ann", phone).await else { panic!() };
    is_refused(public[1], "ann").await;
    let Entry::In(_ann) = knock(public[1], "ann", phone).await else { panic!() };
    let is_alone = async || sockets(&nodes, 2, "ann").await == 1;
    eventually("the device of before is gone", PATIENCE, is_alone).await;

    let _bob = comes_in(public[2], "bob").await;
    is_refused(public[0], "bob").await;
    nodes.kill(2).await;
    // At first it is not known that it is gone.
    let _back = comes_in(public[0], "bob").await;
    is_refused(public[1], "bob").await;
    is_refused(public[0], "ann").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn seats_outlast_what_redis_loses() {
    let nodes = Nodes::start_with(2, REFUSE_ONE).await;
    let (one, other) = (nodes.servers[0].public, nodes.servers[1].public);
    let _ann = comes_in(one, "ann").await;
    let _bob = comes_in(other, "bob").await;
    nodes.redis.say(&["FLUSHALL"]).await;
    let are_back = async || seats(&nodes, "ann").await == 1 && seats(&nodes, "bob").await == 1;
    eventually("the seats are back", PATIENCE, are_back).await;
    for server in [one, other] {
        is_refused(server, "ann").await;
        is_refused(server, "bob").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_redis_each_node_counts_its_own_and_whoever_was_one_too_many_goes_when_it_is_back()
{
    let mut nodes = Nodes::start_with(2, REFUSE_ONE).await;
    let (one, other) = (nodes.servers[0].public, nodes.servers[1].public);
    let _ann = comes_in(one, "ann").await;
    nodes.redis.stop();
    let second = Listener::connect(other, "ann").await;
    is_refused(other, "ann").await;
    let _bob = comes_in(other, "bob").await;
    nodes.redis.run().await;
    second.is_disconnected().await;
    assert!(second.has_heard("userline:kicked"));
    let is_counted = async || seats(&nodes, "bob").await == 1;
    eventually("who came meanwhile is counted", PATIENCE, is_counted).await;
    is_refused(one, "bob").await;
    is_refused(other, "ann").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_that_is_set_nobody_comes_in_without_redis_and_whoever_waits_does_afterwards() {
    let mut nodes = Nodes::start_with(0, REFUSE_ONE).await;
    nodes.add_with(|it| careful(&it)).await;
    let server = nodes.servers[0].public;
    nodes.redis.stop();
    assert!(matches!(knock(server, "ann", "").await, Entry::ComeAgain));
    assert_eq!(sockets(&nodes, 0, "ann").await, 0);
    nodes.redis.run().await;
    comes_in(server, "ann").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_alone_past_its_lease_counts_its_own_and_gives_way_to_whoever_has_the_place_by_then()
{
    let soon_gone = |it: String| {
        it.replace("lease = \"8s\"", "lease = \"3s\"").replace("beat = \"2s\"", "beat = \"1s\"")
    };
    let mut nodes = Nodes::start_with(0, REFUSE_ONE).await;
    nodes.add_with(soon_gone).await;
    let way = Proxy::start(&nodes.tasks).await;
    way.lead_to(nodes.redis.address());
    let redis = nodes.redis.address().to_string();
    let by_it = |it: String| soon_gone(it).replace(&redis, &way.address.to_string());
    let alone = nodes.add_with(by_it).await;
    let strict = nodes.add_with(|it| careful(&by_it(it))).await;
    let (one, alone, strict) = (nodes.public(0), nodes.public(alone), nodes.public(strict));
    let ann = Listener::connect(alone, "ann").await;
    let _cem = comes_in(alone, "cem").await;
    is_refused(one, "ann").await;

    way.set_all(Flow::Stall);
    // As soon as the others take it for gone, its places are free.
    let _ann_elsewhere = comes_in(one, "ann").await;
    let bob = Listener::connect(alone, "bob").await;
    is_refused(alone, "bob").await;
    let _bob_elsewhere = comes_in(one, "bob").await;
    let _dan = comes_in(alone, "dan").await;
    assert!(matches!(knock(strict, "eve", "").await, Entry::ComeAgain));

    way.set_all(Flow::Pass);
    for late in [&ann, &bob] {
        late.is_disconnected().await;
        let kicked = late.heard("userline:kicked");
        assert_eq!(kicked[0][1]["code"], "user_limit", "{kicked:?}");
    }
    let are_counted = async || seats(&nodes, "cem").await == 1 && seats(&nodes, "dan").await == 1;
    eventually("the others are counted again", PATIENCE, are_counted).await;
    for user in ["ann", "bob", "cem", "dan"] {
        is_refused(one, user).await;
        assert_eq!(sockets(&nodes, 0, user).await, 1, "{user}");
    }
    comes_in(strict, "eve").await;
}
