//! What is done about old things between commits, a slice at a time.

use super::inbox::expire::Expiry;
use super::outbox::orphans::Orphans;
use super::prune::Prune;
use super::state::StoreState;
use crate::core::delivery::clock_step::ClockStepGuard;
use crate::types::{Timestamp, WallMs};
use rusqlite::Connection;
use std::time::Duration;

#[derive(Debug)]
pub(super) struct Tidying {
    clock_steps: ClockStepGuard,
    prune: Prune,
    orphans: Orphans,
    expiry: Expiry,
}

impl Tidying {
    pub(super) fn new(keep_events: Duration, retry_for: Duration, state: &StoreState) -> Self {
        Self {
            clock_steps: ClockStepGuard::new(keep_events.max(retry_for)),
            prune: Prune::new(keep_events),
            orphans: Orphans::new(retry_for, state.orphans.clone()),
            expiry: Expiry::default(),
        }
    }

    /// Begins what it is time for.
    pub(super) fn tick(&mut self, wall: WallMs, now: Timestamp, state: &StoreState) {
        let believed = self.clock_steps.tell(wall, now);
        if let Some(step) = believed.step {
            let by = humantime::format_duration(Duration::from_secs(step.as_secs()));
            tracing::warn!(
                "the wall clock is {by} ahead all at once: it was set, or the machine slept; that makes no event and no \
                 inbox item old, so old ones are deleted later"
            );
        }
        self.prune.tick(believed.at);
        self.orphans.tick(believed.at);
        self.expiry.tick(state.inbox_time.lock().tell(wall, now).at);
    }

    /// Whether something old is still to be dealt with.
    pub(super) fn is_busy(&self) -> bool {
        self.prune.is_busy() || self.orphans.is_busy() || self.expiry.is_busy()
    }

    pub(super) fn slice(&mut self, db: &mut Connection, state: &StoreState) {
        self.prune.slice(db);
        self.orphans.slice(db);
        self.expiry.slice(db, &state.expired);
    }
}
