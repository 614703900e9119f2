//! What hooks say of who a user is, so that their receiver need not look it up.

use std::sync::Arc;

/// What hooks say of who a user is: pieces of JSON, made once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Portrait {
    /// Rooms and data of one of its sockets, as members of an object; `None` where hooks do not say that.
    pub granted: Option<Arc<str>>,
    /// What the backend has attached to its session, a JSON object; `None` if nothing.
    pub attached: Option<Arc<str>>,
}
