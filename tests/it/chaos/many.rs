//! The same with three nodes on a Redis: clients come to any of them, and are sent events all the time. Nodes are killed,
//! stand still and reach no Redis; Redis is killed, stands still, loses everything, and fails over to a replica that
//! lost the last writes. What hooks told is what whoever pulls has read.
//!
//! `CHAOS_NODES_SEED` runs another seed, and `CHAOS_NODES_SEEDS` so many from that on.

mod nemesis;
mod pulling;
mod stage;

use super::checker::{Evidence, Terms, believed_online, check};
use super::{number, said};
use crate::rig::callers::{Calls, Emitted, call, wrong};
use crate::rig::client::{Goodbye, Tab, Transport};
use crate::rig::eventually;
use crate::rig::server::SILENCE;
use futures_util::FutureExt as _;
use nemesis::{Plan, unleash};
use pulling::{Pulled, pull};
use serde_json::json;
use stage::{GRACE, HOLD, LEASE, NODE_GRACE, Stage};
use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const NODES: usize = 3;
const USERS: usize = 160;
const TABS: usize = 200;
const CALLERS: u64 = 3;
const SEED: u64 = 20_261_126;
/// How late a busy machine may make anything, in milliseconds.
const SLACK: u64 = 6000;
/// By when everybody is in at the beginning.
const IN: Duration = Duration::from_mins(1);
/// By when everybody must know everything again, by themselves: longer than the longest pause of a circuit.
const HEALED: Duration = Duration::from_mins(1);
/// By when a run must have ended.
const END: Duration = Duration::from_mins(7);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_goes_wrong_with_nodes_and_redis_the_truth_is_told_and_what_was_answered_for_arrives()
 {
    let first = number("CHAOS_NODES_SEED").unwrap_or(SEED);
    for seed in first..first + number("CHAOS_NODES_SEEDS").unwrap_or(1) {
        run(seed).await;
    }
}

/// Fails with all that is needed to run it again, also if the story itself fails.
#[expect(clippy::print_stderr, reason = "a run that is killed from outside has told its seed")]
async fn run(seed: u64) {
    let plan = Plan::of(seed, NODES, TABS);
    eprintln!("CHAOS_NODES_SEED={seed}");
    let mut stage = None;
    let ended = tokio::time::timeout(END, story(&plan, &mut stage));
    let wrong = match AssertUnwindSafe(ended).catch_unwind().await {
        Ok(Ok(wrong)) => wrong,
        Ok(Err(_)) => vec![format!("it did not end within {END:?}")],
        Err(panic) => vec![said(&*panic)],
    };
    if !wrong.is_empty() {
        let shown = wrong.iter().take(30).cloned().collect::<Vec<_>>().join("\n");
        let (count, log) = (wrong.len(), stage.as_ref().map(Stage::log).unwrap_or_default());
        let server = stage.map(|it| it.truth.history().server);
        let disasters = &plan.disasters;
        panic!("CHAOS_NODES_SEED={seed}: {count} wrong\n{shown}\n{disasters:?}\n{server:?}\n{log}");
    }
}

/// Every user has one client, some have two; every tenth client polls.
fn tab(stage: &Stage, index: usize) -> Tab {
    let transport = if index % 10 == 3 { Transport::Polling } else { Transport::WebSocket };
    stage.tab(&user(index % USERS), transport)
}

fn user(index: usize) -> String {
    format!("user-{index:03}")
}

