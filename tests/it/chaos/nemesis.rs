//! What goes wrong in a run, and when: decided by a seed before anything happens.

use crate::rig::Random;
use crate::rig::client::{Goodbye, Tab};
use crate::rig::proxy::Flow;
use crate::rig::receiver::Manner;
use crate::rig::stage::Stage;
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

/// Something that happens to the server or to the receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Disaster {
    /// SIGKILL; it starts again so many milliseconds later.
    Kill(u64),
    /// SIGTERM; it starts again at once.
    Restart,
    /// SIGSTOP; it goes on so many milliseconds later.
    Pause(u64),
    /// The receiver misbehaves for so many milliseconds.
    Receiver(Manner, u64),
}

/// What happens when, in milliseconds after the beginning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) troubles: Vec<(u64, Trouble)>,
    /// One after the other; none begins before the one before is over.
    pub(crate) disasters: Vec<(u64, Disaster)>,
}

impl Plan {
    /// The plan of `seed`, for so many clients and milliseconds. The same seed makes the same plan.
    pub(crate) fn of(seed: u64, tabs: usize, ms: u64) -> Self {
        let mut random = Random::new(seed);
        let mut troubles = Vec::new();
        let mut at = 0;
        while at < ms {
            troubles.push((at, trouble(&mut random, tabs)));
            at += random.of(150..700);
        }
        let mut disasters = Vec::new();
        let mut at = random.of(0..1500);
        // Every kind comes, in any order, and then again.
        let mut left = Vec::new();
        while at < ms {
            if left.is_empty() {
                left = (0..9).collect();
            }
            let len = u64::try_from(left.len()).unwrap();
            let kind = left.remove(usize::try_from(random.of(0..len)).unwrap());
            disasters.push((at, disaster(&mut random, kind)));
            at += random.of(1500..3500);
        }
        Self { troubles, disasters }
    }
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

fn disaster(random: &mut Random, kind: u64) -> Disaster {
    let ms = random.of(500..3000);
    match kind {
        0 => Disaster::Kill(random.of(0..2500)),
        1 => Disaster::Restart,
        2 => Disaster::Pause(300),
        3 => Disaster::Pause(3000),
        4 => Disaster::Receiver(Manner::Status(500), ms),
        5 => Disaster::Receiver(Manner::Hang, ms),
        6 => Disaster::Receiver(Manner::Slow(400), ms),
        7 => Disaster::Receiver(Manner::Reset, ms),
        _ => Disaster::Receiver(Manner::TooMany, ms),
    }
}

/// Lets the plan happen; the server runs and the receiver is well when this returns.
pub(crate) async fn unleash(plan: &Plan, stage: &mut Stage, tabs: &Arc<[Tab]>) {
    let watch = stage.watch.clone();
    let began = watch.now();
    let (troubles, tabs) = (plan.troubles.clone(), Arc::clone(tabs));
    let running = Tasks::new();
    let (waits, ends) = (watch.clone(), running.clone());
    running.spawn_to_end("troubles", async move {
        for (at, trouble) in troubles {
            waits.sleep_until(began + at).await;
            befall(&trouble, &tabs, &ends);
        }
    });
    for (at, disaster) in &plan.disasters {
        watch.sleep_until(began + at).await;
        strike(disaster, stage).await;
    }
    // The ends of troubles too: nobody comes back later than this.
    assert!(running.stop(Duration::from_mins(1)).await);
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

async fn strike(disaster: &Disaster, stage: &mut Stage) {
    match disaster {
        Disaster::Kill(ms) => {
            stage.kill().await;
            tokio::time::sleep(Duration::from_millis(*ms)).await;
            stage.run().await;
        }
        Disaster::Restart => {
            assert_eq!(stage.terminate().await.code(), Some(0), "{}", stage.log());
            stage.run().await;
        }
        Disaster::Pause(ms) => stage.pause(*ms).await,
        Disaster::Receiver(manner, ms) => {
            stage.receiver.behave(*manner);
            tokio::time::sleep(Duration::from_millis(*ms)).await;
            stage.receiver.behave(Manner::Status(200));
        }
    }
}

#[test]
fn the_same_seed_makes_the_same_plan_and_another_one_another() {
    let plan = Plan::of(7, 300, 30_000);
    assert_eq!(plan, Plan::of(7, 300, 30_000));
    assert_ne!(plan, Plan::of(8, 300, 30_000));
    assert!(8 < plan.disasters.len() && 40 < plan.troubles.len(), "{plan:?}");
}
