//! One node among many: what it says next to the place where all agree, and what an answer means.
//!
//! ```text
//!   no connection ──► connected ──► attach ──► attached ──► batches, one at a time · reads · looks at the others
//!         ▲                           ▲            │
//!         └──── the connection ends ──┴── refused ─┘  (taken for dead, or something was lost: a new incarnation)
//! ```
//!
//! Nothing is said on a connection before [`Command::Attach`] is answered on it, and no answer of an earlier connection is
//! heard. A batch that was not answered is said again, unchanged, until it is.

mod attaching;
mod effect;
mod events;
mod questions;
mod replies;
mod tells;

pub use effect::{EventId, Lane, LogQuestion, NodeEffect, Ticket};
pub use events::{AppendError, Numbering};

use super::agreement::Strangers;
use super::command::{Applied, Apply, Command, NodeTimes, Reap, ReapReason, Reply, ToldId};
use super::facts::{FactOp, UserDeparture, UserFacts};
use super::incarnation::{Epoch, Incarnation};
use super::log::LogCursor;
use super::observer::Observer;
use super::sessions::{SessionName, SessionNews, SessionOp};
use crate::types::{Reason, Timestamp, UserId};
use bytes::Bytes;
use events::Events;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use tells::Tells;

/// Facts in a batch, at most: it keeps the place where all agree for less than 2 ms.
const FACTS_MAX: usize = 64;
/// Sessions in a batch, at most.
const SESSIONS_MAX: usize = 256;
/// Entries of the log that are asked for at once.
const ENTRIES_MAX: usize = 256;

/// One node among many.
#[derive(Debug)]
pub struct NodeMachine {
    name: Arc<str>,
    times: NodeTimes,
    link: Option<NodeLink>,
    links: u64,
    /// How often it was attached.
    attached: u64,
    life: u64,
    own: Option<Own>,
    known_run: Option<Arc<str>>,
    /// The largest number that this node has seen.
    seen: u64,
    facts: UserFacts,
    events: Events,
    sessions: SessionNews,
    tells: Tells,
    batch: Option<OpenBatch>,
    /// The earlier life of this node, to be let go when all is said again.
    earlier: VecDeque<Incarnation>,
    cursor: LogCursor,
    /// What this incarnation was told last.
    told: ToldId,
    /// The other nodes, as they were known last.
    others: Arc<[Arc<str>]>,
    observer: Observer,
    /// Others that agreed on something else.
    strangers: Strangers,
    to_reap: BTreeMap<Incarnation, ReapReason>,
    last: LastTimes,
    leaving: Leaving,
    /// Whether there may be something new in the log.
    has_rung: bool,
}

#[derive(Debug)]
struct NodeLink {
    number: u64,
    run: Arc<str>,
    is_attached: bool,
    /// The command under way on each lane.
    busy: [Option<u64>; Lane::ALL.len()],
    sent: u64,
}

/// Who this node is at the moment.
#[derive(Debug)]
struct Own {
    incarnation: Incarnation,
    epoch: Epoch,
    copy: Arc<str>,
    /// Batches that were answered.
    acked: u64,
}

/// A batch that is not answered yet.
#[derive(Debug)]
struct OpenBatch {
    number: u64,
    facts: Vec<FactOp>,
    sessions: Vec<(SessionName, SessionOp)>,
    marker: bool,
    events: Vec<(EventId, Bytes)>,
    tells: Vec<(Incarnation, Bytes)>,
}

/// Whether the node stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leaving {
    No,
    /// What is to be told is told, and then it takes itself out.
    Telling,
    /// It is out: to attach again would bring it back.
    Gone,
}

#[derive(Debug, Default)]
struct LastTimes {
    tick: Option<Timestamp>,
    batch: Option<Timestamp>,
    observe: Option<Timestamp>,
    tend: Option<Timestamp>,
    read: Option<Timestamp>,
}

impl NodeMachine {
    /// A node that is not connected. `name` is of this run of the process alone.
    pub fn new(name: impl Into<Arc<str>>, times: NodeTimes) -> Self {
        Self {
            name: name.into(),
            times,
            link: None,
            links: 0,
            attached: 0,
            life: 0,
            own: None,
            known_run: None,
            seen: 0,
            facts: UserFacts::default(),
            events: Events::default(),
            sessions: SessionNews::default(),
            tells: Tells::default(),
            batch: None,
            earlier: VecDeque::new(),
            cursor: LogCursor::default(),
            told: ToldId::default(),
            others: Arc::from([]),
            observer: Observer::default(),
            strangers: Strangers::default(),
            to_reap: BTreeMap::new(),
            last: LastTimes::default(),
            leaving: Leaving::No,
            has_rung: false,
        }
    }

