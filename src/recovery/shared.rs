//! Recovery in a cluster: what comes by its log, and clients that come back from other nodes.

use super::keeper::{ClusterKeeper, FoundSession, PARTS, RecoveryKeeper, life};
use super::{NamespaceRecovery, Recoveries, count};
use crate::core::cluster::follower::Follower;
use crate::core::cluster::incarnation::Epoch;
use crate::core::emit::audience::Audience;
use crate::core::recovery::{Live, Lost, Offset, Pid, RecoveryOutcome, SessionClaim, Verdict};
use crate::types::{SocketId, UserId};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;

/// How long a client that comes back waits for its session while Redis does not answer. After that it begins anew.
const CLAIM_LIMIT: Duration = Duration::from_secs(2);
/// The same in all: many may come back at once, and this node may have much to read. Clients give up after 20 s.
const TAKE_UP_LIMIT: Duration = Duration::from_secs(10);
/// How long to wait before a session is asked for again: Redis is away, or nodes have still to say what it has lost.
const ASK_AGAIN: Duration = Duration::from_millis(100);
/// Sessions that are written down in one turn of the lock.
const TURN: usize = 128;

/// Who had a session that was claimed here.
#[derive(Debug)]
pub struct Replaced<S> {
    /// A socket of this node, which is not known to have it any more.
    pub here: Option<S>,
    /// A socket of another node, which may be there still.
    pub elsewhere: Option<SocketId>,
}

impl<S> Default for Replaced<S> {
    fn default() -> Self {
        Self { here: None, elsewhere: None }
    }
}

impl<S: Live + Clone> NamespaceRecovery<S> {
    /// Whether the events of this namespace come by the log of a cluster only.
    pub fn is_shared(&self) -> bool {
        matches!(self.keeper, RecoveryKeeper::Cluster(_))
    }

    fn cluster(&self) -> Option<&ClusterKeeper> {
        match &self.keeper {
            RecoveryKeeper::Embedded => None,
            RecoveryKeeper::Cluster(keeper) => Some(keeper),
        }
    }

    /// A socket that joins now has its place in the log of the cluster. Call it while it does.
    pub fn follower(&self, head: &Offset) -> Option<Follower> {
        let keeper = self.cluster()?;
        Some(Follower::new(keeper.epoch(), head.number(), keeper.last_event()))
    }

    /// Fetches the session that the socket with this id claims, if it is kept in a cluster: to be called before
    /// [`NamespaceRecovery::attach`], which then finds it. `None`: there is nothing to claim.
    pub async fn fetch(
        &self,
        claim: SessionClaim<'_>,
        user: &UserId,
        id: SocketId,
    ) -> Option<Replaced<S>> {
        let Some(keeper) = self.cluster() else { return Some(Replaced::default()) };
        let is_possible = {
            let mut recovery = self.recovery.lock();
            recovery.forget_away(claim.pid);
            claim.offset.is_none_or(|offset| recovery.is_of_this_life(offset))
        };
        let fetched = async {
            if !is_possible {
                return Err(Lost::Unknown);
            }
            let fetched = self.fetch_by(keeper, claim, user, id);
            tokio::time::timeout(TAKE_UP_LIMIT, fetched).await.unwrap_or(Err(Lost::Unavailable))
        };
        fetched.await.inspect_err(|lost| count(RecoveryOutcome::Lost(*lost))).ok()
    }

    async fn fetch_by(
        &self,
        keeper: &ClusterKeeper,
        claim: SessionClaim<'_>,
        user: &UserId,
        id: SocketId,
    ) -> Result<Replaced<S>, Lost> {
        let (mut owner, begun) = (None, self.clock.now());
        let (claimed, found) = loop {
            match keeper.claim(claim.pid, user, id).await {
                Some((claimed, found)) if !claimed.is_unsure => break (claimed, found),
                // A second time it is this socket that has it.
                Some((_, Some(found))) => owner = owner.or(found.owner),
                Some((_, None)) | None => {}
            }
            if CLAIM_LIMIT < self.clock.now().since(begun) {
                return Err(Lost::Unavailable);
            }
            tokio::time::sleep(ASK_AGAIN).await;
        };
        let FoundSession { epoch, session, is_away, owner: last } = found.ok_or(Lost::Over)?;
        let owner = owner.or(last);
        // Whoever has claimed it since it was written down is there.
        let has_left = |id: &SocketId| is_away && session.member.ids.first() == Some(id);
        let elsewhere = owner.filter(|id| !has_left(id));
        let mut read_to = keeper.read_to.subscribe();
        // Fails if the server stops.
        drop(read_to.wait_for(|read_to| claimed.head <= *read_to).await);
        let mut recovery = self.recovery.lock();
        if epoch != claimed.epoch || epoch != keeper.epoch() {
            return Err(Lost::Unknown);
        }
        recovery.lacks_some_to(claimed.hole);
        let session = (session, is_away);
        let here = recovery.take_up(claim.pid, session, owner, self.clock.now());
        Ok(Replaced { here, elsewhere })
    }

