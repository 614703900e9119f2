//! This node's part in the cluster: one task that carries what its state machine wants to Redis, and the answers back.
//!
//! ```text
//!   facts, events ──► state machine ──► one command per lane ──► connection ──► Redis
//!        effects ◄──────┘    ▲               answers ◄──────────────┘   doorbell ◄┘ (a second connection, which only waits)
//! ```
//!
//! While Redis is away nothing waits here but facts, one per user, and events within their patience. A connection on which
//! anything went wrong is dropped with all that was under way on it; the state machine says it again.

mod attachments;
mod confirm;
mod history;
mod status_log;
mod task;
mod users;

use super::codec::{self, ClusterPlace};
use super::link::{LinkError, RedisTarget};
use crate::clock::Clock;
use crate::config::ClusterConfig;
use crate::core::cluster::agreement::{Agreement, Difference};
use crate::core::cluster::answers::{AnswerQuestion, AnswerReply};
use crate::core::cluster::book::{BookQuestion, BookReply};
use crate::core::cluster::command::{Command, LingeringUsers, NodeTimes, Reply};
use crate::core::cluster::facts::UserDeparture;
use crate::core::cluster::inboxes::{InboxesAsk, InboxesReply};
use crate::core::cluster::incarnation::{Epoch, Incarnation};
use crate::core::cluster::ledger::{HooksToTell, LedgerAsk, LedgerQuestion, LedgerReply};
use crate::core::cluster::node::{AppendError, EventId, NodeEffect, NodeMachine, Numbering};
use crate::core::cluster::sessions::{Claimed, KeptClaim, SessionName, SessionOp};
use crate::core::presence::session::PresenceStatus;
use crate::entropy;
use crate::tasks::Tasks;
use crate::types::UserId;
pub use attachments::AttachingError;
use bytes::Bytes;
use confirm::Confirmations;
pub use history::HistoryPage;
use parking_lot::Mutex;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use task::{AskedQuestion, MemberTask};
use thiserror::Error;
use tokio::sync::{Notify, mpsc, oneshot, watch};

/// Questions that wait for their turn, at most; more wait with whoever asks.
const QUESTIONS_MAX: usize = 1024;
/// Effects that wait for whoever takes them, before the log is not read any further.
const EFFECTS_MAX: usize = 1024;
/// Looks at the other nodes in a lease.
const LOOKS_PER_LEASE: u32 = 7;

/// This node's part in the cluster. Cheap to clone; clones share it.
#[derive(Clone)]
pub struct ClusterMember {
    /// Locked last of all, and never across an await: what is said here is heard at once, in its order, and nothing waits.
    machine: Arc<Mutex<NodeMachine>>,
    /// Wakes the task: there is something to say.
    wake: Arc<Notify>,
    questions: mpsc::Sender<AskedQuestion>,
    clock: Clock,
    status: watch::Receiver<MemberStatus>,
    confirmations: Confirmations,
}

/// An event that is on its way into the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Appended {
    /// What becomes of it is an effect.
    Waits,
    /// It is not on its way: events go out without numbers at the moment, and so does this one.
    Degraded,
}

/// Whether the cluster can be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MemberStatus {
    /// What is said is heard.
    Attached,
    /// Not, and why.
    Degraded(Option<LinkError>),
    /// Not, because the nodes that are there agreed on something else.
    Apart(Apart),
}

/// What keeps a node out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Apart {
    /// In what the others differ.
    pub differences: Vec<Difference>,
    /// The longest lease of theirs and of this node.
    pub lease: Duration,
    /// Whether any of them has moved since this node waits; if none does for a lease, it is let in.
    pub are_alive: bool,
}

impl fmt::Display for Apart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let differences: Vec<String> = self.differences.iter().map(ToString::to_string).collect();
        f.write_str(&differences.join("\n"))
    }
}

/// What a member needs besides the configuration.
#[derive(Debug, Clone)]
pub struct MemberNeeds {
    /// What this node means by the state that all share.
    pub agreement: Agreement,
    /// Who is told of presence changes.
    pub endpoints: Vec<String>,
    /// How long the log is kept for clients that come back.
    pub window: Duration,
    /// How long presence changes are kept.
    pub events_kept: Duration,
    /// The longest grace of a user.
    pub grace_max: Duration,
    /// The clock of the process.
    pub clock: Clock,
}

