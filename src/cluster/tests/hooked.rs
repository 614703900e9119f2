//! Hooks of sockets: each that is told of as come is told of once as gone, while its user is there.

use super::directed::Bench;
use super::parts::user_id;
use super::sockets::id_of;
use super::world::World;
use crate::core::cluster::command::ReapReason;
use crate::core::cluster::facts::{FactOp, UserDeparture};
use crate::core::cluster::sockets::{SocketOp, SocketTold};
use crate::core::delivery::hook_body;
use crate::types::{Reason, WallMs};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// A hook of a socket.
#[derive(Debug, Clone)]
pub(super) struct ToldSocket {
    user: usize,
    pub(super) seq: u64,
    session: u64,
    number: u64,
    has_come: bool,
}

fn told(number: u64, at: u64) -> SocketTold {
    let (socket, words) = (id_of(number), format!("\"number\":{number}"));
    SocketTold { socket, at: WallMs(at), since: WallMs(at), words }
}

fn one_of(user: usize, number: u64) -> String {
    format!("u{user}/{number}")
}

impl World {
    pub(super) fn tell_come(&mut self, node: usize, user: usize, number: u64) {
        let told = told(number, self.now / 1000);
        self.nodes[node].machine.socket_came(&user_id(user), told);
    }

    pub(super) fn tell_end(&mut self, node: usize, user: usize, number: u64) {
        let told = told(number, self.now / 1000);
        self.nodes[node].machine.socket_went(&user_id(user), told);
    }

    /// The number of whatever was told last.
    pub(super) fn last_told(&self) -> u64 {
        let user = self.told.last().map_or(0, |it| it.seq);
        self.told_sockets.last().map_or(user, |it| it.seq.max(user))
    }

    pub(super) fn read_told_socket(&mut self, user: usize, seq: u64, body: &str) {
        let body: Value = serde_json::from_str(body).unwrap();
        let data = &body["data"];
        assert_eq!(data["user"], user_id(user).as_str(), "{body}");
        let has_come = body["type"] == "socket.connected";
        self.count(match (has_come, data["reason"].as_str()) {
            (true, _) => "sockets told of",
            (false, Some("node_lost")) => "sockets told of as lost",
            (false, _) => "sockets told of as gone",
        });
        let (session, number) =
            (data["session"].as_u64().unwrap(), data["number"].as_u64().unwrap());
        self.told_sockets.push(ToldSocket { user, seq, session, number, has_come });
    }

    pub(super) fn check_sockets(&mut self) {
        let mut bad = Vec::new();
        let mut open: BTreeMap<String, ToldSocket> = BTreeMap::new();
        let mut changes = self.told.iter().peekable();
        let mut session: BTreeMap<usize, u64> = BTreeMap::new();
        for it in &self.told_sockets {
            while let Some(change) = changes.next_if(|change| change.seq < it.seq) {
                if change.is_on {
                    session.insert(change.user, change.session);
                } else {
                    session.remove(&change.user);
                }
            }
            let name = one_of(it.user, it.number);
            if it.has_come {
                let before = open.insert(name, it.clone());
                if before.is_some() && !self.has_lost {
                    bad.push(format!("told twice that it came: {it:?}"));
                }
            } else if open.remove(&name).is_none() && !self.has_lost {
                bad.push(format!("gone, and was not told of: {it:?}"));
            }
            if session.get(&it.user) != Some(&it.session) && !self.has_lost {
                bad.push(format!("its user is not there: {it:?}, {session:?}"));
            }
        }
        let here = self.clients.sockets.iter().filter(|(_, it)| self.nodes[it.node].is_up);
        let here: Vec<String> =
            here.map(|(number, it)| one_of(self.clients.all[it.client].user, *number)).collect();
        bad.extend(
            here.iter()
                .filter(|it| !open.contains_key(*it))
                .map(|it| format!("{it} is there, and was told otherwise")),
        );
        if !self.has_lost {
            open.retain(|name, _| !here.contains(name));
            bad.extend(open.values().map(|it| format!("gone, and told to be there: {it:?}")));
        }
        self.bad.extend(bad);
    }
}

fn op(user: usize, op: SocketOp) -> FactOp {
    FactOp::Socket { user: user_id(user), op }
}

fn came(user: usize, number: u64) -> FactOp {
    op(user, SocketOp::Came { told: Arc::new(told(number, 5)), is_retold: false })
}

fn again(user: usize, number: u64) -> FactOp {
    op(user, SocketOp::Came { told: Arc::new(told(number, 5)), is_retold: true })
}

fn went(user: usize, number: u64) -> FactOp {
    op(user, SocketOp::Went(Arc::new(told(number, 6))))
}

fn up(user: usize) -> FactOp {
    FactOp::Up { user: user_id(user), hint: None, is_kept: false }
}

