//! What was told of users, for those who pull.

use super::member::{ClusterMember, Unattached};
use crate::core::cluster::command::{Command, Reply};
use crate::core::cluster::feed::{FeedQuestion, FeedReply, ToldPage};
use crate::types::{UserId, WallMs};

impl ClusterMember {
    /// What was told of users after the event of this number: at most so many events.
    pub async fn told(&self, after: u64, events_max: usize) -> Result<ToldPage, Unattached> {
        let question = FeedQuestion::Page { after, events_max };
        let reply = self.ask(Command::Feed(question)).await?;
        let Reply::Feed(FeedReply::Page(page)) = reply else { return Err(Unattached) };
        Ok(page)
    }

    /// When the last socket of a user closed before the last time it went offline; `None` if that is not known, or too long ago.
    pub async fn last_seen(&self, user: &UserId) -> Result<Option<WallMs>, Unattached> {
        let reply = self.ask(Command::Feed(FeedQuestion::Seen(user.clone()))).await?;
        let Reply::Feed(FeedReply::Seen(at)) = reply else { return Err(Unattached) };
        Ok(at)
    }
}