/// The cluster cannot be asked now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the cluster cannot be reached")]
pub struct Unattached;

impl fmt::Debug for ClusterMember {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClusterMember")
            .field("status", &*self.status.borrow())
            .finish_non_exhaustive()
    }
}

impl ClusterMember {
    /// Joins the cluster of `config`. What is to be done, or has become known, comes by the receiver, in its order.
    pub fn join(
        config: &ClusterConfig,
        needs: MemberNeeds,
        tasks: &Tasks,
    ) -> (Self, mpsc::Receiver<NodeEffect>) {
        let target = RedisTarget::new(config);
        let confirmations = Confirmations::start(config, target.clone(), tasks);
        let (questions, question) = mpsc::channel(QUESTIONS_MAX);
        let (effects, effect) = mpsc::channel(EFFECTS_MAX);
        let (status_sender, status) = watch::channel(MemberStatus::Degraded(None));
        let machine = NodeMachine::new(entropy::token("n"), times(config));
        let member = Self {
            machine: Arc::new(Mutex::new(machine)),
            wake: Arc::default(),
            questions,
            clock: needs.clock.clone(),
            status,
            confirmations,
        };
        let task = MemberTask::new(
            (Arc::clone(&member.machine), Arc::clone(&member.wake)),
            place(config, needs),
            target,
            member.clock.clone(),
            (question, effects, status_sender),
        );
        tasks.spawn("cluster", task.run());
        (member, effect)
    }

    /// Puts an event into the log of all nodes. `note` is told its name before anything can become of it.
    pub fn append(
        &self,
        event: Bytes,
        numbering: Numbering,
        note: impl FnOnce(EventId),
    ) -> Result<Appended, AppendError> {
        let now = self.clock.now();
        self.say(|machine| {
            let (id, effects) = machine.append(event, numbering, now)?;
            note(id);
            Ok(if effects.is_empty() { Appended::Waits } else { Appended::Degraded })
        })
    }

    /// Tells another node something, if it is still there within 2 s. Returns whether there was room for it.
    pub fn tell(&self, to: &Incarnation, message: Bytes) -> bool {
        let now = self.clock.now();
        self.say(|machine| machine.tell(to.clone(), message, now))
    }

    /// The names of the other nodes, as they were known last.
    pub fn others(&self) -> Arc<[Arc<str>]> {
        self.machine.lock().others()
    }

    /// How long each node has been silent, this one too, as it was seen in Redis.
    pub fn silences(&self) -> Vec<(Incarnation, Duration)> {
        self.machine.lock().silences(self.clock.now())
    }

    /// What this run of the process is called.
    pub fn name(&self) -> Arc<str> {
        Arc::clone(self.machine.lock().name())
    }

    /// Leaves the cluster, as an orderly stop does: [`NodeEffect::Left`] says that it is done. Users keep `departure`'s grace.
    pub fn leave(&self, departure: UserDeparture) {
        self.say(|machine| machine.leave(departure));
    }

    /// Something about the session of a client is to be kept in the cluster; as soon as that can be reached.
    pub fn keep(&self, name: SessionName, op: SessionOp) {
        self.say(|machine| machine.keep(name, op));
    }

    /// A client comes back to its session.
    pub async fn claim(&self, claim: KeptClaim) -> Result<Claimed, Unattached> {
        let Reply::Claimed(claimed) = self.ask(Command::Claim(claim)).await? else {
            return Err(Unattached);
        };
        Ok(claimed)
    }

    /// The newest event of this node.
    pub fn last_event(&self) -> EventId {
        self.machine.lock().last_event()
    }

    /// The epoch; of no name before this node was in the cluster.
    pub fn epoch(&self) -> Epoch {
        self.machine.lock().epoch().cloned().unwrap_or_default()
    }

    /// The number up to which this node has read the log.
    pub fn read_to(&self) -> u64 {
        self.machine.lock().read_to()
    }

    /// Who of these users, at most a thousand, is online: their statuses, in the same order.
    pub async fn presence(&self, users: &[UserId]) -> Result<Vec<PresenceStatus>, Unattached> {
        let reply = self.ask(Command::Presence(users.to_vec())).await?;
        let Reply::Presence(statuses) = reply else { return Err(Unattached) };
        Ok(statuses)
    }

