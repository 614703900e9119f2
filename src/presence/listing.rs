//! Lists of users, a page at a time and in order, however many there are.

use super::Presence;
use crate::core::page::{Page, Smallest};
use crate::core::presence::session::{PresenceStatus, UserSession};
use crate::types::UserId;
use std::sync::Arc;

/// A user in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserEntry {
    /// The user's id.
    pub user: UserId,
    /// Online or lingering; offline users are not listed.
    pub status: PresenceStatus,
    /// The user's session.
    pub session: UserSession,
    /// How many sockets the user has on this node.
    pub sockets: usize,
    /// What the backend has attached to the session, a JSON object.
    pub attached: Option<Arc<str>>,
}

/// What is known of a user's presence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UserStatus {
    /// Whether the user is online.
    pub status: PresenceStatus,
    /// How many sockets the user has.
    pub sockets: usize,
}

/// Which users a list is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StateFilter {
    /// Online and lingering ones.
    All,
    /// With at least one socket.
    Online,
    /// Without one, in their grace.
    Lingering,
}

impl StateFilter {
    /// The session of a user of this status, if such users are listed.
    fn session(self, status: PresenceStatus) -> Option<UserSession> {
        match (status, self) {
            (PresenceStatus::Online(session), Self::All | Self::Online)
            | (PresenceStatus::Lingering(session), Self::All | Self::Lingering) => Some(session),
            (PresenceStatus::Offline, _)
            | (PresenceStatus::Online(_), Self::Lingering)
            | (PresenceStatus::Lingering(_), Self::Online) => None,
        }
    }
}

impl<S: Clone> Presence<S> {
    /// Users in order of their ids, after `after`.
    pub fn users(
        &self,
        after: Option<&UserId>,
        limit: usize,
        filter: StateFilter,
    ) -> Page<UserEntry> {
        let mut smallest = Smallest::new(limit);
        for entry in &*self.users {
            let status = entry.status();
            let user = entry.key();
            let listed = filter.session(status).filter(|_| after.is_none_or(|after| after < user));
            if let Some(session) = listed {
                let sockets = entry.roster().sockets().count();
                let attached = entry.attached().cloned();
                smallest.offer(user.clone(), (status, session, sockets, attached));
            }
        }
        smallest.into_page(|(user, (status, session, sockets, attached))| UserEntry {
            user,
            status,
            session,
            sockets,
            attached,
        })
    }
}
