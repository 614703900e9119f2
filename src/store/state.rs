//! What the writer thread and the handles of the store have in common.

use super::inbox::expired::ExpiredInboxes;
use super::outbox::endpoint::EndpointBacklog;
use crate::core::delivery::clock_step::ClockStepGuard;
use crate::core::delivery::decision::DeliveryId;
use crate::core::delivery::outbox::EndpointId;
use parking_lot::{Condvar, Mutex};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Duration;
use tokio::sync::watch;

#[derive(Debug)]
pub(super) struct StoreState {
    /// The configured endpoints, in the order of the configuration.
    pub(super) endpoints: Vec<EndpointBacklog>,
    /// Endpoints that are not configured, and for which hooks wait.
    pub(super) orphans: Vec<(EndpointId, String)>,
    /// The number of events committed in this life.
    pub(super) committed: watch::Sender<u64>,
    /// Whether the last write succeeded.
    pub(super) healthy: AtomicBool,
    /// The last time, in ms by the wall clock, that was sent to be written down; zero if none was.
    pub(super) alive_at: AtomicU64,
    /// Lowest ids that replays have put back, until the dispatchers take them.
    pub(super) rewinds: Mutex<BTreeMap<EndpointId, DeliveryId>>,
    /// Inboxes that changed because items expired.
    pub(super) expired: ExpiredInboxes,
    /// The time by which items of inboxes are old.
    pub(super) inbox_time: Mutex<ClockStepGuard>,
    /// Whether the file is closed.
    pub(super) closed: watch::Sender<bool>,
    /// Transactions that were committed.
    #[cfg(test)]
    pub(super) commits: AtomicU64,
    /// What ends the pauses of the writer.
    calls: Mutex<Calls>,
    called: Condvar,
}

/// What the writer must notice at once, also in the middle of a pause.
#[derive(Debug, Default)]
struct Calls {
    /// The store is to be closed: ends the wait for a failing disk.
    closing: bool,
    /// Somebody waits for an answer: ends the rest between commits.
    waiting: bool,
}

impl StoreState {
    /// `endpoints` are the configured ones, each with the number of its undelivered hooks.
    pub(super) fn new(
        endpoints: Vec<(EndpointId, String, u64)>,
        orphans: Vec<(EndpointId, String)>,
        inbox_keep: Duration,
    ) -> Self {
        let endpoints = endpoints.into_iter();
        Self {
            endpoints: endpoints.map(|(id, name, n)| EndpointBacklog::new(id, name, n)).collect(),
            orphans,
            committed: watch::Sender::new(0),
            healthy: AtomicBool::new(true),
            alive_at: AtomicU64::new(0),
            rewinds: Mutex::default(),
            expired: ExpiredInboxes::default(),
            inbox_time: Mutex::new(ClockStepGuard::new(inbox_keep)),
            closed: watch::Sender::new(false),
            #[cfg(test)]
            commits: AtomicU64::new(0),
            calls: Mutex::default(),
            called: Condvar::new(),
        }
    }

    pub(super) fn endpoint(&self, id: EndpointId) -> Option<&EndpointBacklog> {
        self.endpoints.iter().find(|it| it.id == id)
    }

    pub(super) fn begin_closing(&self) {
        self.calls.lock().closing = true;
        self.called.notify_all();
    }

    /// Blocks for `pause`, or until closing begins in it. Says whether closing has begun.
    pub(super) fn wait_for_closing(&self, pause: Duration) -> bool {
        let mut calls = self.calls.lock();
        let before = calls.closing;
        self.called.wait_while_for(&mut calls, |it| it.closing == before, pause);
        calls.closing
    }

    /// Ends the writer's rest: somebody waits for the answer to a command that is in its queue.
    pub(super) fn call(&self) {
        self.calls.lock().waiting = true;
        self.called.notify_all();
    }

    /// Blocks for `pause`, or until somebody waits for an answer or closing begins.
    pub(super) fn rest(&self, pause: Duration) {
        let mut calls = self.calls.lock();
        self.called.wait_while_for(&mut calls, |it| !it.closing && !it.waiting, pause);
        calls.waiting = false;
    }
}

#[cfg(test)]
mod tests {
    use super::StoreState;
    use std::sync::Arc;
    use std::sync::mpsc::channel;
    use std::time::Duration;

    const LONG: Duration = Duration::from_hours(1);
    const DEADLINE: Duration = Duration::from_secs(20);

    #[test]
    fn a_rest_ends_when_somebody_waits_and_the_next_one_is_a_rest_again() {
        let state = Arc::new(StoreState::new(vec![], vec![], LONG));
        let (rested, rests) = channel();
        let resting = Arc::clone(&state);
        std::thread::spawn(move || {
            for _ in 0..3 {
                resting.rest(LONG);
                rested.send(()).unwrap();
            }
        });

        state.call();
        rests.recv_timeout(DEADLINE).unwrap();
        assert!(rests.recv_timeout(Duration::from_millis(50)).is_err(), "one call ends one rest");
        state.call();
        rests.recv_timeout(DEADLINE).unwrap();
        state.begin_closing();
        rests.recv_timeout(DEADLINE).unwrap();
        state.rest(LONG);
    }
}