    /// Users who linger, on whatever node they were: all of them, or at most so many, and how many there are.
    pub async fn lingering(&self, users_max: usize) -> Result<LingeringUsers, Unattached> {
        let reply = self.ask(Command::Lingering(users_max)).await?;
        let Reply::Lingering(users) = reply else { return Err(Unattached) };
        Ok(users)
    }

    /// Asks or says something about an endpoint.
    pub(super) async fn ledger(
        &self,
        endpoint: Arc<str>,
        what: LedgerAsk,
    ) -> Result<LedgerReply, Unattached> {
        let reply = self.ask(Command::Ledger(LedgerQuestion { endpoint, what })).await?;
        let Reply::Ledger(reply) = reply else { return Err(Unattached) };
        Ok(reply)
    }

    /// Asks or changes something about the records of which all nodes have copies.
    pub(super) async fn book(&self, question: BookQuestion) -> Result<BookReply, Unattached> {
        let reply = self.ask(Command::Book(question)).await?;
        let Reply::Book(reply) = reply else { return Err(Unattached) };
        Ok(reply)
    }

    /// Asks or says something about a request that has a name.
    pub(super) async fn answers(
        &self,
        question: AnswerQuestion,
    ) -> Result<AnswerReply, Unattached> {
        let reply = self.ask(Command::Answers(question)).await?;
        let Reply::Answers(reply) = reply else { return Err(Unattached) };
        Ok(reply)
    }

    /// Tells endpoints something that is no presence change.
    pub(super) async fn tell_hooks(&self, hooks: HooksToTell) -> Result<(), Unattached> {
        let reply = self.ask(Command::Tell(hooks)).await?;
        if reply == Reply::Heard { Ok(()) } else { Err(Unattached) }
    }

    /// Asks or changes something about inboxes; `None`: that needs memory that is not there, and nothing was done.
    pub(super) async fn inboxes(
        &self,
        ask: InboxesAsk,
    ) -> Result<Option<InboxesReply>, Unattached> {
        let reply = self.ask(Command::Inboxes(ask)).await?;
        if reply == Reply::NoMemory {
            return Ok(None);
        }
        let Reply::Inboxes(reply) = reply else { return Err(Unattached) };
        Ok(Some(reply))
    }

    /// Who this node is at the moment; `None` before it was in the cluster once.
    pub fn incarnation(&self) -> Option<Incarnation> {
        self.machine.lock().incarnation().cloned()
    }

    pub(super) async fn ask(&self, command: Command) -> Result<Reply, Unattached> {
        let (answer, reply) = oneshot::channel();
        let asked = self.questions.send(AskedQuestion { command, answer }).await;
        asked.map_err(|_| Unattached)?;
        reply.await.map_err(|_| Unattached)
    }

    /// Whether the cluster can be reached, now and as it changes.
    pub fn status(&self) -> watch::Receiver<MemberStatus> {
        self.status.clone()
    }

    fn say<T>(&self, what: impl FnOnce(&mut NodeMachine) -> T) -> T {
        let said = what(&mut self.machine.lock());
        self.wake.notify_one();
        said
    }
}

fn times(config: &ClusterConfig) -> NodeTimes {
    NodeTimes {
        heartbeat: config.heartbeat,
        lease: config.lease,
        observe: config.lease / LOOKS_PER_LEASE,
        tend: Duration::from_secs(1),
        read: Duration::from_secs(1),
        remember: 3 * config.node_grace,
    }
}

fn place(config: &ClusterConfig, needs: MemberNeeds) -> ClusterPlace {
    ClusterPlace {
        prefix: codec::prefix(&config.name),
        agreement: needs.agreement,
        endpoints: needs.endpoints,
        log_bytes: config.log_bytes,
        window: needs.window,
        events_kept: needs.events_kept,
        lease: config.lease,
        node_grace: config.node_grace,
        hold: config.hold,
        // Every node does what is due each second: that none did it means that none could.
        silence: Duration::from_secs(5),
        grace_max: needs.grace_max.max(config.node_grace),
    }
}

#[cfg(test)]
mod tests;
