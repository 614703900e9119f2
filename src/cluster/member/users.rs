//! How many users there are, and connections of each.

use super::{ClusterMember, Unattached};
use crate::core::cluster::command::{Command, Reply, UserCounts};
use crate::core::cluster::seats::{SeatQuestion, SeatReply};

impl ClusterMember {
    /// How many users there are.
    pub async fn count_users(&self) -> Result<UserCounts, Unattached> {
        let Reply::UserCounts(counts) = self.ask(Command::CountUsers).await? else {
            return Err(Unattached);
        };
        Ok(counts)
    }

    /// Asks or says something about the seats of users.
    pub async fn seats(&self, question: SeatQuestion) -> Result<SeatReply, Unattached> {
        let reply = self.ask(Command::Seats(question)).await?;
        let Reply::Seats(reply) = reply else { return Err(Unattached) };
        Ok(reply)
    }
}
