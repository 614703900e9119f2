//! Many clients, events all the time, a hole of eight seconds, and a node that is killed.

use super::RECOVERY;
use super::client::Comer;
use crate::rig::api::Api;
use crate::rig::eventually;
use crate::rig::nodes::{Nodes, PATIENCE};
use serde_json::json;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use userline::tasks::Tasks;

const CLIENTS: usize = 200;
const HOLE: Duration = Duration::from_secs(8);
/// Numbers of one caller.
const CALLER: u64 = 1_000_000;

/// Emits numbers to everybody until it is over. Returns those whose answers say that nothing is wrong with them.
async fn emit_all(api: Api, caller: u64, is_over: Arc<AtomicBool>) -> BTreeSet<u64> {
    let mut sure = BTreeSet::new();
    for number in caller * CALLER.. {
        if is_over.load(Ordering::Relaxed) {
            break;
        }
        let message = json!({"to": {"all": true}, "event": "n", "args": [number]});
        let (status, answer) = api.post_any("/v1/emit", &message).await;
        if status == 200 && answer.get("degraded").is_none() {
            sure.insert(number);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    sure
}

/// Waits until its connection has ended, and comes back to the next of these.
async fn come_back(mut client: Comer, after: Duration, servers: Vec<SocketAddr>) -> Comer {
    client.cut().await;
    tokio::time::sleep(after).await;
    for server in servers.iter().cycle().take(100) {
        if client.try_connect(*server).await.is_some() {
            return client;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("it did not come back");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_hundred_clients_none_misses_what_was_answered_for_when_a_node_is_killed() {
    let mut nodes = Nodes::start_with(3, RECOVERY).await;
    let (tasks, is_over) = (Tasks::new(), Arc::new(AtomicBool::new(false)));
    let mut clients = Vec::new();
    for number in 0..CLIENTS {
        let mut client = Comer::new(&format!("u{number}"));
        // Of the node that is killed, half of them.
        client.connect(nodes.servers[number % 2].public).await;
        clients.push(client);
    }
    let callers: Vec<_> = (1..3u64)
        .map(|caller| {
            let api = nodes.apis[usize::try_from(caller).unwrap()].clone();
            tasks.run_to_end("emitting", emit_all(api, caller, Arc::clone(&is_over)))
        })
        .collect();
    let has_enough = async || 30 < clients[0].numbers().len();
    eventually("events come", PATIENCE, has_enough).await;

    let left = vec![nodes.servers[1].public, nodes.servers[2].public];
    nodes.kill(0).await;
    let mut coming = Vec::new();
    for (number, client) in clients.into_iter().enumerate() {
        // Those of the killed node at once, the others after the hole, to the node that they did not have.
        let (after, servers) =
            if number % 2 == 0 { (Duration::ZERO, left.clone()) } else { (HOLE, vec![left[1]]) };
        coming.push(tasks.run_to_end("coming", come_back(client, after, servers)));
    }
    let mut clients = Vec::new();
    for it in coming {
        clients.push(it.result().await.unwrap());
    }
    is_over.store(true, Ordering::Relaxed);
    let mut sure = BTreeSet::new();
    for caller in callers {
        sure.append(&mut caller.result().await.unwrap());
    }
    assert!(20 < sure.len(), "{}", sure.len());

    for client in &clients {
        for number in [sure.iter().next_back(), sure.range(..2 * CALLER).next_back()] {
            client.hears(*number.unwrap()).await;
        }
        let kept = client.kept();
        // What was `degraded` may come again.
        let numbers = client.numbers().into_iter().filter(|it| sure.contains(it));
        let numbers: Vec<u64> = numbers.collect();
        assert_eq!((kept.recoveries, &*kept.breaks), (1, &[0][..]), "recovered");
        let got: BTreeSet<u64> = numbers.iter().copied().collect();
        assert_eq!(got.len(), numbers.len(), "nothing twice");
        let missing: Vec<_> = sure.difference(&got).collect();
        assert!(missing.is_empty(), "{missing:?}");
        for caller in 1..3 {
            let of_caller = numbers.iter().filter(|it| *it / CALLER == caller);
            assert!(of_caller.is_sorted(), "in order");
        }
    }
}
