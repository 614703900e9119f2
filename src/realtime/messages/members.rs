//! Who has a membership of the rooms that an event is stored for.

use super::{Messages, PostError};
use crate::store::MembershipRecords;
use crate::types::{Namespace, Target, UserId};
use std::collections::BTreeSet;

/// Users with a membership of its rooms for whom one event may be stored.
const MEMBERS_MAX: usize = 10_000;

/// Where members are looked up by room.
#[derive(Debug)]
pub enum MembersByRoom {
    /// In this node's store.
    Store(MembershipRecords),
    /// In the copy that this node has of what all nodes have agreed on.
    Copy,
}

impl Messages {
    /// Users who have a membership of one of the rooms of `target`, and are not named.
    pub(super) async fn members(
        &self,
        target: &Target,
        namespace: &Namespace,
    ) -> Result<BTreeSet<UserId>, PostError> {
        if target.rooms.is_empty() {
            return Ok(BTreeSet::new());
        }
        let book = &self.emitter.sockets().rooms_of_users;
        let found = match &self.members {
            MembersByRoom::Store(records) => {
                let now = book.see(|_, now| now);
                records.members(&target.rooms, namespace, now, MEMBERS_MAX).await?
            }
            MembersByRoom::Copy => {
                book.see(|known, now| known.members(&target.rooms, namespace, now, MEMBERS_MAX))
            }
        };
        if MEMBERS_MAX < found.len() {
            return Err(PostError::TooManyMembers { max: MEMBERS_MAX });
        }
        // What is recorded of the namespace alone counts before what is of all.
        let is_member = |user: &UserId| {
            let recorded = book.of(user, namespace);
            recorded.members.iter().any(|it| target.rooms.contains(it))
        };
        let named: BTreeSet<&UserId> = target.users.iter().collect();
        Ok(found.into_iter().filter(|it| !named.contains(it) && is_member(it)).collect())
    }
}
