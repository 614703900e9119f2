//! The inboxes of all nodes.

use super::member::{ClusterMember, MemberStatus, Unattached};
use crate::core::cluster::inboxes::{InboxLimits, InboxesAsk, InboxesReply, KeptItem};
use crate::core::inbox::{
    InboxPage, InboxState, NewItem, PageQuery, Placed, Put, Putting, SeenItems,
};
use crate::entropy;
use crate::types::{CollapseKey, ItemSeq, UserId, WallMs};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use thiserror::Error;
use tokio::time::{sleep, timeout};

/// How long whoever asks waits for Redis.
const PATIENCE: Duration = Duration::from_secs(1);
/// It may take a moment to be known that Redis is away.
const MOMENT: Duration = Duration::from_millis(20);
/// How often is looked for what has expired.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Users served at once, so that one emit to many does not hold up everybody else.
const USERS_AT_ONCE: usize = 64;

/// The inboxes of all nodes. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ClusterInboxes {
    member: ClusterMember,
    limits: InboxLimits,
    /// Bytes of all inboxes, as they were counted last.
    bytes: Arc<AtomicU64>,
}

/// Why inboxes cannot be read or changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum InboxesError {
    /// Redis could not be reached for a second, or did not confirm what was stored. What was asked for may be done all the same.
    #[error("Redis could not be reached for a second, or did not confirm what was stored")]
    Away,
    /// They hold as much as they may. Nothing was stored for this user, and for those behind it.
    #[error("all inboxes together hold as many bytes as `cluster.inbox_bytes_max` allows")]
    Full,
    /// Redis has no memory for it. Nothing was stored for this user, and for those behind it.
    #[error("the memory of Redis is full (maxmemory)")]
    NoMemory,
}

impl From<Unattached> for InboxesError {
    fn from(_: Unattached) -> Self {
        Self::Away
    }
}

impl ClusterInboxes {
    /// Those of the cluster of `member`.
    pub fn new(member: ClusterMember, limits: InboxLimits) -> Self {
        Self { member, limits, bytes: Arc::default() }
    }

    /// Puts an item into the inboxes of users. Answers in their order when all is stored; `None` for a user who was only
    /// checked and does not have it. To put the same emit again changes nothing.
    pub async fn put(
        &self,
        item: &NewItem,
        users: &[(UserId, Putting)],
    ) -> Result<Vec<Option<Put>>, InboxesError> {
        let mark = self.member.mark();
        let item = Arc::new(kept(item));
        let mut all = Vec::with_capacity(users.len());
        for users in users.chunks(USERS_AT_ONCE) {
            let (item, users) = (Arc::clone(&item), users.to_vec());
            let count = users.len();
            let reply = self.ask(InboxesAsk::Put { item, users, limits: self.limits }).await?;
            if reply == InboxesReply::Full {
                return Err(InboxesError::Full);
            }
            let InboxesReply::Put(puts) = reply else { return Err(InboxesError::Away) };
            if puts.len() != count {
                return Err(InboxesError::Away);
            }
            all.extend(puts);
        }
        self.member.confirmed(mark).await?;
        Ok(all)
    }

    /// A page of what is in an inbox.
    pub async fn page(&self, user: &UserId, query: PageQuery) -> Result<InboxPage, InboxesError> {
        let reply = self.ask(InboxesAsk::Page { user: user.clone(), query }).await?;
        let InboxesReply::Page(page) = reply else { return Err(InboxesError::Away) };
        Ok(page)
    }

    /// Where the events of one emit are or were, by user, at most 1000 of them. `id` is the id of the emit, or the name
    /// that its sender gave.
    pub async fn placed(&self, id: &str) -> Result<Vec<Placed>, InboxesError> {
        let reply = self.ask(InboxesAsk::Placed(id.into())).await?;
        let InboxesReply::Placed(mut placed) = reply else { return Err(InboxesError::Away) };
        placed.sort_unstable_by(|one, other| (&one.user, one.seq).cmp(&(&other.user, other.seq)));
        Ok(placed)
    }

    /// Marks items as read; answers with the inbox afterwards.
    pub async fn mark(&self, user: &UserId, seen: SeenItems) -> Result<InboxState, InboxesError> {
        let (user, count_max) = (user.clone(), self.limits.count_max);
        let reply = self.ask(InboxesAsk::Mark { user, seen, count_max }).await?;
        let InboxesReply::Changed(Some(state)) = reply else { return Err(InboxesError::Away) };
        Ok(state)
    }

    /// Deletes an item; answers with the inbox afterwards, `None` if there is no such item.
    pub async fn delete(
        &self,
        user: &UserId,
        seq: ItemSeq,
    ) -> Result<Option<InboxState>, InboxesError> {
        let (user, count_max) = (user.clone(), self.limits.count_max);
        let name = entropy::token("d").into();
        let reply = self.ask(InboxesAsk::Delete { user, seq, name, count_max }).await?;
        let InboxesReply::Changed(state) = reply else { return Err(InboxesError::Away) };
        Ok(state)
    }

    /// Bytes of all inboxes, as they were counted not long ago.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Waits until items have expired that nobody had asked for, and lets them go; returns the inboxes that this has changed.
    /// Each is told to one node only.
    pub async fn expired(&self) -> BTreeMap<UserId, InboxState> {
        loop {
            let tend = InboxesAsk::Tend { count_max: self.limits.count_max };
            if let Ok(Some(InboxesReply::Tended { bytes, changed })) =
                self.member.inboxes(tend).await
            {
                self.bytes.store(bytes, Ordering::Relaxed);
                if !changed.is_empty() {
                    return changed.into_iter().collect();
                }
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// Asks until there is an answer: to ask again does no harm.
    async fn ask(&self, ask: InboxesAsk) -> Result<InboxesReply, InboxesError> {
        let asking = async {
            loop {
                match self.member.inboxes(ask.clone()).await {
                    Ok(reply) => return reply.ok_or(InboxesError::NoMemory),
                    Err(Unattached) => self.attached().await?,
                }
            }
        };
        timeout(PATIENCE, asking).await.unwrap_or(Err(InboxesError::Away))
    }

    async fn attached(&self) -> Result<(), Unattached> {
        let mut status = self.member.status();
        sleep(MOMENT).await;
        status.wait_for(|it| *it == MemberStatus::Attached).await.map_err(|_| Unattached)?;
        Ok(())
    }
}

fn kept(item: &NewItem) -> KeptItem {
    let args: Vec<&str> = item.payload.args().iter().map(|arg| arg.get()).collect();
    // How long, not until when: the time is that of Redis.
    let from_now = |until: WallMs| Duration::from_millis(until.0.saturating_sub(item.at.0));
    KeptItem {
        id: item.id.as_str().into(),
        message: item.message.as_str().into(),
        namespace: item.namespace.as_str().into(),
        event: item.event.as_str().into(),
        args: format!("[{}]", args.join(",")).into(),
        collapse_key: item.collapse_key.as_ref().map_or("", CollapseKey::as_str).into(),
        ttl: from_now(item.expires),
        remembered: from_now(item.remembered_until),
    }
}
