//! What one socket gets of the log: each event once, in order, with an offset that says so; or without one where that
//! would promise too much.
//!
//! Whoever joins has all that its node has read by then, the head; what comes by the log after that is new to it.

use super::incarnation::Epoch;
use super::node::EventId;
use std::collections::BTreeSet;

/// The place of a socket in the log.
#[derive(Debug)]
pub struct Follower {
    /// In which its session began.
    epoch: Epoch,
    /// Events up to this number it has, or they were not for it.
    head: u64,
    /// Events of this node up to this one were there before it.
    since: EventId,
    /// Offsets up to this number say nothing; `u64::MAX` until it is known.
    void_to: u64,
    /// Whether no offset ever will say that the client has all.
    is_broken: bool,
    /// Events of this node that the socket has without their number, while they may still come by the log.
    had: BTreeSet<EventId>,
}

impl Follower {
    /// A socket joins, in an epoch, when its node has read up to `head`. `last` is the newest event of this node.
    pub fn new(epoch: Epoch, head: u64, last: EventId) -> Self {
        Self { epoch, head, since: last, void_to: 0, is_broken: false, had: BTreeSet::new() }
    }

    /// An event comes by the log, for an audience of this socket; `own` is which event of this node it is, if it is one. Returns
    /// whether its number is an offset that the client may come back with; `None` if it is not to be handed out: the client has it.
    pub fn hear(&mut self, number: u64, own: Option<EventId>) -> Option<bool> {
        let had = own.is_some_and(|own| self.had.remove(&own));
        if number <= self.head || had {
            return None;
        }
        if self.void_to < number {
            self.had.clear();
        }
        Some(!self.is_broken && self.void_to < number)
    }

    /// The same for an event that came by the log before, which lost it since. `epoch` is the one that began with that: who
    /// was here before has the event.
    pub fn hear_again(&mut self, number: u64, own: Option<EventId>, epoch: &Epoch) -> Option<bool> {
        if self.epoch == *epoch { self.hear(number, own) } else { None }
    }

    /// An event of this node is handed out without a number, for an audience of this socket. Returns whether this one gets it.
    pub fn degrade(&mut self, own: EventId) -> bool {
        // One that came later gets it by the log, or not at all.
        if own <= self.since || !self.had.insert(own) {
            return false;
        }
        self.void_to = u64::MAX;
        true
    }

    /// What was handed out without a number stands before this one.
    pub fn mark(&mut self, number: u64) {
        if self.void_to == u64::MAX {
            self.void_to = number;
        }
    }

    /// The node has missed some of the log: so has the socket, perhaps, and no offset says that it has all.
    pub fn miss(&mut self) {
        self.is_broken = true;
    }

    /// Whether an offset says the truth that goes with what the socket is sent beside the log, when its node has read up to
    /// `read_to`: it has got, or gets before, all up to there that is for it.
    pub fn is_placed(&self, read_to: u64) -> bool {
        !self.is_broken && self.void_to <= read_to.max(self.head)
    }
}

#[cfg(test)]
mod tests;
