//! Where the users of an emit are, of all nodes.

use super::Messages;
use crate::core::emit::audience::Audience;
use crate::core::emit::message::Emit;
use crate::core::inbox::Reach;
use crate::core::presence::session::PresenceStatus;
use crate::realtime::emitter::{Emitted, UserEmitted};
use crate::types::UserId;
use std::collections::{BTreeMap, BTreeSet};

impl Messages {
    /// An emit without the users for whom it was for no socket, though they have some in its namespace: `except` leaves these out.
    pub(super) async fn without_left_out(&self, emit: &Emit, emitted: &Emitted) -> Emitted {
        let Audience { namespace, except, .. } = &*emit.audience;
        let mut kept = emitted.clone();
        if except.is_empty() {
            return kept;
        }
        let unmatched = emitted.users.iter().filter(|(_, it)| it.matched == 0);
        let users: Vec<UserId> = unmatched.map(|(user, _)| user.clone()).collect();
        let reach = self.emitter.reach(&users, namespace).await;
        let here = users.iter().zip(reach).filter(|(_, reach)| *reach == Reach::Here);
        let left_out: BTreeSet<&UserId> = here.map(|(user, _)| user).collect();
        kept.users.retain(|(user, _)| !left_out.contains(user));
        kept
    }

    /// What became of an emit for each user that was named: nothing for those it is a duplicate for.
    pub(super) async fn in_order(&self, named: &[UserId], emitted: Emitted) -> Emitted {
        let known: BTreeMap<_, _> = emitted.users.iter().cloned().collect();
        let others: Vec<UserId> =
            named.iter().filter(|it| !known.contains_key(*it)).cloned().collect();
        let mut missing = emitted.missing;
        let statuses = match self.emitter.statuses(&others).await {
            Ok(statuses) => statuses,
            Err(here) => {
                missing.is_degraded = true;
                here
            }
        };
        let of_others: BTreeMap<&UserId, PresenceStatus> = others.iter().zip(statuses).collect();
        let each = named.iter().map(|user| {
            let it = known.get(user).copied().unwrap_or_else(|| UserEmitted {
                status: of_others.get(user).copied().unwrap_or(PresenceStatus::Offline),
                matched: 0,
                sent: 0,
            });
            (user.clone(), it)
        });
        Emitted { users: each.collect(), missing, ..emitted }
    }
}
