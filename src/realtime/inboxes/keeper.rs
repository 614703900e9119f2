//! Where inboxes are kept: on this node's disk, or where all nodes agree.

use super::{InboxError, in_time};
use crate::clock::Clock;
use crate::cluster::{ClusterInboxes, InboxesError};
use crate::core::inbox::{
    InboxPage, InboxState, NewItem, PageQuery, Paging, Placed, Put, Putting, SeenItems, Which,
};
use crate::store::{Closed, Inboxes};
use crate::types::{ItemSeq, UserId, WallMs};
use std::collections::BTreeMap;
use thiserror::Error;

/// Where inboxes are kept.
#[derive(Debug)]
pub enum InboxKeeper {
    /// In this node's store.
    Embedded(Inboxes),
    /// Where all nodes agree, by the time of Redis.
    Cluster(ClusterInboxes),
}

/// Why an item was not put into inboxes.
#[derive(Debug, Error)]
pub enum PutError {
    /// The server is stopping.
    #[error("the server is stopping")]
    Closed(#[from] Closed),
    /// Where all nodes agree, it may not be, or nobody knows.
    #[error(transparent)]
    Cluster(#[from] InboxesError),
}

impl InboxKeeper {
    /// The time by which items are old. It follows the wall clock, but one that is set forward makes nothing old at once.
    pub(super) fn time(&self, clock: &Clock) -> WallMs {
        match self {
            Self::Embedded(inboxes) => inboxes.time(clock.wall(), clock.now()),
            Self::Cluster(_) => clock.wall(),
        }
    }

    pub(super) async fn put(
        &self,
        item: NewItem,
        users: &[(UserId, Putting)],
    ) -> Result<Vec<Option<Put>>, PutError> {
        match self {
            Self::Embedded(inboxes) => Ok(inboxes.put(item, users).await?),
            Self::Cluster(inboxes) => Ok(inboxes.put(&item, users).await?),
        }
    }

    pub(super) async fn page(
        &self,
        user: &UserId,
        query: PageQuery,
        clock: &Clock,
    ) -> Result<InboxPage, InboxError> {
        match self {
            Self::Embedded(inboxes) => in_time(inboxes.page(user, query, self.time(clock))).await,
            Self::Cluster(inboxes) => Ok(inboxes.page(user, query).await?),
        }
    }

    pub(super) async fn state(
        &self,
        user: &UserId,
        clock: &Clock,
    ) -> Result<InboxState, InboxError> {
        match self {
            Self::Embedded(inboxes) => in_time(inboxes.state(user, self.time(clock))).await,
            Self::Cluster(inboxes) => {
                let (paging, which) = (Paging::Newest, Which::All);
                let nothing = PageQuery { paging, which, limit: 0, bytes_max: 0 };
                Ok(inboxes.page(user, nothing).await?.state)
            }
        }
    }

    pub(super) async fn placed(&self, id: &str, clock: &Clock) -> Result<Vec<Placed>, InboxError> {
        match self {
            Self::Embedded(inboxes) => in_time(inboxes.placed(id, self.time(clock))).await,
            Self::Cluster(inboxes) => Ok(inboxes.placed(id).await?),
        }
    }

    pub(super) async fn mark(
        &self,
        user: &UserId,
        seen: SeenItems,
        clock: &Clock,
    ) -> Result<InboxState, InboxError> {
        match self {
            Self::Embedded(inboxes) => in_time(inboxes.mark(user, seen, self.time(clock))).await,
            Self::Cluster(inboxes) => Ok(inboxes.mark(user, seen).await?),
        }
    }

    pub(super) async fn delete(
        &self,
        user: &UserId,
        seq: ItemSeq,
        clock: &Clock,
    ) -> Result<Option<InboxState>, InboxError> {
        match self {
            Self::Embedded(inboxes) => in_time(inboxes.delete(user, seq, self.time(clock))).await,
            Self::Cluster(inboxes) => Ok(inboxes.delete(user, seq).await?),
        }
    }

    /// Bytes of the inboxes of all nodes; 0 for one node.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Embedded(_) => 0,
            Self::Cluster(inboxes) => usize::try_from(inboxes.bytes()).unwrap_or(usize::MAX),
        }
    }

    /// Waits until items have expired that nobody had asked for, and takes the inboxes that this has changed. In a cluster
    /// each is given to one node only.
    pub(super) async fn expired(&self) -> BTreeMap<UserId, InboxState> {
        match self {
            Self::Embedded(inboxes) => inboxes.expired().await,
            Self::Cluster(inboxes) => inboxes.expired().await,
        }
    }
}
