//! Erasing a user: whatever names it is deleted, on disk and in memory.

mod nodes;

pub use nodes::ErasureOfNodes;

use super::attendance::Attendance;
use super::messages::Messages;
use super::people::{Farewell, People};
use super::watching::Watching;
use crate::cluster::{MissingNodes, Unattached};
use crate::core::presence::session::{Grace, PresenceStatus};
use crate::store::{Closed, Store};
use crate::types::UserId;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use thiserror::Error;

/// How long it may take until the hooks of a user are sent; in tests, where nobody sends them, not as long.
const HOOKS_WAIT: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 10 });
/// How long between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Erases users.
#[derive(Debug)]
pub struct Erasure {
    people: Arc<People>,
    attendance: Arc<Attendance>,
    messages: Arc<Messages>,
    watching: Arc<Watching>,
    kept: ErasureKeeper,
    /// What is remembered elsewhere in the process.
    elsewhere: OnceLock<Forget>,
}

/// Where what names users is kept.
#[derive(Debug)]
pub enum ErasureKeeper {
    /// In this node's store.
    Embedded(Store),
    /// Where all nodes agree, and on each of these.
    Cluster(Box<ErasureOfNodes>),
}

/// Forgets a user.
struct Forget(Box<dyn Fn(&UserId) + Send + Sync>);

impl fmt::Debug for Forget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Forget").finish_non_exhaustive()
    }
}

/// What becomes of hooks of the user that are still to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PendingHooks {
    /// They are sent first.
    Send,
    /// They are erased too.
    Drop,
}

/// A user was erased.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Erased {
    /// Sockets that were disconnected.
    pub disconnected: usize,
    /// Hooks that were not sent.
    pub dropped: u64,
    /// The nodes that may still remember the user.
    pub missing: MissingNodes,
}

/// Why a user was not erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum EraseError {
    /// Hooks that tell of the user are still to be sent, and were not within ten seconds.
    #[error("{count} hooks that tell of the user are still to be sent")]
    HooksWait {
        /// How many.
        count: u64,
    },
    /// The disk takes nothing for the moment, or the user came back again and again.
    #[error("the user cannot be erased at the moment")]
    Busy,
    /// The user has connections on nodes that do not answer.
    #[error(
        "the user is still online on a node that does not answer: ask again when it is back, or was taken for gone \
         (cluster.lease)"
    )]
    StillThere,
    /// Redis cannot be reached, or does not confirm. Some of it may be done.
    #[error(
        "Redis cannot be reached, or does not confirm what was done: ask again, for some of it may be left"
    )]
    Away,
    /// The server is stopping.
    #[error("the server is stopping")]
    Closed(#[from] Closed),
}

impl From<Unattached> for EraseError {
    fn from(_: Unattached) -> Self {
        Self::Away
    }
}

impl Erasure {
    /// Users whose sockets are in `attendance`; what names them is in `kept`.
    pub fn new(
        people: Arc<People>,
        attendance: Arc<Attendance>,
        messages: Arc<Messages>,
        watching: Arc<Watching>,
        kept: ErasureKeeper,
    ) -> Self {
        Self { people, attendance, messages, watching, kept, elsewhere: OnceLock::new() }
    }

    /// Has `forget` called with everybody who is erased. Call it once.
    pub fn also(&self, forget: impl Fn(&UserId) + Send + Sync + 'static) {
        self.elsewhere.get_or_init(|| Forget(Box::new(forget)));
    }

    /// Disconnects a user without grace, and deletes everything that names it but the numbers of its inbox, which are never given
    /// twice, and the time until which its resume tokens do not count: these stay under keyed hashes. Repeats change nothing; on an error some of it may be done.
    ///
    /// Nothing keeps the user from coming back, and then it is there again like anybody new.
    pub async fn erase(&self, user: &UserId, hooks: PendingHooks) -> Result<Erased, EraseError> {
        match &self.kept {
            ErasureKeeper::Embedded(store) => self.erase_alone(store, user, hooks).await,
            ErasureKeeper::Cluster(nodes) => nodes.erase(self, user, hooks).await,
        }
    }

    /// What another node asks: the user's sockets go, and with `forget` this node forgets the user. Returns how many sockets there
    /// were; `None` if it could not be done.
    pub async fn erase_for_another(&self, user: &UserId, forget: bool) -> Option<usize> {
        match &self.kept {
            ErasureKeeper::Embedded(_) => None,
            ErasureKeeper::Cluster(nodes) => nodes.disconnect_here(self, user, forget).await,
        }
    }

    async fn erase_alone(
        &self,
        store: &Store,
        user: &UserId,
        hooks: PendingHooks,
    ) -> Result<Erased, EraseError> {
        let (mut erased, mut waiting) = (Erased::default(), 0);
        let erasing = async {
            while !self.erase_once(store, user, hooks, (&mut erased, &mut waiting)).await? {
                tokio::time::sleep(LOOK_EVERY).await;
            }
            Ok(())
        };
        let done = tokio::time::timeout(HOOKS_WAIT, erasing).await;
        done.unwrap_or(match waiting {
            0 => Err(EraseError::Busy),
            count => Err(EraseError::HooksWait { count }),
        })?;
        self.forget_elsewhere(user);
        Ok(erased)
    }

    /// Disconnects a user here, without grace. Returns how many sockets there were.
    fn kick(&self, user: &UserId) -> usize {
        self.people.kick(user, Farewell::default(), Grace::Skip).len()
    }

    /// Forgets a user whose sockets are gone. Returns whether it is offline.
    fn forget(&self, user: &UserId) -> bool {
        let is_offline = self.attendance.erase(user);
        self.forget_elsewhere(user);
        is_offline
    }

    fn forget_elsewhere(&self, user: &UserId) {
        self.messages.erase(user);
        self.watching.erase(user);
        if let Some(Forget(forget)) = self.elsewhere.get() {
            forget(user);
        }
    }

    /// Does what can be done now; returns whether that was all. `waiting` is how many hooks are in the way.
    async fn erase_once(
        &self,
        store: &Store,
        user: &UserId,
        hooks: PendingHooks,
        (erased, waiting): (&mut Erased, &mut u64),
    ) -> Result<bool, EraseError> {
        if !self.is_offline(user) {
            erased.disconnected += self.kick(user);
            return Ok(false);
        }
        let kept = self.attendance.revoke_for_erasure(user);
        *waiting = match hooks {
            PendingHooks::Drop => {
                erased.dropped += store.erase(user, kept).await?;
                0
            }
            PendingHooks::Send => store.erase_if_told(user, kept).await?.err().unwrap_or(0),
        };
        // Who came while the rows went has lost the record of it: such a user has to go once more.
        Ok(*waiting == 0 && self.attendance.erase(user))
    }

    fn is_offline(&self, user: &UserId) -> bool {
        self.attendance.sockets().user(user).0 == PresenceStatus::Offline
    }
}
