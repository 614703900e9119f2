//! Control: users are kicked and blocked, and their tokens revoked. What was answered holds over a crash, and for every live socket.

mod keeper;

pub use keeper::RestrictionKeeper;
pub(super) use keeper::kicked;

use super::gate::Gate;
use super::people::{Farewell, KickCode, People};
use crate::auth::{NotRevoked, Resume};
use crate::clock::Clock;
use crate::cluster::OnNodes;
use crate::config::LimitsConfig;
use crate::core::control::restrictions::{Block, Held, Restriction};
use crate::core::page::Page;
use crate::core::presence::session::Grace;
use crate::registry::Socket;
use crate::store::Closed;
use crate::tasks::{TaskLost, Tasks};
use crate::types::{FamilyId, Reason, SocketId, UserId, WallMs};
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::sync::Semaphore;

/// How often blocks that have ended are forgotten, and how many at once.
const EXPIRE_EVERY: Duration = Duration::from_mins(1);
const EXPIRE_AT_ONCE: usize = 1000;

/// Blocks users and revokes their tokens.
#[derive(Debug)]
pub struct Control {
    gate: Gate,
    keeper: RestrictionKeeper,
    people: Arc<People>,
    /// One change after the other: what is in memory is what was written last.
    turn: Semaphore,
    /// Users against whom something may be held.
    max: usize,
    /// Nothing counts any more that was issued so long ago, where that is so.
    longest_age: Option<Duration>,
    clock: Clock,
    /// Knows which resume tokens count, where there are any.
    resume: Option<Arc<Resume>>,
    /// A change that was begun is finished here, whether somebody waits for it or not.
    tasks: Tasks,
}

/// How a user is blocked.
#[derive(Debug, Clone)]
pub struct BlockOrder {
    /// What the user is told.
    pub reason: Option<Arc<str>>,
    /// The name of the API key that asks for it.
    pub by: Arc<str>,
    /// When it ends; `None`: when it is lifted.
    pub until: Option<WallMs>,
}

/// A user was blocked.
#[derive(Debug, Clone)]
pub struct Blocked {
    /// How.
    pub block: Block,
    /// The sockets that were disconnected.
    pub disconnected: OnNodes<Vec<SocketId>>,
}

/// The tokens of a user were revoked.
#[derive(Debug, Clone)]
pub struct Revoked {
    /// Tokens that were issued before do not count.
    pub not_before: WallMs,
    /// The sockets whose connections were closed.
    pub disconnected: OnNodes<Vec<SocketId>>,
}

/// What is held against a user was changed.
struct Changed {
    old: Restriction,
    /// The sockets that are gone because of it, if that was seen to on all nodes.
    sockets: Option<OnNodes<Vec<SocketId>>>,
}

