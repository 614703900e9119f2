//! Clients that come and go, with what each was handed; and the callers of emits.

use super::mutants::Mutant;
use super::parts::{Answer, Message, Random, SimEvent, USERS};
use super::world::World;
use crate::core::cluster::command::{Command, MissedLog};
use crate::core::cluster::follower::{FollowedEvent, Follower, Missed, Resumed, ToSocket};
use crate::core::cluster::incarnation::Epoch;
use crate::core::cluster::node::{EventId, LogQuestion};
use std::collections::{BTreeMap, VecDeque};

const ROOMS: usize = 3;
const CALLERS: usize = 6;
/// How often a client is asked about before it has to begin anew.
const TRIES: u32 = 8;

#[derive(Debug, Clone, Copy)]
pub(super) enum Audience {
    User(usize),
    Room(usize),
    All,
}

#[derive(Debug)]
pub(super) enum ToClient {
    Event(usize, Option<(String, u64)>),
    Connected { recovered: bool, offset: Option<(String, u64)>, asked: u64 },
}

/// A client was told that it has missed nothing.
pub(super) struct Promise {
    /// What it had by then: so many events.
    pub(super) had: usize,
    pub(super) epoch: String,
    pub(super) from: u64,
    pub(super) to: u64,
    /// When it was cut off, and when the log was asked.
    pub(super) away: (u64, u64),
}

#[derive(Default)]
pub(super) struct SimClient {
    pub(super) user: usize,
    pub(super) rooms: Vec<usize>,
    pub(super) at: Option<(usize, u64)>,
    pub(super) wire: VecDeque<ToClient>,
    pub(super) got: Vec<usize>,
    pub(super) offset: Option<(String, u64)>,
    pub(super) has_session: bool,
    /// Where its session began.
    pub(super) session: (String, u64),
    pub(super) dropped: u64,
    pub(super) promises: Vec<Promise>,
    /// It was told that it may have missed something, at these places.
    pub(super) breaks: Vec<usize>,
}

pub(super) struct SimSocket {
    client: usize,
    node: usize,
    follower: Follower<usize>,
    claim: Option<(String, u64)>,
    is_joining: bool,
    is_asked: bool,
    /// When the log was.
    pub(super) asked: u64,
    tries: u32,
}

pub(super) struct Clients {
    pub(super) all: Vec<SimClient>,
    pub(super) sockets: BTreeMap<u64, SimSocket>,
    next_socket: u64,
    /// The event that a caller waits for.
    waiting: Vec<Option<usize>>,
}

impl Clients {
    pub(super) fn new(random: &mut Random) -> Self {
        let client = |number: usize| SimClient {
            user: number % USERS,
            rooms: (0..ROOMS).filter(|_| random.chance(50)).collect(),
            ..SimClient::default()
        };
        let all = (0..USERS + 2).map(client).collect();
        Self { all, sockets: BTreeMap::new(), next_socket: 1, waiting: vec![None; CALLERS] }
    }

    pub(super) fn hears(&self, client: usize, audience: Audience) -> bool {
        let client = &self.all[client];
        match audience {
            Audience::User(user) => client.user == user,
            Audience::Room(room) => client.rooms.contains(&room),
            Audience::All => true,
        }
    }

    /// A caller with an even number goes to any node, and waits for each answer; the others have a node of their own.
    pub(super) fn asked(&mut self, caller: usize, event: usize) {
        if caller.is_multiple_of(2) {
            self.waiting[caller] = Some(event);
        }
    }

    pub(super) fn answered(&mut self, caller: usize, event: usize) {
        if self.waiting[caller] == Some(event) {
            self.waiting[caller] = None;
        }
    }

    pub(super) fn node_died(&mut self, node: usize, events: &[SimEvent]) {
        for waiting in &mut self.waiting {
            if waiting
                .is_some_and(|it| events[it].node == node && events[it].answer != Answer::Pending)
            {
                *waiting = None;
            }
        }
    }

    pub(super) fn drop_all_of(&mut self, node: usize, now: u64) {
        self.sockets.retain(|_, it| it.node != node);
        for client in self.all.iter_mut().filter(|it| it.at.is_some_and(|at| at.0 == node)) {
            client.at = None;
            client.wire.clear();
            client.dropped = now;
        }
    }

    pub(super) fn mark(&mut self, node: usize, number: u64) {
        self.of(node).for_each(|it| it.follower.mark(number));
    }

    pub(super) fn miss(&mut self, node: usize) {
        self.of(node).for_each(|it| it.follower.miss());
    }

    fn of(&mut self, node: usize) -> impl Iterator<Item = &mut SimSocket> {
        self.sockets.values_mut().filter(move |it| it.node == node)
    }

