//! What a node knows without asking, and what it may ask beside its commands.

use super::{EventId, LogQuestion, NodeMachine};
use crate::core::cluster::incarnation::Incarnation;
use crate::core::cluster::sessions::{SessionName, SessionOp};
use crate::core::cluster::sockets::SocketTold;
use crate::types::{Timestamp, UserId};
use std::time::Duration;

impl NodeMachine {
    /// The number up to which this node has read the log.
    pub fn read_to(&self) -> u64 {
        self.cursor.read_to()
    }

    /// The newest event of this node.
    pub fn last_event(&self) -> EventId {
        self.events.last()
    }

    /// How long each node has been silent, this one too, as far as it has looked.
    pub fn silences(&self, now: Timestamp) -> Vec<(Incarnation, Duration)> {
        self.observer.silences(now)
    }

    /// What a question about the log is sent with, if one may be asked now: such questions wait for nothing, and change
    /// nothing.
    pub fn question(&self) -> Option<LogQuestion> {
        let link = self.link.as_ref().filter(|link| link.is_attached)?;
        Some(LogQuestion { link: link.number, attached: self.attached })
    }

    /// Whether the answer to a question is about the state that the node knows.
    pub fn is_current(&self, question: LogQuestion) -> bool {
        self.question() == Some(question)
    }

    /// A number was given that the answer to a question holds: whatever is lost from now on, it is not given again.
    pub fn saw(&mut self, number: u64) {
        self.seen = self.seen.max(number);
    }

    /// Hooks tell that a socket of a user has come, who is here.
    pub fn socket_came(&mut self, user: &UserId, told: SocketTold) {
        self.facts.socket_came(user, told);
    }

    /// The same of one that goes. What came and goes while this node is cut off is not told.
    pub fn socket_went(&mut self, user: &UserId, told: SocketTold) {
        let is_cut_off = !self.is_attached();
        self.facts.socket_went(user, told, is_cut_off);
    }

    /// Something about the session of a client is to be kept where all agree: by the next batch, before its events.
    pub fn keep(&mut self, name: SessionName, op: SessionOp) {
        self.sessions.add(name, op);
    }
}
