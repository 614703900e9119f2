//! Which sockets of this node are told of, and what of that the place where all agree is still to be told.
//!
//! Each is told of as here before it is as gone, and of one of which it was never said that it is here, nothing is said.

use crate::types::{SocketId, UserId, WallMs};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// What waits to be said, at most, before sockets that came and went meanwhile are left out.
const UNSAID_MAX: usize = 100_000;

/// What hooks tell of a socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocketTold {
    /// The socket.
    pub socket: SocketId,
    /// When it came or went, by the wall clock.
    pub at: WallMs,
    /// When it was authenticated.
    pub since: WallMs,
    /// What is said of it, as members of a JSON object; without its user and the session.
    pub words: String,
}

/// One thing that is said of a socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SocketOp {
    /// It is here.
    Came {
        /// What hooks tell of it.
        told: Arc<SocketTold>,
        /// Whether that is told though the state knows the socket: it may have been told otherwise, and lost that.
        is_retold: bool,
    },
    /// It is gone.
    Went(Arc<SocketTold>),
}

/// The sockets of this node, where hooks tell of them.
#[derive(Debug, Default)]
pub struct SocketNews {
    here: BTreeMap<UserId, Vec<Arc<SocketTold>>>,
    unsaid: BTreeMap<UserId, VecDeque<SocketOp>>,
    /// How many there are in `unsaid`.
    count: usize,
}

impl SocketNews {
    /// A socket has come.
    pub fn came(&mut self, user: &UserId, told: SocketTold) {
        let told = Arc::new(told);
        self.here.entry(user.clone()).or_default().push(Arc::clone(&told));
        self.add(user, SocketOp::Came { told, is_retold: false });
    }

    /// It is gone. If `is_cut_off`, and it was not said that it came, neither is said.
    pub fn went(&mut self, user: &UserId, told: SocketTold, is_cut_off: bool) {
        let Some(here) = self.here.get_mut(user) else { return };
        let count = here.len();
        here.retain(|it| it.socket != told.socket);
        let was_here = here.len() < count;
        if here.is_empty() {
            self.here.remove(user);
        }
        if !was_here {
            return;
        }
        if (is_cut_off || UNSAID_MAX <= self.count) && self.take_back(user, told.socket) {
            return;
        }
        self.add(user, SocketOp::Went(Arc::new(told)));
    }

    /// What is to be said of the sockets of a user, at most so much; it counts as said.
    pub fn take(&mut self, user: &UserId, max: usize) -> Vec<SocketOp> {
        let Some(unsaid) = self.unsaid.get_mut(user) else { return Vec::new() };
        let taken: Vec<SocketOp> = unsaid.drain(..max.min(unsaid.len())).collect();
        if unsaid.is_empty() {
            self.unsaid.remove(user);
        }
        self.count -= taken.len();
        taken
    }

    /// Whether something is to be said of the sockets of a user.
    pub fn has(&self, user: &UserId) -> bool {
        self.unsaid.contains_key(user)
    }

    /// The node goes on as a new incarnation, of which the state knows no sockets yet: all that are here are said again. Those
    /// that went, the earlier incarnation takes along.
    pub fn assert_again(&mut self, has_lost: bool) {
        self.unsaid.clear();
        self.count = 0;
        for (user, here) in &self.here {
            let again = |told: &Arc<SocketTold>| SocketOp::Came {
                told: Arc::clone(told),
                is_retold: has_lost,
            };
            self.count += here.len();
            self.unsaid.insert(user.clone(), here.iter().map(again).collect());
        }
    }

    fn add(&mut self, user: &UserId, op: SocketOp) {
        self.count += 1;
        self.unsaid.entry(user.clone()).or_default().push_back(op);
    }

    /// Whether it was not said that the socket is here; then it is not.
    fn take_back(&mut self, user: &UserId, socket: SocketId) -> bool {
        let Some(unsaid) = self.unsaid.get_mut(user) else { return false };
        let is_its =
            |op: &SocketOp| matches!(op, SocketOp::Came { told, .. } if told.socket == socket);
        let count = unsaid.len();
        unsaid.retain(|it| !is_its(it));
        self.count -= count - unsaid.len();
        let is_back = unsaid.len() < count;
        if unsaid.is_empty() {
            self.unsaid.remove(user);
        }
        is_back
    }
}