    /// The client takes the next thing from its connection.
    pub(super) fn eat(&mut self, client: usize) {
        let client = &mut self.all[client];
        match client.wire.pop_front() {
            None => {}
            Some(ToClient::Event(event, offset)) => {
                client.got.push(event);
                client.offset = offset;
            }
            Some(ToClient::Connected { recovered, offset, asked }) => {
                if recovered {
                    let (epoch, from) = client.session.clone();
                    let to = offset.as_ref().unwrap().1;
                    let (had, away) = (client.got.len(), (client.dropped, asked));
                    client.promises.push(Promise { had, epoch, from, to, away });
                } else {
                    client.breaks.push(client.got.len());
                    client.has_session = offset.is_some();
                    client.session = offset.clone().unwrap_or_default();
                }
                client.offset = offset;
            }
        }
    }
}

impl World {
    pub(super) fn connect(&mut self, client: usize) {
        let running: Vec<usize> = (0..self.nodes.len()).filter(|it| self.is_running(*it)).collect();
        if running.is_empty() || self.clients.all[client].at.is_some() {
            return;
        }
        let node = running[self.random.below(running.len())];
        let Some(epoch) = self.nodes[node].machine.epoch().cloned() else { return };
        let it = &mut self.clients.all[client];
        let claim = it.offset.clone().filter(|_| it.has_session);
        let socket = self.clients.next_socket;
        self.clients.next_socket += 1;
        it.at = Some((node, socket));
        let user = it.user;
        let follower = Follower::joining(epoch);
        let socket_state = SimSocket {
            client,
            node,
            follower,
            claim,
            is_joining: true,
            is_asked: false,
            asked: 0,
            tries: 0,
        };
        self.clients.sockets.insert(socket, socket_state);
        self.up(node, user);
        if self.clients.sockets[&socket].claim.is_none() {
            self.begin(node, socket);
        }
    }

    /// The connection of a client ends somewhere between what is on it.
    pub(super) fn drop_client(&mut self, client: usize) {
        let Some((node, socket)) = self.clients.all[client].at.take() else { return };
        let eaten = self.random.below(self.clients.all[client].wire.len() + 1);
        (0..eaten).for_each(|_| self.clients.eat(client));
        let it = &mut self.clients.all[client];
        it.wire.clear();
        it.dropped = self.now;
        let user = it.user;
        if self.clients.sockets.remove(&socket).is_some() {
            self.down(node, user);
        }
    }

    fn begin(&mut self, node: usize, socket: u64) {
        let machine = &self.nodes[node].machine;
        let (read_to, last) = (machine.read_to(), machine.last_event());
        let it = self.clients.sockets.get_mut(&socket).unwrap();
        it.is_joining = false;
        let had_claim = it.claim.is_some();
        let after = it.follower.begin(read_to, last);
        let offset = it.follower.start().map(|start| (it.follower.epoch().to_string(), start));
        self.count(if had_claim { "clients not recovered" } else { "clients that are new" });
        let asked = self.now;
        self.send(socket, ToClient::Connected { recovered: false, offset, asked });
        self.send_all(socket, after);
    }

    /// Asks the log for those who come back.
    pub(super) fn ask_for_clients(&mut self, node: usize) {
        let Some(question) = self.nodes[node].machine.question() else { return };
        let Some(wire) = self.open_wire(node) else { return };
        let waiting = |it: &SimSocket| it.node == node && it.is_joining && !it.is_asked;
        let sockets: Vec<u64> = (self.clients.sockets.iter())
            .filter(|(_, it)| waiting(it))
            .map(|(socket, _)| *socket)
            .collect();
        for socket in sockets {
            let it = self.clients.sockets.get_mut(&socket).unwrap();
            let Some((_, offset)) = it.claim.clone() else { continue };
            it.is_asked = true;
            it.tries += 1;
            let command = Command::Missed { after: offset, entries_max: 1000 };
            self.wires[wire].requests.push_back(Message::Question(question, socket, command));
        }
    }

