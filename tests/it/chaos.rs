//! Chaos: three hundred clients, a server that is killed, paused and restarted, connections that break in every way,
//! a receiver that misbehaves; then all heals, and what was told must fit what was.
//!
//! `CHAOS_SEED` chooses what goes wrong, `CHAOS_MS` for how long. A seed that once failed belongs into
//! `chaos/seeds.txt`.

mod checker;
mod nemesis;
mod timeline;

use crate::rig::client::{Goodbye, Tab, Transport};
use crate::rig::eventually;
use crate::rig::receiver::hook;
use crate::rig::stage::Stage;
use checker::{Evidence, believed_online, check};
use nemesis::{Plan, unleash};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

const USERS: usize = 240;
const TABS: usize = 300;
const SEED: u64 = 20_260_801;
/// How long things go wrong.
const CHAOS_MS: u64 = 24_000;
/// The same for seeds that once failed.
const ONCE_FAILED_MS: u64 = 9_000;
/// By when everybody must know everything again.
const HEALED: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_goes_wrong_the_receiver_is_told_the_truth() {
    let seed = number("CHAOS_SEED").unwrap_or(SEED);
    run(seed, number("CHAOS_MS").unwrap_or(CHAOS_MS)).await;
    for line in include_str!("chaos/seeds.txt").lines().filter(|it| !it.starts_with('#')) {
        run(line.trim().parse().unwrap(), ONCE_FAILED_MS).await;
    }
}

#[expect(clippy::disallowed_methods, reason = "how a person replays a failure")]
fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

async fn run(seed: u64, ms: u64) {
    let plan = Plan::of(seed, TABS, ms);
    let mut stage = Stage::start().await;
    let tabs: Arc<[Tab]> = (0..TABS).map(|index| tab(&stage, index)).collect();
    let ended = tokio::time::timeout(Duration::from_secs(70), story(&plan, &mut stage, &tabs));
    let wrong = match ended.await {
        Ok(wrong) => wrong,
        Err(_) => vec!["it did not end".to_owned()],
    };
    if !wrong.is_empty() {
        let shown = wrong.iter().take(30).cloned().collect::<Vec<_>>().join("\n");
        let (count, log) = (wrong.len(), stage.log());
        let server = stage.truth.history().server;
        panic!(
            "CHAOS_SEED={seed} CHAOS_MS={ms}: {count} wrong\n{shown}\n{plan:?}\n{server:?}\n{log}"
        );
    }
}

/// Every user has one client, some have two; every tenth client polls.
fn tab(stage: &Stage, index: usize) -> Tab {
    let transport = if index % 10 == 3 { Transport::Polling } else { Transport::WebSocket };
    stage.tab(&format!("user-{:03}", index % USERS), transport)
}

/// All come, things go wrong, things heal, all leave. Returns what is wrong.
async fn story(plan: &Plan, stage: &mut Stage, tabs: &Arc<[Tab]>) -> Vec<String> {
    tabs.iter().for_each(Tab::come);
    eventually("everybody is in", HEALED, async || tabs.iter().all(Tab::is_up)).await;
    unleash(plan, stage, tabs).await;

    // Who stays and who is gone at the end is half of them each; second clients of a user stay.
    for tab in tabs.iter() {
        let stays = tab.index % 2 == 0 || USERS <= tab.index;
        if stays { tab.come() } else { tab.go(Goodbye::Abrupt) }
    }
    let mut wrong = heal(stage, tabs).await;
    for tab in tabs.iter() {
        tab.go(Goodbye::Polite);
    }
    wrong.extend(heal(stage, tabs).await);
    stage.is_empty().await;
    wrong.extend(check(&evidence(stage).await));
    wrong.extend(stage.receiver.forged());
    wrong
}

/// Waits until the receiver and the API know who is there; says who is not known rightly.
async fn heal(stage: &Stage, tabs: &Arc<[Tab]>) -> Vec<String> {
    let api = stage.api();
    let end = stage.watch.now() + u64::try_from(HEALED.as_millis()).unwrap();
    loop {
        api.hurry_hooks().await;
        let there: BTreeSet<String> =
            tabs.iter().filter(|it| it.wants_online()).map(|it| it.user.clone()).collect();
        let told = believed_online(&stage.receiver.hooks());
        let asked: BTreeSet<String> = api.users().await.into_keys().collect();
        let wrong: Vec<String> = told
            .symmetric_difference(&there)
            .map(|user| format!("{user}: the receiver was not told the truth in the end"))
            .chain(asked.symmetric_difference(&there).map(|user| format!("{user}: GET /v1/users")))
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
        history: stage.truth.history(),
        hooks: stage.receiver.hooks(),
        events: events.collect(),
        end: stage.watch.now(),
    }
}
