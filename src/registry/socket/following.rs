//! What a socket can recover by: the name of its session, and in a cluster its place in the log of that.

use super::Socket;
use crate::core::cluster::follower::Follower;
use crate::core::cluster::incarnation::Epoch;
use crate::core::cluster::node::EventId;
use crate::core::recovery::{Offset, Pid};
use parking_lot::Mutex;

/// What a socket can recover by.
#[derive(Debug)]
pub(super) struct SocketRecovery {
    /// The name of its session.
    pid: Pid,
    /// Its place in the log of a cluster, if that is by which it recovers.
    follower: Option<Mutex<Follower>>,
}

impl Socket {
    /// Gives it the name of its recovery session, and in a cluster its place in the log of that; only the first call counts, and
    /// only before it is in the registry.
    pub fn begin_session(&self, pid: Pid, follower: Option<Follower>) {
        let follower = follower.map(Mutex::new);
        self.recovery.get_or_init(|| Box::new(SocketRecovery { pid, follower }));
    }

    /// The name of its recovery session.
    pub fn pid(&self) -> Option<&Pid> {
        self.recovery.get().map(|it| &it.pid)
    }

    fn follower(&self) -> Option<&Mutex<Follower>> {
        self.recovery.get()?.follower.as_ref()
    }

    /// An event comes by the log that is for it. Returns whether its offset counts; `None` if the client has the event, or is not to
    /// have it. `repeated_in` is the epoch that has begun since the log lost the event.
    pub fn hear(
        &self,
        number: u64,
        own: Option<EventId>,
        repeated_in: Option<&Epoch>,
    ) -> Option<bool> {
        let mut follower = self.follower()?.lock();
        match repeated_in {
            None => follower.hear(number, own),
            Some(epoch) => follower.hear_again(number, own, epoch),
        }
    }

    /// An event of this node that is for it is handed out without its number. Returns whether its client is to be sent it.
    pub fn degrade(&self, own: EventId) -> bool {
        self.follower().is_some_and(|it| it.lock().degrade(own))
    }

    /// What was handed out without a number stands before this one.
    pub fn mark(&self, number: u64) {
        if let Some(follower) = self.follower() {
            follower.lock().mark(number);
        }
    }

    /// Its node has missed some of the log.
    pub fn miss(&self) {
        if let Some(follower) = self.follower() {
            follower.lock().miss();
        }
    }

    /// The offset of what it is sent beside the log, which stands at `head`.
    pub fn offset_at(&self, head: &Offset) -> Offset {
        if self.is_placed(head.number()) { *head } else { Offset::NONE }
    }

    pub(super) fn is_placed(&self, read_to: u64) -> bool {
        self.follower().is_none_or(|it| it.lock().is_placed(read_to))
    }
}
