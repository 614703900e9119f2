//! What the backend has attached to sessions: kept here, or where all nodes agree.

use super::{Place, Presence, SessionKeeper};
use crate::cluster::ClusterMember;
use crate::store::{Attaching, Committed};
use crate::types::UserId;
use std::sync::Arc;

impl<S: Clone> Presence<S> {
    /// Attaches something to the session of a user: `change` makes of what is attached what is from then on, while nothing
    /// else happens to the user. `None` if the user has none, or has it in a cluster. The answer comes when it is on disk.
    pub fn attach<E>(
        &self,
        user: &UserId,
        place: Place,
        change: impl FnOnce(Option<&str>) -> Result<Arc<str>, E>,
    ) -> Option<Result<(Arc<str>, Committed), E>> {
        let permit = place.0?;
        let mut entry = self.users.get_mut(user)?;
        let session = entry.session()?.id;
        Some(change(entry.attached().map(|it| &**it)).map(|attached| {
            entry.set_attached(Arc::clone(&attached));
            let to = Attaching { user: user.clone(), session, attached: Arc::clone(&attached) };
            (attached, permit.attach(to))
        }))
    }

    /// The cluster, where that keeps the sessions, with what is attached to them.
    pub fn shared(&self) -> Option<&ClusterMember> {
        match &self.sessions {
            SessionKeeper::Cluster { member, .. } => Some(member),
            SessionKeeper::Embedded { .. } => None,
        }
    }

    /// What is attached to the session of a user, if that is kept here.
    pub fn attached(&self, user: &UserId) -> Option<Arc<str>> {
        self.users.get(user)?.attached().cloned()
    }
}
