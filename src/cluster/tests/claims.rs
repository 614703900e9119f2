//! What a node asks Redis for its clients: sessions that they come back to, and once what was in the log before it came.

use super::mutants::Mutant;
use super::parts::{Asker, History, Message, limits, user_id};
use super::sockets::{Record, id_of, life, name, number_in, owner};
use super::world::World;
use crate::core::cluster::command::Command;
use crate::core::cluster::log::LogEntry;
use crate::core::cluster::node::LogQuestion;
use crate::core::cluster::sessions::{Claimed, KeptClaim};
use crate::core::recovery::{Pid, Recovery};
use crate::types::SocketId;
use std::time::Duration;

/// Entries of one page of what a node reads that starts.
const PAGE: usize = 8;
/// How often a session is asked for before its client has to begin anew.
const TRIES: u32 = 8;
pub(super) const KEPT: Duration = Duration::from_hours(1);

/// A client that is about to come back to its session.
pub(super) struct Claim {
    client: usize,
    node: usize,
    pid: Pid,
    offset: Option<String>,
    owner: Option<SocketId>,
    is_asked: bool,
    /// When Redis was.
    pub(super) asked: u64,
    tries: u32,
    /// What was found: it goes on when the node has read that far.
    found: Option<Claimed>,
}

impl Claim {
    pub(super) fn new(client: usize, node: usize, pid: Pid, offset: Option<String>) -> Self {
        let (owner, is_asked, asked, tries, found) = (None, false, 0, 0, None);
        Self { client, node, pid, offset, owner, is_asked, asked, tries, found }
    }

    pub(super) fn node(&self) -> usize {
        self.node
    }
}

impl World {
    /// Asks what clients come back to, and once what was in the log before this node came.
    pub(super) fn ask_for_clients(&mut self, node: usize) {
        let Some(question) = self.nodes[node].machine.question() else { return };
        let Some(wire) = self.open_wire(node) else { return };
        if let History::Wanted { entries, begin, is_asked } = &mut self.nodes[node].history {
            let after = entries.last().map_or(*begin, |it| it.id);
            if !std::mem::replace(is_asked, true) {
                let command = Command::Missed { after, entries_max: PAGE };
                let message = Message::Question(question, Asker::History, command);
                self.wires[wire].requests.push_back(message);
            }
            return;
        }
        let mut claims = Vec::new();
        for (socket, it) in &mut self.clients.claims {
            if it.node == node && !it.is_asked && it.found.is_none() {
                it.is_asked = true;
                it.tries += 1;
                claims.push((*socket, it.client, it.pid.clone()));
            }
        }
        for (socket, client, pid) in claims {
            let claim = KeptClaim {
                name: name(&pid),
                user: user_id(self.clients.all[client].user),
                owner: owner(node, id_of(socket)),
                kept_for: KEPT,
            };
            let message = Message::Question(question, Asker::Claim(socket), Command::Claim(claim));
            self.wires[wire].requests.push_back(message);
        }
    }

    /// What was asked and not answered will not be.
    pub(super) fn forget_questions(&mut self, node: usize) {
        if let History::Wanted { is_asked, .. } = &mut self.nodes[node].history {
            *is_asked = false;
        }
        for it in self.clients.claims.values_mut().filter(|it| it.node == node) {
            it.is_asked = false;
        }
    }

