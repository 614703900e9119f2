//! Emits all the time, of several callers who ask any node, while Redis stands still and clients are killed: nothing is lost
//! in silence, nothing comes twice, each caller's events come in their order, and what was refused does not come.
//!
//! `EMITS_PER_SECOND`, `EMITS_SECONDS` and `FROZEN_MS` make it longer and faster.

use crate::rig::callers::{Answer, Apis, Calls, call, wrong};
use crate::rig::client::{Tab, Transport};
use crate::rig::nodes::{Nodes, PATIENCE};
use crate::rig::proxy::{Flow, Proxy};
use crate::rig::truth::Truth;
use crate::rig::{Random, Watch, eventually};
use parking_lot::Mutex;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use userline::tasks::Tasks;

const NODES: usize = 3;
const USERS: usize = 30;
const TABS: usize = 60;
const CALLERS: u64 = 10;
const BATCH: usize = 10;
/// Between two clients that are killed.
const KILL: Duration = Duration::from_millis(150);

#[expect(clippy::disallowed_methods, reason = "how a person asks for the long form")]
fn setting(name: &str, usual: u64) -> u64 {
    std::env::var(name).map_or(usual, |it| it.parse().unwrap())
}

fn user(index: usize) -> String {
    format!("user-{:02}", index % USERS)
}

/// Kills one client after another, each of which comes back, until it is over.
async fn kill_clients(tabs: Arc<[Tab]>, is_over: Arc<AtomicBool>) {
    let mut random = Random::new(7);
    while !is_over.load(Ordering::Relaxed) {
        for index in random.some(1, TABS) {
            tabs[index].suffer(if random.of(0..2) == 0 { Flow::Reset } else { Flow::Cut });
        }
        tokio::time::sleep(KILL).await;
    }
}

/// Clients of all nodes, by ways on which they can be killed.
async fn come(nodes: &Nodes, watch: &Watch, tasks: &Tasks) -> Arc<[Tab]> {
    let truth = Truth::new(watch);
    let mut ways = Vec::new();
    for server in &nodes.servers {
        let way = Proxy::start(tasks).await;
        way.lead_to(server.public);
        ways.push(way);
    }
    let tabs: Arc<[Tab]> = (0..TABS)
        .map(|it| Tab::among(&user(it), Transport::WebSocket, &ways, &truth, tasks))
        .collect();
    tabs.iter().for_each(Tab::come);
    eventually("all are in", PATIENCE, async || tabs.iter().all(Tab::is_up)).await;
    tabs
}

/// Waits until whoever was killed last has come back, the nodes are in the cluster again, and an event for all has arrived behind
/// all others.
async fn have_all(nodes: &Nodes, tabs: &Arc<[Tab]>) {
    eventually("all are in", PATIENCE, async || tabs.iter().all(Tab::is_up)).await;
    let last = json!({"to": {"all": true}, "event": "last"});
    let is_whole = async || {
        let answer = nodes.apis[0].post("/v1/emit", &last).await;
        answer.get("degraded").is_none() && answer.get("nodes_missing").is_none()
    };
    eventually("an emit reaches all nodes", PATIENCE, is_whole).await;
    let has_last =
        |tab: &Tab| tab.heard().last().is_some_and(|it| it.iter().any(|it| it[0] == "last"));
    // Again and again: a client may be between two sessions.
    let all_have_it = async || {
        nodes.apis[0].post("/v1/emit", &last).await;
        tabs.iter().all(has_last)
    };
    eventually("the last event has come", PATIENCE, all_have_it).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::print_stderr, reason = "what the long form is run for")]
async fn while_redis_stands_still_and_clients_are_killed_no_emit_is_lost_in_silence_or_comes_twice()
{
    let rate = setting("EMITS_PER_SECOND", 500);
    let seconds = setting("EMITS_SECONDS", 8);
    let frozen = Duration::from_millis(setting("FROZEN_MS", 3000));
    // A client gives up a connection on which it hears nothing for two seconds.
    let nodes = Nodes::start_with(NODES, "[socketio]\nping_interval = \"1s\"\n").await;
    let (tasks, watch) = (Tasks::new(), Watch::start());
    let tabs = come(&nodes, &watch, &tasks).await;
    let apis: Apis = Arc::new(Mutex::new(nodes.apis.iter().cloned().map(Some).collect()));
    let (is_over, killing_is_over) = (Arc::new(AtomicBool::new(false)), Arc::default());
    let calls = Calls {
        users: (0..USERS).map(user).collect(),
        recovers: false,
        batch: BATCH,
        every: Duration::from_secs(CALLERS * u64::try_from(BATCH).unwrap())
            / u32::try_from(rate).unwrap(),
    };
    let began = watch.now();
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let (apis, is_over) = (Arc::clone(&apis), Arc::clone(&is_over));
            tasks.run_to_end("calling", call(caller, calls.clone(), apis, watch.clone(), is_over))
        })
        .collect();
    let killing =
        tasks.run_to_end("killing", kill_clients(Arc::clone(&tabs), Arc::clone(&killing_is_over)));

    watch.sleep_until(began + 1000 * seconds / 4).await;
    nodes.redis.signal("-STOP").await;
    tokio::time::sleep(frozen).await;
    nodes.redis.signal("-CONT").await;
    watch.sleep_until(began + 1000 * seconds).await;
    killing_is_over.store(true, Ordering::Relaxed);
    killing.result().await.unwrap();
    is_over.store(true, Ordering::Relaxed);
    let mut emitted = Vec::new();
    for caller in callers {
        emitted.push(caller.result().await.unwrap());
    }
    let took = watch.now() - began;

    have_all(&nodes, &tabs).await;
    let heard: Vec<_> = tabs.iter().map(Tab::heard).collect();
    let found: Vec<String> = tabs
        .iter()
        .zip(&heard)
        .flat_map(|(tab, heard)| wrong(&emitted, &tab.user, heard, false, None))
        .collect();
    let count = |answer| emitted.iter().flatten().filter(|it| it.answer == answer).count();
    let (sure, unsure) = (count(Answer::Sure), count(Answer::Unsure));
    let (refused, all) = (count(Answer::Refused), emitted.iter().map(Vec::len).sum::<usize>());
    let events: usize = heard.iter().flatten().map(Vec::len).sum();
    let connections: usize = heard.iter().map(Vec::len).sum();
    eprintln!(
        "{all} emits in {took} ms: {sure} arrive, {unsure} may, {refused} were refused; {events} events on {connections} connections; wrong: {}",
        found.len(),
    );
    assert!(found.is_empty(), "{}", found[..found.len().min(20)].join("\n"));
    assert!(all / 4 < sure, "most emits go well: {sure} of {all}");
}
