//! What one transaction changes beside the file: it takes effect when the transaction is committed, or not at all.

use super::outbox::fresh::FreshNews;
use crate::core::delivery::decision::DeliveryId;
use crate::core::delivery::outbox::EndpointId;
use crate::types::UserId;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Default)]
pub(super) struct AfterCommit {
    /// Events that were recorded.
    pub(super) events: u64,
    /// The highest sequence number of these; zero if there are none.
    pub(super) last_seq: u64,
    /// Endpoints whose backlog was found at its bound.
    pub(super) overflowed: BTreeSet<EndpointId>,
    /// The lowest hook of each endpoint that is to be sent again.
    pub(super) rewinds: BTreeMap<EndpointId, DeliveryId>,
    /// News for [`super::outbox::fresh::Fresh`], in the order in which they happened.
    pub(super) fresh: Vec<(EndpointId, FreshNews)>,
    /// Hooks that were replaced by newer ones.
    pub(super) coalesced: BTreeMap<EndpointId, u64>,
    /// Users who were erased.
    pub(super) erased: Vec<UserId>,
    /// By how many hooks each backlog grows or shrinks.
    pending: BTreeMap<EndpointId, i64>,
}

impl AfterCommit {
    pub(super) fn pending_of(&self, endpoint: EndpointId) -> i64 {
        self.pending.get(&endpoint).copied().unwrap_or(0)
    }

    pub(super) fn add_pending(&mut self, endpoint: EndpointId, count: i64) {
        *self.pending.entry(endpoint).or_default() += count;
    }

    pub(super) fn add_fresh(&mut self, endpoint: EndpointId, news: FreshNews) {
        self.fresh.push((endpoint, news));
    }

    pub(super) fn add_coalesced(&mut self, endpoint: EndpointId) {
        *self.coalesced.entry(endpoint).or_default() += 1;
    }

    /// The endpoint's dispatcher must look again from this hook on.
    pub(super) fn rewind(&mut self, endpoint: EndpointId, id: DeliveryId) {
        let lowest = self.rewinds.entry(endpoint).or_insert(id);
        *lowest = id.min(*lowest);
    }
}
