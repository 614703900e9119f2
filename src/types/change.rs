//! The news of presence: a user came online or went offline.

use super::{Portrait, Reason, Seq, UserId, WallMs};

/// One presence change of one user: what is recorded, hooked and pulled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The user who came or went.
    pub user: UserId,
    /// Its place among the user's changes: higher than that of every earlier one.
    pub seq: Seq,
    /// The session it opens or closes: the `seq` of the user's `online`.
    pub session: Seq,
    /// When it was decided, by the wall clock.
    pub at: WallMs,
    /// Whether the user came online or went offline.
    pub kind: ChangeKind,
    /// Who the user is, as far as its hook says.
    pub portrait: Portrait,
}

/// Whether a user came online or went offline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangeKind {
    /// The user's first socket has come.
    Online,
    /// The last socket of the user has been gone for longer than the grace.
    Offline {
        /// Why the last socket closed.
        reason: Reason,
        /// When the session began.
        online_since: WallMs,
        /// When the last socket closed (after a crash: when the server was last known alive).
        last_socket_closed_at: WallMs,
    },
}

impl Change {
    /// The type of the hook: `user.online` or `user.offline`.
    pub fn hook_type(&self) -> &'static str {
        match self.kind {
            ChangeKind::Online => "user.online",
            ChangeKind::Offline { .. } => "user.offline",
        }
    }
}
