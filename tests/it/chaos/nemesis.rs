//! What goes wrong in a run, and when: decided by a seed before anything happens.

use crate::rig::client::{Goodbye, Tab};
use crate::rig::proxy::Flow;
use crate::rig::receiver::{Manner, Receiver};
use crate::rig::stage::Stage;
use crate::rig::{Random, Watch};
use std::sync::Arc;
use std::time::Duration;
use userline::tasks::Tasks;

/// Something that happens to clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Connections end.
    Break(Flow, Vec<usize>),
    /// Connections stand still for so many milliseconds.
    Stall(u64, Vec<usize>),
    /// Pages are loaded anew, all at once.
    Refresh(Vec<usize>),
    /// People leave, and come back so many milliseconds later.
    Leave(Goodbye, u64, Vec<usize>),
}

/// Something that happens to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Disaster {
    /// SIGKILL; it starts again so many milliseconds later.
    Kill(u64),
    /// SIGTERM; it starts again at once.
    Restart,
    /// SIGSTOP; it goes on so many milliseconds later.
    Pause(u64),
}

/// The receiver misbehaves for so many milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Outage {
    pub(crate) manner: Manner,
    pub(crate) ms: u64,
}

/// What happens when, in milliseconds after the beginning. The three lists happen at the same time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) troubles: Vec<(u64, Trouble)>,
    /// One after the other; none begins before the one before is over.
    pub(crate) disasters: Vec<(u64, Disaster)>,
    /// One after the other too, but whatever the server is doing.
    pub(crate) outages: Vec<(u64, Outage)>,
    /// When everything else is over.
    pub(crate) last_outage: Outage,
}

/// Disasters in a run at least, and milliseconds for one.
const DISASTERS_MIN: u64 = 6;
const DISASTER_MS: u64 = 2500;

impl Plan {
    /// The plan of `seed`, for so many clients and milliseconds. The same seed makes the same plan.
    pub(crate) fn of(seed: u64, tabs: usize, ms: u64) -> Self {
        let mut random = Random::new(seed);
        let troubles = troubles(&mut random, tabs, ms);
        let disasters = disasters(&mut random, ms);
        let outages = outages(&mut random, &disasters, ms);
        let last_outage = Outage { ms: random.of(500..2000), ..outage(&mut random) };
        Self { troubles, disasters, outages, last_outage }
    }
}

/// What happens to clients, for so many milliseconds.
pub(super) fn troubles(random: &mut Random, tabs: usize, ms: u64) -> Vec<(u64, Trouble)> {
    let mut all = Vec::new();
    let mut at = 0;
    while at < ms {
        all.push((at, trouble(random, tabs)));
        at += random.of(150..700);
    }
    all
}

/// Every kind comes, in any order, and then again: three kills in the shortest run.
fn disasters(random: &mut Random, ms: u64) -> Vec<(u64, Disaster)> {
    let count = (ms / DISASTER_MS).max(DISASTERS_MIN);
    let slot = ms / count;
    let mut left = Vec::new();
    let mut all = Vec::new();
    for n in 0..count {
        if left.is_empty() {
            let kill = Disaster::Kill;
            let kills = [random.of(0..1500), random.of(0..1500), 0].map(kill);
            left.extend(kills);
            left.extend([Disaster::Restart, Disaster::Pause(300), Disaster::Pause(3000)]);
        }
        let len = u64::try_from(left.len()).unwrap();
        let disaster = left.remove(usize::try_from(random.of(0..len)).unwrap());
        all.push((n * slot + random.of(0..slot / 2 + 1), disaster));
    }
    all
}

/// The receiver is out when every second kill comes, and at other times.
fn outages(random: &mut Random, disasters: &[(u64, Disaster)], ms: u64) -> Vec<(u64, Outage)> {
    let mut all = Vec::new();
    let mut kills = 0;
    for (at, disaster) in disasters {
        let is_kill = matches!(disaster, Disaster::Kill(_));
        kills += u32::from(is_kill);
        let meets = if is_kill { kills % 2 == 1 } else { random.of(0..2) == 0 };
        let (at, outage) = if meets {
            let before = random.of(100..600);
            let outage = outage(random);
            (at.saturating_sub(before), Outage { ms: outage.ms + before, ..outage })
        } else {
            (random.of(0..ms.max(1)), outage(random))
        };
        all.push((at, outage));
    }
    all.sort_by_key(|(at, _)| *at);
    all
}

pub(super) fn outage(random: &mut Random) -> Outage {
    let manner = match random.of(0..5) {
        0 => Manner::Status(500),
        1 => Manner::Hang,
        2 => Manner::Slow(400),
        3 => Manner::Reset,
        _ => Manner::TooMany,
    };
    Outage { manner, ms: random.of(300..2000) }
}

fn trouble(random: &mut Random, tabs: usize) -> Trouble {
    let (few, many) = (random.some(15, tabs), random.some(100, tabs));
    match random.of(0..9) {
        0 => Trouble::Break(Flow::Cut, few),
        1 => Trouble::Break(Flow::Reset, few),
        2 => Trouble::Break(Flow::HalfOpen, few),
        3 => Trouble::Stall(random.of(100..900), few),
        4 => Trouble::Stall(random.of(2000..4000), few),
        5 => Trouble::Refresh(many),
        6 => Trouble::Leave(Goodbye::Polite, random.of(300..6000), few),
        7 => Trouble::Leave(Goodbye::Abrupt, random.of(300..6000), many),
        _ => Trouble::Leave(Goodbye::Abrupt, random.of(900..1100), few),
    }
}

