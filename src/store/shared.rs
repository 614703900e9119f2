//! What the writer thread and the handles of the store have in common.

use super::inbox::Expired;
use crate::core::delivery::DeliveryId;
use crate::core::steady::Steady;
use parking_lot::{Condvar, Mutex};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Duration;
use tokio::sync::watch;

/// The number that stands for an endpoint's name in the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EndpointId(pub(super) i64);

#[derive(Debug)]
pub(super) struct Shared {
    /// The configured endpoints, in the order of the configuration.
    pub(super) endpoints: Vec<Endpoint>,
    /// Endpoints that are not configured, and for which hooks wait.
    pub(super) orphans: Vec<(EndpointId, String)>,
    /// Events committed in this life.
    pub(super) committed: watch::Sender<u64>,
    /// Whether the last write succeeded.
    pub(super) healthy: AtomicBool,
    /// The last time, in ms by the wall clock, that was sent to be written down; zero if none was.
    pub(super) alive_at: AtomicU64,
    /// Lowest ids that replays have put back, until the dispatchers take them.
    pub(super) rewinds: Mutex<BTreeMap<EndpointId, DeliveryId>>,
    /// Inboxes that changed because items expired.
    pub(super) expired: Expired,
    /// By which time items are old.
    pub(super) inbox_time: Mutex<Steady>,
    /// Whether the file is closed.
    pub(super) closed: watch::Sender<bool>,
    /// Whether the store is to be closed: ends the wait for a failing disk.
    closing: Mutex<bool>,
    closing_begins: Condvar,
}

#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) id: EndpointId,
    pub(super) name: String,
    /// Undelivered hooks.
    pub(super) pending: AtomicU64,
}

impl Shared {
    pub(super) fn new(
        endpoints: Vec<(EndpointId, String, u64)>,
        orphans: Vec<(EndpointId, String)>,
        inbox_keep: Duration,
    ) -> Self {
        let endpoint =
            |(id, name, pending)| Endpoint { id, name, pending: AtomicU64::new(pending) };
        Self {
            endpoints: endpoints.into_iter().map(endpoint).collect(),
            orphans,
            committed: watch::Sender::new(0),
            healthy: AtomicBool::new(true),
            alive_at: AtomicU64::new(0),
            rewinds: Mutex::default(),
            expired: Expired::default(),
            inbox_time: Mutex::new(Steady::new(inbox_keep)),
            closed: watch::Sender::new(false),
            closing: Mutex::new(false),
            closing_begins: Condvar::new(),
        }
    }

    pub(super) fn endpoint(&self, id: EndpointId) -> Option<&Endpoint> {
        self.endpoints.iter().find(|it| it.id == id)
    }

    pub(super) fn begin_closing(&self) {
        *self.closing.lock() = true;
        self.closing_begins.notify_all();
    }

    /// Blocks for `pause`, less if closing begins in it; says whether it has begun.
    pub(super) fn wait_for_closing(&self, pause: Duration) -> bool {
        let mut closing = self.closing.lock();
        self.closing_begins.wait_for(&mut closing, pause);
        *closing
    }
}
