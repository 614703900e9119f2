//! Recovery in a namespace of a cluster: the log comes from where all nodes agree, with numbers that are given, and sessions
//! whose clients are away are kept there, for whichever node they come back to.
//!
//! Once such a session is taken up here, [`Recovery::attach`] goes on as if its client had been away from this node.

use super::log::RecoveryLog;
use super::verdicts::{Verdict, Verdicts};
use super::{DetachedSession, Live, Offset, Pid, Recovery, RecoveryLimits, Sessions};
use crate::core::emit::audience::Audience;
use crate::types::{SocketId, Timestamp};
use bytes::Bytes;
use std::sync::Arc;

impl<S: Live> Recovery<S> {
    /// Nothing was read of the log of this life.
    pub fn in_cluster(limits: RecoveryLimits, life: u64) -> Self {
        let (log, sessions) = (RecoveryLog::unread(limits, life), Sessions::new(limits));
        Self { log, sessions, verdicts: Verdicts::default() }
    }

    /// What came into the log after `number` follows.
    pub fn begin_after(&mut self, number: u64) {
        self.log.begin(number);
    }

    /// An event comes by the log. `encode` makes its frame, offset included.
    pub fn hear(
        &mut self,
        number: u64,
        audience: Arc<Audience>,
        now: Timestamp,
        encode: impl FnOnce(&Offset) -> Bytes,
    ) -> Bytes {
        self.log.hear(number, audience, now, encode)
    }

    /// A decision about sessions comes by the log.
    pub fn judge(&mut self, number: u64, verdict: Verdict, now: Timestamp) {
        self.verdicts.add(number, verdict, now);
        self.verdicts.expire(self.sessions.window(), now);
    }

    /// The same, of a decision that this node has come to know of by now.
    pub fn judge_now(&mut self, verdict: Verdict, now: Timestamp) {
        self.judge(self.log.position() + 1, verdict, now);
    }

    /// All up to this number was read.
    pub fn read_to(&mut self, number: u64) {
        self.log.read_to(number);
    }

    /// Some of the log was cut off before it was read.
    pub fn skip(&mut self) {
        self.log.skip();
    }

    /// Events that are not in the log were handed out before this number: whoever left before may have missed them.
    pub fn lacks_some_to(&mut self, number: u64) {
        self.log.lacks_some_to(number);
    }

    /// Another life begins, which has of this log what came up to `number`.
    pub fn rewind(&mut self, life: u64, number: u64) {
        self.log.rewind(life, number);
    }

    /// Whether an offset that a client brings may be one of this log: one of a place that was not read yet is.
    pub fn is_of_this_life(&self, offset: &str) -> bool {
        Offset::parse(offset).is_some_and(|it| it.life == self.log.life())
    }

    /// A session that was kept elsewhere is here from now on. Returns the socket that had it here, if that was not known
    /// elsewhere to have it: `owner` is the one that was.
    pub fn take_up(
        &mut self,
        pid: &Pid,
        (session, is_away): (DetachedSession, bool),
        owner: Option<SocketId>,
        now: Timestamp,
    ) -> Option<S>
    where
        S: Clone,
    {
        let live = self.sessions.live(pid).cloned();
        if live.as_ref().is_some_and(|live| Some(live.id()) == owner) {
            return None;
        }
        self.sessions.remove(pid);
        if let Some(session) = self.verdicts.applied_to(session, is_away) {
            self.sessions.restore(vec![(pid.clone(), session)], now);
        }
        live
    }

    /// A session that is not kept elsewhere any more is not here either, unless a socket has it.
    pub fn forget_away(&mut self, pid: &Pid) {
        if self.sessions.live(pid).is_none() {
            self.sessions.remove(pid);
        }
    }

    /// A socket is gone: its session is returned, to be kept elsewhere; `None` if another has it by now.
    pub fn hand_over(&mut self, pid: &Pid, id: SocketId) -> Option<DetachedSession> {
        self.sessions.take(pid, id, self.log.position())
    }

    /// The session as it is now: all that was logged until now, and is for it, is on its way to its client.
    pub fn session(&self, pid: &Pid) -> Option<DetachedSession> {
        self.sessions.one(pid, self.log.position())
    }

    /// The sockets that are here, with the names of their sessions.
    pub fn live(&self) -> impl Iterator<Item = (&Pid, &S)> {
        self.sessions.live_after(None)
    }

    /// The same, behind this one.
    pub fn live_after(&self, pid: Option<&Pid>) -> impl Iterator<Item = (&Pid, &S)> {
        self.sessions.live_after(pid)
    }
}
