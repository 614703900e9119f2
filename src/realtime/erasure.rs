//! Erasing a user: whatever names it is deleted, on disk and in memory.

use super::attendance::Attendance;
use super::messages::Messages;
use super::people::{Farewell, People};
use super::watching::Watching;
use crate::core::presence::session::{Grace, PresenceStatus};
use crate::store::{Closed, Store};
use crate::types::UserId;
use std::sync::Arc;
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
    /// A node among many has none, and erases nobody.
    store: Option<Store>,
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Erased {
    /// Sockets that were disconnected.
    pub disconnected: usize,
    /// Hooks that were not sent.
    pub dropped: u64,
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
    /// The server is stopping.
    #[error("the server is stopping")]
    Closed(#[from] Closed),
}

impl Erasure {
    /// Users of `store`, whose sockets are in `attendance`.
    pub fn new(
        people: Arc<People>,
        attendance: Arc<Attendance>,
        messages: Arc<Messages>,
        watching: Arc<Watching>,
        store: Option<Store>,
    ) -> Self {
        Self { people, attendance, messages, watching, store }
    }

    /// Disconnects a user without grace, and deletes everything that names it but the numbers of its inbox, which are never given
    /// twice, and the time until which its resume tokens do not count: these stay under keyed hashes. Repeats change nothing; on an error some of it may be done.
    ///
    /// Nothing keeps the user from coming back, and then it is there again like anybody new.
    pub async fn erase(&self, user: &UserId, hooks: PendingHooks) -> Result<Erased, EraseError> {
        let (mut erased, mut waiting) = (Erased { disconnected: 0, dropped: 0 }, 0);
        let erasing = async {
            while !self.erase_once(user, hooks, &mut erased, &mut waiting).await? {
                tokio::time::sleep(LOOK_EVERY).await;
            }
            Ok(())
        };
        let done = tokio::time::timeout(HOOKS_WAIT, erasing).await;
        done.unwrap_or(match waiting {
            0 => Err(EraseError::Busy),
            count => Err(EraseError::HooksWait { count }),
        })?;
        self.messages.erase(user);
        self.watching.erase(user);
        Ok(erased)
    }

    /// Does what can be done now; returns whether that was all. `waiting` is how many hooks are in the way.
    async fn erase_once(
        &self,
        user: &UserId,
        hooks: PendingHooks,
        erased: &mut Erased,
        waiting: &mut u64,
    ) -> Result<bool, EraseError> {
        if !self.is_offline(user) {
            let kicked = self.people.kick(user, Farewell::default(), Grace::Skip);
            erased.disconnected += kicked.len();
            return Ok(false);
        }
        let Some(store) = &self.store else { return Err(Closed.into()) };
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