impl Bench {
    /// Type, number and reason of each hook of a socket.
    fn sockets(&mut self) -> Vec<String> {
        let entries = self.events();
        let hooks = entries.into_iter().filter(|fields| fields[1] == "hook");
        hooks
            .map(|fields| {
                let body: Value = serde_json::from_str(&fields[7]).unwrap();
                assert_eq!(body["type"], fields[5].as_str());
                let data = &body["data"];
                let reason = data["reason"].as_str().unwrap_or_default();
                format!("{} {} {reason}", fields[5].trim_start_matches("socket."), data["number"])
            })
            .collect()
    }
}

#[test]
fn of_a_socket_that_nobody_was_told_of_nobody_is_told_that_it_went() {
    let mut bench = Bench::new(None);
    let mut a = bench.attach("run", None, "a.1");
    bench.apply(&mut a, vec![came(1, 1), went(1, 1)], &[]);
    assert_eq!(bench.sockets(), Vec::<String>::new(), "its user was gone before it was told of");
    bench.apply(&mut a, vec![up(1), came(1, 2), went(1, 2), went(1, 2), went(1, 3)], &[]);
    assert_eq!(bench.sockets(), ["connected 2 ", "disconnected 2 "]);
}

#[test]
fn a_node_that_is_let_go_takes_its_sockets_along_before_its_users() {
    let mut bench = Bench::new(None);
    let mut a = bench.attach("run", None, "a.1");
    bench.apply(&mut a, vec![up(1), came(1, 1), came(1, 2), up(2), came(2, 3), went(2, 3)], &[]);
    bench.reap(&a, ReapReason::Silent(1));
    bench.reap(&a, ReapReason::Begun);
    let mut ended = bench.sockets().split_off(4);
    ended.sort_unstable();
    assert_eq!(ended, ["disconnected 1 node_lost", "disconnected 2 node_lost"]);
    let body: Value = serde_json::from_str(&bench.events().pop().unwrap()[7]).unwrap();
    let at = body["timestamp"].as_str().unwrap();
    let data = &body["data"];
    assert_eq!(data["disconnected_at"], at, "{body}");
    let ms = data["duration_ms"].as_u64().unwrap() + 5;
    assert_eq!(at, hook_body::rfc3339(WallMs(ms)), "{body}");
    assert_eq!(bench.ask_redis(&["KEYS", "sockets:*"]), Vec::<String>::new());
}

#[test]
fn sockets_that_outlast_their_incarnation_are_told_of_once() {
    let mut bench = Bench::new(None);
    let mut a = bench.attach("run", None, "a.1");
    bench.apply(&mut a, vec![up(1), came(1, 1), came(1, 2), came(1, 3)], &[]);
    // Another node has taken it for gone, and has not come any further.
    bench.change_redis(&["HDEL", "nodes", "a.1"]);
    let mut next = bench.attach("run", Some(&a), "a.2");
    bench.apply(&mut next, vec![up(1), came(1, 1), went(1, 2)], &[]);
    let before = ["connected 1 ", "connected 2 ", "connected 3 ", "disconnected 2 "];
    assert_eq!(bench.sockets(), before);
    bench.change_redis(&["SADD", "dead", "a.1"]);
    bench.reap(&a, ReapReason::Begun);
    assert_eq!(bench.sockets()[4..], ["disconnected 3 node_lost"]);
    bench.apply(&mut next, vec![again(1, 1)], &[]);
    assert_eq!(bench.sockets()[5..], ["connected 1 "], "the state has lost something since");
    bench.apply(&mut next, vec![went(1, 1)], &[]);
    let departure = UserDeparture {
        grace: Duration::ZERO,
        reason: Reason::TransportClose,
        closed_at: WallMs(7),
    };
    bench.apply(&mut next, vec![FactOp::Down { user: user_id(1), departure }], &[]);
    assert_eq!(bench.sockets()[6..], ["disconnected 1 "]);
}

#[test]
fn times_of_lost_sockets_are_written_as_all_others() {
    let mut bench = Bench::new(None);
    let all = [1_u64, 28, 31, 59, 60, 366, 800, 1461, 20_000];
    for days in all {
        let mut node = bench.attach("run", None, &format!("n{days}.1"));
        bench.apply(&mut node, vec![up(1), came(1, days)], &[]);
        bench.wait(Duration::from_secs(86_400 * days + 3_725));
        bench.reap(&node, ReapReason::Own);
    }
    let hooks = bench.events().into_iter().filter(|it| it[1] == "hook");
    let bodies = hooks.map(|it| serde_json::from_str::<Value>(&it[7]).unwrap());
    let lost: Vec<Value> = bodies.filter(|it| it["data"]["reason"].is_string()).collect();
    assert_eq!(lost.len(), all.len());
    for body in lost {
        let ms = body["data"]["duration_ms"].as_u64().unwrap() + 5;
        assert_eq!(body["timestamp"], hook_body::rfc3339(WallMs(ms)), "{body}");
    }
}
