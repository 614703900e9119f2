//! The resume tokens of all nodes: each is exchanged once, whichever is asked.

use super::member::{ClusterMember, MemberStatus, Unattached};
use crate::core::cluster::command::{Command, Reply};
use crate::core::cluster::resuming::{ResumeQuestion, ResumeReply};
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// How long whoever asks waits for Redis.
const PATIENCE: Duration = Duration::from_secs(1);
/// It may take a moment to be known that Redis is away.
const MOMENT: Duration = Duration::from_millis(20);

/// Where all nodes remember which resume tokens were exchanged. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ClusterResume {
    member: ClusterMember,
}

impl ClusterResume {
    /// That of the cluster of `member`.
    pub fn new(member: ClusterMember) -> Self {
        Self { member }
    }

    /// Asks until there is an answer, a second at most, and until what was said is where `cluster.durability` wants it: to ask again
    /// at once does no harm.
    pub async fn ask(&self, question: ResumeQuestion) -> Result<ResumeReply, Unattached> {
        let mark = self.member.mark();
        let asking = async {
            loop {
                match self.member.ask(Command::Resume(question.clone())).await {
                    Ok(Reply::Resume(reply)) => return Ok(reply),
                    Ok(_) => return Err(Unattached),
                    Err(Unattached) => self.attached().await?,
                }
            }
        };
        let reply = timeout(PATIENCE, asking).await.unwrap_or(Err(Unattached))?;
        self.member.confirmed(mark).await?;
        Ok(reply)
    }

    async fn attached(&self) -> Result<(), Unattached> {
        let mut status = self.member.status();
        sleep(MOMENT).await;
        status.wait_for(|it| *it == MemberStatus::Attached).await.map_err(|_| Unattached)?;
        Ok(())
    }
}
