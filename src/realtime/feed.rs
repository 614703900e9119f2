//! What was told of users, for those who pull: from the store of this node, which is alone, or from where all nodes keep it.

use crate::cluster::{ClusterMember, Unattached};
use crate::core::cluster::feed::ToldPage;
use crate::core::cluster::ledger::HookNews;
use crate::core::delivery::record::{EventPage, RecordedEvent};
use crate::store::{EventLog, PresenceRecords, ReadError};
use crate::types::{Seq, UserId, WallMs};
use thiserror::Error;

/// What was told of users. Cheap to clone.
#[derive(Debug, Clone)]
pub enum EventFeed {
    /// In the store.
    Embedded(EventLog, PresenceRecords),
    /// Where all nodes keep it.
    Cluster(ClusterMember),
}

/// Why nothing can be said of it.
#[derive(Debug, Error)]
pub enum FeedError {
    /// The store cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The cluster cannot be asked.
    #[error(transparent)]
    Unattached(#[from] Unattached),
}

impl EventFeed {
    /// Events with an id over `after`, at most `limit` (and 1000) of them.
    pub async fn page(&self, after: u64, limit: u16) -> Result<EventPage, FeedError> {
        match self {
            Self::Embedded(events, _) => Ok(events.page(after, limit.into()).await?),
            Self::Cluster(member) => {
                let page = member.told(after, usize::from(limit)).await?;
                let ToldPage { newest, is_gap, last, news } = page;
                let items = news.iter().map(recorded).collect();
                Ok(EventPage { items, next: last.unwrap_or(newest), gap: is_gap })
            }
        }
    }

    /// The id of the newest event; zero if there never was one, or if that cannot be known: then all of them may come again.
    ///
    /// A snapshot without a gap: take this first, then list the users, then pull events after it. Changes in between
    /// come twice; their `seq` tells.
    pub async fn head(&self) -> Result<u64, ReadError> {
        match self {
            Self::Embedded(events, _) => events.head().await,
            Self::Cluster(member) => Ok(member.told(0, 1).await.map_or(0, |it| it.newest)),
        }
    }

    /// When the last socket of a user closed before the last time the user went offline; `None` if that is not known
    /// or too long ago.
    pub async fn last_seen(&self, user: &UserId) -> Result<Option<WallMs>, FeedError> {
        match self {
            Self::Embedded(_, records) => Ok(records.last_seen(user).await?),
            Self::Cluster(member) => Ok(member.last_seen(user).await?),
        }
    }
}

fn recorded(news: &HookNews) -> RecordedEvent {
    let session = match news {
        HookNews::Change(change) => change.session,
        HookNews::Told(_) => Seq(0),
    };
    RecordedEvent {
        id: news.seq().0,
        user: news.user().clone(),
        seq: news.seq(),
        session,
        hook_type: news.hook_type().to_owned(),
        created: news.at(),
        body: news.body(),
    }
}
