//! Nodes and Redis that fail while something is sent: nothing twice, nothing lost in silence.

use crate::rig::api::Api;
use crate::rig::nodes::{Listener, Nodes};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use userline::tasks::Tasks;

#[tokio::test]
async fn a_node_that_stands_still_is_named_and_has_done_what_it_was_asked_when_it_goes_on() {
    let nodes = Nodes::start(3).await;
    let client = Listener::connect(nodes.servers[2].public, "ann").await;
    nodes.servers[2].signal("-STOP").await;

    let emit = json!({"to": {"users": ["ann"]}, "event": "n", "args": [1]});
    let join = json!({"to": {"users": ["ann"]}, "rooms": ["r"]});
    let (answer, (joining, moved), (deleting, _)) = tokio::join!(
        nodes.apis[0].post("/v1/emit", &emit),
        nodes.apis[1].post_any("/v1/sockets/join", &join),
        nodes.apis[0].delete("/v1/sockets/sock_AAAAAAAAAAAAAAAAAAAA"),
    );
    assert_eq!(answer["matched"], 0);
    let missing = answer["nodes_missing"].as_array().unwrap();
    assert_eq!(missing.len(), 1, "{answer}");
    assert!(answer.get("degraded").is_none(), "{answer}");
    assert_eq!((joining, moved["nodes_missing"].as_array()), (202, Some(missing)));
    assert_eq!(deleting, 202);

    nodes.servers[2].signal("-CONT").await;
    client.hears(&BTreeSet::from([1])).await;
    let to_room = json!({"to": {"rooms": ["r"]}, "event": "n", "args": [2]});
    assert_eq!(nodes.apis[0].post("/v1/emit", &to_room).await["sent"], 1);
    client.hears(&BTreeSet::from([2])).await;
    assert_eq!(client.numbers(), [1, 2]);
}

/// Emits numbers to both clients, one after the other, until `is_over`: those whose answer names nobody as missing, and all.
async fn emit_until(
    api: Api,
    mut is_over: tokio::sync::oneshot::Receiver<()>,
    from: u64,
) -> Emitted {
    let mut emitted = Emitted::default();
    let mut number = from;
    while is_over.try_recv().is_err() {
        let emit = json!({"to": {"users": ["ann", "bob"]}, "event": "n", "args": [number]});
        let (status, answer) = api.post_any("/v1/emit", &emit).await;
        if status == 200 {
            emitted.all.push(number);
            if answer.get("nodes_missing").is_none() && answer.get("degraded").is_none() {
                assert_eq!(answer["sent"], 2, "{answer}");
                emitted.whole.insert(number);
            }
        } else {
            emitted.refused.insert(number);
        }
        number += 1;
    }
    emitted
}

#[derive(Debug, Default)]
struct Emitted {
    all: Vec<u64>,
    whole: BTreeSet<u64>,
    refused: BTreeSet<u64>,
}

#[tokio::test]
async fn while_redis_is_killed_and_comes_back_nothing_arrives_twice_or_is_lost_in_silence() {
    let mut nodes = Nodes::start(2).await;
    let ann = Listener::connect(nodes.servers[0].public, "ann").await;
    let bob = Listener::connect(nodes.servers[1].public, "bob").await;
    let (tasks, mut ends, mut emitting) = (Tasks::new(), Vec::new(), Vec::new());
    for (place, api) in nodes.apis.iter().enumerate() {
        let (end, is_over) = tokio::sync::oneshot::channel();
        ends.push(end);
        let from = 1_000_000 * u64::try_from(place).unwrap();
        emitting.push(tasks.run_to_end("emitting", emit_until(api.clone(), is_over, from)));
    }
    let has_heard = |more: usize| {
        let (ann_had, bob_had) = (ann.numbers().len(), bob.numbers().len());
        let (ann, bob) = (&ann, &bob);
        async move || ann_had + more < ann.numbers().len() && bob_had + more < bob.numbers().len()
    };
    for _ in 0..3 {
        crate::rig::eventually("emits go on", crate::rig::nodes::PATIENCE, has_heard(50)).await;
        nodes.redis.stop();
        let had = ann.numbers().len();
        let goes_on = async || had + 5 < ann.numbers().len();
        crate::rig::eventually("local delivery goes on", crate::rig::nodes::PATIENCE, goes_on)
            .await;
        nodes.redis.run().await;
    }
    crate::rig::eventually("emits go on", crate::rig::nodes::PATIENCE, has_heard(50)).await;
    for end in ends {
        end.send(()).unwrap();
    }
    for (place, emitting) in emitting.into_iter().enumerate() {
        let Emitted { all, whole, refused } = emitting.result().await.unwrap();
        assert!(!whole.is_empty() && whole.len() < all.len(), "{} of {}", whole.len(), all.len());
        for (client, is_local) in [(&ann, place == 0), (&bob, place == 1)] {
            client.hears(&whole).await;
            let range = 1_000_000 * u64::try_from(place).unwrap();
            let mut got = client.numbers();
            got.retain(|it| *it / 1_000_000 == range / 1_000_000);
            let in_order: BTreeSet<u64> = got.iter().copied().collect();
            assert!(got.iter().eq(&in_order), "twice, or out of order");
            assert!(in_order.is_disjoint(&refused), "refused means certainly not sent");
            if is_local {
                assert_eq!(got, all, "local delivery waits for nothing");
            }
        }
    }
}

#[tokio::test]
async fn a_node_that_is_killed_is_missing_until_the_others_take_it_for_gone() {
    let mut nodes = Nodes::start(2).await;
    let ann = Listener::connect(nodes.servers[0].public, "ann").await;
    nodes.kill(1).await;
    let emit = json!({"to": {"users": ["ann"]}, "event": "n", "args": [1]});
    let answer: Value = nodes.apis[0].post("/v1/emit", &emit).await;
    assert_eq!(answer["sent"], 1);
    assert_eq!(answer["nodes_missing"].as_array().map(Vec::len), Some(1), "{answer}");
    let is_whole =
        async || nodes.apis[0].post("/v1/emit", &emit).await.get("nodes_missing").is_none();
    crate::rig::eventually("it is gone", crate::rig::nodes::PATIENCE, is_whole).await;
    assert!(ann.numbers().iter().all(|it| *it == 1));
}
