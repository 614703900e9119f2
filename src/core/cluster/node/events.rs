//! Events on their way into the log: one batch under way, more behind it, and what is said of those that take too long.

use super::effect::{EventId, NodeEffect};
use crate::core::cluster::incarnation::Incarnation;
use crate::types::Timestamp;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;

/// Events in a batch, at most.
const EVENTS_MAX: usize = 64;
/// Bytes in a batch, after which no further event is added.
const BATCH_BYTES: usize = 256_000;
/// Bytes of events that may wait here; more are refused.
const WAITING_BYTES_MAX: usize = 16_000_000;
/// Batches that are remembered until they come back by the log.
const SENT_LEN_MAX: usize = 4096;
/// How long a client waits for an event that has a number.
const NUMBERED_PATIENCE: Duration = Duration::from_millis(250);
/// How long the answer to a plain emit waits for other nodes.
const PLAIN_PATIENCE: Duration = Duration::from_secs(2);

/// Whether sockets of this node wait for the number of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Numbering {
    /// Clients recover it: all sockets get it from the log, with its number.
    Numbered,
    /// The sockets of this node have it already.
    Plain,
}

/// An event was refused: it was certainly not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum AppendError {
    /// Too much waits already.
    #[error("too many events wait for the other nodes")]
    Full,
}

/// Events on their way.
#[derive(Debug, Default)]
pub(super) struct Events {
    last: EventId,
    waiting: VecDeque<WaitingEvent>,
    waiting_bytes: usize,
    /// Events of which nothing was said yet, in the batch that is under way.
    unanswered: BTreeMap<EventId, (Numbering, Timestamp)>,
    hole: Hole,
    /// Batches that were sent and did not come back by the log, in that order.
    sent: VecDeque<SentBatch>,
}

#[derive(Debug)]
struct SentBatch {
    incarnation: Incarnation,
    number: u64,
    /// A marker has no event.
    events: Vec<Option<EventId>>,
}

#[derive(Debug)]
struct WaitingEvent {
    id: EventId,
    event: Bytes,
    numbering: Numbering,
    since: Timestamp,
}

/// Whether events with numbers were handed out without one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Hole {
    #[default]
    None,
    /// They were, since the last marker.
    Open,
    /// A marker is under way, and none was since.
    MarkerSent,
}

impl Events {
    pub(super) fn append(
        &mut self,
        event: Bytes,
        numbering: Numbering,
        now: Timestamp,
    ) -> Result<(EventId, Vec<NodeEffect>), AppendError> {
        if WAITING_BYTES_MAX < self.waiting_bytes + event.len() {
            return Err(AppendError::Full);
        }
        self.last.0 += 1;
        let id = self.last;
        if numbering == Numbering::Numbered && self.hole == Hole::Open {
            return Ok((id, vec![NodeEffect::Degraded { event: id }]));
        }
        self.waiting_bytes += event.len();
        self.waiting.push_back(WaitingEvent { id, event, numbering, since: now });
        Ok((id, Vec::new()))
    }

    pub(super) fn last(&self) -> EventId {
        self.last
    }

    /// Whether the next batch begins with a marker.
    pub(super) fn take_marker(&mut self) -> bool {
        let is_open = self.hole == Hole::Open;
        if is_open {
            self.hole = Hole::MarkerSent;
        }
        is_open
    }

    /// The events of the next batch.
    pub(super) fn take(&mut self) -> Vec<(EventId, Bytes)> {
        let (mut events, mut bytes) = (Vec::new(), 0);
        while events.len() < EVENTS_MAX && bytes < BATCH_BYTES {
            let Some(next) = self.waiting.pop_front() else { break };
            self.waiting_bytes -= next.event.len();
            bytes += next.event.len();
            self.unanswered.insert(next.id, (next.numbering, next.since));
            events.push((next.id, next.event));
        }
        events
    }

