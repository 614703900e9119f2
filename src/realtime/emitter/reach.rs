//! Where users are: on this node, or on any.

use super::Emitter;
use crate::core::cluster::bus::words::{NodeAnswer, NodeQuery};
use crate::core::inbox::Reach;
use crate::core::presence::session::PresenceStatus;
use crate::types::{Namespace, UserId};

/// Users whom the cluster is asked for at once.
const USERS_AT_ONCE: usize = 1000;

impl Emitter {
    /// Whether each of these users has a socket in the namespace, on whatever node. What a node does not answer in time is
    /// taken for no.
    pub async fn reach(&self, users: &[UserId], namespace: &Namespace) -> Vec<Reach> {
        let here = |user: &UserId| !self.sockets.reachable(user, namespace).is_empty();
        let mut counts: Vec<usize> = users.iter().map(|user| usize::from(here(user))).collect();
        let mut away: Vec<_> = users.iter().zip(&mut counts).filter(|it| *it.1 == 0).collect();
        if let Some(bus) = self.bus.as_ref().filter(|_| !away.is_empty()) {
            let users = away.iter().map(|(user, _)| (*user).clone()).collect();
            let query = NodeQuery::Reachable { namespace: namespace.clone(), users };
            let asked = match bus.look(query) {
                Ok(asked) => asked.answers().await.answers,
                Err(_) => Vec::new(),
            };
            for answer in asked {
                let NodeAnswer::Counts(there) = answer else { continue };
                away.iter_mut().zip(there).for_each(|((_, count), there)| **count += there);
            }
        }
        let reach = |count: usize| if count == 0 { Reach::Away } else { Reach::Here };
        counts.into_iter().map(reach).collect()
    }

    /// Who of these users is online; `Err`: as far as this node knows, because the cluster cannot be asked.
    pub async fn statuses(
        &self,
        users: &[UserId],
    ) -> Result<Vec<PresenceStatus>, Vec<PresenceStatus>> {
        let here = || users.iter().map(|user| self.sockets.user(user).0).collect();
        let Some(bus) = &self.bus else { return Ok(here()) };
        let mut statuses = Vec::with_capacity(users.len());
        for users in users.chunks(USERS_AT_ONCE) {
            match bus.presence(users).await {
                Ok(some) => statuses.extend(some),
                Err(_) => return Err(here()),
            }
        }
        Ok(statuses)
    }
}