/// All come, things go wrong, things heal, all leave. Returns what is wrong.
async fn story(plan: &Plan, stage: &mut Option<Stage>) -> Vec<String> {
    let stage = stage.insert(Stage::start(NODES).await);
    let tabs: Arc<[Tab]> = (0..TABS).map(|index| tab(stage, index)).collect();
    tabs.iter().for_each(Tab::come);
    eventually("everybody is in", IN, async || tabs.iter().all(Tab::is_up)).await;
    let is_over = Arc::new(AtomicBool::new(false));
    let calls = Calls {
        users: (0..USERS).map(user).collect(),
        recovers: true,
        batch: 1,
        every: Duration::from_millis(70),
    };
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let (apis, watch) = (Arc::clone(&stage.apis), stage.watch.clone());
            let calling = call(caller, calls.clone(), apis, watch, Arc::clone(&is_over));
            stage.tasks.run_to_end("calling", calling)
        })
        .collect();

    let all_is_told = Arc::new(AtomicBool::new(false));
    let pulling = pull(Arc::clone(&stage.apis), stage.watch.clone(), Arc::clone(&all_is_told));
    let pulling = stage.tasks.run_to_end("pulling", pulling);

    unleash(plan, stage, &tabs).await;
    let mut wrong = heal(stage, &tabs).await;
    is_over.store(true, Ordering::Relaxed);
    let mut emitted = Vec::new();
    for caller in callers {
        emitted.push(caller.result().await.unwrap());
    }
    wrong.extend(received(stage, &tabs, &emitted).await);
    for tab in tabs.iter() {
        tab.go(Goodbye::Polite);
    }
    wrong.extend(heal(stage, &tabs).await);
    stage.is_empty().await;
    all_is_told.store(true, Ordering::Relaxed);
    let pulled = pulling.result().await.unwrap();
    wrong.extend(pulled.wrong(stage.lost));
    wrong.extend(check(&evidence(stage, pulled)));
    wrong
}

/// What is wrong with the events that clients got, when the last one has come.
async fn received(stage: &Stage, tabs: &Arc<[Tab]>, emitted: &[Vec<Emitted>]) -> Vec<String> {
    let last = json!({"to": {"all": true}, "event": "last"});
    let has_last =
        |tab: &Tab| tab.heard().last().is_some_and(|it| it.iter().any(|it| it[0] == "last"));
    // Again and again: a client may be between two sessions.
    let all_have_it = async || {
        stage.api(0).post("/v1/emit", &last).await;
        tabs.iter().all(has_last)
    };
    eventually("the last event has come", HEALED, all_have_it).await;
    let count: usize = emitted.iter().map(Vec::len).sum();
    let sure = emitted.iter().flatten().filter(|it| it.answer == crate::rig::callers::Answer::Sure);
    assert!(count / 4 < sure.count(), "most emits go well");
    let first_lost = stage.lost.map(|(first, _)| first);
    tabs.iter().flat_map(|tab| wrong(emitted, &tab.user, &tab.heard(), true, first_lost)).collect()
}

/// Waits until the receiver, every node and Redis know who is there; says who is not known rightly. Nobody helps.
async fn heal(stage: &Stage, tabs: &Arc<[Tab]>) -> Vec<String> {
    let end = stage.watch.now() + u64::try_from(HEALED.as_millis()).unwrap();
    let there: BTreeSet<String> =
        tabs.iter().filter(|it| it.wants_online()).map(|it| it.user.clone()).collect();
    loop {
        let mut known = vec![("the receiver".to_owned(), believed_online(&stage.receiver.hooks()))];
        known.push(("Redis".to_owned(), stage.recorded_online().await));
        for node in stage.nodes() {
            let page = stage.api(node).get("/v1/users?limit=1000").await;
            let users = page["users"].as_array().into_iter().flatten();
            let users = users.map(|it| it["user"].as_str().unwrap().to_owned()).collect();
            known.push((format!("node {node}"), users));
        }
        let wrong: Vec<String> = known
            .iter()
            .flat_map(|(who, online)| {
                let wrongly =
                    move |user| format!("{user}: {who} does not know the truth in the end");
                online.symmetric_difference(&there).map(wrongly)
            })
            .collect();
        if wrong.is_empty() || end < stage.watch.now() {
            return wrong;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn evidence(stage: &Stage, pulled: Pulled) -> Evidence {
    let gone = SILENCE + LEASE + NODE_GRACE + HOLD + SLACK;
    let terms = Terms {
        grace: GRACE,
        known: 3000,
        recorded: 5000,
        gone,
        gone_after_trouble: gone,
        lost: stage.lost,
    };
    Evidence {
        terms,
        history: stage.truth.history(),
        hooks: stage.receiver.hooks(),
        events: pulled.events,
        end: stage.watch.now(),
    }
}
