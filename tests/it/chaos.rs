//! Chaos: three hundred clients, a server that is killed, paused and restarted, connections that break in every way,
//! a receiver that misbehaves meanwhile; then all heals by itself, and what was told must fit what was.
//!
//! Every run has the constant seed, one that once failed, and a fresh one. A run that fails prints its own, whatever it
//! failed by; `CHAOS_SEED` and `CHAOS_MS` run it alone again. A seed that once failed belongs into `chaos/seeds.txt`.

mod checker;
mod many;
mod nemesis;
mod timeline;

use crate::rig::client::{Goodbye, Tab, Transport};
use crate::rig::receiver::{Manner, hook};
use crate::rig::server::GRACE;
use crate::rig::stage::Stage;
use crate::rig::{Watch, eventually};
use checker::{Evidence, Terms, believed_online, check};
use futures_util::FutureExt as _;
use nemesis::{Plan, unleash};
use std::any::Any;
use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

const USERS: usize = 240;
const TABS: usize = 300;
const SEED: u64 = 20_260_801;
/// How long things go wrong.
const CHAOS_MS: u64 = 20_000;
/// The same for the other seeds of a run.
const SHORT_MS: u64 = 8_000;
/// By when all runs together must have ended, in milliseconds.
const END: u64 = 88_000;
/// What is left for each of the others, when the first one ends at the latest.
const SHORT_END: u64 = 22_000;
/// By when everybody is in at the beginning.
const IN: Duration = Duration::from_secs(20);
/// By when everybody must know everything again, by themselves: longer than the longest pause of a circuit.
const HEALED: Duration = Duration::from_secs(40);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_goes_wrong_the_receiver_is_told_the_truth() {
    let ms = number("CHAOS_MS");
    if let Some(seed) = number("CHAOS_SEED") {
        return run(seed, ms.unwrap_or(CHAOS_MS), Duration::from_millis(END)).await;
    }
    let fresh = getrandom::u64().unwrap() >> 16;
    let mut runs = vec![(SEED, ms.unwrap_or(CHAOS_MS)), (fresh, SHORT_MS)];
    // By turns, so that the file may grow.
    let failed = once_failed();
    let turn = fresh % u64::try_from(failed.len().max(1)).unwrap();
    runs.extend(failed.get(usize::try_from(turn).unwrap()).map(|seed| (*seed, SHORT_MS)));

    let watch = Watch::start();
    for (index, (seed, ms)) in runs.iter().enumerate() {
        let others = u64::try_from(runs.len() - 1 - index).unwrap();
        let left = END.saturating_sub(watch.now() + others * SHORT_END);
        run(*seed, *ms, Duration::from_millis(left)).await;
    }
}

fn once_failed() -> Vec<u64> {
    let lines = include_str!("chaos/seeds.txt").lines().filter(|it| !it.starts_with('#'));
    lines.map(|line| line.trim().parse().unwrap()).collect()
}

#[expect(clippy::disallowed_methods, reason = "how a person replays a failure")]
fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

/// Fails with all that is needed to run it again, also if the story itself fails.
#[expect(clippy::print_stderr, reason = "a run that is killed from outside has told its seed")]
async fn run(seed: u64, ms: u64, limit: Duration) {
    let plan = Plan::of(seed, TABS, ms);
    eprintln!("CHAOS_SEED={seed} CHAOS_MS={ms}");
    let mut stage = None;
    let ended = tokio::time::timeout(limit, story(&plan, &mut stage));
    let wrong = match AssertUnwindSafe(ended).catch_unwind().await {
        Ok(Ok(wrong)) => wrong,
        Ok(Err(_)) => vec![format!("it did not end within {limit:?}")],
        Err(panic) => vec![said(&*panic)],
    };
    if !wrong.is_empty() {
        let shown = wrong.iter().take(30).cloned().collect::<Vec<_>>().join("\n");
        let (count, log) = (wrong.len(), stage.as_ref().map(Stage::log).unwrap_or_default());
        let server = stage.map(|it| it.truth.history().server);
        panic!(
            "CHAOS_SEED={seed} CHAOS_MS={ms}: {count} wrong\n{shown}\n{plan:?}\n{server:?}\n{log}"
        );
    }
}

