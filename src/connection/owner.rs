//! Whose a connection is: all its sockets are of one user. A guest's connection may become a user's, once.

use super::{Connection, ConnectionState, Phase};
use crate::types::UserId;
use thiserror::Error;

/// Why a connection is not a user's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NotOwner {
    /// It is somebody else's.
    #[error("the connection is another user's")]
    Other,
    /// It would be a guest's, and there are as many as there may be.
    #[error("there are as many guests as there may be")]
    GuestLimit,
}

impl Connection {
    /// Makes the connection this user's, unless it is somebody's already.
    pub fn claim(&self, user: &UserId) -> Result<(), NotOwner> {
        let mut state = self.lock();
        match &state.owner {
            Some(owner) if owner == user => return Ok(()),
            Some(_) => return Err(NotOwner::Other),
            // It has ended, and is counted no more.
            None if matches!(state.phase, Phase::Closed(_)) => return Ok(()),
            None => {}
        }
        if user.is_guest() && !self.shared.connections.take_guest(self.facts.address) {
            return Err(NotOwner::GuestLimit);
        }
        state.owner = Some(user.clone());
        Ok(())
    }

    /// Whether it is another user's.
    pub fn is_anothers(&self, user: &UserId) -> bool {
        self.lock().owner.as_ref().is_some_and(|it| it != user)
    }

    /// The guest whose it is, if it is one's.
    pub fn guest(&self) -> Option<UserId> {
        self.lock().owner.clone().filter(UserId::is_guest)
    }

    /// What was a guest's is this user's from now on. Returns whether it was, and is still open.
    pub fn hand_over(&self, guest: &UserId, user: &UserId) -> bool {
        let mut state = self.lock();
        let may_go_on = state.phase == Phase::Open && guest.is_guest() && !user.is_guest();
        if !may_go_on || state.owner.as_ref() != Some(guest) {
            return false;
        }
        state.owner = Some(user.clone());
        self.shared.connections.give_back_guest(self.facts.address);
        true
    }

    /// It has ended.
    pub(super) fn is_nobodys_guest(&self, state: &ConnectionState) {
        if state.owner.as_ref().is_some_and(UserId::is_guest) {
            self.shared.connections.give_back_guest(self.facts.address);
        }
    }
}
