//! A thousand nodes without a network: the machines of `core::cluster::node`, as they are shipped, in virtual time, with a log in
//! memory in the place of Redis. Says what they would ask of Redis, how many bytes that is, and what it costs a node: with the one
//! log that all read and answer, as it is, and if each emit went to the one node that has its user.
//!
//! `cargo bench --bench many_nodes -- [--nodes 10,100,1000] [--emits 20] [--seconds 20]`: plain emits in all a second, each for one
//! user; the figures do not depend on the machine, but for the processor time of a node.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a benchmark may fail by panicking")]
#![expect(clippy::print_stdout, reason = "this is what it is for")]
#![expect(clippy::disallowed_methods, reason = "what a node costs is real time")]
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "what is not said here is not asked for in this"
)]

use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};
use userline::core::cluster::command::{
    Applied, Apply, Attached, Command, NodeTimes, Observation, Reply, Standing, Told, ToldId,
};
use userline::core::cluster::facts::FactOp;
use userline::core::cluster::incarnation::Incarnation;
use userline::core::cluster::log::LogEntry;
use userline::core::cluster::node::{Lane, NodeEffect, NodeMachine, Numbering};
use userline::types::Timestamp;

/// As with the defaults of the configuration.
const TIMES: NodeTimes = NodeTimes {
    heartbeat: Duration::from_secs(5),
    lease: Duration::from_secs(15),
    observe: Duration::from_millis(15_000 / 7),
    tend: Duration::from_secs(1),
    read: Duration::from_secs(1),
    remember: Duration::from_mins(1),
};
/// An emit with 128 bytes of data, and its receipt, on the wire between nodes.
const EMIT: usize = 225;
const RECEIPT: usize = 12;
/// What a name of a node, a number, and the words around a command or an entry take.
const NAME: usize = 26;
const NUMBER: usize = 16;
const COMMAND: u64 = 120;
/// A node looks whether something is to be done this often, in milliseconds.
const STEP: u64 = 5;

/// What Redis was asked.
#[derive(Debug, Default, Clone, Copy)]
struct Cost {
    batches: u64,
    receipts: u64,
    reads: u64,
    observations: u64,
    tends: u64,
    reaps: u64,
    bytes_in: u64,
    bytes_out: u64,
}

/// Stands for Redis: a log, what each node was told, and who is there.
#[derive(Default)]
struct State {
    last: u64,
    nodes: BTreeMap<Incarnation, u64>,
    log: VecDeque<LogEntry>,
    told: BTreeMap<Incarnation, VecDeque<Told>>,
    told_so_far: u64,
    /// Who was told something.
    rung: Vec<Incarnation>,
    cost: Cost,
}

impl State {
    fn number(&mut self, count: u64, now: u64) -> u64 {
        let first = (self.last + 1).max(now * 1000);
        self.last = first + count.max(1) - 1;
        first
    }

    fn run(&mut self, command: &Command, now: u64) -> Reply {
        self.cost.bytes_in += COMMAND;
        match command {
            Command::Attach(attach) => {
                self.nodes.insert(attach.next.clone(), 0);
                let head = self.number(1, now);
                Reply::Attached(Attached {
                    standing: Standing::New,
                    epoch: "e".into(),
                    copy: "c".into(),
                    head,
                    common: head,
                    differs: Vec::new(),
                })
            }
            Command::Apply(apply) => self.apply(apply, now),
            Command::Read { after, told: (own, since), entries_max } => {
                self.cost.reads += 1;
                let from = self.log.partition_point(|it| it.id <= *after);
                let entries: Vec<_> = self.log.range(from..).take(*entries_max).cloned().collect();
                let events: usize = entries.iter().flat_map(|it| &it.events).map(Bytes::len).sum();
                let queue = self.told.entry(own.clone()).or_default();
                while queue.front().is_some_and(|it| place(&it.id) <= place(since)) {
                    queue.pop_front();
                }
                let told: Vec<_> = queue.iter().take(*entries_max).cloned().collect();
                let told_bytes: usize =
                    told.iter().map(|it| NAME + it.message.len() + 2 * NUMBER).sum();
                let bytes = entries.len() * (NAME + 6 * NUMBER) + events + told_bytes;
                self.cost.bytes_out += number(bytes);
                Reply::Entries(entries, told)
            }
            Command::Observe => {
                self.cost.observations += 1;
                self.cost.bytes_out += number(self.nodes.len() * (NAME + NUMBER));
                let nodes = self.nodes.iter().map(|(it, batch)| (it.clone(), *batch)).collect();
                Reply::Observed(Observation { nodes, dead: Vec::new() })
            }
            Command::Tend => {
                self.cost.tends += 1;
                Reply::Tended { head: self.last }
            }
            Command::Reap(reap) => {
                self.cost.reaps += 1;
                self.nodes.remove(&reap.incarnation);
                Reply::Reaped { left: 0 }
            }
            _ => panic!("{command:?}"),
        }
    }

