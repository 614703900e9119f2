//! Three nodes and a Redis: who is online is one truth, and each change of it is told once.

mod acl;
mod agreeing;
mod coalesced;
mod folder;
mod listening;
mod redis_faults;
mod redis_urls;
mod socket_hooks;
mod undelivered;

use crate::rig::client::{Goodbye, Tab};
use crate::rig::eventually;
use crate::rig::nodes::{GRACE, LEASE, NODE_GRACE, Nodes, PATIENCE, SLACK};
use std::time::Duration;

async fn all_are_up(tabs: &[Tab]) {
    eventually("all are in", PATIENCE, async || tabs.iter().all(Tab::is_up)).await;
}

fn all_go(tabs: &[Tab], goodbye: Goodbye) {
    for tab in tabs {
        tab.go(goodbye);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_sockets_on_two_nodes_that_close_at_once_are_one_offline() {
    let nodes = Nodes::start_hooked(2).await;
    for round in 0..5 {
        let users: Vec<String> = (0..100).map(|it| format!("r{round}-u{it:02}")).collect();
        let tabs: Vec<Tab> =
            users.iter().flat_map(|user| [nodes.tab(0, user), nodes.tab(1, user)]).collect();
        tabs.iter().for_each(Tab::come);
        all_are_up(&tabs).await;
        nodes.all_hear(&users, &["on"]).await;

        let goodbye = if round % 2 == 0 { Goodbye::Abrupt } else { Goodbye::Polite };
        all_go(&tabs, goodbye);

        nodes.all_hear(&users, &["on", "off"]).await;
    }
    nodes.is_quiet().await;
    for round in 0..5 {
        let users: Vec<String> = (0..100).map(|it| format!("r{round}-u{it:02}")).collect();
        nodes.all_hear(&users, &["on", "off"]).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_is_in_one_session_on_all_nodes_and_each_of_them_says_so() {
    let nodes = Nodes::start_hooked(3).await;
    let (here, there) = (nodes.tab(0, "ann"), nodes.tab(1, "ann"));
    here.come();
    all_are_up(std::slice::from_ref(&here)).await;
    nodes.hears("ann", &["on"]).await;
    there.come();
    all_are_up(std::slice::from_ref(&there)).await;

    let session = nodes.receiver.accepted("ann")[0].session;
    for node in 0..3 {
        let ann = nodes.api(node).get("/v1/users/ann").await;
        assert_eq!((&ann["state"], &ann["session"]), (&"online".into(), &session.into()));
    }
    here.go(Goodbye::Abrupt);
    tokio::time::sleep(Duration::from_millis(3 * GRACE)).await;
    assert_eq!(nodes.receiver.story("ann"), ["on"], "on another node the user still is");

    there.go(Goodbye::Abrupt);
    let asked = |state: &'static str| {
        let api = nodes.api(2);
        async move || api.get("/v1/users/ann").await["state"] == state
    };
    eventually("lingering, whoever is asked", PATIENCE, asked("lingering")).await;
    here.come();
    all_are_up(std::slice::from_ref(&here)).await;
    eventually("back, whoever is asked", PATIENCE, asked("online")).await;
    tokio::time::sleep(Duration::from_millis(3 * GRACE)).await;
    assert_eq!(nodes.receiver.story("ann"), ["on"], "back within the grace is no news");

    here.go(Goodbye::Polite);
    nodes.hears("ann", &["on", "off"]).await;
    assert_eq!(nodes.receiver.accepted("ann")[1].session, session);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_of_a_killed_node_who_come_back_elsewhere_are_no_news_and_the_others_are_lost_once() {
    let mut nodes = Nodes::start_hooked(3).await;
    let names: Vec<String> = (0..300).map(|it| format!("user-{it:03}")).collect();
    let tabs: Vec<Tab> = names.iter().map(|it| nodes.tab(0, it)).collect();
    tabs.iter().for_each(Tab::come);
    all_are_up(&tabs).await;
    nodes.all_hear(&names, &["on"]).await;

    let (back, lost) = tabs.split_at(200);
    let killed = nodes.watch.now();
    nodes.kill(0).await;
    all_go(lost, Goodbye::Abrupt);
    nodes.lead(0, 1);

    all_are_up(back).await;
    nodes.all_hear(&names[200..], &["on", "off"]).await;
    for user in &names[200..] {
        let off = nodes.receiver.accepted(user).remove(1);
        assert_eq!(off.reason, "node_lost");
        let soonest = killed + NODE_GRACE;
        let latest = killed + LEASE + NODE_GRACE + SLACK;
        assert!((soonest..latest).contains(&off.stamp), "{} {soonest} {latest}", off.stamp);
    }
    nodes.is_quiet().await;
    nodes.all_hear(&names[..200], &["on"]).await;
    nodes.all_hear(&names[200..], &["on", "off"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_of_a_node_that_stops_in_order_have_time_to_come_back_elsewhere() {
    let mut nodes = Nodes::start_hooked(2).await;
    let names: Vec<String> = (0..40).map(|it| format!("user-{it:02}")).collect();
    let tabs: Vec<Tab> = names.iter().map(|it| nodes.tab(0, it)).collect();
    tabs.iter().for_each(Tab::come);
    all_are_up(&tabs).await;
    nodes.all_hear(&names, &["on"]).await;

    let (back, lost) = tabs.split_at(30);
    nodes.lead(0, 1);
    let lost_users = &names[30..];
    let stopping = async {
        // As their connections are closed, so that they do not come back.
        all_go(lost, Goodbye::Abrupt);
        nodes.terminate(0).await;
    };
    stopping.await;
    nodes.lead(0, 1);
    all_are_up(back).await;
    nodes.all_hear(lost_users, &["on", "off"]).await;
    nodes.is_quiet().await;
    nodes.all_hear(&names[..30], &["on"]).await;

    nodes.run(0).await;
    let late = nodes.tab(0, "late");
    late.come();
    all_are_up(&[late]).await;
    nodes.hears("late", &["on"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_slept_for_longer_than_its_lease_takes_nobody_offline_who_is_there() {
    let nodes = Nodes::start_hooked(3).await;
    let names: Vec<String> = (0..40).map(|it| format!("user-{it:02}")).collect();
    let tabs: Vec<Tab> = names.iter().map(|it| nodes.tab(0, it)).collect();
    tabs.iter().for_each(Tab::come);
    all_are_up(&tabs).await;
    nodes.all_hear(&names, &["on"]).await;

    nodes.signal(0, "-STOP").await;
    nodes.lead(0, 1);
    let (back, lost) = tabs.split_at(30);
    all_go(lost, Goodbye::Abrupt);
    nodes.all_hear(&names[30..], &["on", "off"]).await;
    all_are_up(back).await;
    for user in &names[30..] {
        assert_eq!(nodes.receiver.accepted(user)[1].reason, "node_lost");
    }

    nodes.signal(0, "-CONT").await;
    nodes.is_quiet().await;
    nodes.all_hear(&names[..30], &["on"]).await;
    nodes.all_hear(&names[30..], &["on", "off"]).await;

    nodes.lead(0, 0);
    let late = nodes.tab(0, "late");
    late.come();
    nodes.hears("late", &["on"]).await;
    late.go(Goodbye::Polite);
    nodes.hears("late", &["on", "off"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_goes_offline_because_redis_does_and_what_happened_meanwhile_is_told_after() {
    let mut nodes = Nodes::start_hooked(2).await;
    let names: Vec<String> = (0..40).map(|it| format!("user-{it:02}")).collect();
    let tabs: Vec<Tab> =
        names.iter().enumerate().map(|(it, user)| nodes.tab(it % 2, user)).collect();
    tabs.iter().for_each(Tab::come);
    all_are_up(&tabs).await;
    nodes.all_hear(&names, &["on"]).await;

    nodes.redis.stop();
    all_go(&tabs[..10], Goodbye::Abrupt);
    let newcomer = nodes.tab(0, "newcomer");
    newcomer.come();
    tokio::time::sleep(Duration::from_millis(3 * LEASE)).await;
    assert!(nodes.receiver.hooks().iter().all(|it| it.is_online));
    nodes.redis.run().await;

    nodes.all_hear(&names[..10], &["on", "off"]).await;
    nodes.hears("newcomer", &["on"]).await;
    nodes.is_quiet().await;
    nodes.all_hear(&names[10..], &["on"]).await;
    nodes.all_hear(&names[..10], &["on", "off"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_redis_has_lost_everything_the_nodes_say_again_who_is_there() {
    let nodes = Nodes::start_hooked(2).await;
    let names: Vec<String> = (0..40).map(|it| format!("user-{it:02}")).collect();
    let tabs: Vec<Tab> =
        names.iter().enumerate().map(|(it, user)| nodes.tab(it % 2, user)).collect();
    tabs.iter().for_each(Tab::come);
    all_are_up(&tabs).await;
    nodes.all_hear(&names, &["on"]).await;

    let mut client = nodes.redis.client().await;
    redis::cmd("FLUSHALL").exec_async(&mut client).await.unwrap();
    let api = nodes.api(0);
    let is_online =
        async |user: &String| api.get(&format!("/v1/users/{user}")).await["state"] == "online";
    for user in &names {
        eventually("known again", PATIENCE, async || is_online(user).await).await;
    }
    nodes.is_quiet().await;
    all_go(&tabs, Goodbye::Abrupt);
    for user in &names {
        let is_told = || nodes.receiver.story(user).last() == Some(&"off");
        eventually("told that it went", PATIENCE, async || is_told()).await;
        let told = nodes.receiver.accepted(user);
        let session = told[0].session;
        assert!(told.iter().all(|it| it.session == session), "{told:?}");
        assert!(told.is_sorted_by_key(|it| it.seq), "{told:?}");
        assert_eq!(told.iter().filter(|it| !it.is_online).count(), 1, "{told:?}");
    }
}
