//! Nodes that mean different things by the same state are not in one cluster.

use crate::rig::client::Tab;
use crate::rig::nodes::{LEASE, Nodes};
use crate::rig::server::logged;
use userline::core::cluster::FORMAT;

/// What a cluster keeps its nodes apart with.
const SECRET: &str = "secret = \"of-production-0123\"";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn staging_that_points_at_production_does_not_start_and_nothing_of_production_changes() {
    let mut nodes =
        Nodes::start_hooked_with(1, |it| it.replace("[cluster]", &format!("[cluster]\n{SECRET}")))
            .await;
    let tab = nodes.tab(0, "ann");
    tab.come();
    nodes.hears("ann", &["on"]).await;

    let of_staging = |it: String| {
        it.replace("of-production-0123", "of-staging-45678901")
            .replace("grace = \"1000ms\"", "grace = \"1500ms\"")
    };
    let (status, said) = nodes.refused(of_staging).await;
    assert_eq!(status, Some(78), "{said}");
    assert!(said.contains("cluster.secret: another one there than here"), "{said}");
    assert!(said.contains("presence.grace: 1000ms there, 1500ms here"), "{said}");
    assert!(!said.contains("of-production") && !said.contains("of-staging"), "{said}");
    let (status, said) = nodes.refused(|it| it.replace(SECRET, "")).await;
    assert_eq!((status, said.matches("cluster.secret").count() > 0), (Some(78), true), "{said}");

    let another = nodes.add().await;
    let ann = nodes.api(another).get("/v1/users/ann").await;
    assert_eq!(ann["state"], "online");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_of_another_format_does_not_start_beside_those_that_run() {
    let nodes = Nodes::start_hooked(1).await;
    // As if it were the one that runs which is newer.
    nodes.redis.say(&["HSET", "userline:{userline}:agreed", "format", "next"]).await;
    let (status, said) = nodes.refused(|it| it).await;
    assert_eq!(status, Some(78), "{said}");
    assert!(said.contains(&format!("format: next there, {FORMAT} here")), "{said}");
    let tab = nodes.tab(0, "ann");
    tab.come();
    nodes.hears("ann", &["on"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_configuration_comes_in_when_no_node_is_left_killed_or_stopped() {
    let mut nodes = Nodes::start_hooked(2).await;
    let tabs: Vec<_> = ["ann", "bob"].map(|it| nodes.tab(0, it)).into();
    tabs.iter().for_each(Tab::come);
    nodes.all_hear(&["ann".to_owned(), "bob".to_owned()], &["on"]).await;
    nodes.terminate(1).await;
    nodes.kill(0).await;
    // What is left of it in Redis is not taken for a node that runs, after a lease without a word.
    let before = nodes.watch.now();
    let other = nodes
        .add_with(|it| it.replace("[socketio]", "[socketio]\nnamespaces = [\"/\", \"/chat\"]"))
        .await;
    assert!(before + LEASE <= nodes.watch.now());
    for user in ["ann", "bob"] {
        nodes.hears(user, &["on", "off"]).await;
        assert_eq!(nodes.receiver.accepted(user)[1].reason, "node_lost");
    }
    // Nobody is there: no lease has to pass.
    nodes.terminate(other).await;
    let back = nodes.add().await;
    let log = logged(nodes.dir(back));
    assert!(!log.contains("not in the cluster"), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_may_be_changed_one_node_after_the_other_is_a_warning() {
    let mut nodes = Nodes::start_hooked(1).await;
    let same = nodes.add().await;
    let log = logged(nodes.dir(same));
    assert!(!log.contains("not set up alike"), "{log}");
    let other =
        nodes.add_with(|it| it.replace("allow_private", "retry_for = \"1h\"\nallow_private")).await;
    let log = logged(nodes.dir(other));
    assert!(log.contains("hooks.retry_for") && log.contains("not set up alike"), "{log}");
}
