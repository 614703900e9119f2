//! The words between a node and the place where all nodes keep what the backend has attached to the sessions of users.
//!
//! What is attached is merged by the node that is asked, and taken only if nothing else was attached meanwhile.

use crate::types::{Seq, UserId};
use std::sync::Arc;

/// What is asked, or said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttachedQuestion {
    /// What is attached to the sessions of these users.
    Of(Vec<UserId>),
    /// This is attached from now on.
    Put(NewlyAttached),
}

/// Something to be attached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewlyAttached {
    /// To whose session.
    pub user: UserId,
    /// To which.
    pub session: Seq,
    /// The number of what it was made of.
    pub made_of: u64,
    /// A JSON object.
    pub attached: Arc<str>,
}

/// What is attached to a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionAttached {
    /// The session.
    pub session: Seq,
    /// Another number for all that was ever attached; 0 for nothing.
    pub number: u64,
    /// A JSON object; `None`: nothing.
    pub attached: Option<Arc<str>>,
}

/// The answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttachedReply {
    /// To [`AttachedQuestion::Of`], in the same order; `None` for who is offline.
    Of(Vec<Option<SessionAttached>>),
    /// To [`AttachedQuestion::Put`]: whether it is attached now. If not, something else has been attached, or the session is
    /// over.
    Put(bool),
}