    /// There is a connection, to this run of a server.
    pub fn connected(&mut self, run: impl Into<Arc<str>>) {
        self.links += 1;
        let link = NodeLink {
            number: self.links,
            run: run.into(),
            is_attached: false,
            busy: [None; 3],
            sent: 0,
        };
        self.link = Some(link);
    }

    /// Which copy of which data the connection leads to, in which run.
    pub fn run(&self) -> Option<Arc<str>> {
        self.link.as_ref().map(|it| Arc::clone(&it.run))
    }

    /// Which copy of the state this node knows: another one where some of it was lost.
    pub fn copy(&self) -> Option<Arc<str>> {
        self.own.as_ref().map(|it| Arc::clone(&it.copy))
    }

    /// The connection has ended. What was under way on it may have been done or not, or be done later.
    pub fn disconnected(&mut self) {
        self.link = None;
    }

    /// Whether what is said now is heard.
    pub fn is_attached(&self) -> bool {
        self.link.as_ref().is_some_and(|link| link.is_attached)
    }

    /// Whether those who agreed on something else have moved while this node waited to be let in.
    pub fn are_strangers_alive(&self) -> bool {
        self.strangers.have_moved()
    }

    /// What this run of the process is called.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The names of the other nodes, as they were known last.
    pub fn others(&self) -> Arc<[Arc<str>]> {
        Arc::clone(&self.others)
    }

    /// Who this node is at the moment; `None` before it was attached once.
    pub fn incarnation(&self) -> Option<&Incarnation> {
        self.own.as_ref().map(|own| &own.incarnation)
    }

    /// The epoch, if there is one yet.
    pub fn epoch(&self) -> Option<&Epoch> {
        self.own.as_ref().map(|own| &own.epoch)
    }

    /// Whether the state was told everything about the users of this node.
    pub fn is_said(&self) -> bool {
        self.batch.is_none() && self.facts.is_said()
    }

    /// The user has a socket here. Its session is returned, or comes as [`NodeEffect::Session`].
    pub fn up(&mut self, user: &UserId) -> Option<u64> {
        self.facts.up(user)
    }

    /// What hooks say of a user who is here.
    pub fn describe(&mut self, user: &UserId, granted: Arc<str>) {
        self.facts.describe(user, granted);
    }

    /// The user has none any more.
    pub fn down(&mut self, user: &UserId, departure: UserDeparture) {
        self.facts.down(user, departure);
    }

    /// The user's sockets here are in these rooms.
    pub fn place(&mut self, user: &UserId, rooms: Arc<str>) {
        self.facts.place(user, rooms);
    }

    /// If the user lingers anywhere, that ends now.
    pub fn end_grace(&mut self, user: &UserId, reason: Reason) {
        self.facts.end_grace(user, reason);
    }

    /// A socket of the user has spoken since the node slept.
    pub fn verified(&mut self, user: &UserId) {
        self.facts.verified(user);
    }

    /// The node stops: its users have left as `departure` says, and when that is told, nothing of the node is left behind.
    /// Then [`NodeEffect::Left`] follows, and no command more.
    pub fn leave(&mut self, departure: UserDeparture) {
        self.facts.all_down(departure);
        self.leaving = Leaving::Telling;
    }

    /// There may be something new in the log.
    pub fn ring(&mut self) {
        self.has_rung = true;
    }

    /// Puts an event into the log: by the next batch. What becomes of it is said within its patience.
    pub fn append(
        &mut self,
        event: Bytes,
        numbering: Numbering,
        now: Timestamp,
    ) -> Result<(EventId, Vec<NodeEffect>), AppendError> {
        self.events.append(event, numbering, now)
    }

    /// Tells another node something, if it is still there, by the next batch that is heard within 2 s. Returns whether there
    /// was room for it.
    pub fn tell(&mut self, to: Incarnation, message: Bytes, now: Timestamp) -> bool {
        self.tells.add(to, message, now)
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Timestamp) -> Vec<NodeEffect> {
        let mut effects = Vec::new();
        let slept = self.last.tick.is_some_and(|last| self.times.lease / 2 < now.since(last));
        self.last.tick = Some(now);
        if slept {
            self.facts.slept();
            effects.push(NodeEffect::Verify);
        }
        self.facts.forget(self.times.remember, now);
        effects.extend(self.events.lose_patience(now));
        self.tells.forget(now);
        effects
    }