    /// A page of what was in the log before this node came.
    pub(super) fn take_history(&mut self, node: usize, question: LogQuestion, page: Vec<LogEntry>) {
        let (hides_cut, limits) = (self.is(Mutant::TrimCheck), limits(self.place.window));
        let it = &mut self.nodes[node];
        let History::Wanted { entries, begin, is_asked } = &mut it.history else { return };
        *is_asked = false;
        if !it.machine.is_current(question) {
            return;
        }
        let after = entries.last().map_or(*begin, |it| it.id);
        let is_last = page.len() <= PAGE;
        if let Some(first) = page.first().filter(|it| after < it.previous) {
            entries.clear();
            *begin = if hides_cut { 0 } else { first.previous };
        }
        entries.extend(page);
        if !is_last {
            return;
        }
        let (entries, begin) = (std::mem::take(entries), *begin);
        it.history = History::Taken;
        it.epoch = it.machine.epoch().cloned();
        it.recovery = Recovery::in_cluster(limits, life(it.epoch.as_ref().unwrap()));
        it.recovery.begin_after(begin);
        it.read_to = begin;
        for entry in entries {
            for (number, event) in (entry.first..).zip(&entry.events) {
                // A marker is no event.
                let Some(event) = (!event.is_empty()).then(|| number_in(event)) else { continue };
                self.judge(node, number, event);
                if !self.events[event].is_plain {
                    self.log(node, number, event);
                }
            }
            self.read_to(node, entry.id);
        }
        self.count("nodes that have read the log");
    }

    pub(super) fn read_to(&mut self, node: usize, number: u64) {
        self.nodes[node].recovery.read_to(number);
        self.nodes[node].read_to = number;
        self.go_on(node);
    }

    /// Those who come back go on if their node has read as far as the log went when they were asked about.
    pub(super) fn go_on(&mut self, node: usize) {
        let read_to = self.nodes[node].read_to;
        let has_all = |it: &Claimed| it.head <= read_to;
        let sockets: Vec<u64> = (self.clients.claims.iter())
            .filter(|(_, it)| it.node == node && it.found.as_ref().is_some_and(has_all))
            .map(|(socket, _)| *socket)
            .collect();
        for socket in sockets {
            let it = self.clients.claims.remove(&socket).unwrap();
            self.take_up(socket, it);
        }
    }

    /// What a client comes back to.
    pub(super) fn found(
        &mut self,
        node: usize,
        socket: u64,
        (question, claimed): (LogQuestion, Claimed),
    ) {
        let is_current = self.nodes[node].machine.is_current(question);
        let Some(it) = self.clients.claims.get_mut(&socket) else { return };
        it.is_asked = false;
        let had = claimed.session.as_ref().and_then(|it| it.owner.rsplit_once('/')?.1.parse().ok());
        if is_current && !claimed.is_unsure {
            it.owner = it.owner.or(had);
            it.found = Some(claimed);
            self.go_on(node);
            return;
        }
        if is_current {
            // A second time it is this socket that has it.
            it.owner = it.owner.or(had);
        }
        if TRIES <= it.tries {
            let it = self.clients.claims.remove(&socket).unwrap();
            self.join((it.node, socket), it.client, None, it.asked);
        } else {
            self.count("claims asked again");
        }
    }

    /// The session is this node's, if its client can be told what it missed.
    fn take_up(&mut self, socket: u64, claim: Claim) {
        let Claim { client, node, pid, offset, owner, asked, found, .. } = claim;
        let claimed = found.unwrap();
        let record = claimed.session.as_ref().map(|it| number_in(&it.record));
        let record = record.map(|it| &self.clients.records[it]);
        let Some(Record { epoch, is_away, session, node: writer }) = record else {
            return self.join((node, socket), client, None, asked);
        };
        let is_of_epoch = *epoch == claimed.epoch && Some(epoch) == self.nodes[node].epoch.as_ref();
        let (session, is_away, writer) = (session.clone(), *is_away, *writer);
        if !is_of_epoch && !self.is(Mutant::Epoch) {
            return self.join((node, socket), client, None, asked);
        }
        let is_over = !is_away
            && self.is_ended((client, writer), (&claimed.epoch, session.cut_off_at), asked);
        let now = self.time();
        let recovery = &mut self.nodes[node].recovery;
        recovery.lacks_some_to(claimed.hole);
        let here = recovery.take_up(&pid, (session, is_away), owner, now);
        if let Some(here) = here {
            self.close(here.number);
        }
        self.join((node, socket), client, Some((pid.clone(), offset)), asked);
        if is_over && self.clients.sockets[&socket].pid == pid {
            self.bad.push(format!("client {client} has the session that it was to lose: {pid:?}"));
        }
    }
}