/// What a panic said.
fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    let text = text.or_else(|| panic.downcast_ref::<&str>().map(|it| (*it).to_owned()));
    format!("panicked: {}", text.unwrap_or_default())
}

/// Every user has one client, some have two; every tenth client polls.
fn tab(stage: &Stage, index: usize) -> Tab {
    let transport = if index % 10 == 3 { Transport::Polling } else { Transport::WebSocket };
    stage.tab(&format!("user-{:03}", index % USERS), transport)
}

/// All come, things go wrong, things heal, all leave. Returns what is wrong.
async fn story(plan: &Plan, stage: &mut Option<Stage>) -> Vec<String> {
    let stage = stage.insert(Stage::start().await);
    let tabs: Arc<[Tab]> = (0..TABS).map(|index| tab(stage, index)).collect();
    tabs.iter().for_each(Tab::come);
    eventually("everybody is in", IN, async || tabs.iter().all(Tab::is_up)).await;
    unleash(plan, stage, &tabs).await;

    // The receiver is out once more: the last life of the server has to get over that, without a restart to help. All
    // go, and half of the users come back, so that two hooks of each of them wait; the second clients of a user too.
    stage.receiver.behave(plan.last_outage.manner);
    tabs.iter().for_each(|tab| tab.go(Goodbye::Abrupt));
    tokio::time::sleep(Duration::from_millis(GRACE + 500)).await;
    tabs.iter().filter(|tab| tab.index % 2 == 0 || USERS <= tab.index).for_each(Tab::come);
    tokio::time::sleep(Duration::from_millis(plan.last_outage.ms)).await;
    stage.receiver.behave(Manner::Status(200));
    let mut wrong = heal(stage, &tabs).await;
    for tab in tabs.iter() {
        tab.go(Goodbye::Polite);
    }
    wrong.extend(heal(stage, &tabs).await);
    stage.is_empty().await;
    wrong.extend(check(&evidence(stage).await));
    wrong
}

/// Waits until the receiver, the API and the file know who is there; says who is not known rightly. Nobody helps.
async fn heal(stage: &Stage, tabs: &Arc<[Tab]>) -> Vec<String> {
    let api = stage.api();
    let end = stage.watch.now() + u64::try_from(HEALED.as_millis()).unwrap();
    let there: BTreeSet<String> =
        tabs.iter().filter(|it| it.wants_online()).map(|it| it.user.clone()).collect();
    loop {
        let told = believed_online(&stage.receiver.hooks());
        let asked: BTreeSet<String> = api.users().await.into_keys().collect();
        let recorded = stage.recorded_online();
        let wrong: Vec<String> =
            [("the receiver", told), ("GET /v1/users", asked), ("the presence table", recorded)]
                .iter()
                .flat_map(|(who, online)| {
                    let wrongly =
                        |user| format!("{user}: {who} does not know the truth in the end");
                    online.symmetric_difference(&there).map(wrongly).collect::<Vec<_>>()
                })
                .collect();
        if wrong.is_empty() || end < stage.watch.now() {
            return wrong;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn evidence(stage: &Stage) -> Evidence {
    let events = stage.api().events().await;
    let events = events.iter().map(|(id, body)| hook(&stage.watch, id, &body.to_string()));
    Evidence {
        terms: Terms::ONE_NODE,
        history: stage.truth.history(),
        hooks: stage.receiver.hooks(),
        events: events.collect(),
        end: stage.watch.now(),
    }
}

#[tokio::test]
async fn a_run_that_panics_prints_its_seed() {
    // No time at all, and a panic: both ways to fail before anything was compared.
    let ended = AssertUnwindSafe(run(7, 1000, Duration::ZERO)).catch_unwind().await;
    let text = said(&*ended.expect_err("it cannot end in no time"));
    assert!(text.contains("CHAOS_SEED=7 CHAOS_MS=1000") && text.contains("Plan {"), "{text}");
    assert_eq!(said(&"why".to_owned()), "panicked: why");
}
