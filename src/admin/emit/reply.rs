//! What became of an emit, as it is told.

mod acks;

pub(in crate::admin) use acks::{AckReply, MissingReply, acks};

use crate::admin::missing_nodes::MissingNodesReply;
use crate::admin::presence_state::PresenceState;
use crate::admin::schemas::MessageIdText;
use crate::commands::schema::ItemIdText;
use crate::realtime::emitter::{Emitted, UserEmitted};
use crate::realtime::messages::{MemberCounts, StoredItem};
use crate::types::UserId;
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// What became of an emit.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::admin) struct EmitReply {
    /// In a batch only: 200.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 200)]
    pub(super) status: Option<u16>,
    /// Names the emit, for logs and `GET /v1/messages/{id}`.
    #[schema(value_type = MessageIdText)]
    pub(super) id: String,
    /// Sockets it was for.
    #[schema(example = 3)]
    pub(super) matched: usize,
    /// Sockets whose connection took it.
    #[schema(example = 3)]
    pub(super) sent: usize,
    /// The same for each user in `to.users`.
    #[schema(value_type = BTreeMap<String, UserReply>)]
    pub(super) users: UserReplies,
    /// With `store` and `to.rooms` only: what became of it in the inboxes of those who have a membership of one of the rooms.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) members: Option<MembersReply>,
    /// With `ack` only: sockets that acked.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 2)]
    pub(super) acked: Option<usize>,
    /// With `ack` only: whether what was needed came. Where the event was for nobody, it did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = true)]
    pub(super) met: Option<bool>,
    /// With `ack` only: who acked, and what they said.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Vec<AckReply>, nullable = false)]
    pub(super) acks: Option<Vec<AckReply>>,
    /// With `ack` only: who did not, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Vec<MissingReply>, nullable = false)]
    pub(super) missing: Option<Vec<MissingReply>>,
    /// In a cluster: the nodes that did not answer within 2 s. What they were asked for they do once, or never; the numbers are
    /// without theirs. Absent if all have answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = json!(["n6hQ2xTzPaYcMbVd1wKs"]))]
    pub(super) nodes_missing: Option<Vec<String>>,
    /// In a cluster: `true` if this node is cut off, so that there may be nodes that are not even named. Else absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) degraded: Option<bool>,
}

/// What became of a stored emit for those who have a membership of one of its rooms, without those in `to.users`.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::admin) struct MembersReply {
    /// How many users they are, at most 10000.
    #[schema(example = 212)]
    users: usize,
    /// Of these, those in whose inbox it was put.
    #[schema(example = 212)]
    stored: usize,
    /// Of these, those in whose inbox it was or had been before: nothing was stored or sent.
    #[schema(example = 0)]
    duplicates: usize,
}

impl From<MemberCounts> for MembersReply {
    fn from(counts: MemberCounts) -> Self {
        let MemberCounts { users, stored, duplicates } = counts;
        Self { users, stored, duplicates }
    }
}

/// What became of an emit for one user.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::admin) struct UserReply {
    /// The user's state at that moment.
    state: PresenceState,
    /// Sockets of the user it was for.
    #[schema(example = 2)]
    matched: usize,
    /// Sockets of the user whose connection took it.
    #[schema(example = 2)]
    sent: usize,
    /// Where it is in the user's inbox, if it is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) inbox: Option<StoredReply>,
}

impl From<UserEmitted> for UserReply {
    fn from(emitted: UserEmitted) -> Self {
        let UserEmitted { status, matched, sent } = emitted;
        let (state, _) = PresenceState::of(status);
        Self { state, matched, sent, inbox: None }
    }
}

/// Where an event is in an inbox.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::admin) struct StoredReply {
    /// Its place: 1, 2, 3 and so on for each user.
    #[schema(example = 7)]
    seq: u64,
    /// Its name: the one given, or one that follows from the `Idempotency-Key`, or that of the emit.
    #[schema(value_type = ItemIdText)]
    id: String,
    /// It was there before: nothing was stored or sent.
    duplicate: bool,
}

/// What became of an emit for each user, in ascending order of their ids.
#[derive(Debug)]
pub(super) struct UserReplies(Vec<(UserId, UserReply)>);

impl UserReplies {
    fn new(mut users: Vec<(UserId, UserReply)>) -> Self {
        users.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        Self(users)
    }

    /// That of one user.
    pub(super) fn get_mut(&mut self, user: &UserId) -> Option<&mut UserReply> {
        let index = self.0.binary_search_by(|(it, _)| it.cmp(user)).ok()?;
        self.0.get_mut(index).map(|(_, reply)| reply)
    }
}

impl Serialize for UserReplies {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(user, reply)| (user.as_str(), reply)))
    }
}

impl From<Emitted> for EmitReply {
    fn from(emitted: Emitted) -> Self {
        let Emitted { id, matched, sent, users, missing: nodes, others: _ } = emitted;
        let reply = |(user, it): (UserId, UserEmitted)| (user, it.into());
        let users = UserReplies::new(users.into_iter().map(reply).collect());
        let (acked, met, acks, missing) = (None, None, None, None);
        let (status, members) = (None, None);
        let MissingNodesReply { nodes_missing, degraded } = nodes.into();
        Self {
            status,
            id,
            matched,
            sent,
            users,
            members,
            acked,
            met,
            acks,
            missing,
            nodes_missing,
            degraded,
        }
    }
}

impl EmitReply {
    /// Tells each user's part of the answer what is in the inbox.
    pub(super) fn add_stored(&mut self, stored: BTreeMap<UserId, StoredItem>) {
        for (user, it) in stored {
            if let Some(user) = self.users.get_mut(&user) {
                let (seq, id, duplicate) = (it.seq.0, it.id, it.is_duplicate);
                user.inbox = Some(StoredReply { seq, id, duplicate });
            }
        }
    }
}
