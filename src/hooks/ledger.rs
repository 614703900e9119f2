//! Where hooks wait until they are delivered: in the store of this node, which is alone, or where all nodes of a cluster keep
//! them.

use crate::cluster::{ClusterLedger, LedgerError, Unattached};
use crate::core::delivery::decision::{DeliveryId, PendingHook};
use crate::core::delivery::hook_body;
use crate::core::delivery::outbox::{EndpointId, HookPayload, NextHook, NoHook, Settlement};
use crate::store::{Closed, DatabaseError, Outbox, ReadError};
use crate::types::{Undelivered, UserId, WallMs};
use thiserror::Error;
use tokio::sync::watch;

/// Where hooks wait. Cheap to clone; clones share it.
#[derive(Debug, Clone)]
pub enum HookLedger {
    /// In the store.
    Embedded(Outbox),
    /// Where all nodes keep them: one of these delivers for an endpoint.
    Cluster(ClusterLedger),
}

/// Why what waits cannot be read.
#[derive(Debug, Error)]
pub enum WaitingError {
    /// This node has nothing to deliver any more.
    #[error("the server is stopping")]
    Ended,
    /// The store cannot be read.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The cluster cannot be asked.
    #[error(transparent)]
    Unattached(#[from] Unattached),
}

/// Why a hook that was promised is not kept.
#[derive(Debug, Error)]
pub enum NotTold {
    /// The server is stopping.
    #[error(transparent)]
    Closed(#[from] Closed),
    /// The cluster could not be reached for a while; perhaps it has the hook all the same.
    #[error("the cluster cannot be reached, so a hook may not be told")]
    Away(#[from] Unattached),
}

/// How an endpoint is doing, wherever its hooks wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct EndpointStanding {
    pub(super) backlog: u64,
    pub(super) dead_letters: u64,
    pub(super) oldest_pending: Option<WallMs>,
    /// Whether this node delivers for it.
    pub(super) is_here: bool,
}

impl From<Outbox> for HookLedger {
    fn from(outbox: Outbox) -> Self {
        Self::Embedded(outbox)
    }
}

impl From<ReadError> for WaitingError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Closed => Self::Ended,
            ReadError::Database(error) => Self::Database(error),
        }
    }
}

impl From<LedgerError> for WaitingError {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::NotOwner => Self::Ended,
            LedgerError::Unattached(error) => Self::Unattached(error),
        }
    }
}

impl HookLedger {
    /// The configured endpoint of this name.
    pub(super) fn endpoint(&self, name: &str) -> Option<EndpointId> {
        match self {
            Self::Embedded(outbox) => outbox.endpoint(name),
            Self::Cluster(ledger) => ledger.endpoint(name),
        }
    }

    /// Waits until this node delivers for the endpoint. Returns whether another one may do so later.
    pub(super) async fn take(&self, endpoint: EndpointId) -> bool {
        match self {
            Self::Embedded(_) => false,
            Self::Cluster(ledger) => {
                ledger.take(endpoint).await;
                true
            }
        }
    }

    /// This node delivers no more.
    pub(super) async fn give(&self, endpoint: EndpointId) {
        if let Self::Cluster(ledger) = self {
            ledger.give(endpoint).await;
        }
    }

    /// Whether this node delivers for the endpoint, as far as it knows.
    pub(super) fn delivers(&self, endpoint: EndpointId) -> bool {
        match self {
            Self::Embedded(_) => true,
            Self::Cluster(ledger) => ledger.delivers(endpoint),
        }
    }

    /// Changes whenever there may be something new.
    pub(super) fn news(&self) -> watch::Receiver<u64> {
        match self {
            Self::Embedded(outbox) => outbox.news(),
            Self::Cluster(ledger) => ledger.news(),
        }
    }

    /// The number of undelivered hooks, as far as the task that delivers knows it.
    pub(super) async fn backlog(&self, endpoint: EndpointId) -> u64 {
        match self {
            Self::Embedded(outbox) => outbox.backlog(endpoint).await,
            Self::Cluster(ledger) => ledger.backlog(endpoint),
        }
    }

