//! Nodes, their connections and a Redis, in a time that belongs to the test. The nodes are the shipped state machines, and
//! Redis is a real one that runs the shipped scripts.

use super::clients::{Audience, Clients};
use super::hooked::ToldSocket;
use super::mutants::Mutant;
use super::parts::{
    Answer, Asker, GRACE_MS, History, Message, NODE_GRACE_MS, Random, SimEvent, SimNode, Told,
    USERS, Wire, new_node, user_id,
};
use super::server::{self, Snapshot, TestRedis};
use super::verdicts::Sentence;
use crate::cluster::{ClusterPlace, reply};
use crate::core::cluster::command::{Applied, Command, Reply};
use crate::core::cluster::facts::UserDeparture;
use crate::core::cluster::node::{EventId, Lane, NodeEffect, Numbering};
use crate::types::{Reason, Timestamp, WallMs};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

const MS: fn(u64) -> Duration = Duration::from_millis;
const START: u64 = 1_700_000_000_000_000;

#[expect(clippy::struct_excessive_bools, reason = "independent of each other")]
pub(super) struct World {
    pub(super) random: Random,
    pub(super) redis: TestRedis,
    pub(super) place: ClusterPlace,
    pub(super) now: u64,
    /// Added to `now` where Redis asks for the time.
    pub(super) skew: i64,
    pub(super) run: u64,
    pub(super) is_away: bool,
    /// Whether Redis lost something it had confirmed.
    pub(super) has_lost: bool,
    pub(super) nodes: Vec<SimNode>,
    pub(super) wires: Vec<Wire>,
    pub(super) clients: Clients,
    pub(super) events: Vec<SimEvent>,
    pub(super) told: Vec<Told>,
    /// The same of sockets.
    pub(super) told_sockets: Vec<ToldSocket>,
    /// When the state last held a user for sure.
    pub(super) held: [u64; USERS],
    pub(super) mutant: Option<Mutant>,
    pub(super) snapshot: Option<(Snapshot, u64)>,
    pub(super) bad: Vec<String>,
    pub(super) counts: BTreeMap<&'static str, u64>,
    pub(super) snapshots: bool,
    tells: bool,
}

impl World {
    pub(super) fn new(seed: u64, mut redis: TestRedis, mutant: Option<Mutant>) -> Self {
        redis.flush();
        let mut random = Random::new(seed);
        let nodes = 2 + random.below(2);
        let log_bytes = if random.chance(30) { 30 + random.below(60) } else { 1_000_000 };
        let snapshots = random.chance(60);
        let place = ClusterPlace {
            endpoints: vec!["hook".to_owned()],
            log_bytes,
            window: MS(if random.chance(50) { 3000 } else { 100_000 }),
            node_grace: MS(NODE_GRACE_MS),
            hold: MS(800),
            silence: MS(200),
            grace_max: MS(NODE_GRACE_MS),
            ..server::place()
        };
        let clients = Clients::new(&mut random);
        let mut world = Self {
            random,
            redis,
            place,
            now: START,
            skew: 0,
            run: 1,
            is_away: false,
            has_lost: false,
            nodes: Vec::new(),
            wires: Vec::new(),
            clients,
            events: Vec::new(),
            told: Vec::new(),
            told_sockets: Vec::new(),
            held: [0; USERS],
            mutant,
            snapshot: None,
            bad: Vec::new(),
            counts: BTreeMap::new(),
            snapshots,
            tells: std::env::var_os("USERLINE_TEST_TELL").is_some(),
        };
        for node in 0..nodes {
            world.nodes.push(new_node(node, 1, world.place.window));
        }
        world
    }

    pub(super) fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    /// Tells what happens, if `USERLINE_TEST_TELL` is set.
    #[expect(clippy::print_stdout, reason = "this is what it is for")]
    pub(super) fn tell(&self, what: impl FnOnce() -> String) {
        if self.tells {
            println!("{:>9} {}", self.now - START, what());
        }
    }

