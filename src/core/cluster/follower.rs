//! What one socket gets of the log: each event once, in order, with an offset that says so; or without one where that
//! would promise too much.
//!
//! A client that comes back says up to where it has all. What it missed is read from the log to its end at that moment, the
//! head; from there on the node's own reading goes on. That reading lags behind: what it brings up to the head has been
//! handed out already.

use super::incarnation::Epoch;
use super::node::EventId;
use std::collections::BTreeSet;

/// Events that may come while what was missed is being read, at most; with more, nothing is recovered.
const QUEUE_LEN_MAX: usize = 10_000;

/// The place of a socket in the log.
#[derive(Debug)]
pub struct Follower<E> {
    /// In which its session began.
    epoch: Epoch,
    stage: Stage<E>,
    /// Offsets up to this number say nothing; `u64::MAX` until it is known.
    void_to: u64,
    /// Whether no offset ever will say that the client has all.
    is_broken: bool,
    /// Events of this node that the socket has without their number, while they may still come by the log.
    had: BTreeSet<EventId>,
}

#[derive(Debug)]
enum Stage<E> {
    /// What it missed is being found out.
    Joining { queue: Vec<FollowedEvent<E>>, missed_some: bool },
    /// It gets what comes: with numbers above the head, and events of this node that are newer than `since`.
    Live { head: u64, since: EventId },
}

/// An event with its place in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FollowedEvent<E> {
    /// Its number.
    pub number: u64,
    /// Which event of this node it is, if it is one.
    pub own: Option<EventId>,
    /// What the socket gets.
    pub event: E,
}

/// An event for the socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToSocket<E> {
    /// What.
    pub event: E,
    /// The offset that the client may come back with; `None`: one that recovers nothing.
    pub offset: Option<u64>,
}

/// What a node asks for a client that comes back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missed<E> {
    /// The epoch.
    pub epoch: Epoch,
    /// The last marker: before it, events were handed out without a number.
    pub hole: u64,
    /// Whether others have still to say what this copy of the state lost.
    pub is_unsure: bool,
    /// Whether `events` begin where the client left.
    pub is_complete: bool,
    /// The end of the log at that moment.
    pub head: u64,
    /// What came after the client's offset, for its audiences only.
    pub events: Vec<FollowedEvent<E>>,
}

/// How a client that comes back begins.
#[derive(Debug, PartialEq, Eq)]
pub enum Resumed<E> {
    /// Its session goes on: it has missed these, and nothing else. Then it is connected, and gets what came `after`.
    Recovered {
        /// What it missed.
        missed: Vec<ToSocket<E>>,
        /// What came while that was being found out.
        after: Vec<ToSocket<E>>,
    },
    /// It has to [`Follower::begin`]: what it missed is not known.
    Impossible,
    /// Ask once more, in a moment.
    Later,
}

impl<E> Follower<E> {
    /// A socket that is about to join. What comes by the log meanwhile is kept for it.
    pub fn joining(epoch: Epoch) -> Self {
        let stage = Stage::Joining { queue: Vec::new(), missed_some: false };
        Self { epoch, stage, void_to: 0, is_broken: false, had: BTreeSet::new() }
    }

    /// A client that comes for the first time, or that cannot be told what it missed: it gets what comes after `read_to`, up
    /// to where its node has read. `last` is the newest event of this node. Returns what came meanwhile.
    pub fn begin(&mut self, read_to: u64, last: EventId) -> Vec<ToSocket<E>> {
        self.go_live(read_to, last)
    }

