//! This node's end of a book: its copy is kept up with what is written where all nodes agree, and changes go there first.

use super::member::{ClusterMember, MemberStatus, Unattached};
use crate::clock::Clock;
use crate::core::cluster::book::{
    BookName, BookNews, BookProgress, BookQuestion, BookReader, BookWrite,
};
use crate::types::Timestamp;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// How long a node that starts waits for Redis.
const LOAD_PATIENCE: Duration = Duration::from_secs(10);
/// How long a change may wait for Redis.
const WRITE_PATIENCE: Duration = Duration::from_secs(1);

/// A book of which this node has a copy.
#[derive(Debug)]
pub struct ClusterBook {
    member: ClusterMember,
    name: BookName,
    reader: Mutex<BookReader>,
    /// One question after the other: what it says comes into the copy in its order.
    turn: Semaphore,
    /// Since when the copy is not known to be that of the book.
    current: Mutex<Timestamp>,
    /// Of which copy of the state in Redis that is.
    of: Mutex<Option<Arc<str>>>,
    clock: Clock,
}

/// A change was not made, or is not known to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BookError<E> {
    /// It is against the rules.
    #[error("{0}")]
    Refused(E),
    /// There are as many records as allowed.
    #[error("there are as many records as allowed")]
    Full,
    /// Redis cannot be reached, or it is not known to be kept. The change may be made all the same.
    #[error("{0}")]
    Away(Unattached),
}

impl ClusterBook {
    /// The book of this name, as the cluster of `member` has it.
    pub fn new(member: ClusterMember, name: BookName, clock: Clock) -> Self {
        let (turn, current) = (Semaphore::new(1), Mutex::new(clock.now()));
        let (reader, of) = (Mutex::default(), Mutex::default());
        Self { member, name, reader, turn, current, of, clock }
    }

    /// Hands all of it to `take`, if Redis can be reached within 10 s.
    pub async fn load(&self, mut take: impl FnMut(BookNews)) -> Result<(), Unattached> {
        let until = self.clock.now() + LOAD_PATIENCE;
        while let Err(away) = self.follow(&mut take).await {
            self.wait_until(until).await.map_err(|()| away)?;
        }
        Ok(())
    }

    /// Hands what is new to `take`, until the copy is that of the book.
    pub async fn follow(&self, mut take: impl FnMut(BookNews)) -> Result<(), Unattached> {
        let _turn = self.turn.acquire().await.map_err(|_| Unattached)?;
        while self.step(None, &mut take).await? == BookProgress::More {}
        Ok(())
    }

    /// Makes the change that `plan` says next to the copy, which is that of the book by then; `plan` is asked again whenever
    /// something else has changed first. What is new, and the change itself, is handed to `take`. Returns its number; `None` if
    /// there is nothing to change.
    pub async fn write<E>(
        &self,
        mut plan: impl FnMut() -> Result<Option<BookWrite>, E>,
        mut take: impl FnMut(BookNews),
    ) -> Result<Option<u64>, BookError<E>> {
        let until = self.clock.now() + WRITE_PATIENCE;
        let turn = self.turn.acquire().await.map_err(|_| BookError::Away(Unattached))?;
        let (mut is_current, mut mark) = (false, self.member.mark());
        loop {
            let planned = plan();
            let write = match &planned {
                Ok(Some(write)) => Some(write),
                Ok(None) if is_current => {
                    drop(turn);
                    // It was made before, perhaps by whoever was answered that it is not confirmed, and asks again.
                    self.member.confirmed(mark).await.map_err(BookError::Away)?;
                    return Ok(None);
                }
                // What the copy says may have changed.
                Ok(None) | Err(_) => None,
            };
            if is_current && let Err(refused) = planned {
                return Err(BookError::Refused(refused));
            }
            mark = self.member.mark();
            match self.step(write, &mut take).await {
                Ok(BookProgress::More | BookProgress::Again { .. }) => {}
                Ok(BookProgress::Current) => is_current = true,
                Ok(BookProgress::Written(number)) => {
                    drop(turn);
                    self.member.confirmed(mark).await.map_err(BookError::Away)?;
                    return Ok(Some(number));
                }
                Ok(BookProgress::Full) => return Err(BookError::Full),
                Err(away) => self.wait_until(until).await.map_err(|()| BookError::Away(away))?,
            }
        }
    }

    /// How long a change may take, at most.
    pub fn write_max(&self) -> Duration {
        WRITE_PATIENCE + self.member.confirmation_max()
    }

    /// How long ago the copy was known to be that of the book.
    pub fn lag(&self) -> Duration {
        self.clock.now().since(*self.current.lock())
    }

    async fn step(
        &self,
        write: Option<&BookWrite>,
        take: &mut impl FnMut(BookNews),
    ) -> Result<BookProgress, Unattached> {
        let (asked_at, of) = (self.clock.now(), self.member.copy());
        let question = BookQuestion { book: self.name, what: self.reader.lock().ask(write) };
        let reply = self.member.book(question).await?;
        let (news, progress) = self.reader.lock().take(write, reply);
        for news in news {
            take(news);
        }
        match progress {
            BookProgress::Again { is_lost } => {
                if is_lost || *self.of.lock() != of {
                    self.tell_lost();
                }
                return Ok(BookProgress::More);
            }
            BookProgress::More => {}
            BookProgress::Current | BookProgress::Written(_) | BookProgress::Full => {
                (*self.current.lock(), *self.of.lock()) = (asked_at, of);
            }
        }
        Ok(progress)
    }

    /// Nobody puts back what is gone: somebody has to know.
    fn tell_lost(&self) {
        let what = match self.name {
            BookName::Restrictions => "blocks and revoked tokens",
            BookName::Memberships => "memberships",
        };
        metrics::counter!("userline_cluster_lost_total", "what" => self.name.as_str()).increment(1);
        tracing::warn!("Redis has lost some of the {what}: this node goes by what Redis has now");
    }

    /// Waits until Redis can be reached again, at most until then.
    async fn wait_until(&self, until: Timestamp) -> Result<(), ()> {
        let left = until.since(self.clock.now());
        if left.is_zero() {
            return Err(());
        }
        let mut status = self.member.status();
        let attached = status.wait_for(|it| *it == MemberStatus::Attached);
        let is_attached = timeout(left, attached).await.is_ok_and(|it| it.is_ok());
        // An answer may be lost while it still counts as reached.
        tokio::time::sleep(Duration::from_millis(10)).await;
        if is_attached { Ok(()) } else { Err(()) }
    }
}