    pub(super) fn is(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    pub(super) fn time(&self) -> Timestamp {
        Timestamp(self.now / 1000)
    }

    fn redis_time(&self) -> u64 {
        self.now.saturating_add_signed(self.skew)
    }

    pub(super) fn is_running(&self, node: usize) -> bool {
        self.nodes[node].is_up && !self.nodes[node].is_paused
    }

    pub(super) fn open_wire(&self, node: usize) -> Option<usize> {
        self.wires.iter().position(|it| it.node == node && it.is_open)
    }

    /// A node does what it wants to do now.
    pub(super) fn pump(&mut self, node: usize) {
        if !self.is_running(node) {
            return;
        }
        let now = self.time();
        if self.open_wire(node).is_none() && !self.is_away {
            self.nodes[node].machine.connected(format!("run{}", self.run));
            let (requests, replies) = (VecDeque::new(), VecDeque::new());
            self.wires.push(Wire { node, is_open: true, requests, replies });
        }
        let effects = self.nodes[node].machine.tick(now);
        self.take(node, effects);
        if !self.nodes[node].is_up {
            return;
        }
        self.nodes[node].recovery.expire(now);
        for lane in Lane::ALL {
            if let Some((ticket, command)) = self.nodes[node].machine.next(lane, now)
                && let Some(wire) = self.open_wire(node)
            {
                self.wires[wire].requests.push_back(Message::Command(ticket, command));
            }
        }
        self.ask_for_clients(node);
    }

    /// Redis runs the next request of a connection.
    pub(super) fn execute(&mut self, wire: usize) {
        // Lanes do not wait for each other: what is on its way may overtake.
        let place = self.random.below(self.wires[wire].requests.len());
        let Some(message) = self.wires[wire].requests.remove(place) else { return };
        let command = match &message {
            Message::Command(_, command) | Message::Question(_, _, command) => command.clone(),
        };
        let command = self.mutated(command);
        let value = self.redis.run(&self.place.call(&command), self.redis_time());
        let answer = reply(&command, &value).unwrap_or_else(|it| panic!("{it}: {value:?}"));
        self.tell(|| format!("n{} {command:?} -> {answer:?}", self.wires[wire].node));
        self.log_truth(self.wires[wire].node, &command, &answer, &value);
        if let Message::Question(_, Asker::Claim(socket), _) = &message
            && let Some(claim) = self.clients.claims.get_mut(socket)
        {
            claim.asked = self.now;
        }
        if matches!(command, Command::Apply(_) | Command::Tend | Command::Reap(_)) {
            self.read_told();
        }
        if self.wires[wire].is_open {
            self.wires[wire].replies.push_back((message, answer));
        }
    }

    /// What the log holds, noted where it is written.
    fn log_truth(&mut self, node: usize, command: &Command, answer: &Reply, value: &redis::Value) {
        let (Command::Apply(apply), Reply::Applied(Applied::Done { first, .. })) =
            (command, answer)
        else {
            return;
        };
        if format!("{value:?}").contains("DUP") {
            self.count("repeats answered as before");
            return;
        }
        if apply.marker {
            let of_node = |it: &&mut SimEvent| {
                it.node == node && !it.is_plain && it.answer == Answer::Degraded
            };
            for event in self.events.iter_mut().filter(of_node) {
                event.marked.get_or_insert(self.now);
            }
        }
        let first = first + u64::from(apply.marker);
        for (number, event) in (first..).zip(&apply.events) {
            let event: usize = std::str::from_utf8(event).unwrap().parse().unwrap();
            // What was lost may come again.
            if self.events[event].place.is_some() && !self.has_lost {
                self.bad.push(format!("twice in the log: event {event}"));
            }
            self.events[event].place = Some((apply.epoch.to_string(), number));
            self.events[event].logged = self.now;
        }
    }

    /// A node gets the next answer.
    pub(super) fn deliver(&mut self, wire: usize) {
        let node = self.wires[wire].node;
        if !self.wires[wire].is_open || !self.is_running(node) {
            return;
        }
        let Some((message, reply)) = self.wires[wire].replies.pop_front() else { return };
        match message {
            Message::Command(ticket, command) => {
                let now = self.time();
                let effects = self.nodes[node].machine.reply(ticket, &command, reply, now);
                self.take(node, effects);
            }
            Message::Question(question, asker, _) => match (asker, reply) {
                (Asker::Claim(socket), Reply::Claimed(claimed)) => {
                    self.found(node, socket, (question, claimed));
                }
                (Asker::History, Reply::Missed(page)) => self.take_history(node, question, page),
                (_, reply) => panic!("{reply:?}"),
            },
        }
    }

    /// What the cluster says is done in its order; by a node that starts, when it has read what was before it.
    pub(super) fn take(&mut self, node: usize, effects: Vec<NodeEffect>) {
        self.nodes[node].pending.extend(effects);
        if matches!(self.nodes[node].history, History::Wanted { .. }) {
            return;
        }
        let all = self.nodes[node].pending.len();
        // It may be busy with something else.
        let count = if self.random.chance(80) { all } else { self.random.below(all + 1) };
        for _ in 0..count {
            let Some(effect) = self.nodes[node].pending.pop_front() else { return };
            self.perform(node, effect);
        }
    }

    fn perform(&mut self, node: usize, effect: NodeEffect) {
        match effect {
            NodeEffect::Session { .. } | NodeEffect::Told { .. } => {}
            NodeEffect::ReadTo(number) => self.read_to(node, number),
            NodeEffect::Left => self.stop(node),
            NodeEffect::Taken { event, .. } => self.answer(node, event, Answer::Taken),
            NodeEffect::Unknown { event } => self.answer(node, event, Answer::Unknown),
            NodeEffect::Degraded { event } => {
                self.answer(node, event, Answer::Degraded);
                self.degrade(node, event);
            }
            NodeEffect::Heard { number, own, is_repeat, event, .. } => {
                let event = std::str::from_utf8(&event).unwrap().parse().unwrap();
                self.hear(node, (number, own), is_repeat, event);
            }
            NodeEffect::Marked { number } => {
                self.count("markers");
                self.mark(node, number);
            }
            NodeEffect::MissedSome => {
                self.count("nodes that missed some");
                if !self.is(Mutant::TrimCheck) {
                    self.miss(node);
                }
            }
            NodeEffect::NewEpoch { epoch, read_to } => {
                self.count("new epochs seen");
                self.renew(node, &epoch, read_to);
            }
            NodeEffect::Verify => {
                self.count("nodes that slept");
                self.nodes[node]
                    .users
                    .values_mut()
                    .for_each(|(_, is_verified)| *is_verified = false);
            }
        }
    }

    fn answer(&mut self, node: usize, event: EventId, answer: Answer) {
        let event = self.nodes[node].own[&event];
        self.count(match answer {
            Answer::Taken => "events in the log",
            Answer::Degraded => "events degraded",
            Answer::Unknown | Answer::Pending => "events unknown",
        });
        if self.events[event].answer != Answer::Pending {
            self.bad.push(format!("answered twice: event {event}"));
        }
        self.events[event].answer = answer;
        self.clients.answered(self.events[event].caller, event);
    }

    /// Somebody emits at a node.
    pub(super) fn emit(&mut self, node: usize, caller: usize, audience: Audience, is_plain: bool) {
        self.ask(node, caller, (audience, None), is_plain);
    }

    /// Somebody asks a node for something that all have to do.
    pub(super) fn ask(
        &mut self,
        node: usize,
        caller: usize,
        (audience, sentence): (Audience, Option<Sentence>),
        is_plain: bool,
    ) {
        let event = self.events.len();
        let (at, answer) = (self.now, Answer::Pending);
        self.events.push(SimEvent {
            caller,
            is_plain,
            audience,
            sentence,
            answer,
            place: None,
            logged: 0,
            at,
            marked: None,
            node,
            boot: self.nodes[node].boot,
        });
        self.clients.asked(caller, event);
        let payload = Bytes::from(event.to_string());
        let now = self.time();
        let machine = &mut self.nodes[node].machine;
        let numbering = if is_plain { Numbering::Plain } else { Numbering::Numbered };
        let (id, effects) = machine.append(payload, numbering, now).unwrap();
        self.nodes[node].own.insert(id, event);
        match sentence {
            Some(sentence) => self.carry_out(node, sentence),
            None if is_plain => self.hand_out_plain(node, event),
            None => {}
        }
        for effect in effects {
            self.perform(node, effect);
        }
    }

    pub(super) fn up(&mut self, node: usize, user: usize) {
        let entry = self.nodes[node].users.entry(user).or_insert((0, true));
        entry.0 += 1;
        entry.1 = true;
        self.nodes[node].machine.up(&user_id(user));
    }

    pub(super) fn down(&mut self, node: usize, user: usize) {
        let Some((sockets, _)) = self.nodes[node].users.get_mut(&user) else { return };
        *sockets -= 1;
        if *sockets == 0 {
            self.nodes[node].users.remove(&user);
            let departure = UserDeparture {
                grace: MS(GRACE_MS),
                reason: Reason::TransportClose,
                closed_at: WallMs(self.now / 1000),
            };
            self.nodes[node].machine.down(&user_id(user), departure);
        }
    }
}

/// Users with a socket on a node that runs.
pub(super) fn online(world: &World) -> BTreeSet<usize> {
    let up = world.nodes.iter().filter(|it| it.is_up);
    up.flat_map(|it| it.users.keys().copied()).collect()
}
