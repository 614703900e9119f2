//! Connection state recovery of all namespaces that have it: the pure [`Recovery`] of each behind one lock, which never
//! leaves this module.
//!
//! What a closure does under the lock of a namespace may take locks of sockets, presence, the registry and connections;
//! it may not call anything here.

mod file;
mod keeper;
mod session_json;
mod shared;

pub use file::RecoveryFileError;
pub use keeper::log_window;
pub use shared::Replaced;

use crate::clock::Clock;
use crate::cluster::ClusterMember;
use crate::config::RecoveryConfig;
use crate::core::emit::audience::Audience;
use crate::core::recovery::{
    Attached, Live, Newcomer, Offset, Pid, Recovery, RecoveryLimits, RecoveryOutcome, SessionClaim,
    Verdict,
};
use crate::entropy;
use crate::types::{Namespace, Room, SocketId, UserId};
use bytes::Bytes;
use keeper::{ClusterKeeper, RecoveryKeeper};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How often sessions and events that are too old are forgotten.
const EXPIRE_INTERVAL: Duration = Duration::from_secs(5);

/// Recovery by namespace; those without it are not in here. `S` is the socket of a live session. Cheap to clone.
#[derive(Debug)]
pub struct Recoveries<S> {
    by_namespace: Arc<BTreeMap<Namespace, NamespaceRecovery<S>>>,
    clock: Clock,
    window: Duration,
}

/// Recovery in one namespace. All that it is told happens one after the other: what a closure does here, to sockets and
/// their connections, is seen by others as one step with what is logged.
#[derive(Debug)]
pub struct NamespaceRecovery<S> {
    recovery: Mutex<Recovery<S>>,
    keeper: RecoveryKeeper,
    clock: Clock,
}

/// Whether a client may come back to its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Departure {
    /// Within the window.
    Away,
    /// The session is over.
    ForGood,
}

/// An event on its way to the sockets that are here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logged {
    /// Its frames, offset included.
    pub frame: Bytes,
    /// Its number, or that of the event before if it is for nobody and so not logged.
    pub number: u64,
}

impl<S> Clone for Recoveries<S> {
    fn clone(&self) -> Self {
        let by_namespace = Arc::clone(&self.by_namespace);
        Self { by_namespace, clock: self.clock.clone(), window: self.window }
    }
}

impl<S: Live + Clone> NamespaceRecovery<S> {
    /// A socket becomes live; see [`Recovery::attach`]. `join` answers its client and takes it in: what is logged so far
    /// is in what it gets, what is logged later finds it. Returns false if the socket is gone; its session is kept then.
    pub fn attach(
        &self,
        newcomer: Newcomer<S>,
        claim: Option<SessionClaim<'_>>,
        join: impl FnOnce(&Attached<S>) -> bool,
    ) -> Attached<S> {
        let id = newcomer.socket.id();
        let mut recovery = self.recovery.lock();
        let now = self.clock.now();
        let attached = recovery.attach(newcomer, claim, now);
        let is_here = join(&attached);
        match &self.keeper {
            RecoveryKeeper::Embedded if is_here => {}
            RecoveryKeeper::Embedded => recovery.detach(&attached.pid, id, now),
            RecoveryKeeper::Cluster(keeper) if is_here => {
                let is_new = !attached.outcome.is_recovered();
                if let Some(session) = recovery.session(&attached.pid) {
                    keeper.keep(&attached.pid, &session, is_new);
                }
            }
            RecoveryKeeper::Cluster(keeper) => {
                if let Some(session) = recovery.hand_over(&attached.pid, id) {
                    keeper.put_away(&attached.pid, &session);
                }
            }
        }
        drop(recovery);
        count(attached.outcome);
        attached
    }

    /// An event that can be recovered. `find` looks for the sockets that it is for and says whether there is any;
    /// `deliver` hands it to them. An event that is for no socket, here or away, is not logged: nobody will ask for it,
    /// and it would push out what others need.
    pub fn append<D, T>(
        &self,
        audience: &Arc<Audience>,
        encode: impl FnOnce(&Offset) -> Bytes,
        find: impl FnOnce() -> (D, bool),
        deliver: impl FnOnce(D, Logged) -> T,
    ) -> T {
        let mut recovery = self.recovery.lock();
        let (found, is_any_here) = find();
        let frame = if is_any_here || recovery.is_any_away_in(&audience.target) {
            recovery.append(Arc::clone(audience), self.clock.now(), encode)
        } else {
            encode(&recovery.head())
        };
        let number = recovery.head().number();
        deliver(found, Logged { frame, number })
    }

