//! The outbox: what endpoints are still to be told, what became of it, and what they are told once more.
//!
//! News comes in by presence changes, which [`super::PresenceRecords`] records, and by messages that did not arrive.

pub(super) mod deliveries;
pub(super) mod endpoint;
pub(super) mod fresh;
pub(super) mod orphans;
pub(super) mod pending;
pub(super) mod replay;
pub(super) mod settle;
pub(super) mod undelivered;

use super::command::WriteCommand;
use super::error::{Closed, ReadError, ReplayError};
use super::queue::WriterQueue;
use super::read_pool::ReadPool;
use super::state::StoreState;
use crate::core::delivery::decision::{DeliveryId, PendingHook};
use crate::core::delivery::outbox::{
    DeadRange, EndpointId, HookPayload, NextHook, NoHook, Replayed, Settlement,
};
use crate::core::delivery::record::{Delivery, DeliveryFilter, DeliveryPage, DeliveryState};
use crate::types::{Undelivered, UserId, WallMs};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::sync::watch;
use undelivered::UndeliveredRules;

/// Messages in one transaction, so that one emit to many does not hold up everybody else.
const AT_ONCE: usize = 128;

/// The outbox. Cheap to clone; clones share it.
#[derive(Debug, Clone)]
pub struct Outbox {
    pub(super) queue: WriterQueue,
    pub(super) readers: Arc<ReadPool>,
    pub(super) state: Arc<StoreState>,
    pub(super) undelivered: Arc<UndeliveredRules>,
}

impl Outbox {
    /// The configured endpoint of this name.
    pub fn endpoint(&self, name: &str) -> Option<EndpointId> {
        self.state.endpoints.iter().find(|it| it.name == name).map(|it| it.id)
    }

    /// The number of events committed in this life. It changes whenever there are new ones, and its receivers are
    /// woken also when hooks are replayed.
    pub fn news(&self) -> watch::Receiver<u64> {
        self.state.committed.subscribe()
    }

    /// The number of undelivered hooks of a configured endpoint.
    #[expect(clippy::unused_async, reason = "an outbox that nodes share has to be asked")]
    pub async fn backlog(&self, endpoint: EndpointId) -> u64 {
        self.state.endpoint(endpoint).map_or(0, |it| it.pending.load(Ordering::Relaxed))
    }

    /// Undelivered hooks of one endpoint with an id over `after`, ascending, at most `limit`.
    pub async fn pending(
        &self,
        endpoint: EndpointId,
        after: DeliveryId,
        limit: u32,
    ) -> Result<Vec<PendingHook>, ReadError> {
        let most = usize::try_from(limit).unwrap_or(usize::MAX);
        let fresh = self.state.endpoint(endpoint).and_then(|it| it.fresh.lock().after(after, most));
        if let Some(heads) = fresh {
            return Ok(heads);
        }
        self.readers.read(move |db| pending::list(db, endpoint, after, limit)).await
    }

    /// What to send for these deliveries to one endpoint, by ascending id, without those that are not to be sent any
    /// more.
    pub async fn payloads(
        &self,
        endpoint: EndpointId,
        mut ids: Vec<DeliveryId>,
    ) -> Result<Vec<HookPayload>, ReadError> {
        let mut payloads = Vec::with_capacity(ids.len());
        if let Some(endpoint) = self.state.endpoint(endpoint) {
            let mut fresh = endpoint.fresh.lock();
            ids.retain(|id| {
                let payload = fresh.take(*id);
                let is_old = payload.is_none();
                payloads.extend(payload);
                is_old
            });
        }
        if !ids.is_empty() {
            payloads.extend(self.readers.read(move |db| pending::payloads(db, &ids)).await?);
            payloads.sort_by_key(|payload| payload.id);
        }
        Ok(payloads)
    }

    /// Records what became of hooks of one endpoint. Answers once that is committed, in the same order, with the next
    /// hook of each user whose hook is not tried again.
    pub async fn settle(
        &self,
        endpoint: EndpointId,
        settlements: Vec<Settlement>,
    ) -> Result<Vec<NextHook>, Closed> {
        let command = |reply| WriteCommand::Settle { endpoint, settlements, reply };
        self.queue.ask_without_hurry(command).await
    }

    /// When the oldest undelivered event of one endpoint happened.
    pub async fn oldest_pending(&self, endpoint: EndpointId) -> Result<Option<WallMs>, ReadError> {
        self.readers.read(move |db| pending::oldest(db, endpoint)).await
    }

    /// The number of dead letters of one endpoint, counted up to 100,000.
    pub async fn dead_letters(&self, endpoint: EndpointId) -> Result<u64, ReadError> {
        self.readers.read(move |db| deliveries::count_dead(db, endpoint)).await
    }

    /// Deliveries in one state, to one endpoint or to all, with an id over `after`, at most `limit` (and 1000).
    pub async fn deliveries(
        &self,
        endpoint: Option<String>,
        state: DeliveryState,
        after: Option<DeliveryId>,
        limit: u32,
    ) -> Result<DeliveryPage, ReadError> {
        let list = move |db: &_| deliveries::list(db, endpoint.as_deref(), state, after, limit);
        self.readers.read(list).await
    }

    /// Deliveries of one user's events with an id over `after`, at most `limit` (and 1000).
    pub async fn deliveries_of_user(
        &self,
        user: UserId,
        filter: DeliveryFilter,
        after: Option<DeliveryId>,
        limit: u32,
    ) -> Result<DeliveryPage, ReadError> {
        let list = move |db: &_| deliveries::list_of_user(db, &user, &filter, after, limit);
        self.readers.read(list).await
    }

    /// One delivery, and the body that is or was sent.
    pub async fn delivery(&self, id: DeliveryId) -> Result<Option<(Delivery, String)>, ReadError> {
        self.readers.read(move |db| deliveries::find(db, id)).await
    }

    /// Sends one ended hook again, with its old `webhook-id`. The time for which it is retried begins at `at`.
    pub async fn replay(&self, id: DeliveryId, at: WallMs) -> Result<(), ReplayError> {
        self.queue.ask(|reply| WriteCommand::Replay { id, at, reply }).await?
    }

    /// Sends dead letters of one endpoint again, at most 10,000 at a time, the oldest first.
    pub async fn replay_dead(&self, range: DeadRange, at: WallMs) -> Result<Replayed, Closed> {
        self.queue.ask(|reply| WriteCommand::ReplayDead { range, at, reply }).await
    }

    /// The lowest id that a replay has put back since the last call: from there on the endpoint's dispatcher must look
    /// again.
    pub fn take_rewind(&self, endpoint: EndpointId) -> Option<DeliveryId> {
        self.state.rewinds.lock().remove(&endpoint)
    }

    /// Whether a hook can be promised for a message that may not arrive.
    #[expect(clippy::unused_async, reason = "an outbox that nodes share has to be asked")]
    pub async fn check(&self) -> Result<(), NoHook> {
        self.undelivered.check(&self.state)
    }

    /// Records messages that did not arrive, each with its hooks. Answers when that is committed.
    pub async fn undelivered(&self, mut news: Vec<Undelivered>) -> Result<(), Closed> {
        while !news.is_empty() {
            let rest = news.split_off(news.len().min(AT_ONCE));
            let slice = std::mem::replace(&mut news, rest);
            self.queue.ask(|reply| WriteCommand::Undelivered { news: slice, reply }).await?;
        }
        Ok(())
    }
}
