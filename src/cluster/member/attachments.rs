//! What the backend has attached to the sessions of users: read, and changed if nobody else has changed it meanwhile.

use super::{ClusterMember, MemberStatus, Unattached};
use crate::core::cluster::attached::{
    AttachedQuestion, AttachedReply, NewlyAttached, SessionAttached,
};
use crate::core::cluster::command::{Command, Reply};
use crate::types::UserId;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::time::{sleep, timeout};

/// How long whoever asks waits for Redis.
const PATIENCE: Duration = Duration::from_secs(1);
/// It may take a moment to be known that Redis is away.
const MOMENT: Duration = Duration::from_millis(20);
/// Users asked for at once: each may have 8 KB.
const USERS_AT_ONCE: usize = 100;

/// Why it is not known whether something is attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum AttachingError {
    /// Redis could not be reached for a second, or did not confirm it.
    #[error("Redis could not be reached for a second, or did not confirm it")]
    Away,
    /// Redis has no memory for it: nothing was attached.
    #[error("the memory of Redis is full (maxmemory)")]
    NoMemory,
}

impl From<Unattached> for AttachingError {
    fn from(_: Unattached) -> Self {
        Self::Away
    }
}

impl ClusterMember {
    /// What is attached to the sessions of these users, in the same order; `None` for who is offline.
    pub async fn attached(
        &self,
        users: &[UserId],
    ) -> Result<Vec<Option<SessionAttached>>, Unattached> {
        let mut all = Vec::with_capacity(users.len());
        for users in users.chunks(USERS_AT_ONCE) {
            let asked = Command::Attached(AttachedQuestion::Of(users.to_vec()));
            let Reply::Attachments(AttachedReply::Of(known)) = self.ask(asked).await? else {
                return Err(Unattached);
            };
            all.extend(known);
        }
        Ok(all)
    }

    /// Attaches to the session of a user what `merge` makes of what is attached; it is asked again if that changes meanwhile.
    /// Returns what is attached then; `None` if the user is offline.
    pub async fn attach<E>(
        &self,
        user: &UserId,
        merge: impl Fn(Option<&str>) -> Result<Arc<str>, E>,
    ) -> Result<Option<Result<Arc<str>, E>>, AttachingError> {
        let mark = self.mark();
        loop {
            let known = self.ask_until_answered(AttachedQuestion::Of(vec![user.clone()])).await?;
            let AttachedReply::Of(mut known) = known else { return Err(AttachingError::Away) };
            let Some(known) = known.pop().flatten() else { return Ok(None) };
            let attached = match merge(known.attached.as_deref()) {
                Ok(attached) => attached,
                Err(error) => return Ok(Some(Err(error))),
            };
            let put = AttachedQuestion::Put(NewlyAttached {
                user: user.clone(),
                session: known.session,
                made_of: known.number,
                attached: Arc::clone(&attached),
            });
            // Said again after an answer that was lost, it finds itself there: then the same patch is merged once more.
            if self.ask_until_answered(put).await? == AttachedReply::Put(true) {
                self.confirmed(mark).await?;
                return Ok(Some(Ok(attached)));
            }
        }
    }

    async fn ask_until_answered(
        &self,
        question: AttachedQuestion,
    ) -> Result<AttachedReply, AttachingError> {
        let asking = async {
            loop {
                match self.ask(Command::Attached(question.clone())).await {
                    Ok(Reply::Attachments(reply)) => return Ok(reply),
                    Ok(Reply::NoMemory) => return Err(AttachingError::NoMemory),
                    Ok(_) => return Err(AttachingError::Away),
                    Err(Unattached) => {
                        sleep(MOMENT).await;
                        let mut status = self.status();
                        let attached = status.wait_for(|it| *it == MemberStatus::Attached).await;
                        attached.map_err(|_| AttachingError::Away)?;
                    }
                }
            }
        };
        timeout(PATIENCE, asking).await.unwrap_or(Err(AttachingError::Away))
    }
}
