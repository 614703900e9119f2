//! Where the sessions of clients that are away are kept: here, or where the nodes of a cluster agree.

use super::session_json::SessionJson;
use crate::cluster::ClusterMember;
use crate::config::RecoveryConfig;
use crate::core::cluster::incarnation::Epoch;
use crate::core::cluster::node::EventId;
use crate::core::cluster::sessions::{
    AwayBounds, Claimed, KeptClaim, KeptSession, SessionName, SessionOp,
};
use crate::core::recovery::{DetachedSession, Pid};
use crate::types::{Namespace, SocketId, UserId};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Bytes of a session, at most: of names of rooms, above all. Larger ones are not kept.
const RECORD_BYTES_MAX: usize = 64_000;
/// How often in the window a live session is written down again.
const WRITES_PER_WINDOW: u32 = 3;
/// In how many parts, so that events have not to wait for them.
pub(super) const PARTS: usize = 64;
const VERSION: u32 = 1;

/// Where sessions are kept.
#[derive(Debug)]
pub(super) enum RecoveryKeeper {
    /// In this process, and in a file over a graceful restart.
    Embedded,
    /// Where the nodes of a cluster agree.
    Cluster(Box<ClusterKeeper>),
}

/// Keeps the sessions of one namespace where the nodes of a cluster agree.
#[derive(Debug)]
pub(super) struct ClusterKeeper {
    pub(super) member: ClusterMember,
    namespace: Namespace,
    /// Changed under the lock of recovery.
    epoch: Mutex<Epoch>,
    /// Sessions of sockets that are here, which began in an earlier epoch: nobody can come back to them.
    void: Mutex<BTreeSet<Pid>>,
    /// Up to where the log was read.
    pub(super) read_to: watch::Sender<u64>,
    window: Duration,
    away: AwayBounds,
}

/// A session as the other nodes find it.
#[derive(Serialize, Deserialize)]
struct RecordJson {
    version: u32,
    epoch: String,
    is_away: bool,
    session: SessionJson,
}

/// A session that was found.
#[derive(Debug)]
pub(super) struct FoundSession {
    /// The epoch in which it began.
    pub(super) epoch: Epoch,
    pub(super) session: DetachedSession,
    /// Whether its client had left when this was written down.
    pub(super) is_away: bool,
    /// Which socket had it.
    pub(super) owner: Option<SocketId>,
}

/// How long the log of a cluster is kept: a session that was written down last before its node was killed needs what came since.
pub fn log_window(window: Duration) -> Duration {
    window + window / 2
}

impl ClusterKeeper {
    pub(super) fn new(
        member: ClusterMember,
        namespace: Namespace,
        config: &RecoveryConfig,
        epoch: Epoch,
    ) -> Self {
        let away = AwayBounds {
            namespace: namespace.as_str().into(),
            of_namespace: config.sessions_max,
            of_user: config.sessions_per_user,
        };
        Self {
            member,
            namespace,
            epoch: Mutex::new(epoch),
            void: Mutex::default(),
            read_to: watch::Sender::new(0),
            window: config.window,
            away,
        }
    }

    /// The epoch, as far as the log was read.
    pub(super) fn epoch(&self) -> Epoch {
        Epoch::clone(&self.epoch.lock())
    }

    /// The newest event of this node.
    pub(super) fn last_event(&self) -> EventId {
        self.member.last_event()
    }

    /// A session is here, with a socket that lives.
    pub(super) fn keep(&self, pid: &Pid, session: &DetachedSession, is_new: bool) {
        self.say(pid, session, is_new, None);
    }

    /// The client of a session is away.
    pub(super) fn put_away(&self, pid: &Pid, session: &DetachedSession) {
        self.say(pid, session, false, Some(self.away.clone()));
        self.void.lock().remove(pid);
    }

    /// A session is over that the socket with this id has.
    pub(super) fn end(&self, pid: &Pid, id: SocketId) {
        let owner = self.owner(id);
        self.member.keep(self.name(pid), SessionOp::End { owner });
        self.void.lock().remove(pid);
    }

    fn say(&self, pid: &Pid, session: &DetachedSession, is_new: bool, away: Option<AwayBounds>) {
        let Some(id) = session.member.ids.first() else { return };
        if self.void.lock().contains(pid) {
            return;
        }
        let record = RecordJson {
            version: VERSION,
            epoch: self.epoch.lock().to_string(),
            is_away: away.is_some(),
            session: SessionJson::of(pid, session),
        };
        let record = serde_json::to_vec(&record).unwrap_or_default();
        if record.is_empty() || RECORD_BYTES_MAX < record.len() {
            return self.end(pid, *id);
        }
        let kept_for = if away.is_some() { self.window } else { log_window(self.window) };
        let kept = KeptSession {
            user: session.member.user.clone(),
            owner: self.owner(*id),
            kept_for,
            record: record.into(),
            is_new,
            away,
        };
        self.member.keep(self.name(pid), SessionOp::Keep(kept));
    }

    /// A new epoch: nobody can come back to sessions that began before it.
    pub(super) fn renew<'a>(
        &self,
        epoch: &Epoch,
        live: impl Iterator<Item = (&'a Pid, SocketId)>,
    ) -> bool {
        let is_new = *self.epoch.lock() != *epoch;
        if is_new {
            *self.epoch.lock() = Epoch::clone(epoch);
            for (pid, id) in live {
                self.end(pid, id);
                self.void.lock().insert(pid.clone());
            }
        }
        is_new
    }

    /// Asks for a session, which is that of the socket with this id from then on. `None` if nothing can be asked.
    pub(super) async fn claim(
        &self,
        pid: &Pid,
        user: &UserId,
        id: SocketId,
    ) -> Option<(Claimed, Option<FoundSession>)> {
        let claim = KeptClaim {
            name: self.name(pid),
            user: user.clone(),
            owner: self.owner(id),
            kept_for: log_window(self.window),
        };
        let claimed = self.member.claim(claim).await.ok()?;
        let found = claimed.session.as_ref().and_then(|it| {
            let record: RecordJson = serde_json::from_slice(&it.record).ok()?;
            let (found, session) = record.session.session()?;
            let owner = it.owner.rsplit_once('/').and_then(|(_, id)| id.parse().ok());
            let is_readable = record.version == VERSION && found == *pid;
            let (epoch, is_away) = (record.epoch.into(), record.is_away);
            is_readable.then_some(FoundSession { epoch, session, is_away, owner })
        });
        Some((claimed, found))
    }

    /// How long to wait before the next part of the live sessions is written down again.
    pub(super) fn pause(&self) -> Duration {
        self.window / WRITES_PER_WINDOW / u32::try_from(PARTS).unwrap_or(1)
    }

    fn name(&self, pid: &Pid) -> SessionName {
        format!("{} {}", self.namespace, pid.as_str()).into()
    }

    fn owner(&self, id: SocketId) -> Arc<str> {
        format!("{}/{id}", self.member.name()).into()
    }
}

/// Tells the lives of a log apart: a number for an epoch, the same at every node of every version (FNV-1a).
pub(super) fn life(epoch: &Epoch) -> u64 {
    let mix = |life: u64, byte: u8| (life ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    epoch.bytes().fold(0xcbf2_9ce4_8422_2325, mix)
}
