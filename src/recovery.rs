//! Connection state recovery of all namespaces that have it: the pure [`Recovery`] of each behind one lock.
//!
//! Whoever holds the lock of a namespace may take locks of the registry and of connections, never the other way round.

mod file;

pub use file::RecoveryFileError;

use crate::clock::Clock;
use crate::config::RecoveryConfig;
use crate::core::recovery::{Live, Recovery, RecoveryLimits};
use crate::entropy;
use crate::types::{Namespace, UserId};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How often sessions and events that are too old are forgotten.
const EXPIRE_INTERVAL: Duration = Duration::from_secs(5);

/// Recovery by namespace; those without it are not in here. `S` is what ends a session's old connection. Cheap to
/// clone.
#[derive(Debug)]
pub struct Recoveries<S> {
    by_namespace: Arc<BTreeMap<Namespace, Mutex<Recovery<S>>>>,
    clock: Clock,
    window: Duration,
}

impl<S> Clone for Recoveries<S> {
    fn clone(&self) -> Self {
        let by_namespace = Arc::clone(&self.by_namespace);
        Self { by_namespace, clock: self.clock.clone(), window: self.window }
    }
}

impl<S: Live> Recoveries<S> {
    /// Recovery for those of `namespaces` that the configuration covers. Of what clients may have missed, at most
    /// `replay_bytes_max` are replayed to one.
    pub fn new(
        config: &RecoveryConfig,
        namespaces: &[Namespace],
        replay_bytes_max: usize,
        clock: Clock,
    ) -> Self {
        let limits = RecoveryLimits {
            window: config.window,
            events_max: config.events_max,
            bytes_max: config.bytes_max,
            sessions_max: config.sessions_max,
            replay_bytes_max,
        };
        let covered = namespaces.iter().filter(|namespace| config.covers(namespace));
        let recovery = |namespace: &Namespace| {
            let life = u64::from_be_bytes(entropy::bytes());
            (namespace.clone(), Mutex::new(Recovery::new(limits, life)))
        };
        let by_namespace = Arc::new(covered.map(recovery).collect());
        Self { by_namespace, clock, window: config.window }
    }

    /// The recovery of `namespace`, if it has one.
    pub fn of(&self, namespace: &Namespace) -> Option<&Mutex<Recovery<S>>> {
        self.by_namespace.get(namespace)
    }

    /// Forgets a user without live sockets, in all namespaces: see [`Recovery::erase`].
    pub fn erase(&self, user: &UserId) {
        for recovery in self.by_namespace.values() {
            recovery.lock().erase(user);
        }
    }

    /// Forgets what is too old, again and again.
    pub async fn run_expiry(self) {
        loop {
            tokio::time::sleep(EXPIRE_INTERVAL).await;
            for recovery in self.by_namespace.values() {
                let mut recovery = recovery.lock();
                recovery.expire(self.clock.now());
                let pushed_out = recovery.take_pushed_out();
                drop(recovery);
                metrics::counter!("userline_recovery_pushed_out_total").increment(pushed_out);
            }
        }
    }

    /// Writes down what must survive a graceful restart. Call it when all connections are closed.
    pub fn save(&self, data_dir: &Path) -> Result<(), RecoveryFileError> {
        let dumps = self.by_namespace.iter().map(|(namespace, it)| (namespace, it.lock().dump()));
        file::save(data_dir, dumps, self.clock.wall())
    }

    /// Takes up what [`Recoveries::save`] wrote, if that was within the window, and removes it: after a crash there is
    /// nothing to take up, and clients are told so.
    pub fn load(&self, data_dir: &Path) -> Result<(), RecoveryFileError> {
        let Some(saved) = file::take(data_dir)? else { return Ok(()) };
        let away = self.clock.wall().0.saturating_sub(saved.saved_at.0);
        if self.window < Duration::from_millis(away) {
            return Ok(());
        }
        for (namespace, dump) in saved.dumps {
            if let Some(recovery) = self.by_namespace.get(&namespace) {
                recovery.lock().restore(dump, self.clock.now());
            }
        }
        Ok(())
    }
}
