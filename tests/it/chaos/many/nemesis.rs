//! What goes wrong with nodes and Redis, and when: decided by a seed before anything happens.

use super::stage::{LEASE, Stage};
use crate::chaos::nemesis::{Outage, Trouble, outage, trouble_clients, trouble_receiver, troubles};
use crate::rig::Random;
use crate::rig::client::Tab;
use crate::rig::proxy::Flow;
use std::sync::Arc;
use std::time::Duration;
use userline::tasks::Tasks;

/// Something that happens to a node, or to Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Disaster {
    /// SIGKILL; it starts again so many milliseconds later.
    Kill(usize, u64),
    /// SIGTERM; it starts again at once.
    Restart(usize),
    /// SIGSTOP; it goes on so many milliseconds later.
    Pause(usize, u64),
    /// It does not reach Redis for so many milliseconds.
    CutOff(usize, Flow, u64),
    /// Redis is killed, and is back so many milliseconds later with what it had. This node is killed meanwhile.
    Redis(u64, Option<usize>),
    /// Redis stands still for so many milliseconds.
    Freeze(u64),
    /// FLUSHALL.
    Flush,
    /// A replica that lost the writes of so many milliseconds takes its place.
    FailOver(u64),
}

/// What happens, in milliseconds after the beginning. The three lists happen at the same time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Plan {
    troubles: Vec<(u64, Trouble)>,
    /// Each after so many milliseconds of peace. Those that lose data come last.
    pub(super) disasters: Vec<(u64, Disaster)>,
    outages: Vec<(u64, Outage)>,
}

/// How long clients and the receiver are troubled.
const TROUBLES_MS: u64 = 45_000;

impl Plan {
    /// The plan of `seed`. The same seed makes the same plan.
    pub(super) fn of(seed: u64, nodes: usize, tabs: usize) -> Self {
        let mut random = Random::new(seed);
        let troubles = troubles(&mut random, tabs, TROUBLES_MS);
        let mut outages = Vec::new();
        let mut at = 0;
        while at < TROUBLES_MS {
            at += random.of(1000..6000);
            let outage = outage(&mut random);
            outages.push((at, outage));
            at += outage.ms;
        }
        let nodes = u64::try_from(nodes).unwrap();
        let mut node = || usize::try_from(random.of(0..nodes)).unwrap();
        let at = [(); 7].map(|()| node());
        let harmless = vec![
            Disaster::Kill(at[0], random.of(0..2 * LEASE)),
            Disaster::Restart(at[1]),
            Disaster::Pause(at[2], random.of(100..LEASE / 2)),
            Disaster::Pause(at[3], random.of(LEASE + 2000..2 * LEASE)),
            Disaster::CutOff(at[4], Flow::Cut, random.of(100..LEASE / 2)),
            Disaster::CutOff(at[5], Flow::Stall, random.of(LEASE + 2000..2 * LEASE)),
            Disaster::Redis(random.of(100..3000), None),
            Disaster::Redis(random.of(100..3000), Some(at[6])),
            Disaster::Freeze(random.of(500..4000)),
        ];
        let losing = vec![Disaster::Flush, Disaster::FailOver(random.of(0..400))];
        let mut disasters = Vec::new();
        for mut kind in [harmless, losing] {
            while !kind.is_empty() {
                let left = u64::try_from(kind.len()).unwrap();
                let disaster = kind.remove(usize::try_from(random.of(0..left)).unwrap());
                disasters.push((random.of(100..1500), disaster));
            }
        }
        Self { troubles, disasters, outages }
    }
}

/// Lets the plan happen; all nodes and Redis run, and the receiver is well, when this returns.
pub(super) async fn unleash(plan: &Plan, stage: &mut Stage, tabs: &Arc<[Tab]>) {
    let running = Tasks::new();
    trouble_clients(&running, &stage.watch, plan.troubles.clone(), tabs);
    trouble_receiver(&running, &stage.watch, plan.outages.clone(), &stage.receiver);
    for (peace, disaster) in &plan.disasters {
        tokio::time::sleep(Duration::from_millis(*peace)).await;
        strike(*disaster, stage).await;
    }
    // The ends of troubles too: nobody comes back later than this.
    assert!(running.stop(Duration::from_mins(2)).await);
}

async fn strike(disaster: Disaster, stage: &mut Stage) {
    match disaster {
        Disaster::Kill(node, ms) => {
            stage.kill(node).await;
            tokio::time::sleep(Duration::from_millis(ms)).await;
            stage.run(node).await;
        }
        Disaster::Restart(node) => {
            stage.terminate(node).await;
            stage.run(node).await;
        }
        Disaster::Pause(node, ms) => stage.pause(node, ms).await,
        Disaster::CutOff(node, flow, ms) => stage.cut_off(node, flow, ms).await,
        Disaster::Redis(ms, killed) => stage.without_redis(ms, killed).await,
        Disaster::Freeze(ms) => stage.freeze_redis(ms).await,
        Disaster::Flush => stage.flush().await,
        Disaster::FailOver(ms) => stage.fail_over(ms).await,
    }
}

#[test]
fn the_same_seed_makes_the_same_plan_and_every_plan_has_every_disaster() {
    assert_eq!(Plan::of(7, 3, 200), Plan::of(7, 3, 200));
    for seed in 0..100 {
        let plan = Plan::of(seed, 3, 200);
        assert_ne!(plan, Plan::of(seed + 1, 3, 200));
        let kinds: Vec<_> = plan.disasters.iter().map(|(_, it)| *it).collect();
        let loses = |it: &Disaster| matches!(it, Disaster::Flush | Disaster::FailOver(_));
        assert_eq!((kinds.len(), kinds.iter().position(loses)), (11, Some(9)), "{plan:?}");
    }
}
