//! What Redis has of users goes: page by page, so that nobody else waits for it.

use super::member::{ClusterMember, MemberStatus, Unattached};
use crate::core::cluster::book::BookName;
use crate::core::cluster::command::{Command, Reply};
use crate::core::cluster::erasing::{EraseAsk, ErasePage};
use crate::core::presence::session::PresenceStatus;
use crate::types::{Namespace, UserId};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// How long each page waits for Redis.
const PATIENCE: Duration = Duration::from_secs(1);
/// It may take a moment to be known that Redis is away.
const MOMENT: Duration = Duration::from_millis(20);
/// Events that are looked at, or go, at once.
const EVENTS_AT_ONCE: usize = 200;

/// Takes users out of what all nodes share.
#[derive(Debug)]
pub struct ClusterErasing {
    member: ClusterMember,
    namespaces: Arc<[Namespace]>,
}

/// What was told of a user, as far as it has been looked for.
#[derive(Debug, Default)]
pub struct FoundEvents {
    /// All up to this number was looked at.
    after: u64,
    events: Vec<u64>,
}

impl ClusterErasing {
    /// Out of what the cluster of `member` has; clients may have sessions in these namespaces.
    pub fn new(member: ClusterMember, namespaces: Arc<[Namespace]>) -> Self {
        Self { member, namespaces }
    }

    /// Whether a user is online nowhere, and does not linger.
    pub async fn is_offline(&self, user: &UserId) -> Result<bool, Unattached> {
        let statuses = self.member.presence(std::slice::from_ref(user)).await?;
        Ok(statuses.first() == Some(&PresenceStatus::Offline))
    }

    /// Looks for what was told of a user since the last look. Returns how many of all its events an endpoint is still to be told.
    pub async fn look(&self, user: &UserId, found: &mut FoundEvents) -> Result<usize, Unattached> {
        loop {
            let ask = EraseAsk::Events { user: user.clone(), after: found.after };
            let ErasePage { next, numbers } = self.ask(ask).await?;
            found.events.extend(numbers);
            let Some(next) = next else { break };
            found.after = next;
        }
        found.events.sort_unstable();
        found.events.dedup();
        let mut waiting = 0;
        for events in found.events.chunks(EVENTS_AT_ONCE) {
            waiting += self.ask(EraseAsk::Waiting(events.into())).await?.numbers.len();
        }
        Ok(waiting)
    }

    /// Events go, and all else that names the user but the records of which nodes have copies. With `with_waiting` events go, too,
    /// that an endpoint is still to be told. Returns how often that was so, and how many stay.
    pub async fn erase(
        &self,
        user: &UserId,
        found: &FoundEvents,
        with_waiting: bool,
    ) -> Result<(u64, u64), Unattached> {
        let (mut dropped, mut left) = (0, 0);
        for events in found.events.chunks(EVENTS_AT_ONCE) {
            let page = self.ask(EraseAsk::Forget { events: events.into(), with_waiting }).await?;
            if let [its_dropped, its_left] = page.numbers.as_slice() {
                (dropped, left) = (dropped + its_dropped, left + its_left);
            }
        }
        let (user, namespaces) = (user.clone(), Arc::clone(&self.namespaces));
        self.ask(EraseAsk::Traces { user: user.clone(), namespaces }).await?;
        while self.ask(EraseAsk::Inbox(user.clone())).await?.next.is_some() {}
        let mut passed = Some(0);
        while let Some(so_far) = passed {
            let ask = EraseAsk::Answers { user: user.clone(), passed: so_far };
            passed = self.ask(ask).await?.next;
        }
        Ok((dropped, left))
    }

    /// From now on the newest change of a book is not one of the user's.
    pub async fn calm(&self, book: BookName, user: &UserId) -> Result<(), Unattached> {
        self.ask(EraseAsk::Calm(book, user.clone())).await?;
        Ok(())
    }

    /// The changes of a user's records go, which nodes have followed by now; one that has not reads all of the book.
    pub async fn forget_changes(&self, book: BookName, user: &UserId) -> Result<(), Unattached> {
        let mut next = Some(0);
        while let Some(after) = next {
            next = self.ask(EraseAsk::Changes { book, user: user.clone(), after }).await?.next;
        }
        Ok(())
    }

    /// Does `erasing`, and waits until it is where `cluster.durability` wants it.
    pub async fn confirmed<T>(
        &self,
        erasing: impl Future<Output = T>,
    ) -> (T, Result<(), Unattached>) {
        let mark = self.member.mark();
        let done = erasing.await;
        (done, self.member.confirmed(mark).await)
    }

    /// Asks until there is an answer: to ask again does no harm.
    async fn ask(&self, ask: EraseAsk) -> Result<ErasePage, Unattached> {
        let asking = async {
            loop {
                match self.member.ask(Command::Erase(ask.clone())).await {
                    Ok(Reply::Erased(page)) => return Ok(page),
                    Ok(_) => return Err(Unattached),
                    Err(Unattached) => self.attached().await?,
                }
            }
        };
        timeout(PATIENCE, asking).await.unwrap_or(Err(Unattached))
    }

    async fn attached(&self) -> Result<(), Unattached> {
        let mut status = self.member.status();
        sleep(MOMENT).await;
        status.wait_for(|it| *it == MemberStatus::Attached).await.map_err(|_| Unattached)?;
        Ok(())
    }
}
