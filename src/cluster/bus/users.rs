//! What Redis says of users, for those who ask the other nodes, too.

use super::Bus;
use crate::cluster::member::Unattached;
use crate::core::cluster::command::{LingeringUsers, UserCounts};
use crate::core::presence::session::PresenceStatus;
use crate::types::UserId;

impl Bus {
    /// As [`ClusterMember::lingering`](crate::cluster::ClusterMember::lingering).
    pub async fn lingering(&self, users_max: usize) -> Result<LingeringUsers, Unattached> {
        self.member.lingering(users_max).await
    }

    /// As [`ClusterMember::count_users`](crate::cluster::ClusterMember::count_users).
    pub async fn count_users(&self) -> Result<UserCounts, Unattached> {
        self.member.count_users().await
    }

    /// As [`ClusterMember::presence`](crate::cluster::ClusterMember::presence).
    pub async fn presence(&self, users: &[UserId]) -> Result<Vec<PresenceStatus>, Unattached> {
        self.member.presence(users).await
    }
}