    pub(super) fn resume(
        &mut self,
        node: usize,
        socket: u64,
        question: LogQuestion,
        log: MissedLog,
    ) {
        let machine = &self.nodes[node].machine;
        let (is_current, last) = (machine.is_current(question), machine.last_event());
        let Some(mut it) = self.clients.sockets.remove(&socket) else { return };
        if !it.is_joining {
            self.clients.sockets.insert(socket, it);
            return;
        }
        it.is_asked = false;
        let (epoch, offset) = it.claim.clone().unwrap();
        let missed = self.missed(it.client, log);
        let missed = self.mutated_missed(missed, &it.follower, offset);
        let head = missed.head;
        let resumed = if is_current {
            let epoch = if self.is(Mutant::Epoch) {
                Epoch::clone(it.follower.epoch())
            } else {
                epoch.as_str().into()
            };
            it.follower.resume(&epoch, offset, missed, last)
        } else {
            Resumed::Later
        };
        let (tries, asked) = (it.tries, it.asked);
        it.is_joining = !matches!(resumed, Resumed::Recovered { .. });
        let epoch = it.follower.epoch().to_string();
        self.clients.sockets.insert(socket, it);
        match resumed {
            Resumed::Later if tries < TRIES => self.count("claims asked again"),
            Resumed::Later | Resumed::Impossible => self.begin(node, socket),
            Resumed::Recovered { missed, after } => {
                self.count("clients recovered");
                self.send_all(socket, missed);
                let offset = Some((epoch, head));
                self.send(socket, ToClient::Connected { recovered: true, offset, asked });
                self.send_all(socket, after);
            }
        }
    }

    /// What of the log is for the client.
    fn missed(&self, client: usize, log: MissedLog) -> Missed<usize> {
        let mut events = Vec::new();
        for entry in log.entries {
            for (number, event) in (entry.first..).zip(entry.events) {
                let Ok(event) = std::str::from_utf8(&event).unwrap().parse::<usize>() else {
                    continue;
                };
                if self.clients.hears(client, self.events[event].audience) {
                    events.push(FollowedEvent { number, own: None, event });
                }
            }
        }
        let MissedLog { epoch, hole, is_unsure, is_complete, head, .. } = log;
        Missed { epoch, hole, is_unsure, is_complete, head, events }
    }

    pub(super) fn hear(&mut self, node: usize, followed: &FollowedEvent<usize>, is_repeat: bool) {
        let (number, event) = (followed.number, followed.event);
        let own = followed.own.filter(|_| !self.is(Mutant::OwnBack));
        let epoch = Epoch::clone(self.nodes[node].machine.epoch().unwrap());
        for socket in self.audience(node, event) {
            let it = self.clients.sockets.get_mut(&socket).unwrap();
            let followed = FollowedEvent { number, own, event };
            let heard = if is_repeat {
                it.follower.hear_again(followed, &epoch)
            } else {
                it.follower.hear(followed)
            };
            self.send_all(socket, heard.into_iter().collect());
        }
    }

    pub(super) fn degrade(&mut self, node: usize, own: EventId) {
        let event = self.nodes[node].own[&own];
        for socket in self.audience(node, event) {
            let it = self.clients.sockets.get_mut(&socket).unwrap();
            let degraded = it.follower.degrade(own, event);
            self.send_all(socket, degraded.into_iter().collect());
        }
    }

    fn audience(&self, node: usize, event: usize) -> Vec<u64> {
        let audience = self.events[event].audience;
        let sockets = self.clients.sockets.iter().filter(|(_, it)| it.node == node);
        sockets
            .filter(|(_, it)| self.clients.hears(it.client, audience))
            .map(|(socket, _)| *socket)
            .collect()
    }

    fn send_all(&mut self, socket: u64, events: Vec<ToSocket<usize>>) {
        for ToSocket { event, offset } in events {
            let epoch = self.clients.sockets[&socket].follower.epoch().to_string();
            self.send(socket, ToClient::Event(event, offset.map(|it| (epoch, it))));
        }
    }

    fn send(&mut self, socket: u64, message: ToClient) {
        let it = &self.clients.sockets[&socket];
        let (client, node) = (it.client, it.node);
        self.tell(|| format!("  client {client} at n{node} socket {socket}: {message:?}"));
        if self.clients.all[client].at == Some((node, socket)) {
            self.clients.all[client].wire.push_back(message);
        }
    }

    /// Some caller emits, if it does not wait.
    pub(super) fn emit_something(&mut self) {
        let caller = self.random.below(CALLERS);
        let running: Vec<usize> = (0..self.nodes.len()).filter(|it| self.is_running(*it)).collect();
        if running.is_empty() || self.clients.waiting[caller].is_some() {
            return;
        }
        let node = if caller.is_multiple_of(2) {
            running[self.random.below(running.len())]
        } else {
            caller % self.nodes.len()
        };
        if !running.contains(&node) {
            return;
        }
        let audience = match self.random.below(10) {
            0..=5 => Audience::User(self.random.below(USERS)),
            6..=8 => Audience::Room(self.random.below(ROOMS)),
            _ => Audience::All,
        };
        self.emit(node, caller, audience);
    }
}
