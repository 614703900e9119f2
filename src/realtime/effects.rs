//! What the cluster says to this node, done: by one task, in its order.
//!
//! Whoever waits here holds up all that comes behind it, until the log is read no further: so nothing here waits.

use super::attendance::Attendance;
use super::hearing::Hearing;
use crate::clock::Clock;
use crate::cluster::ClusterMember;
use crate::core::cluster::node::NodeEffect;
use crate::core::presence::session::UserSession;
use crate::recovery::Recoveries;
use crate::registry::Socket;
use crate::tasks::Tasks;
use crate::types::Timestamp;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// How often is looked which sockets have spoken since this node slept.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Does what the cluster says.
#[derive(Debug)]
pub struct ClusterEffects {
    member: ClusterMember,
    attendance: Arc<Attendance>,
    recoveries: Recoveries<Arc<Socket>>,
    hearing: Hearing,
    /// After so long without a word from its client, a connection is closed.
    silence_max: Duration,
    clock: Clock,
    tasks: Tasks,
    left: CancellationToken,
}

impl ClusterEffects {
    /// `hearing` is told what other nodes say. The connections of sockets in `attendance` are closed when their clients are silent
    /// for `silence_max`. `left` is cancelled when the node has left the cluster.
    pub fn new(
        member: ClusterMember,
        (attendance, recoveries): (Arc<Attendance>, Recoveries<Arc<Socket>>),
        hearing: Hearing,
        ((clock, silence_max), tasks): ((Clock, Duration), Tasks),
        left: CancellationToken,
    ) -> Self {
        Self { member, attendance, recoveries, hearing, silence_max, clock, tasks, left }
    }

    /// Runs until nothing is said any more.
    pub async fn run(self, mut effects: mpsc::Receiver<NodeEffect>) {
        while let Some(effect) = effects.recv().await {
            self.perform(effect).await;
        }
    }

    async fn perform(&self, effect: NodeEffect) {
        match effect {
            NodeEffect::Session { user, session } => {
                self.attendance.know(&user, UserSession::numbered(session));
            }
            NodeEffect::Verify => self.verify(),
            NodeEffect::MissedSome => {
                metrics::counter!("userline_cluster_missed_total").increment(1);
                tracing::warn!("this node was behind: events of other nodes did not reach it");
                self.recoveries.skip(|it| it.miss());
                self.hearing.hear(NodeEffect::MissedSome).await;
            }
            NodeEffect::Left => self.left.cancel(),
            NodeEffect::Heard { .. }
            | NodeEffect::Taken { .. }
            | NodeEffect::Degraded { .. }
            | NodeEffect::Unknown { .. }
            | NodeEffect::Told { .. } => self.hearing.hear(effect).await,
            NodeEffect::ReadTo(number) => self.recoveries.read_to(number),
            NodeEffect::Marked { number } => self.recoveries.mark(number, |it| it.mark(number)),
            NodeEffect::NewEpoch { epoch, read_to } => self.recoveries.renew(&epoch, read_to),
        }
    }

    /// This node slept, and others may have taken it for gone: the cluster is told again of users whose clients say
    /// something from now on. All that are there do, because they are pinged; the others' connections are closed.
    fn verify(&self) {
        let (member, attendance) = (self.member.clone(), Arc::clone(&self.attendance));
        let (clock, since) = (self.clock.clone(), self.clock.now());
        let until = since + self.silence_max;
        self.tasks.spawn("cluster.verify", async move {
            while clock.now() < until {
                clock.sleep_until(clock.now() + LOOK_EVERY).await;
                tell_of_heard(&member, &attendance, since);
            }
        });
    }
}

fn tell_of_heard(member: &ClusterMember, attendance: &Attendance, since: Timestamp) {
    for user in attendance.sockets().heard_since(since) {
        member.verified(&user);
    }
}
