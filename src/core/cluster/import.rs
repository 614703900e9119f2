//! What a node has that was alone and is moved into a cluster.

use crate::core::control::restrictions::Restriction;
use crate::core::rooms::memberships::MembershipChange;
use crate::types::{Seq, UserId, WallMs};

/// What the store of a node holds that was alone.
#[derive(Debug, PartialEq, Eq)]
pub struct LoneContents {
    /// The highest sequence number that was ever recorded.
    pub last_seq: Seq,
    /// When the node was last known to run.
    pub alive_at: Option<WallMs>,
    /// Users who were online, and their sessions.
    pub sessions: Vec<(UserId, Seq)>,
    /// Who is blocked, or needs newer tokens.
    pub restrictions: Vec<(UserId, Restriction)>,
    /// Who is in rooms wherever it connects.
    pub memberships: Vec<MembershipChange>,
    /// Presence changes that endpoints were not told yet, by their numbers.
    pub hooks: Vec<LoneHook>,
    /// What a cluster has no place for yet.
    pub rest: LoneRest,
}

/// A presence change that an endpoint was not told yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoneHook {
    /// Its number.
    pub seq: Seq,
    /// Of whom it tells.
    pub user: UserId,
    /// The session that it is about.
    pub session: Seq,
    /// Why the user went offline, and when its last socket closed; `None`: it came online.
    pub end: Option<(String, WallMs)>,
    /// Who is to be told.
    pub endpoint: String,
    /// How often that was tried.
    pub attempts: u64,
    /// When it is tried again.
    pub next: Option<WallMs>,
}

/// How much there is of what a cluster has no place for yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoneRest {
    /// Hooks of another kind that wait, and sockets whose end is to be told.
    pub other_hooks: u64,
}

impl LoneRest {
    /// Whether there is nothing.
    pub fn is_empty(self) -> bool {
        self.other_hooks == 0
    }
}

/// The inbox of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoneInbox {
    /// Whose it is.
    pub user: UserId,
    /// The highest number that was given in it.
    pub head: u64,
    /// All up to this number are read.
    pub upto: u64,
    /// Older ones may be missing.
    pub min: u64,
    /// What is in it.
    pub items: Vec<LoneItem>,
    /// Names of what was in it.
    pub gone: Vec<LoneName>,
}

/// An event in an inbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoneItem {
    /// Its number, its names, and until when these are remembered.
    pub name: LoneName,
    /// Its namespace.
    pub namespace: String,
    /// Its event.
    pub event: String,
    /// A JSON array.
    pub args: String,
    /// Since when it is there.
    pub since: WallMs,
    /// Until when.
    pub ends: WallMs,
    /// An unread item is taken out by another one with the same key; none if empty.
    pub collapse_key: String,
}

/// The name of an event that is or was in an inbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoneName {
    /// The number of the event.
    pub seq: u64,
    /// The name.
    pub id: String,
    /// The emit that it came with.
    pub message: String,
    /// Why it is gone; empty if it is not.
    pub why: String,
    /// Whether it was read.
    pub is_read: bool,
    /// Until when the name is remembered.
    pub ends: WallMs,
}
