//! Clients that come and go, with what each was handed; and the callers of emits.

use super::claims::Claim;
use super::mutants::Mutant;
use super::parts::{Answer, History, Random, SimEvent, USERS};
use super::sockets::{Joined, Record};
use super::world::World;
use crate::core::recovery::Pid;
use std::collections::{BTreeMap, VecDeque};

pub(super) const ROOMS: usize = 3;
const CALLERS: usize = 6;

#[derive(Debug, Clone, Copy)]
pub(super) enum Audience {
    User(usize),
    Room(usize),
    All,
}

#[derive(Debug)]
pub(super) enum ToClient {
    /// With the offset that the client is to come back with.
    Event(usize, String),
    /// One without, on this connection.
    Plain(u64, usize),
    Connected {
        pid: Pid,
        recovered: bool,
        epoch: String,
        head: u64,
        missed: usize,
        /// When Redis was asked for its session, and when it came in.
        asked: u64,
        at: u64,
    },
}

/// A client was told that it has missed nothing.
pub(super) struct Promise {
    /// What it had by then: so many events.
    pub(super) had: usize,
    pub(super) epoch: String,
    pub(super) from: u64,
    pub(super) to: u64,
    pub(super) away: Away,
    /// When Redis was asked for its session.
    pub(super) asked: u64,
}

/// A client is not there.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Away {
    /// The node that it was at, in which life of it.
    pub(super) from: (usize, u64),
    pub(super) since: u64,
    /// When the node noticed.
    pub(super) noticed: Option<u64>,
}

#[derive(Default)]
pub(super) struct SimClient {
    pub(super) user: usize,
    pub(super) rooms: Vec<usize>,
    pub(super) at: Option<(usize, u64)>,
    pub(super) wire: VecDeque<ToClient>,
    pub(super) got: Vec<usize>,
    /// Without a number: on which connection, and what.
    pub(super) plain: Vec<(u64, usize)>,
    pid: Option<Pid>,
    offset: Option<String>,
    /// Where its session began.
    session: (String, u64),
    pub(super) away: Away,
    /// What it was told, and how many events are still to come that it missed.
    promised: Option<(Promise, usize)>,
    pub(super) promises: Vec<Promise>,
    /// It was told that it may have missed something, at these places: where its sessions begin.
    pub(super) breaks: Vec<Break>,
    /// Where it came in: what it had by then, at which node, and when.
    pub(super) entries: Vec<(usize, usize, u64)>,
}

/// A session begins.
#[derive(Debug)]
pub(super) struct Break {
    /// What the client had by then: so many events.
    pub(super) had: usize,
    pub(super) epoch: String,
    pub(super) from: u64,
    pub(super) at: u64,
}

pub(super) struct Clients {
    pub(super) all: Vec<SimClient>,
    pub(super) sockets: BTreeMap<u64, Joined>,
    /// Those that are about to come back, by their sockets.
    pub(super) claims: BTreeMap<u64, Claim>,
    /// All that was ever written down of a session.
    pub(super) records: Vec<Record>,
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
        let (sockets, claims, records) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
        Self { all, sockets, claims, records, next_socket: 1, waiting: vec![None; CALLERS] }
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
        self.claims.retain(|_, it| it.node() != node);
        for client in self.all.iter_mut().filter(|it| it.at.is_some_and(|at| at.0 == node)) {
            client.leave(now, 0);
            client.away.noticed = Some(now);
        }
    }

    pub(super) fn of(&mut self, node: usize) -> impl Iterator<Item = &mut Joined> {
        self.sockets.values_mut().filter(move |it| it.node == node)
    }

    /// Sockets whose clients have gone, which their nodes have not noticed.
    pub(super) fn ghosts(&self) -> Vec<u64> {
        let is_ghost =
            |(number, it): &(&u64, &Joined)| self.all[it.client].at != Some((it.node, **number));
        self.sockets.iter().filter(is_ghost).map(|(number, _)| *number).collect()
    }

    /// The client takes the next thing from its connection.
    pub(super) fn eat(&mut self, client: usize) {
        self.all[client].eat();
    }
}

impl SimClient {
    fn leave(&mut self, now: u64, boot: u64) {
        if let Some((node, _)) = self.at.take() {
            self.away = Away { from: (node, boot), since: now, noticed: None };
        }
        self.wire.clear();
        self.promised = None;
    }

