//! What the answers mean.

use super::{Applied, Command, Leaving, NodeEffect, NodeMachine, Reply, Ticket};
use crate::core::cluster::command::{Observation, ReapReason, Told};
use crate::core::cluster::incarnation::Incarnation;
use crate::core::cluster::log::LogEntry;
use crate::types::Timestamp;
use std::collections::BTreeSet;
use std::sync::Arc;

impl NodeMachine {
    /// The answer to a command. One of an earlier connection is not heard: what it says may have been overtaken by what
    /// was found out since.
    pub fn reply(
        &mut self,
        ticket: Ticket,
        command: &Command,
        reply: Reply,
        now: Timestamp,
    ) -> Vec<NodeEffect> {
        let Some(link) = self.link.as_mut().filter(|link| link.number == ticket.link) else {
            return Vec::new();
        };
        let Some(busy) = link.busy.get_mut(ticket.lane.index()) else { return Vec::new() };
        if *busy != Some(ticket.number) {
            return Vec::new();
        }
        *busy = None;
        match (reply, command) {
            (Reply::Attached(attached), Command::Attach(attach)) => {
                self.attached(attached, &attach.next, now)
            }
            (Reply::Apart(dissent), _) => {
                self.strangers.saw(&dissent, self.times.observe, now);
                Vec::new()
            }
            (Reply::Applied(applied), _) => self.applied(applied, now),
            (Reply::Reaped { left }, Command::Reap(reap)) => {
                let is_own = reap.why == ReapReason::Own;
                if 0 < left && !is_own {
                    self.to_reap.insert(reap.incarnation.clone(), ReapReason::Begun);
                } else if left == 0 && is_own && self.earlier.pop_front().is_none() {
                    self.leaving = Leaving::Gone;
                    return vec![NodeEffect::Left];
                }
                Vec::new()
            }
            (Reply::Entries(entries, told), Command::Read { entries_max, .. }) => {
                self.has_rung |= *entries_max <= entries.len().max(told.len());
                let mut effects = self.entries(entries);
                effects.extend(self.told(told));
                effects
            }
            (Reply::Tended { head }, _) => {
                self.seen = self.seen.max(head);
                Vec::new()
            }
            (Reply::Observed(observation), _) => {
                self.observed(&observation, now);
                Vec::new()
            }
            (
                Reply::Missed(_)
                | Reply::Claimed(_)
                | Reply::Presence(_)
                | Reply::Lingering(_)
                | Reply::Ledger(_)
                | Reply::Book(_)
                | Reply::Answers(_)
                | Reply::Inboxes(_)
                | Reply::Heard
                | Reply::NoMemory
                | Reply::Feed(_)
                | Reply::Seats(_)
                | Reply::Attachments(_)
                | Reply::Moved(_)
                | Reply::Places(_)
                | Reply::Erased(_)
                | Reply::Resume(_)
                | Reply::UserCounts(_)
                | Reply::Attached(_)
                | Reply::Reaped { .. }
                | Reply::Entries(..),
                _,
            ) => Vec::new(),
        }
    }

    fn applied(&mut self, applied: Applied, now: Timestamp) -> Vec<NodeEffect> {
        match applied {
            Applied::Done { first, head, sessions, nodes } => {
                let (Some(own), Some(batch)) = (self.own.as_mut(), self.batch.take()) else {
                    return Vec::new();
                };
                own.acked = batch.number;
                self.seen = self.seen.max(head);
                let known = self.facts.applied(&batch.facts, (&sessions, head), now);
                let mut effects: Vec<NodeEffect> = known
                    .into_iter()
                    .map(|(user, session)| NodeEffect::Session { user, session })
                    .collect();
                if !batch.events.is_empty() {
                    self.others = others(&self.name, &nodes);
                }
                let place = (first, &self.others);
                effects.extend(self.events.taken(batch.marker, &batch.events, place));
                self.has_rung |= !batch.events.is_empty();
                effects
            }
            Applied::Refused => {
                self.attach_again();
                Vec::new()
            }
        }
    }

    /// This is not the state that the node knows: before anything else it finds out what it is.
    fn attach_again(&mut self) {
        if let Some(link) = self.link.as_mut() {
            link.is_attached = false;
        }
    }

    fn entries(&mut self, entries: Vec<LogEntry>) -> Vec<NodeEffect> {
        let read_to = self.cursor.read_to();
        let new = self.cursor.take(entries);
        let mut effects = Vec::new();
        if new.is_missing_some {
            effects.push(NodeEffect::MissedSome);
        }
        if new.is_another {
            self.attach_again();
        }
        for (entry, is_repeat) in new.entries {
            self.seen = self.seen.max(entry.id);
            let own = self.events.came_back(&entry.incarnation, entry.batch).unwrap_or_default();
            let mut own = own.into_iter();
            for (number, event) in (entry.first..).zip(entry.events) {
                let own = own.next().flatten();
                if let Some(own) = own {
                    effects.extend(self.events.is_seen(own, number, &self.others));
                }
                if !event.is_empty() {
                    let from = entry.incarnation.clone();
                    effects.push(NodeEffect::Heard { number, from, own, is_repeat, event });
                }
            }
        }
        if read_to < self.cursor.read_to() {
            effects.push(NodeEffect::ReadTo(self.cursor.read_to()));
        }
        effects
    }

    fn told(&mut self, told: Vec<Told>) -> Vec<NodeEffect> {
        if let Some(last) = told.last() {
            self.told = last.id.clone();
        }
        let tell = |it: Told| NodeEffect::Told { from: it.from, message: it.message };
        told.into_iter().map(tell).collect()
    }

    fn observed(&mut self, observation: &Observation, now: Timestamp) {
        let (lease, every) = (self.times.lease, self.times.observe);
        let silent = self.observer.observe(observation, lease, every, now);
        for silent in silent {
            let is_own = self.own.as_ref().is_some_and(|own| own.incarnation == silent.incarnation);
            if !is_own {
                self.to_reap.insert(silent.incarnation, ReapReason::Silent(silent.batch));
            }
        }
        let nodes: Vec<Incarnation> = observation.nodes.iter().map(|(it, _)| it.clone()).collect();
        self.others = others(&self.name, &nodes);
        self.cursor.keep(|it| observation.nodes.iter().any(|(living, _)| living == it));
        for dead in &observation.dead {
            self.to_reap.insert(dead.clone(), ReapReason::Begun);
        }
    }
}

/// The names of the other nodes among these, each once.
fn others(own: &str, nodes: &[Incarnation]) -> Arc<[Arc<str>]> {
    let names: BTreeSet<&str> = nodes.iter().map(Incarnation::node).collect();
    names.into_iter().filter(|it| *it != own).map(Arc::from).collect()
}
