//! What is kept of clients where all nodes agree, so that they can come back to another one.

use super::incarnation::Epoch;
use crate::types::UserId;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The name of a session, in all namespaces.
pub type SessionName = Arc<str>;

/// Something about a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionOp {
    /// This is what is to be known of it.
    Keep(KeptSession),
    /// It is over, if this socket still has it.
    End {
        /// Names the socket, in all nodes.
        owner: Arc<str>,
    },
}

/// What is to be known of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptSession {
    /// Whose it is.
    pub user: UserId,
    /// Names the socket that has it, in all nodes. What another one says of it does not count.
    pub owner: Arc<str>,
    /// How long it is kept.
    pub kept_for: Duration,
    /// What a node needs to go on with it.
    pub record: Bytes,
    /// Whether it begins.
    pub is_new: bool,
    /// If its client is away: how many of those are kept.
    pub away: Option<AwayBounds>,
}

/// How many sessions of clients that are away are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwayBounds {
    /// Those in this namespace are counted together.
    pub namespace: Arc<str>,
    /// So many of each.
    pub of_namespace: usize,
    /// Of these, so many of one user.
    pub of_user: usize,
}

/// A client comes back to a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptClaim {
    /// The session.
    pub name: SessionName,
    /// Whose it has to be.
    pub user: UserId,
    /// Names the socket that has it from now on, in all nodes.
    pub owner: Arc<str>,
    /// How long it is kept if nothing more is said of it.
    pub kept_for: Duration,
}

/// What a [`KeptClaim`] is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    /// The epoch.
    pub epoch: Epoch,
    /// The last marker: events that were handed out without a number stand before it.
    pub hole: u64,
    /// Whether other nodes have still to say what this copy of the state lost.
    pub is_unsure: bool,
    /// The number of the last entry of the log.
    pub head: u64,
    /// The session, if there is one of this user.
    pub session: Option<ClaimedSession>,
}

/// A session that is the claimant's from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimedSession {
    /// The socket that had it.
    pub owner: Arc<str>,
    /// What that one said of it last.
    pub record: Bytes,
}

/// What is to be said of sessions: at most one thing of each.
#[derive(Debug, Default)]
pub struct SessionNews {
    unsaid: BTreeMap<SessionName, SessionOp>,
}

impl SessionNews {
    /// Something is to be said; what was to be said of the same socket's session before is not any more.
    pub fn add(&mut self, name: SessionName, mut op: SessionOp) {
        let begins = matches!(self.unsaid.get(&name), Some(SessionOp::Keep(it)) if it.is_new);
        if let SessionOp::Keep(kept) = &mut op {
            kept.is_new |= begins;
        }
        self.unsaid.insert(name, op);
    }

    /// What is said next, of at most so many sessions.
    pub fn take(&mut self, max: usize) -> Vec<(SessionName, SessionOp)> {
        let mut ops = Vec::new();
        while ops.len() < max {
            let Some(op) = self.unsaid.pop_first() else { break };
            ops.push(op);
        }
        ops
    }

    /// It is not known whether these were heard: they are said again, unless there is something newer.
    pub fn unheard(&mut self, ops: Vec<(SessionName, SessionOp)>) {
        for (name, op) in ops {
            let begins = matches!(&op, SessionOp::Keep(it) if it.is_new);
            match self.unsaid.entry(name).or_insert(op) {
                SessionOp::Keep(kept) => kept.is_new |= begins,
                SessionOp::End { .. } => {}
            }
        }
    }

    /// Whether all is said.
    pub fn is_said(&self) -> bool {
        self.unsaid.is_empty()
    }
}

#[cfg(test)]
mod tests;
