//! What is known in memory of a configured endpoint.

use super::fresh::Fresh;
use crate::core::delivery::outbox::EndpointId;
use parking_lot::Mutex;
use std::sync::atomic::AtomicU64;

/// The backlog of one configured endpoint.
#[derive(Debug)]
pub(in crate::store) struct EndpointBacklog {
    pub(in crate::store) id: EndpointId,
    pub(in crate::store) name: String,
    /// The number of undelivered hooks.
    pub(in crate::store) pending: AtomicU64,
    /// The youngest of these.
    pub(in crate::store) fresh: Mutex<Fresh>,
}

impl EndpointBacklog {
    pub(in crate::store) fn new(id: EndpointId, name: String, pending: u64) -> Self {
        Self { id, name, pending: AtomicU64::new(pending), fresh: Mutex::default() }
    }
}
