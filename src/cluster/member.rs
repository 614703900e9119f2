//! This node's part in the cluster: one task that carries what its state machine wants to Redis, and the answers back.
//!
//! ```text
//!   facts, events ──► state machine ──► one command per lane ──► connection ──► Redis
//!        effects ◄──────┘    ▲               answers ◄──────────────┘   doorbell ◄┘ (a second connection, which only waits)
//! ```
//!
//! While Redis is away nothing waits here but facts, one per user, and events within their patience. A connection on which
//! anything went wrong is dropped with all that was under way on it; the state machine says it again.

mod task;

use super::codec::ClusterPlace;
use super::link::{LinkError, RedisTarget};
use crate::clock::Clock;
use crate::config::ClusterConfig;
use crate::core::cluster::command::{Command, MissedLog, NodeTimes};
use crate::core::cluster::facts::UserDeparture;
use crate::core::cluster::node::{AppendError, Effect, EventId, NodeMachine, Numbering};
use crate::entropy;
use crate::tasks::Tasks;
use crate::types::{Reason, UserId};
use bytes::Bytes;
use std::time::Duration;
use task::{Input, MemberTask};
use thiserror::Error;
use tokio::sync::{mpsc, oneshot, watch};

/// Inputs that wait for their turn, at most; more wait with whoever brings them.
const INPUTS_MAX: usize = 4096;
/// Effects that wait for whoever takes them, before the log is not read any further.
const EFFECTS_MAX: usize = 1024;
/// Looks at the other nodes in a lease.
const LOOKS_PER_LEASE: u32 = 7;
/// Entries of the log that a client may have missed.
const MISSED_ENTRIES_MAX: usize = 10_000;

/// This node's part in the cluster. Cheap to clone; clones share it.
#[derive(Debug, Clone)]
pub struct ClusterMember {
    inputs: mpsc::Sender<Input>,
    status: watch::Receiver<MemberStatus>,
}

/// Whether the cluster can be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MemberStatus {
    /// What is said is heard.
    Attached,
    /// Not, and why.
    Degraded(Option<LinkError>),
}

/// What a member needs besides the configuration.
#[derive(Debug, Clone)]
pub struct MemberNeeds {
    /// Who is told of presence changes.
    pub endpoints: Vec<String>,
    /// How long the log is kept for clients that come back.
    pub window: Duration,
    /// The longest grace of a user.
    pub grace_max: Duration,
    /// The clock of the process.
    pub clock: Clock,
}

/// The cluster cannot be asked now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the cluster cannot be reached")]
pub struct Unattached;

/// The task has ended: the process stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("this node has left the cluster")]
pub struct Left;

impl ClusterMember {
    /// Joins the cluster of `config`. What is to be done, or has become known, comes by the receiver, in its order.
    pub fn join(
        config: &ClusterConfig,
        needs: MemberNeeds,
        tasks: &Tasks,
    ) -> Result<(Self, mpsc::Receiver<Effect>), LinkError> {
        let target = RedisTarget::new(config)?;
        let (inputs, input) = mpsc::channel(INPUTS_MAX);
        let (effects, effect) = mpsc::channel(EFFECTS_MAX);
        let (status_sender, status) = watch::channel(MemberStatus::Degraded(None));
        let machine = NodeMachine::new(entropy::token("n"), times(config));
        let clock = needs.clock.clone();
        let place = place(config, needs);
        let task = MemberTask::new(machine, place, target, clock, (input, effects, status_sender));
        tasks.spawn("cluster", task.run());
        Ok((Self { inputs, status }, effect))
    }

    /// The user has a socket on this node. Its session comes as an effect, when it is known.
    pub async fn up(&self, user: UserId) -> Result<(), Left> {
        self.say(Input::Up(user)).await
    }

    /// The user has none any more.
    pub async fn down(&self, user: UserId, departure: UserDeparture) -> Result<(), Left> {
        self.say(Input::Down(user, departure)).await
    }

    /// If the user lingers, on whatever node it was, that ends now.
    pub async fn end_grace(&self, user: UserId, reason: Reason) -> Result<(), Left> {
        self.say(Input::EndGrace(user, reason)).await
    }

    /// A socket of the user has spoken, after [`Effect::Verify`].
    pub async fn verified(&self, user: UserId) -> Result<(), Left> {
        self.say(Input::Verified(user)).await
    }

    /// Puts an event into the log of all nodes. What becomes of it is an effect with the id that is returned here.
    pub async fn append(
        &self,
        event: Bytes,
        numbering: Numbering,
    ) -> Result<Result<EventId, AppendError>, Left> {
        let (answer, appended) = oneshot::channel();
        self.say(Input::Append { event, numbering, answer }).await?;
        appended.await.map_err(|_| Left)
    }

    /// What came into the log behind `after`, for a client that has all up to there.
    pub async fn missed(&self, after: u64) -> Result<MissedLog, Unattached> {
        let (answer, missed) = oneshot::channel();
        let command = Command::Missed { after, entries_max: MISSED_ENTRIES_MAX };
        self.say(Input::Ask { command, answer }).await.map_err(|_| Unattached)?;
        missed.await.map_err(|_| Unattached)
    }

    /// Whether the cluster can be reached, now and as it changes.
    pub fn status(&self) -> watch::Receiver<MemberStatus> {
        self.status.clone()
    }

    async fn say(&self, input: Input) -> Result<(), Left> {
        self.inputs.send(input).await.map_err(|_| Left)
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
        prefix: format!("userline:{{{}}}:", config.name),
        endpoints: needs.endpoints,
        log_bytes: config.log_bytes,
        window: needs.window,
        node_grace: config.node_grace,
        hold: config.hold,
        // Every node does what is due each second: that none did it means that none could.
        silence: Duration::from_secs(5),
        grace_max: needs.grace_max.max(config.node_grace),
    }
}

#[cfg(test)]
mod tests;