    fn apply(&mut self, apply: &Apply, now: u64) -> Reply {
        self.cost.batches += 1;
        self.nodes.insert(apply.incarnation.clone(), apply.number);
        let ups = apply.facts.iter().filter(|it| matches!(it, FactOp::Up { .. })).count();
        let sessions = (0..ups).map(|_| self.number(1, now)).collect();
        let count = number(apply.events.len());
        let bytes: usize = apply.events.iter().map(Bytes::len).sum();
        let told: usize = apply.tells.iter().map(|(_, it)| NAME + it.len()).sum();
        self.cost.bytes_in += number(bytes + told);
        for (to, message) in &apply.tells {
            self.told_so_far += 1;
            self.cost.receipts += u64::from(message.len() == RECEIPT);
            self.rung.push(to.clone());
            let (id, from) =
                (ToldId(self.told_so_far.to_string().into()), apply.incarnation.clone());
            let told = Told { id, from, message: message.clone() };
            self.told.entry(to.clone()).or_default().push_back(told);
        }
        let (mut first, mut nodes) = (0, Vec::new());
        if count > 0 {
            first = self.number(count, now);
            self.log.push_back(LogEntry {
                id: self.last,
                previous: self.log.back().map_or(0, |it| it.id),
                incarnation: apply.incarnation.clone(),
                batch: apply.number,
                first,
                events: apply.events.clone(),
            });
            nodes = self.nodes.keys().cloned().collect();
            self.cost.bytes_out += number(nodes.len() * NAME);
            if 10_000 < self.log.len() {
                self.log.pop_front();
            }
        }
        Reply::Applied(Applied::Done { first, head: self.last, sessions, nodes })
    }
}

fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap()
}

fn place(id: &ToldId) -> u64 {
    id.0.parse().unwrap_or(0)
}

struct Outcome {
    cost: Cost,
    events_heard: u64,
    answered: u64,
    /// Processor time of all nodes.
    busy: Duration,
    /// From the end of a node until no other counts it, and what letting it go took.
    gone_after: u64,
    reaps: u64,
}

struct Simulation {
    state: State,
    nodes: Vec<NodeMachine>,
    is_routed: bool,
    by_name: BTreeMap<Arc<str>, usize>,
    busy: Duration,
    heard: u64,
    answered: u64,
}

impl Simulation {
    fn new(count: usize, is_routed: bool) -> Self {
        let mut nodes: Vec<_> =
            (0..count).map(|it| NodeMachine::new(format!("n{it:021}"), TIMES)).collect();
        for node in &mut nodes {
            node.connected("run");
        }
        let by_name =
            nodes.iter().enumerate().map(|(at, it)| (Arc::clone(it.name()), at)).collect();
        let (state, busy) = (State::default(), Duration::ZERO);
        Self { state, nodes, is_routed, by_name, busy, heard: 0, answered: 0 }
    }

    /// One node does what it wants to do now; what it hears for the first time it answers.
    fn step(&mut self, at: usize, now: u64) {
        let time = Timestamp(now);
        let node = self.nodes.get_mut(at).unwrap();
        let began = Instant::now();
        let mut effects = node.tick(time);
        self.busy += began.elapsed();
        for lane in Lane::ALL {
            loop {
                let began = Instant::now();
                let next = node.next(lane, time);
                self.busy += began.elapsed();
                let Some((ticket, command)) = next else { break };
                let reply = self.state.run(&command, now);
                let began = Instant::now();
                effects.extend(node.reply(ticket, &command, reply, time));
                self.busy += began.elapsed();
            }
        }
        for effect in effects {
            match effect {
                NodeEffect::Heard { from, .. } if self.by_name.get(from.node()) != Some(&at) => {
                    self.heard += 1;
                    node.tell(from, Bytes::from_static(&[0; RECEIPT]), time);
                }
                NodeEffect::Told { message, .. } if message.len() == RECEIPT => self.answered += 1,
                NodeEffect::Told { from, .. } => {
                    self.heard += 1;
                    node.tell(from, Bytes::from_static(&[0; RECEIPT]), time);
                }
                _ => {}
            }
        }
        for told in std::mem::take(&mut self.state.rung) {
            let at = self.by_name.get(told.node()).copied();
            if let Some(node) = at.and_then(|at| self.nodes.get_mut(at)) {
                node.ring();
            }
        }
    }