    /// A batch was sent: once again, perhaps.
    pub(super) fn sent(
        &mut self,
        incarnation: &Incarnation,
        batch: u64,
        marker: bool,
        events: &[(EventId, Bytes)],
    ) {
        if !marker && events.is_empty() {
            return;
        }
        if self.sent.back().is_some_and(|it| it.incarnation == *incarnation && it.number == batch) {
            return;
        }
        if self.sent.len() == SENT_LEN_MAX {
            self.sent.pop_front();
        }
        let ids = marker.then_some(None).into_iter().chain(events.iter().map(|(id, _)| Some(*id)));
        let incarnation = incarnation.clone();
        self.sent.push_back(SentBatch { incarnation, number: batch, events: ids.collect() });
    }

    /// The batch is in the log, which `others` read too: its events have the numbers from `first` on.
    pub(super) fn taken(
        &mut self,
        marker: bool,
        events: &[(EventId, Bytes)],
        (first, others): (u64, &Arc<[Arc<str>]>),
    ) -> Vec<NodeEffect> {
        let mut effects = Vec::new();
        let mut number = first;
        if marker {
            // What was handed out without a number since stands behind this marker: it needs another.
            if self.hole == Hole::MarkerSent {
                self.hole = Hole::None;
                effects.push(NodeEffect::Marked { number });
            }
            number += 1;
        }
        for (number, (event, _)) in (number..).zip(events) {
            if self.unanswered.remove(event).is_some() {
                let others = Arc::clone(others);
                effects.push(NodeEffect::Taken { event: *event, number, others });
            }
        }
        effects
    }

    /// Whether the batch is in the log will not be known.
    pub(super) fn lost(
        &mut self,
        batch_had_marker: bool,
        events: &[(EventId, Bytes)],
    ) -> Vec<NodeEffect> {
        if batch_had_marker && self.hole == Hole::MarkerSent {
            self.hole = Hole::Open;
        }
        let unanswered = events.iter().filter(|(id, _)| self.unanswered.remove(id).is_some());
        unanswered.map(|(event, _)| NodeEffect::Unknown { event: *event }).collect()
    }

    /// A batch comes by the log: which events of this node it holds, in its order; `None` for another's.
    pub(super) fn came_back(
        &mut self,
        incarnation: &Incarnation,
        batch: u64,
    ) -> Option<Vec<Option<EventId>>> {
        let is_it = |it: &SentBatch| it.incarnation == *incarnation && it.number == batch;
        let place = self.sent.iter().position(is_it)?;
        self.sent.remove(place).map(|it| it.events)
    }

    /// An event is in the log, as the log itself says.
    pub(super) fn is_seen(
        &mut self,
        event: EventId,
        number: u64,
        others: &Arc<[Arc<str>]>,
    ) -> Option<NodeEffect> {
        let others = Arc::clone(others);
        self.unanswered.remove(&event).map(|_| NodeEffect::Taken { event, number, others })
    }

    /// Ends the waiting of what has waited too long.
    pub(super) fn lose_patience(&mut self, now: Timestamp) -> Vec<NodeEffect> {
        let is_late = |numbering: Numbering, since: Timestamp| {
            let patience = match numbering {
                Numbering::Numbered => NUMBERED_PATIENCE,
                Numbering::Plain => PLAIN_PATIENCE,
            };
            patience <= now.since(since)
        };
        let mut late: BTreeSet<EventId> = BTreeSet::new();
        let waiting = self.waiting.iter().map(|it| (it.id, it.numbering, it.since));
        let under_way = self.unanswered.iter().map(|(id, it)| (*id, it.0, it.1));
        let all: Vec<_> = under_way.chain(waiting).collect();
        let opens = all.iter().any(|(_, numbering, since)| {
            *numbering == Numbering::Numbered && is_late(*numbering, *since)
        });
        if opens {
            self.hole = Hole::Open;
        }
        for (id, numbering, since) in all {
            // All of them that wait for a number, so that none overtakes another.
            if is_late(numbering, since) || (opens && numbering == Numbering::Numbered) {
                late.insert(id);
            }
        }
        self.unanswered.retain(|id, _| !late.contains(id));
        self.waiting.retain(|it| !late.contains(&it.id));
        self.waiting_bytes = self.waiting.iter().map(|it| it.event.len()).sum();
        late.into_iter().map(|event| NodeEffect::Degraded { event }).collect()
    }
}