    /// Whether it has to be looked at even if nothing of it can be sent now: nobody else says how much waits, and what need
    /// not wait because there is something newer.
    pub(super) fn must_be_watched(&self) -> bool {
        match self {
            Self::Embedded(_) => false,
            Self::Cluster(_) => true,
        }
    }

    /// Undelivered hooks with an id over `after`, ascending, at most `limit`.
    pub(super) async fn pending(
        &self,
        endpoint: EndpointId,
        after: DeliveryId,
        limit: u32,
    ) -> Result<Vec<PendingHook>, WaitingError> {
        Ok(match self {
            Self::Embedded(outbox) => outbox.pending(endpoint, after, limit).await?,
            Self::Cluster(ledger) => {
                let most = usize::try_from(limit).unwrap_or(usize::MAX);
                ledger.pending(endpoint, after, most).await?
            }
        })
    }

    /// What to send for these deliveries, by ascending id, without those that are not to be sent any more.
    pub(super) async fn payloads(
        &self,
        endpoint: EndpointId,
        ids: Vec<DeliveryId>,
    ) -> Result<Vec<HookPayload>, WaitingError> {
        Ok(match self {
            Self::Embedded(outbox) => outbox.payloads(endpoint, ids).await?,
            Self::Cluster(ledger) => ledger.payloads(endpoint, &ids),
        })
    }

    /// Records what became of hooks. Answers once that is kept, in the same order, with the next hook of each user whose
    /// hook is not tried again.
    pub(super) async fn settle(
        &self,
        endpoint: EndpointId,
        settlements: Vec<Settlement>,
    ) -> Result<Vec<NextHook>, Closed> {
        match self {
            Self::Embedded(outbox) => outbox.settle(endpoint, settlements).await,
            Self::Cluster(ledger) => {
                ledger.settle(endpoint, &settlements).await.map_err(|_| Closed)
            }
        }
    }

    /// Whether a hook can be promised for a message that may not arrive.
    pub async fn check(&self) -> Result<(), NoHook> {
        match self {
            Self::Embedded(outbox) => outbox.check().await,
            Self::Cluster(ledger) => ledger.check(Undelivered::HOOK_TYPE).await,
        }
    }

    /// Records messages that did not arrive, each with its hooks. Answers when they are kept.
    pub async fn undelivered(&self, news: Vec<Undelivered>) -> Result<(), NotTold> {
        match self {
            Self::Embedded(outbox) => Ok(outbox.undelivered(news).await?),
            Self::Cluster(ledger) => {
                let hook = |it: Undelivered| (it.user.clone(), hook_body::render_undelivered(&it));
                let hooks = news.into_iter().map(hook).collect();
                Ok(ledger.tell(Undelivered::HOOK_TYPE, hooks).await?)
            }
        }
    }

    /// This node sends none of a user any more, who is erased where they are kept.
    pub fn erase(&self, user: &UserId) {
        if let Self::Cluster(ledger) = self {
            ledger.erase(user);
        }
    }

    /// From where on it must be looked again, because hooks were replayed.
    pub(super) fn take_rewind(&self, endpoint: EndpointId) -> Option<DeliveryId> {
        match self {
            Self::Embedded(outbox) => outbox.take_rewind(endpoint),
            Self::Cluster(ledger) => ledger.take_rewind(endpoint),
        }
    }

    /// How an endpoint is doing.
    pub(super) async fn standing(
        &self,
        endpoint: EndpointId,
    ) -> Result<EndpointStanding, WaitingError> {
        match self {
            Self::Embedded(outbox) => Ok(EndpointStanding {
                backlog: outbox.backlog(endpoint).await,
                dead_letters: outbox.dead_letters(endpoint).await?,
                oldest_pending: outbox.oldest_pending(endpoint).await?,
                is_here: true,
            }),
            Self::Cluster(ledger) => {
                let (look, is_here) = ledger.look(endpoint).await?;
                // Numbers follow time, in microseconds.
                let oldest_pending = look.oldest.map(|number| WallMs(number / 1000));
                let (backlog, dead_letters) = (look.waiting, look.dead);
                Ok(EndpointStanding { backlog, dead_letters, oldest_pending, is_here })
            }
        }
    }
}