    /// An event comes by the log of the cluster. All that is logged is handed out in that order.
    pub fn hear<T>(
        &self,
        number: u64,
        audience: &Arc<Audience>,
        encode: impl FnOnce(&Offset) -> Bytes,
        deliver: impl FnOnce(Bytes, &Epoch) -> T,
    ) -> Option<T> {
        let keeper = self.cluster()?;
        let mut recovery = self.recovery.lock();
        let frame = recovery.hear(number, Arc::clone(audience), self.clock.now(), encode);
        Some(deliver(frame, &keeper.epoch()))
    }

    /// A decision about sessions comes by the log of the cluster.
    pub fn judge(&self, number: u64, verdict: Verdict) {
        self.recovery.lock().judge(number, verdict, self.clock.now());
    }

    /// What is to be known of a session has changed. Call it while nothing is logged.
    pub fn note(&self, pid: &Pid) {
        let Some(keeper) = self.cluster() else { return };
        let recovery = self.recovery.lock();
        if let Some(session) = recovery.session(pid) {
            keeper.keep(pid, &session, false);
        }
    }

    /// Writes down the next of the live sessions, in so many turns of the lock; at the end it begins anew.
    fn write_some(&self, written_to: &mut Option<Pid>, turns: usize, keeper: &ClusterKeeper) {
        for _ in 0..turns {
            *written_to = self.write_down(written_to.as_ref(), keeper);
            if written_to.is_none() {
                return;
            }
        }
    }

    /// Writes down the next of the live sessions behind `after`: up to where their clients have all. Returns where to go on.
    fn write_down(&self, after: Option<&Pid>, keeper: &ClusterKeeper) -> Option<Pid> {
        let recovery = self.recovery.lock();
        let next: Vec<Pid> =
            recovery.live_after(after).take(TURN).map(|(pid, _)| pid.clone()).collect();
        for pid in &next {
            if let Some(session) = recovery.session(pid) {
                keeper.keep(pid, &session, false);
            }
        }
        next.into_iter().last()
    }
}

impl<S: Live + Clone> Recoveries<S> {
    /// What came into the log of the cluster after `number` follows.
    pub fn begin_after(&self, number: u64) {
        self.each(|it, keeper| {
            it.recovery.lock().begin_after(number);
            keeper.read_to.send_replace(number);
        });
    }

    /// All up to this number came by the log.
    pub fn read_to(&self, number: u64) {
        self.each(|it, keeper| {
            it.recovery.lock().read_to(number);
            keeper.read_to.send_replace(number);
        });
    }

    /// Events of this node that are not in the log were handed out before this number: `mark` is told of each socket.
    pub fn mark(&self, number: u64, mark: impl Fn(&S)) {
        self.each(|it, _| {
            let mut recovery = it.recovery.lock();
            recovery.lacks_some_to(number);
            recovery.live().for_each(|(_, socket)| mark(socket));
        });
    }

    /// Some of the log was cut off before it was read: `miss` is told of each socket.
    pub fn skip(&self, miss: impl Fn(&S)) {
        self.each(|it, _| {
            let mut recovery = it.recovery.lock();
            recovery.skip();
            recovery.live().for_each(|(_, socket)| miss(socket));
        });
    }

    /// A new epoch, which has of the log what came up to `read_to`.
    pub fn renew(&self, epoch: &Epoch, read_to: u64) {
        self.each(|it, keeper| {
            let mut recovery = it.recovery.lock();
            if keeper.renew(epoch, recovery.live().map(|(pid, socket)| (pid, socket.id()))) {
                recovery.rewind(life(epoch), read_to);
                keeper.read_to.send_replace(read_to);
            }
        });
    }

    /// Judges sessions in all namespaces.
    pub fn judge(&self, number: u64, verdict: &Verdict) {
        self.each(|it, _| it.judge(number, verdict.clone()));
    }

    /// Whether any namespace has recovery by the log of a cluster.
    pub fn is_shared(&self) -> bool {
        self.by_namespace.values().any(NamespaceRecovery::is_shared)
    }

    fn each(&self, act: impl Fn(&NamespaceRecovery<S>, &ClusterKeeper)) {
        for it in self.by_namespace.values() {
            if let Some(keeper) = it.cluster() {
                act(it, keeper);
            }
        }
    }

    /// Writes live sessions down again and again, so that little is to be read of the log for those of a node that is killed.
    pub async fn run_writing(self) {
        let shared: Vec<_> = self
            .by_namespace
            .values()
            .filter_map(|it| it.cluster().map(|keeper| (it, keeper)))
            .collect();
        let mut written_to: Vec<Option<Pid>> = vec![None; shared.len()];
        let Some((_, first)) = shared.first() else { return };
        let pause = first.pause();
        loop {
            tokio::time::sleep(pause).await;
            for ((it, keeper), written_to) in shared.iter().zip(&mut written_to) {
                let turns = it.recovery.lock().sessions().div_ceil(PARTS * TURN);
                it.write_some(written_to, turns, keeper);
            }
        }
    }
}