    /// A client comes back with `offset` of `epoch`, and `missed` is what the log says to that. Returns what it missed, and
    /// then what came meanwhile.
    pub fn resume(
        &mut self,
        epoch: &Epoch,
        offset: u64,
        missed: Missed<E>,
        last: EventId,
    ) -> Resumed<E> {
        let Stage::Joining { queue, missed_some } = &self.stage else { return Resumed::Impossible };
        if *epoch != self.epoch || missed.epoch != self.epoch {
            return Resumed::Impossible;
        }
        if missed.is_unsure {
            return Resumed::Later;
        }
        let is_whole = missed.is_complete && missed.hole <= offset;
        if !is_whole || *missed_some || QUEUE_LEN_MAX <= queue.len() {
            return Resumed::Impossible;
        }
        let head = missed.head;
        let events = missed.events.into_iter().filter(|it| offset < it.number && it.number <= head);
        let to_socket =
            |it: FollowedEvent<E>| ToSocket { event: it.event, offset: Some(it.number) };
        let missed = events.map(to_socket).collect();
        Resumed::Recovered { missed, after: self.go_live(head, last) }
    }

    fn go_live(&mut self, head: u64, since: EventId) -> Vec<ToSocket<E>> {
        let live = Stage::Live { head, since };
        let Stage::Joining { queue, missed_some } = std::mem::replace(&mut self.stage, live) else {
            return Vec::new();
        };
        self.is_broken = missed_some || QUEUE_LEN_MAX <= queue.len();
        queue.into_iter().filter_map(|it| self.hear(it)).collect()
    }

    /// An event comes by the log, for an audience of this socket.
    pub fn hear(&mut self, it: FollowedEvent<E>) -> Option<ToSocket<E>> {
        match &mut self.stage {
            Stage::Joining { queue, .. } => {
                if queue.len() < QUEUE_LEN_MAX {
                    queue.push(it);
                }
                None
            }
            Stage::Live { head, .. } => {
                let had = it.own.is_some_and(|own| self.had.remove(&own));
                if it.number <= *head || had {
                    return None;
                }
                if self.void_to < it.number {
                    self.had.clear();
                }
                let is_good = !self.is_broken && self.void_to < it.number;
                Some(ToSocket { event: it.event, offset: is_good.then_some(it.number) })
            }
        }
    }

    /// The same for an event that came by the log before, which lost it since. `epoch` is the one that began with that: who
    /// was here before has the event.
    pub fn hear_again(&mut self, it: FollowedEvent<E>, epoch: &Epoch) -> Option<ToSocket<E>> {
        if self.epoch == *epoch { self.hear(it) } else { None }
    }

    /// An event of this node is handed out without a number, for an audience of this socket.
    pub fn degrade(&mut self, own: EventId, event: E) -> Option<ToSocket<E>> {
        let Stage::Live { since, .. } = &self.stage else { return None };
        // One that came later gets it by the log, or not at all.
        if own <= *since || !self.had.insert(own) {
            return None;
        }
        self.void_to = u64::MAX;
        Some(ToSocket { event, offset: None })
    }

    /// What was handed out without a number stands before this one.
    pub fn mark(&mut self, number: u64) {
        if self.void_to == u64::MAX {
            self.void_to = number;
        }
    }

    /// The node has missed some of the log: so has the socket, perhaps, and no offset says that it has all.
    pub fn miss(&mut self) {
        match &mut self.stage {
            Stage::Joining { missed_some, .. } => *missed_some = true,
            Stage::Live { .. } => self.is_broken = true,
        }
    }

    /// Whether an offset says the truth that goes with what the socket is sent beside the log, when its node has read up to
    /// `read_to`: it has got, or gets before, all up to there that is for it.
    pub fn is_placed(&self, read_to: u64) -> bool {
        match &self.stage {
            Stage::Live { head, .. } => !self.is_broken && self.void_to <= read_to.max(*head),
            Stage::Joining { .. } => false,
        }
    }

    /// The epoch in which the socket's session began.
    pub fn epoch(&self) -> &Epoch {
        &self.epoch
    }

    /// An offset for a client that has got no event yet: up to here it has all; `None` while that is not known.
    pub fn start(&self) -> Option<u64> {
        match &self.stage {
            Stage::Live { head, .. } if !self.is_broken && self.void_to <= *head => Some(*head),
            Stage::Live { .. } | Stage::Joining { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests;