    fn enter(&mut self, at: u64) {
        self.entries.extend(self.at.map(|(node, _)| (self.got.len(), node, at)));
    }

    fn eat(&mut self) {
        match self.wire.pop_front() {
            None => return,
            Some(ToClient::Plain(socket, event)) => self.plain.push((socket, event)),
            Some(ToClient::Event(event, offset)) => {
                self.got.push(event);
                self.offset = Some(offset);
                if let Some((_, missed)) = &mut self.promised {
                    *missed -= 1;
                }
            }
            Some(ToClient::Connected { pid, recovered: true, head, missed, asked, at, .. }) => {
                assert!(self.pid.as_ref() == Some(&pid));
                self.enter(at);
                let ((epoch, from), away) = (self.session.clone(), self.away);
                let promise = Promise { had: 0, epoch, from, to: head, away, asked };
                self.promised = Some((promise, missed));
            }
            Some(ToClient::Connected { pid, recovered: false, epoch, head, at, .. }) => {
                self.enter(at);
                self.breaks.push(Break {
                    had: self.got.len(),
                    epoch: epoch.clone(),
                    from: head,
                    at,
                });
                (self.pid, self.offset, self.session) = (Some(pid), None, (epoch, head));
            }
        }
        if let Some((promise, _)) = self.promised.take_if(|(_, missed)| *missed == 0) {
            self.promises.push(Promise { had: self.got.len(), ..promise });
        }
    }
}

impl World {
    /// Whether clients and callers find a node.
    pub(super) fn takes_clients(&self, node: usize) -> bool {
        let it = &self.nodes[node];
        self.is_running(node) && !it.is_leaving && matches!(it.history, History::Taken)
    }

    pub(super) fn connect(&mut self, client: usize) {
        let there: Vec<usize> =
            (0..self.nodes.len()).filter(|it| self.takes_clients(*it)).collect();
        if there.is_empty() || self.clients.all[client].at.is_some() {
            return;
        }
        let node = there[self.random.below(there.len())];
        let socket = self.clients.next_socket;
        self.clients.next_socket += 1;
        let it = &mut self.clients.all[client];
        it.at = Some((node, socket));
        let (claim, offset) = (it.pid.clone(), it.offset.clone());
        let is_mutated = self.is(Mutant::Epoch);
        let Some(pid) = claim else { return self.join((node, socket), client, None, self.now) };
        let recovery = &mut self.nodes[node].recovery;
        recovery.forget_away(&pid);
        let is_possible =
            is_mutated || offset.as_ref().is_none_or(|offset| recovery.is_of_this_life(offset));
        if is_possible {
            let claim = Claim::new(client, node, pid, offset);
            self.clients.claims.insert(socket, claim);
        } else {
            self.join((node, socket), client, None, self.now);
        }
    }

    /// The connection of a client ends somewhere between what is on it. Its node may not notice.
    pub(super) fn drop_client(&mut self, client: usize) {
        let Some((node, socket)) = self.clients.all[client].at else { return };
        let eaten = self.random.below(self.clients.all[client].wire.len() + 1);
        (0..eaten).for_each(|_| self.clients.eat(client));
        self.clients.all[client].leave(self.now, self.nodes[node].boot);
        // One that was not in yet has left nothing to be noticed.
        if self.clients.claims.remove(&socket).is_some() || self.random.chance(70) {
            self.close(socket);
        }
    }

    /// Nodes notice whose clients have gone.
    pub(super) fn notice_ghosts(&mut self, max: usize) {
        let ghosts = self.clients.ghosts();
        ghosts.into_iter().take(max).for_each(|it| self.close(it));
    }

    /// Some caller emits, if it does not wait.
    pub(super) fn emit_something(&mut self) {
        let caller = self.random.below(CALLERS);
        let there: Vec<usize> =
            (0..self.nodes.len()).filter(|it| self.takes_clients(*it)).collect();
        if there.is_empty() || self.clients.waiting[caller].is_some() {
            return;
        }
        let node = if caller.is_multiple_of(2) {
            there[self.random.below(there.len())]
        } else {
            caller % self.nodes.len()
        };
        if !there.contains(&node) {
            return;
        }
        let audience = match self.random.below(10) {
            0..=5 => Audience::User(self.random.below(USERS)),
            6..=8 => Audience::Room(self.random.below(ROOMS)),
            _ => Audience::All,
        };
        let is_plain = self.random.chance(15);
        self.emit(node, caller, audience, is_plain);
    }
}
