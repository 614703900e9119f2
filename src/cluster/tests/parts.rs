//! What the world of the tests is made of.

use super::clients::Audience;
use super::sockets::SimSocket;
use super::verdicts::Sentence;
use crate::core::cluster::command::{Command, NodeTimes, Reply};
use crate::core::cluster::incarnation::Epoch;
use crate::core::cluster::log::LogEntry;
use crate::core::cluster::node::{EventId, LogQuestion, NodeEffect, NodeMachine, Ticket};
use crate::core::recovery::{Pid, Recovery, RecoveryLimits};
use crate::types::UserId;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

pub(super) const USERS: usize = 6;
/// All times are as the defaults, divided by 25.
pub(super) const GRACE_MS: u64 = 400;
pub(super) const NODE_GRACE_MS: u64 = 800;
const TIMES: NodeTimes = NodeTimes {
    heartbeat: Duration::from_millis(200),
    lease: Duration::from_millis(600),
    observe: Duration::from_millis(80),
    tend: Duration::from_millis(40),
    read: Duration::from_millis(40),
    remember: Duration::from_millis(3 * NODE_GRACE_MS),
};

/// Randomness that a seed repeats (xorshift).
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        let mut it = Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        for _ in 0..5 {
            it.below(2);
        }
        it
    }

    pub(super) fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).unwrap() % end.max(1)
    }

    pub(super) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

/// What is on its way to Redis and back.
pub(super) enum Message {
    Command(Ticket, Command),
    Question(LogQuestion, Asker, Command),
}

/// Who asks a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asker {
    /// The socket of a client that comes back.
    Claim(u64),
    /// A node that starts.
    History,
}

/// What was in the log before a node came.
pub(super) enum History {
    /// It reads it: so far these, behind this number. More may be asked for.
    Wanted {
        entries: Vec<LogEntry>,
        begin: u64,
        is_asked: bool,
    },
    Taken,
}

/// One connection: in order, both ways. Closed at the node's end, what it holds may still be run.
pub(super) struct Wire {
    pub(super) node: usize,
    pub(super) is_open: bool,
    pub(super) requests: VecDeque<Message>,
    pub(super) replies: VecDeque<(Message, Reply)>,
}

pub(super) struct SimNode {
    pub(super) machine: NodeMachine,
    pub(super) boot: u64,
    pub(super) is_up: bool,
    pub(super) is_paused: bool,
    /// Users with a socket here, and how many; `false`: they have not spoken since the node slept.
    pub(super) users: BTreeMap<usize, (usize, bool)>,
    /// Events of this node by their id.
    pub(super) own: BTreeMap<EventId, usize>,
    /// What clients come back to.
    pub(super) recovery: Recovery<SimSocket>,
    /// The epoch, as far as the log was read, and up to where it was.
    pub(super) epoch: Option<Epoch>,
    pub(super) read_to: u64,
    /// Sessions of sockets that are here which began in an earlier epoch.
    pub(super) void: BTreeSet<Pid>,
    pub(super) history: History,
    /// What the cluster has said, and is still to be done.
    pub(super) pending: VecDeque<NodeEffect>,
    pub(super) is_leaving: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Pending,
    Taken,
    Degraded,
    Unknown,
}

#[derive(Debug, Clone)]
pub(super) struct SimEvent {
    pub(super) caller: usize,
    /// Its sockets do not wait for a number, and nobody recovers it.
    pub(super) is_plain: bool,
    pub(super) audience: Audience,
    /// What is decided about the sessions of a user: then it is no event for clients.
    pub(super) sentence: Option<Sentence>,
    pub(super) answer: Answer,
    /// Epoch and number under which it stands in the log.
    pub(super) place: Option<(String, u64)>,
    /// When it was put there.
    pub(super) logged: u64,
    /// When it was accepted; and if it was handed out without a number, when the next marker stood in the log.
    pub(super) at: u64,
    pub(super) marked: Option<u64>,
    pub(super) node: usize,
    pub(super) boot: u64,
}

/// A presence change, as an endpoint is told it.
#[derive(Debug, Clone)]
pub(super) struct Told {
    pub(super) user: usize,
    pub(super) is_on: bool,
    pub(super) seq: u64,
    pub(super) session: u64,
}

pub(super) fn user_id(user: usize) -> UserId {
    UserId::parse(&format!("u{user}")).unwrap()
}

pub(super) fn limits(window: Duration) -> RecoveryLimits {
    RecoveryLimits {
        window,
        events_max: 1000,
        bytes_max: 1 << 20,
        sessions_max: 1000,
        sessions_per_user: 1000,
        replay_bytes_max: 1 << 20,
    }
}

pub(super) fn new_node(node: usize, boot: u64, window: Duration) -> SimNode {
    SimNode {
        machine: NodeMachine::new(format!("n{node}-{boot}"), TIMES),
        boot,
        is_up: true,
        is_paused: false,
        users: BTreeMap::new(),
        own: BTreeMap::new(),
        recovery: Recovery::in_cluster(limits(window), 0),
        epoch: None,
        read_to: 0,
        void: BTreeSet::new(),
        history: History::Wanted { entries: Vec::new(), begin: 0, is_asked: false },
        pending: VecDeque::new(),
        is_leaving: false,
    }
}