    /// An event that cannot be recovered: `send` gives it the offset of where the log stands, and hands it to its
    /// sockets at once. Sent later, after an event with a newer offset, it would set a client back, which would then
    /// get that event twice.
    pub fn announce<T>(&self, send: impl FnOnce(&Offset) -> T) -> T {
        let recovery = self.recovery.lock();
        send(&recovery.head())
    }

    /// Does something in turn with what is logged, and with sockets that come and go. `act` gets the number of the last event.
    pub fn in_turn<T>(&self, act: impl FnOnce(u64) -> T) -> T {
        let recovery = self.recovery.lock();
        act(recovery.head().number())
    }

    /// Takes the sessions of an audience whose clients are away out of rooms: see [`Recovery::leave`]. What `find` finds is live at
    /// that moment: each session is away or among those.
    pub fn leave<T>(&self, audience: &Audience, rooms: &[Room], find: impl FnOnce() -> T) -> T {
        let mut recovery = self.recovery.lock();
        recovery.leave(audience, rooms);
        find()
    }

    /// A socket goes: `leave` lets it go, and what is logged from then on was not handed to it. `id` is the socket's
    /// public id; for a session that another socket has by now, nothing is done but `leave`.
    pub fn detach<T>(
        &self,
        pid: &Pid,
        id: SocketId,
        departure: Departure,
        leave: impl FnOnce() -> T,
    ) -> T {
        let mut recovery = self.recovery.lock();
        let left = leave();
        match (&self.keeper, departure) {
            (RecoveryKeeper::Embedded, Departure::Away) => {
                recovery.detach(pid, id, self.clock.now());
            }
            (RecoveryKeeper::Embedded, Departure::ForGood) => recovery.end(pid, id),
            (RecoveryKeeper::Cluster(keeper), departure) => {
                if let Some(session) = recovery.hand_over(pid, id) {
                    match departure {
                        Departure::Away => keeper.put_away(pid, &session),
                        Departure::ForGood => keeper.end(pid, id),
                    }
                }
            }
        }
        left
    }
}

impl<S: Live + Clone> Recoveries<S> {
    /// Recovery for those of `namespaces` that the configuration covers. Of what clients may have missed, at most
    /// `replay_bytes_max` are replayed to one.
    pub fn new(
        config: &RecoveryConfig,
        namespaces: &[Namespace],
        replay_bytes_max: usize,
        clock: Clock,
    ) -> Self {
        let limits = limits(config, config.window, replay_bytes_max);
        let covered = namespaces.iter().filter(|namespace| config.covers(namespace));
        let recovery = |namespace: &Namespace| {
            let life = u64::from_be_bytes(entropy::bytes());
            let recovery = Mutex::new(Recovery::new(limits, life));
            let (keeper, clock) = (RecoveryKeeper::Embedded, clock.clone());
            (namespace.clone(), NamespaceRecovery { recovery, keeper, clock })
        };
        let by_namespace = Arc::new(covered.map(recovery).collect());
        Self { by_namespace, clock, window: config.window }
    }

    /// The same on a node among many: events come by the log of the cluster, and sessions of clients that are away are kept
    /// there. What `member` has read of that log so far is to follow, see [`Recoveries::begin_after`].
    pub fn in_cluster(
        config: &RecoveryConfig,
        namespaces: &[Namespace],
        replay_bytes_max: usize,
        (clock, member): (Clock, ClusterMember),
    ) -> Self {
        let limits = limits(config, log_window(config.window), replay_bytes_max);
        let epoch = member.epoch();
        let covered = namespaces.iter().filter(|namespace| config.covers(namespace));
        let recovery = |namespace: &Namespace| {
            let recovery = Mutex::new(Recovery::in_cluster(limits, keeper::life(&epoch)));
            let (member, epoch) = (member.clone(), Arc::clone(&epoch));
            let keeper = ClusterKeeper::new(member, namespace.clone(), config, epoch);
            let (keeper, clock) = (RecoveryKeeper::Cluster(Box::new(keeper)), clock.clone());
            (namespace.clone(), NamespaceRecovery { recovery, keeper, clock })
        };
        let by_namespace = Arc::new(covered.map(recovery).collect());
        Self { by_namespace, clock, window: config.window }
    }