    /// A node is asked to emit to a user of the next one.
    fn emit(&mut self, at: usize, now: u64) {
        let event = Bytes::from_static(&[b'x'; EMIT]);
        let other = (at + 1) % self.nodes.len();
        let to = self.nodes.get(other).and_then(|it| it.incarnation()).cloned();
        let node = self.nodes.get_mut(at).unwrap();
        if self.is_routed {
            node.tell(to.unwrap(), event, Timestamp(now));
            return;
        }
        node.append(event, Numbering::Plain, Timestamp(now)).unwrap();
        // The doorbell of all others.
        for node in &mut self.nodes {
            node.ring();
        }
    }

    fn run(&mut self, from: u64, ms: u64, emits: u64, stopped: Option<usize>) {
        let mut due = 0;
        for now in (from..from + ms).step_by(usize::try_from(STEP).unwrap()) {
            due += emits * STEP;
            while 1000 <= due {
                due -= 1000;
                let at = usize::try_from(now * 7919 + due).unwrap() % self.nodes.len();
                if Some(at) != stopped {
                    self.emit(at, now);
                }
            }
            for at in (0..self.nodes.len()).filter(|at| Some(*at) != stopped) {
                self.step(at, now);
            }
        }
    }
}

fn simulate(count: usize, is_routed: bool, emits: u64, seconds: u64) -> Outcome {
    let mut it = Simulation::new(count, is_routed);
    it.run(1000, 10_000, 0, None);
    it.state.cost = Cost::default();
    (it.busy, it.heard, it.answered) = (Duration::ZERO, 0, 0);
    it.run(11_000, 1000 * seconds, emits, None);
    let (cost, busy, heard, answered) = (it.state.cost, it.busy, it.heard, it.answered);

    // One is killed: until nobody counts it any more.
    let began = 11_000 + 1000 * seconds;
    let (mut now, mut reaps) = (began, it.state.cost.reaps);
    while it.state.nodes.len() == count && now < began + 60_000 {
        it.run(now, 500, 0, Some(0));
        now += 500;
    }
    it.run(now, 5000, 0, Some(0));
    reaps = it.state.cost.reaps - reaps;
    Outcome { cost, events_heard: heard, answered, busy, gone_after: now - began, reaps }
}

/// The value of `--name`, or what is usual.
fn setting(name: &str, usual: &str) -> String {
    let arguments: Vec<String> = std::env::args().collect();
    let place = arguments.iter().position(|it| it == name);
    place.and_then(|it| arguments.get(it + 1)).cloned().unwrap_or_else(|| usual.to_owned())
}

fn main() {
    let (emits, seconds) = (setting("--emits", "20"), setting("--seconds", "20"));
    let (emits, seconds): (u64, u64) = (emits.parse().unwrap(), seconds.parse().unwrap());
    println!(
        "{emits} emits a second in all, for {seconds} s; of Redis a second, if not said otherwise\n"
    );
    println!(
        "| nodes | | batches | reads | receipts | looks at the others | KB in | KB out | events heard | µs a node takes | a killed node is gone after, s | reaps for it |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|---|");
    for nodes in setting("--nodes", "10,100,1000").split(',') {
        let nodes: usize = nodes.parse().unwrap();
        for (is_routed, how) in [(false, "one log"), (true, "routed")] {
            let it = simulate(nodes, is_routed, emits, seconds);
            let per_second = |count: u64| count / seconds;
            println!(
                "| {nodes} | {how} | {} | {} | {} | {} | {} | {} | {} | {} | {:.1} | {} |",
                per_second(it.cost.batches),
                per_second(it.cost.reads),
                per_second(it.cost.receipts),
                per_second(it.cost.observations),
                per_second(it.cost.bytes_in) / 1000,
                per_second(it.cost.bytes_out) / 1000,
                per_second(it.events_heard),
                it.busy.as_micros() / u128::from(number(nodes) * seconds),
                Duration::from_millis(it.gone_after).as_secs_f64(),
                it.reaps,
            );
            assert!(it.answered <= it.events_heard, "each is answered once");
        }
    }
}
