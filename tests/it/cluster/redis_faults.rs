//! A Redis that is far, full, cut off from one node, or not what it was: nobody is told a lie, and clients of a node are served.

use super::{all_are_up, all_go};
use crate::rig::client::{Goodbye, Tab};
use crate::rig::eventually;
use crate::rig::nodes::{LEASE, Listener, Nodes, PATIENCE};
use crate::rig::proxy::{Flow, Proxy};
use crate::rig::redis::Redis;
use crate::rig::server::logged;
use crate::rig::slow::slow;
use serde_json::json;
use std::collections::BTreeSet;
use std::time::Duration;

/// Users of a lost node have this long, so that a hole that is longer than the lease is no end of theirs.
fn patient(configuration: &str) -> String {
    configuration.replace("node_grace = \"3000ms\"", "node_grace = \"20s\"")
}

fn names(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|it| format!("{prefix}-{it:02}")).collect()
}

async fn is_attached(nodes: &Nodes, node: usize) -> bool {
    nodes.api(node).metric("userline_cluster_attached ").await == 1
}

async fn emits(nodes: &Nodes, node: usize, to: &Listener, number: u64) {
    let emit = json!({"to": {"users": [to.user]}, "event": "n", "args": [number]});
    nodes.api(node).post("/v1/emit", &emit).await;
    to.hears(&BTreeSet::from([number])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_reaches_no_redis_for_a_while_serves_its_clients_and_nobody_is_taken_for_gone()
{
    let mut nodes = Nodes::start_hooked_with(1, |it| patient(&it)).await;
    let way = Proxy::start(&nodes.tasks).await;
    way.lead_to(nodes.redis.address());
    let cut_off = nodes.add_by(way.address).await;
    let (here, there) = (names("here", 20), names("there", 20));
    let mut tabs: Vec<Tab> = here.iter().map(|it| nodes.tab(cut_off, it)).collect();
    tabs.extend(there.iter().map(|it| nodes.tab(0, it)));
    tabs.iter().for_each(Tab::come);
    all_are_up(&tabs).await;
    nodes.all_hear(&[&here[..], &there].concat(), &["on"]).await;
    let ann = Listener::connect(nodes.public(cut_off), "ann").await;
    nodes.hears("ann", &["on"]).await;

    way.set_all(Flow::Stall);
    let notices = async || !is_attached(&nodes, cut_off).await;
    eventually("it notices", PATIENCE, notices).await;
    assert_eq!(nodes.api(cut_off).get("/readyz").await["status"], "degraded");
    assert_eq!(nodes.api(0).get("/readyz").await["status"], "ok");
    // Longer than the lease: to the other node it is gone.
    tokio::time::sleep(Duration::from_millis(2 * LEASE)).await;
    emits(&nodes, cut_off, &ann, 1).await;
    all_go(&tabs[..5], Goodbye::Abrupt);
    let newcomer = nodes.tab(cut_off, "newcomer");
    newcomer.come();
    all_are_up(std::slice::from_ref(&newcomer)).await;
    // What it said into the hole comes late, too.
    way.set_all(Flow::Pass);

    nodes.hears("newcomer", &["on"]).await;
    nodes.all_hear(&here[..5], &["on", "off"]).await;
    emits(&nodes, 0, &ann, 2).await;
    nodes.all_hear(&[&here[5..], &there].concat(), &["on"]).await;
    nodes.is_quiet().await;
    nodes.all_hear(&[&here[5..], &there].concat(), &["on"]).await;
    nodes.all_hear(&here[..5], &["on", "off"]).await;
    assert_eq!(ann.numbers(), [1, 2]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_redis_answers_late_stay_in_the_cluster_and_are_right() {
    let mut nodes = Nodes::start_hooked(0).await;
    let way = slow(&nodes.tasks, nodes.redis.address(), Duration::from_millis(100)).await;
    let (one, other) = (nodes.add_by(way).await, nodes.add_by(way).await);
    let users = names("user", 30);
    let mut tabs: Vec<Tab> = users.iter().map(|it| nodes.tab(one, it)).collect();
    tabs.extend(users.iter().map(|it| nodes.tab(other, it)));
    tabs.iter().for_each(Tab::come);
    all_are_up(&tabs).await;
    nodes.all_hear(&users, &["on"]).await;
    let ann = Listener::connect(nodes.public(one), "ann").await;
    for number in 0..20 {
        emits(&nodes, other, &ann, number).await;
    }
    all_go(&tabs, Goodbye::Abrupt);
    nodes.all_hear(&users, &["on", "off"]).await;
    for node in [one, other] {
        let log = logged(nodes.dir(node));
        assert!(!log.contains("not in the cluster"), "{log}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn though_the_memory_of_redis_is_full_it_is_known_who_is_online() {
    let nodes = Nodes::start_hooked(2).await;
    let users = names("user", 20);
    let tabs: Vec<Tab> = users.iter().map(|it| nodes.tab(0, it)).collect();
    nodes.redis.say(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]).await;
    nodes.redis.say(&["CONFIG", "SET", "maxmemory", "1"]).await;
    tabs.iter().for_each(Tab::come);
    all_are_up(&tabs).await;
    nodes.all_hear(&users, &["on"]).await;
    let ann = Listener::connect(nodes.public(0), "ann").await;
    emits(&nodes, 1, &ann, 1).await;
    // What would need more memory for ever is refused, and nothing else suffers from it.
    let block = json!({"reason": "spam"});
    let (status, _) = nodes.api(0).put("/v1/users/eve/block", &block).await;
    assert_eq!(status, 503);
    all_go(&tabs, Goodbye::Polite);
    nodes.all_hear(&users, &["on", "off"]).await;
    for node in 0..2 {
        let log = logged(nodes.dir(node));
        assert!(!log.contains("not in the cluster"), "{log}");
    }
    nodes.redis.say(&["CONFIG", "SET", "maxmemory", "0"]).await;
    let (status, _) = nodes.api(0).put("/v1/users/eve/block", &block).await;
    assert_eq!(status, 200);
}

#[tokio::test]
async fn what_is_to_be_stored_while_the_memory_of_redis_is_full_is_refused_and_can_be_repeated() {
    let nodes = Nodes::start_hooked(2).await;
    let emit = |user: &str, id: &str| json!({"to": {"users": [user]}, "event": "n", "args": [1], "store": "always", "id": id});
    nodes.api(0).post("/v1/emit", &emit("ann", "before")).await;
    nodes.redis.say(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]).await;
    nodes.redis.say(&["CONFIG", "SET", "maxmemory", "1"]).await;
    for node in 0..2 {
        let (status, refused) = nodes.api(node).post_any("/v1/emit", &emit("ann", "x")).await;
        assert_eq!((status, &refused["error"]["code"]), (503, &json!("unavailable")), "{refused}");
    }
    // Who comes is told of, hears what is not stored, and reads and empties what was.
    let ann = Listener::connect(nodes.public(1), "ann").await;
    nodes.hears("ann", &["on"]).await;
    emits(&nodes, 0, &ann, 7).await;
    let inbox = async |node: usize| {
        let page = nodes.api(node).get("/v1/users/ann/inbox").await;
        page["items"].as_array().unwrap().clone()
    };
    let items = inbox(1).await;
    assert_eq!(items.len(), 1, "{items:?}");
    let path = format!("/v1/users/ann/inbox/{}", items[0]["seq"]);
    assert_eq!(nodes.api(0).delete(&path).await.0, 200);
    assert_eq!(inbox(1).await.len(), 0);

    nodes.redis.say(&["CONFIG", "SET", "maxmemory", "0"]).await;
    let stored = nodes.api(0).post("/v1/emit", &emit("ann", "x")).await;
    let repeated = nodes.api(1).post("/v1/emit", &emit("ann", "x")).await;
    assert_eq!(inbox(0).await.len(), 1, "{stored} {repeated}");
    ann.hears(&BTreeSet::from([7, 1])).await;
    assert_eq!(ann.numbers(), [7, 1], "once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_lost_the_last_writes_becomes_the_truth_that_the_nodes_say_again() {
    let unready = |it: String| it.replace("[cluster]", "[cluster]\nready_when_cut_off = false");
    let mut nodes = Nodes::start_hooked_with(0, unready).await;
    let way = Proxy::start(&nodes.tasks).await;
    way.lead_to(nodes.redis.address());
    let (one, other) = (nodes.add_by(way.address).await, nodes.add_by(way.address).await);
    let (stays, goes) = (names("stays", 20), names("goes", 20));
    let tab = |(at, user): (usize, &String)| nodes.tab([one, other][at % 2], user);
    let staying: Vec<Tab> = stays.iter().enumerate().map(tab).collect();
    let going: Vec<Tab> = goes.iter().enumerate().map(tab).collect();
    staying.iter().chain(&going).for_each(Tab::come);
    all_are_up(&staying).await;
    all_are_up(&going).await;
    nodes.all_hear(&[&stays[..], &goes].concat(), &["on"]).await;

    let replica = Redis::start_replica(&nodes.redis).await;
    replica.say(&["REPLICAOF", "NO", "ONE"]).await;
    // All of this the replica does not have.
    all_go(&going, Goodbye::Abrupt);
    nodes.all_hear(&goes, &["on", "off"]).await;
    let late = nodes.tab(one, "late");
    late.come();
    nodes.hears("late", &["on"]).await;
    way.lead_to(replica.address());
    way.set_all(Flow::Cut);
    let are_cut_off = async || !is_attached(&nodes, one).await && !is_attached(&nodes, other).await;
    eventually("they notice", PATIENCE, are_cut_off).await;
    assert_eq!(nodes.api(one).get("/readyz").await["error"]["code"], "unavailable");
    way.set_all(Flow::Pass);

    let api = nodes.api(other);
    let state = async |user: &str| api.get(&format!("/v1/users/{user}")).await["state"].clone();
    for (users, expected) in
        [(&stays, "online"), (&goes, "offline"), (&vec!["late".to_owned()], "online")]
    {
        for user in users {
            eventually("it is so again", PATIENCE, async || state(user).await == expected).await;
        }
    }
    nodes.is_quiet().await;
    // What was lost may be told again, and ends with what is true.
    for (users, last) in [(&stays, "on"), (&goes, "off"), (&vec!["late".to_owned()], "on")] {
        for user in users {
            let story = nodes.receiver.story(user);
            assert_eq!(story.last(), Some(&last), "{user}: {story:?}");
            assert!(
                nodes.receiver.accepted(user).is_sorted_by_key(|it| it.seq),
                "{user}: {story:?}"
            );
        }
    }
    assert!(stays.iter().all(|it| !nodes.receiver.story(it).contains(&"off")));
}