    /// The recovery of `namespace`, if it has one.
    pub fn of(&self, namespace: &Namespace) -> Option<&NamespaceRecovery<S>> {
        self.by_namespace.get(namespace)
    }

    /// Forgets a user without live sockets, in all namespaces: see [`Recovery::erase`].
    pub fn erase(&self, user: &UserId) {
        for it in self.by_namespace.values() {
            it.recovery.lock().erase(user);
        }
    }

    /// Takes the sessions of a user whose clients are away out of a room, in `namespace`, or in all: see
    /// [`Recovery::take_out`]. Whoever comes back meanwhile is here when this returns, or comes after.
    pub fn take_out(&self, user: &UserId, room: &Room, namespace: Option<&Namespace>) {
        for (own, it) in &*self.by_namespace {
            if namespace.is_none_or(|namespace| namespace == own) {
                let mut recovery = it.recovery.lock();
                recovery.take_out(user, room);
                if it.is_shared() {
                    let verdict = Verdict::TakeOut(user.clone(), room.clone());
                    recovery.judge_now(verdict, self.clock.now());
                }
            }
        }
    }

    /// Puts the sessions of a user whose clients are away into a room: see [`Recovery::put_in`].
    pub fn put_in(&self, user: &UserId, room: &Room, namespace: Option<&Namespace>) {
        for (own, it) in &*self.by_namespace {
            if namespace.is_none_or(|namespace| namespace == own) {
                let mut recovery = it.recovery.lock();
                recovery.put_in(user, room);
                if it.is_shared() {
                    let verdict = Verdict::PutIn(user.clone(), room.clone());
                    recovery.judge_now(verdict, self.clock.now());
                }
            }
        }
    }

    /// Forgets what is too old, again and again.
    pub async fn run_expiry(self) {
        loop {
            tokio::time::sleep(EXPIRE_INTERVAL).await;
            for it in self.by_namespace.values() {
                let mut recovery = it.recovery.lock();
                recovery.expire(self.clock.now());
                let pushed_out = recovery.take_pushed_out();
                drop(recovery);
                metrics::counter!("userline_recovery_pushed_out_total").increment(pushed_out);
            }
        }
    }

    /// Writes down what must survive a graceful restart, if that is not kept in a cluster. Call it when all connections are closed.
    pub fn save(&self, data_dir: &Path) -> Result<(), RecoveryFileError> {
        if self.is_shared() {
            return Ok(());
        }
        let dumps =
            self.by_namespace.iter().map(|(namespace, it)| (namespace, it.recovery.lock().dump()));
        file::save(data_dir, dumps, self.clock.wall())
    }

    /// Takes up what [`Recoveries::save`] wrote, if that was within the window, and removes it: after a crash there is
    /// nothing to take up, and clients are told so.
    pub fn load(&self, data_dir: &Path) -> Result<(), RecoveryFileError> {
        if self.is_shared() {
            return Ok(());
        }
        let Some(saved) = file::take(data_dir)? else { return Ok(()) };
        let away = self.clock.wall().0.saturating_sub(saved.saved_at.0);
        if self.window < Duration::from_millis(away) {
            return Ok(());
        }
        for (namespace, dump) in saved.dumps {
            if let Some(it) = self.by_namespace.get(&namespace) {
                it.recovery.lock().restore(dump, self.clock.now());
            }
        }
        Ok(())
    }
}

fn limits(config: &RecoveryConfig, window: Duration, replay_bytes_max: usize) -> RecoveryLimits {
    RecoveryLimits {
        window,
        events_max: config.events_max,
        bytes_max: config.bytes_max,
        sessions_max: config.sessions_max,
        sessions_per_user: config.sessions_per_user,
        replay_bytes_max,
    }
}

/// Tells the metrics what became of a claim.
fn count(outcome: RecoveryOutcome) {
    let (outcome, cause) = match outcome {
        RecoveryOutcome::New => return,
        RecoveryOutcome::Recovered => ("recovered", "none"),
        RecoveryOutcome::Lost(lost) => ("lost", lost.as_str()),
    };
    metrics::counter!("userline_recoveries_total", "outcome" => outcome, "cause" => cause)
        .increment(1);
}

#[cfg(test)]
mod tests;