/// Lets the plan happen; the server runs and the receiver is well when this returns.
pub(crate) async fn unleash(plan: &Plan, stage: &mut Stage, tabs: &Arc<[Tab]>) {
    let watch = stage.watch.clone();
    let began = watch.now();
    let running = Tasks::new();
    trouble_clients(&running, &watch, plan.troubles.clone(), tabs);
    trouble_receiver(&running, &watch, plan.outages.clone(), &stage.receiver);
    for (at, disaster) in &plan.disasters {
        watch.sleep_until(began + at).await;
        strike(*disaster, stage).await;
    }
    // The ends of troubles too: nobody comes back later than this.
    assert!(running.stop(Duration::from_mins(1)).await);
}

/// Lets these happen to clients, from now on. They are over, and everybody is back, when `running` has ended.
pub(super) fn trouble_clients(
    running: &Tasks,
    watch: &Watch,
    troubles: Vec<(u64, Trouble)>,
    tabs: &Arc<[Tab]>,
) {
    let (watch, tabs, ends, began) =
        (watch.clone(), Arc::clone(tabs), running.clone(), watch.now());
    running.spawn_to_end("troubles", async move {
        for (at, trouble) in troubles {
            watch.sleep_until(began + at).await;
            befall(&trouble, &tabs, &ends);
        }
    });
}

/// Lets these happen to the receiver, from now on.
pub(super) fn trouble_receiver(
    running: &Tasks,
    watch: &Watch,
    outages: Vec<(u64, Outage)>,
    receiver: &Receiver,
) {
    let (watch, receiver, began) = (watch.clone(), receiver.clone(), watch.now());
    running.spawn_to_end("outages", async move {
        for (at, Outage { manner, ms }) in outages {
            watch.sleep_until(began + at).await;
            receiver.behave(manner);
            tokio::time::sleep(Duration::from_millis(ms)).await;
            receiver.behave(Manner::Status(200));
        }
    });
}

fn befall(trouble: &Trouble, tabs: &Arc<[Tab]>, tasks: &Tasks) {
    let after = |ms: u64, some: Vec<usize>, then: fn(&Tab)| {
        let tabs = Arc::clone(tabs);
        tasks.spawn_to_end("trouble.end", async move {
            tokio::time::sleep(Duration::from_millis(ms)).await;
            for index in some {
                then(&tabs[index]);
            }
        });
    };
    let each = |some: &[usize], what: &dyn Fn(&Tab)| {
        for index in some {
            what(&tabs[*index]);
        }
    };
    match trouble {
        Trouble::Break(flow, some) => each(some, &|tab| tab.suffer(*flow)),
        Trouble::Stall(ms, some) => {
            each(some, &|tab| tab.suffer(Flow::Stall));
            after(*ms, some.clone(), |tab| tab.suffer(Flow::Pass));
        }
        Trouble::Refresh(some) => each(some, &Tab::refresh),
        Trouble::Leave(goodbye, ms, some) => {
            each(some, &|tab| tab.go(*goodbye));
            after(*ms, some.clone(), Tab::come);
        }
    }
}

async fn strike(disaster: Disaster, stage: &mut Stage) {
    match disaster {
        Disaster::Kill(ms) => {
            stage.kill().await;
            tokio::time::sleep(Duration::from_millis(ms)).await;
            stage.run().await;
        }
        Disaster::Restart => {
            assert_eq!(stage.terminate().await.code(), Some(0), "{}", stage.log());
            stage.run().await;
        }
        Disaster::Pause(ms) => stage.pause(ms).await,
    }
}

#[test]
fn the_same_seed_makes_the_same_plan_and_another_one_another() {
    let plan = Plan::of(7, 300, 30_000);
    assert_eq!(plan, Plan::of(7, 300, 30_000));
    assert_ne!(plan, Plan::of(8, 300, 30_000));
    assert!(8 < plan.disasters.len() && 40 < plan.troubles.len(), "{plan:?}");
}

#[test]
fn every_plan_kills_three_times_and_once_while_the_receiver_is_out() {
    for seed in 0..300 {
        for ms in [8_000, 20_000] {
            let plan = Plan::of(seed, 300, ms);
            let kills: Vec<u64> = plan
                .disasters
                .iter()
                .filter(|(_, it)| matches!(it, Disaster::Kill(_)))
                .map(|(at, _)| *at)
                .collect();
            assert!(3 <= kills.len(), "{plan:?}");
            let is_out =
                |kill: &u64| plan.outages.iter().any(|(at, it)| at <= kill && *kill <= at + it.ms);
            assert!(kills.iter().any(is_out), "{plan:?}");
            for other in [Disaster::Restart, Disaster::Pause(300), Disaster::Pause(3000)] {
                assert!(plan.disasters.iter().any(|(_, it)| *it == other), "{plan:?}");
            }
        }
    }
}
