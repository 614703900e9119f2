//! Deliveries, for whoever looks, and sending them again.

use super::{HookLedger, Hooks, WaitingError};
use crate::cluster::{LetterFilter, LetterReplay, Unattached};
use crate::core::delivery::decision::DeliveryId;
use crate::core::delivery::outbox::{DeadRange, EndpointId, Replayed};
use crate::core::delivery::record::{Delivery, DeliveryFilter, DeliveryPage, DeliveryState};
use crate::store::ReplayError;
use crate::types::UserId;
use thiserror::Error;

/// Which deliveries are listed.
#[derive(Debug, Clone, Default)]
pub struct DeliveryQuery {
    /// Only those to the endpoint of this name.
    pub endpoint: Option<String>,
    /// Only those about this user.
    pub user: Option<UserId>,
    /// Only those in this state; `None`: what is still to be sent, or, of a user, all.
    pub state: Option<DeliveryState>,
    /// Only those behind this one.
    pub after: Option<DeliveryId>,
    /// How many, about.
    pub limit: u16,
}

/// Why nothing is sent again.
#[derive(Debug, Error)]
pub enum NotReplayed {
    /// It cannot be.
    #[error(transparent)]
    Refused(#[from] ReplayError),
    /// The cluster cannot be asked.
    #[error(transparent)]
    Unattached(#[from] Unattached),
}

impl Hooks {
    /// A page of deliveries.
    pub async fn deliveries(&self, query: DeliveryQuery) -> Result<DeliveryPage, WaitingError> {
        let DeliveryQuery { endpoint, user, state, after, limit } = query;
        match (&self.ledger, user) {
            (HookLedger::Embedded(outbox), Some(user)) => {
                let filter = DeliveryFilter { endpoint, state };
                Ok(outbox.deliveries_of_user(user, filter, after, limit.into()).await?)
            }
            (HookLedger::Embedded(outbox), None) => {
                let state = state.unwrap_or(DeliveryState::Pending);
                Ok(outbox.deliveries(endpoint, state, after, limit.into()).await?)
            }
            (HookLedger::Cluster(ledger), user) => {
                let state = state.or(user.is_none().then_some(DeliveryState::Pending));
                let filter = LetterFilter { endpoint, user, state };
                Ok(ledger.deliveries(&filter, after, limit.into()).await?)
            }
        }
    }

    /// A delivery, and the body that is or was sent.
    pub async fn delivery(
        &self,
        id: DeliveryId,
    ) -> Result<Option<(Delivery, String)>, WaitingError> {
        match &self.ledger {
            HookLedger::Embedded(outbox) => Ok(outbox.delivery(id).await?),
            HookLedger::Cluster(ledger) => Ok(ledger.delivery(id).await?),
        }
    }

    /// Has a delivery sent again that was given up, or has arrived. In a cluster a number stands for the deliveries to all endpoints
    /// of one event: all of these are.
    pub async fn replay(&self, id: DeliveryId) -> Result<(), NotReplayed> {
        match &self.ledger {
            HookLedger::Embedded(outbox) => Ok(outbox.replay(id, self.clock.wall()).await?),
            HookLedger::Cluster(ledger) => match ledger.replay(id).await? {
                LetterReplay::Again => Ok(()),
                LetterReplay::Waits => Err(ReplayError::Pending.into()),
                LetterReplay::Replaced => Err(ReplayError::Replaced.into()),
                LetterReplay::Unknown => Err(ReplayError::Unknown.into()),
            },
        }
    }

    /// Has dead letters sent again, the oldest first, at most 10,000.
    pub async fn replay_dead(&self, range: DeadRange) -> Result<Replayed, NotReplayed> {
        match &self.ledger {
            HookLedger::Embedded(outbox) => {
                let done = outbox.replay_dead(range, self.clock.wall()).await;
                Ok(done.map_err(ReplayError::from)?)
            }
            HookLedger::Cluster(ledger) => Ok(ledger.replay_dead(range).await?),
        }
    }

    /// The configured endpoint of this name.
    pub fn endpoint(&self, name: &str) -> Option<EndpointId> {
        self.endpoints.iter().find(|it| it.name == name).map(|it| it.id)
    }
}