/// Why nothing was changed, or is not known to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ControlError {
    /// There is no room for more.
    #[error(
        "something is held against {max} users already, and `limits.restricted_users` allows no more"
    )]
    Full {
        /// Users allowed.
        max: usize,
    },
    /// The disk takes nothing for the moment. What was asked for may still be done.
    #[error("the server's disk takes nothing for the moment")]
    Waiting,
    /// Where all nodes agree nothing is heard, or nothing is confirmed. What was asked for may still be done.
    #[error(
        "Redis cannot be reached, or does not confirm what was stored: what was asked for may still be done"
    )]
    Away,
    /// The server is stopping.
    #[error("the server is stopping")]
    Closed(#[from] Closed),
    /// The server failed. It may be done.
    #[error(transparent)]
    Lost(#[from] TaskLost),
}

impl From<NotRevoked> for ControlError {
    fn from(error: NotRevoked) -> Self {
        match error {
            NotRevoked::Waiting => Self::Waiting,
            NotRevoked::Away => Self::Away,
            NotRevoked::Closed(closed) => Self::Closed(closed),
        }
    }
}

impl Control {
    /// What is held against users is kept by `keeper`, and is asked for at `gate`.
    pub fn new(
        gate: Gate,
        keeper: RestrictionKeeper,
        people: Arc<People>,
        (limits, longest_age, resume): (LimitsConfig, Option<Duration>, Option<Arc<Resume>>),
        (clock, tasks): (Clock, Tasks),
    ) -> Self {
        let (turn, max) = (Semaphore::new(1), limits.restricted_users);
        Self { gate, keeper, people, turn, max, longest_age, clock, resume, tasks }
    }

    /// Blocks a user and disconnects the user's sockets for good, or what is left of `until`. The user is offline at once.
    pub async fn block(
        self: &Arc<Self>,
        user: &UserId,
        order: BlockOrder,
    ) -> Result<Blocked, ControlError> {
        let BlockOrder { reason, by, until } = order;
        let block = Block { reason, by, since: self.clock.wall(), until };
        let new = block.clone();
        let change = move |old| Restriction { block: Some(new.clone()), ..old };
        let changed = self.change(user, change).await?;
        let farewell = Farewell {
            reason: block.reason.as_deref(),
            code: Some(KickCode::Blocked),
            until: block.until,
        };
        let disconnected = match changed.sockets {
            Some(sockets) => {
                if let Some(resume) = &self.resume {
                    resume.log_out(user).await?;
                }
                sockets
            }
            None => OnNodes::here(self.kick(user, farewell, Grace::Skip).await?),
        };
        tracing::info!(user.id = %user, by = %block.by, "blocked a user");
        Ok(Blocked { block, disconnected })
    }

    /// Disconnects all sockets of a user for good; its resume tokens do not count any more. See [`People::kick`].
    pub async fn kick(
        &self,
        user: &UserId,
        farewell: Farewell<'_>,
        grace: Grace,
    ) -> Result<Vec<SocketId>, ControlError> {
        if let Some(resume) = &self.resume {
            resume.log_out(user).await?;
        }
        Ok(self.people.kick(user, farewell, grace))
    }

    /// The same for one socket; the resume tokens of its client do not count any more. See [`People::kick_socket`].
    pub async fn kick_socket(&self, id: SocketId) -> Result<Option<Arc<Socket>>, ControlError> {
        let Some(socket) = self.people.socket(id) else { return Ok(None) };
        self.revoke_resume(&socket).await?;
        Ok(self.people.kick_socket(id))
    }

    /// Logs a user out: everywhere, or where its resume tokens are of one `family`. They do not count any more, and the sockets
    /// that came with them are disconnected for good. Returns which.
    pub async fn log_out(
        &self,
        user: &UserId,
        family: Option<FamilyId>,
        reason: Option<&str>,
    ) -> Result<Vec<SocketId>, ControlError> {
        let farewell = Farewell { reason, code: Some(KickCode::LoggedOut), ..Farewell::default() };
        let Some(family) = family else { return self.kick(user, farewell, Grace::Skip).await };
        if let Some(resume) = &self.resume {
            resume.revoke(user, family).await?;
        }
        let is_meant =
            |it: &Socket| it.grants().resume.as_ref().is_some_and(|it| it.family == family);
        Ok(self.people.kick_some(user, farewell, is_meant))
    }

    /// The client of a socket needs credentials to come back. It is still here: see [`Control::see_off`].
    pub async fn revoke_resume(&self, socket: &Socket) -> Result<(), ControlError> {
        if let (Some(resume), Some(ticket)) =
            (&self.resume, socket.grants().resume.as_deref().copied())
        {
            resume.revoke(socket.user(), ticket.family).await?;
        }
        Ok(())
    }

    /// Disconnects the sockets of a client for good that has logged out: those of its connection, and those with resume tokens of
    /// the same family.
    pub fn see_off(&self, socket: &Socket) {
        let family = socket.grants().resume.as_ref().map(|it| it.family);
        let farewell = Farewell { code: Some(KickCode::LoggedOut), ..Farewell::default() };
        if let Some(family) = family {
            self.people.log_out_elsewhere(socket.user(), family);
        }
        self.people.kick_some(socket.user(), farewell, |it| {
            let has_family =
                family.is_some() && it.grants().resume.as_ref().map(|it| it.family) == family;
            has_family || Arc::ptr_eq(&it.connection, &socket.connection)
        });
    }

    /// Lets a user in again. Returns the block that there was.
    pub async fn unblock(self: &Arc<Self>, user: &UserId) -> Result<Option<Block>, ControlError> {
        let changed = self.change(user, |old| Restriction { block: None, ..old }).await?;
        Ok(changed.old.block)
    }

    /// From now on tokens count only if they were issued at `first` or later; without that, now, by the whole second in which
    /// tokens tell it. Connections with older ones are closed: their clients come back with newer ones, or are refused.
    pub async fn revoke(
        self: &Arc<Self>,
        user: &UserId,
        first: Option<WallMs>,
    ) -> Result<Revoked, ControlError> {
        let now = self.clock.wall().0;
        let not_before = first.unwrap_or(WallMs(now - now % 1000));
        let new = Some(not_before);
        let changed = self.change(user, move |old| Restriction { not_before: new, ..old }).await?;
        let is_older = |issued_at: Option<WallMs>| issued_at.is_none_or(|it| it < not_before);
        let close = || self.people.close(user, Reason::Revoked, is_older);
        let disconnected = changed.sockets.unwrap_or_else(|| OnNodes::here(close()));
        tracing::info!(user.id = %user, "revoked the tokens of a user");
        Ok(Revoked { not_before, disconnected })
    }

    /// Every token of a user counts again. Returns from when on they did.
    pub async fn restore(self: &Arc<Self>, user: &UserId) -> Result<Option<WallMs>, ControlError> {
        let changed = self.change(user, |old| Restriction { not_before: None, ..old }).await?;
        Ok(changed.old.not_before)
    }

    /// What is held against a user.
    pub fn restriction(&self, user: &UserId) -> Restriction {
        self.gate.see(|known, now| known.of(user, now))
    }

    /// Blocks in force, in the order of their users, after `after`.
    pub fn blocks(&self, after: Option<&UserId>, limit: usize) -> Page<(UserId, Block)> {
        self.gate.see(|known, now| known.blocks(after, limit, now))
    }

    /// Users of whom something is held.
    pub fn len(&self) -> usize {
        self.gate.see(|known, _| known.len())
    }

    /// Nothing is held against anybody.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How much is held against users.
    pub fn held(&self) -> Held {
        self.gate.see(|known, _| known.held())
    }

    /// Forgets blocks that have ended, and from when on tokens count if there can be no others, again and again.
    pub async fn run_expiry(self: Arc<Self>) {
        let age = self.longest_age;
        loop {
            tokio::time::sleep(EXPIRE_EVERY).await;
            for user in self.gate.see(|known, now| known.ended(EXPIRE_AT_ONCE, age, now)) {
                let now = self.clock.wall();
                // What cannot be written now is tried again.
                let _later = self.change(&user, move |old| old.that_matters(age, now)).await;
            }
        }
    }
}

#[cfg(test)]
mod tests;