    /// The next command of a lane, if there is one to be sent now. Commands are to be run in the order in which they are
    /// given here.
    pub fn next(&mut self, lane: Lane, now: Timestamp) -> Option<(Ticket, Command)> {
        let link = self.link.as_ref()?;
        let is_busy = link.busy.get(lane.index()).is_none_or(Option::is_some);
        if is_busy || self.leaving == Leaving::Gone || (!link.is_attached && lane != Lane::Write) {
            return None;
        }
        let command = match lane {
            Lane::Write if !link.is_attached => self.attach(now),
            Lane::Write => self.write(now),
            Lane::Read => self.read(now),
            Lane::Watch => self.watch(now),
        }?;
        let link = self.link.as_mut()?;
        link.sent += 1;
        *link.busy.get_mut(lane.index())? = Some(link.sent);
        Some((Ticket { link: link.number, lane, number: link.sent }, command))
    }

    fn write(&mut self, now: Timestamp) -> Option<Command> {
        let own = self.own.as_ref()?;
        if self.batch.is_none() {
            let facts = self.facts.take(FACTS_MAX);
            // Before the events: whoever is told that a client was sent one relies on its session.
            let sessions = self.sessions.take(SESSIONS_MAX);
            let marker = self.events.take_marker();
            let (events, tells) = (self.events.take(), self.tells.take());
            let is_beat_due =
                self.last.batch.is_none_or(|last| self.times.heartbeat <= now.since(last));
            let is_quiet = facts.is_empty() && sessions.is_empty() && tells.is_empty();
            let is_empty = is_quiet && !marker && events.is_empty();
            if is_empty && let Some(earlier) = self.earlier.front() {
                // Everything is said again, so nobody is without a node for a moment.
                let incarnation = earlier.clone();
                return Some(Command::Reap(self.reap(incarnation, ReapReason::Own)));
            }
            if is_empty && self.leaving == Leaving::Telling {
                let incarnation = own.incarnation.clone();
                return Some(Command::Reap(self.reap(incarnation, ReapReason::Own)));
            }
            if is_empty && !is_beat_due {
                return None;
            }
            self.last.batch = Some(now);
            let number = own.acked + 1;
            self.batch = Some(OpenBatch { number, facts, sessions, marker, events, tells });
        }
        let (own, batch) = (self.own.as_ref()?, self.batch.as_ref()?);
        self.events.sent(&own.incarnation, batch.number, batch.marker, &batch.events);
        Some(Command::Apply(Apply {
            incarnation: own.incarnation.clone(),
            number: batch.number,
            epoch: Arc::clone(&own.epoch),
            read: self.cursor.read_to(),
            facts: batch.facts.clone(),
            sessions: batch.sessions.clone(),
            marker: batch.marker,
            events: batch.events.iter().map(|(_, event)| event.clone()).collect(),
            told: self.told.clone(),
            tells: batch.tells.clone(),
            earlier: self.earlier.iter().cloned().collect(),
        }))
    }

    fn read(&mut self, now: Timestamp) -> Option<Command> {
        let is_due = self.last.read.is_none_or(|last| self.times.read <= now.since(last));
        if !std::mem::take(&mut self.has_rung) && !is_due {
            return None;
        }
        self.last.read = Some(now);
        self.doorbell()
    }

    /// What is read next: whoever waits for it to be there can ring.
    pub fn doorbell(&self) -> Option<Command> {
        let told = (self.own.as_ref()?.incarnation.clone(), self.told.clone());
        Some(Command::Read { after: self.cursor.read_to(), told, entries_max: ENTRIES_MAX })
    }

    fn watch(&mut self, now: Timestamp) -> Option<Command> {
        let is_due = |last: Option<Timestamp>, every| last.is_none_or(|it| every <= now.since(it));
        if let Some((incarnation, why)) = self.to_reap.pop_first() {
            return Some(Command::Reap(self.reap(incarnation, why)));
        }
        if is_due(self.last.observe, self.times.observe) {
            self.last.observe = Some(now);
            return Some(Command::Observe);
        }
        if is_due(self.last.tend, self.times.tend) {
            self.last.tend = Some(now);
            return Some(Command::Tend);
        }
        None
    }

    fn reap(&mut self, incarnation: Incarnation, why: ReapReason) -> Reap {
        self.life += 1;
        Reap { incarnation, why, name: Incarnation::new(&self.name, self.life) }
    }
}

#[cfg(test)]
mod tests;
