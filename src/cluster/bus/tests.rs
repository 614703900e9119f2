use super::{Answers, Bus};
use crate::clock::Clock;
use crate::cluster::tests::{TestRedis, cluster_config};
use crate::cluster::{ClusterMember, MemberNeeds, MemberStatus};
use crate::core::cluster::agreement::Agreement;
use crate::core::cluster::bus::words::{BusRequest, NodeAnswer};
use crate::core::cluster::node::NodeEffect;
use crate::tasks::Tasks;
use crate::types::{Seq, SocketId};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(20);

/// A node that answers each question with a number of its own; with 0 it says that it could not do it.
struct Node {
    bus: Bus,
    tasks: Tasks,
    name: Arc<str>,
}

impl Node {
    async fn join(redis: &TestRedis, answer: Option<usize>) -> Self {
        let clock = Clock::start(Seq(0));
        let needs = MemberNeeds {
            agreement: Agreement::default(),
            endpoints: Vec::new(),
            window: Duration::from_secs(10),
            events_kept: Duration::from_secs(10),
            grace_max: Duration::from_secs(10),
            clock: clock.clone(),
        };
        let tasks = Tasks::new();
        let config = cluster_config(redis.url());
        let (member, effects) = ClusterMember::join(&config, needs, &tasks);
        let mut status = member.status();
        let attached = status.wait_for(|it| *it == MemberStatus::Attached);
        timeout(PATIENCE, attached).await.unwrap().unwrap();
        let (bus, name) = (Bus::new(member.clone(), clock), member.name());
        tasks.spawn("bus", bus.clone().run());
        tasks.spawn("effects", take(bus.clone(), effects, answer));
        Self { bus, tasks, name }
    }

    async fn ask(&self) -> Answers {
        let id = SocketId::from_bytes([7; SocketId::BYTES]);
        let asked = self.bus.ask(BusRequest::KickSocket(id)).unwrap();
        timeout(PATIENCE, asked.answers()).await.unwrap()
    }
}

fn numbers(answers: &Answers) -> Vec<usize> {
    let number = |it: &NodeAnswer| {
        let NodeAnswer::Disconnected(number) = it else { panic!("{it:?}") };
        *number
    };
    let mut numbers: Vec<usize> = answers.answers.iter().map(number).collect();
    numbers.sort_unstable();
    numbers
}

async fn take(bus: Bus, mut effects: mpsc::Receiver<NodeEffect>, answer: Option<usize>) {
    while let Some(effect) = effects.recv().await {
        match effect {
            NodeEffect::Taken { event, others, .. } => bus.taken(event, &others),
            NodeEffect::Degraded { event } | NodeEffect::Unknown { event } => bus.not_taken(event),
            NodeEffect::Told { from, message } => bus.told(&from, &message),
            NodeEffect::Heard { from, event, .. } => {
                let said = bus.heard(&from, &event).filter(|_| !bus.is_own(&from));
                if let (Some(said), Some(answer)) = (said, answer) {
                    let answer = match answer {
                        0 => NodeAnswer::Failed,
                        _ => NodeAnswer::Disconnected(answer),
                    };
                    bus.answer(&from, said.question, answer);
                }
            }
            NodeEffect::Session { .. }
            | NodeEffect::Marked { .. }
            | NodeEffect::MissedSome
            | NodeEffect::ReadTo(_)
            | NodeEffect::NewEpoch { .. }
            | NodeEffect::Left
            | NodeEffect::Verify => {}
        }
    }
}

#[tokio::test]
async fn every_other_node_answers_and_one_that_does_not_is_named() {
    let redis = TestRedis::start(|_, text| text);
    let alone = Node::join(&redis, None).await;
    let answers = alone.ask().await;
    assert!(answers.answers.is_empty() && answers.missing.is_nobody());

    let (b, c) = (Node::join(&redis, Some(1)).await, Node::join(&redis, Some(2)).await);
    let answers = alone.ask().await;
    assert_eq!(numbers(&answers), [1, 2]);
    assert!(answers.missing.is_nobody());

    let answers = b.ask().await;
    assert_eq!(numbers(&answers), [2]);
    assert_eq!(*answers.missing.names, [Arc::clone(&alone.name)]);
    assert!(!answers.missing.is_degraded);
    for node in [alone, b, c] {
        assert!(node.tasks.stop(PATIENCE).await);
    }
}

#[tokio::test]
async fn without_redis_the_answer_says_so_and_only_the_first_is_waited_for() {
    let redis = TestRedis::start(|_, text| text);
    let (a, b) = (Node::join(&redis, None).await, Node::join(&redis, Some(1)).await);
    a.ask().await;
    drop(redis);
    for _ in 0..20 {
        let answers = a.ask().await;
        assert_eq!(*answers.missing.names, [Arc::clone(&b.name)]);
        assert!(answers.missing.is_degraded && answers.answers.is_empty());
    }
    for node in [a, b] {
        assert!(node.tasks.stop(PATIENCE).await);
    }
}

#[tokio::test]
async fn what_another_version_says_is_skipped() {
    let redis = TestRedis::start(|_, text| text);
    let (a, b) = (Node::join(&redis, Some(1)).await, Node::join(&redis, Some(2)).await);
    for strange in [&b"\xffwhat"[..], b"\x01", b"\x01\x01\x01\xff"] {
        let append = |_| {};
        let numbering = crate::core::cluster::node::Numbering::Plain;
        a.bus.member.append(strange.to_vec().into(), numbering, append).unwrap();
    }
    assert_eq!(numbers(&a.ask().await), [2]);
    assert_eq!(numbers(&b.ask().await), [1]);
    for node in [a, b] {
        assert!(node.tasks.stop(PATIENCE).await);
    }
}

#[tokio::test]
async fn a_node_that_could_not_do_it_is_named_too() {
    let redis = TestRedis::start(|_, text| text);
    let (a, b) = (Node::join(&redis, Some(1)).await, Node::join(&redis, Some(0)).await);
    let missing = a.ask().await.missing;
    assert_eq!((missing.names, missing.is_degraded), ([Arc::clone(&b.name)].into(), false));
    for node in [a, b] {
        assert!(node.tasks.stop(PATIENCE).await);
    }
}
