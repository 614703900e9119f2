//! Where what is held against users is kept: on this node's disk, or where all nodes agree.

use super::{Changed, Control, ControlError};
use crate::cluster::{Answers, BookError, OnNodes};
use crate::core::cluster::book::{BookNews, BookWrite};
use crate::core::cluster::bus::words::NodeAnswer;
use crate::core::control::record;
use crate::core::control::restrictions::Restriction;
use crate::core::presence::session::Grace;
use crate::entropy;
use crate::realtime::people::{Farewell, KickCode};
use crate::realtime::shared_book::{AskedToFollow, LOOK_EVERY, LoadError, SharedBook};
use crate::store::{Closed, RestrictionRecords};
use crate::types::{Reason, SocketId, UserId};
use bytes::Bytes;
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// How long somebody may wait for the disk.
const STORE_WAIT: Duration = Duration::from_secs(10);

/// Where what is held against users is kept.
#[derive(Debug)]
pub enum RestrictionKeeper {
    /// In this node's store.
    Embedded(RestrictionRecords),
    /// Where all nodes agree. What a change does on a node: the sockets that are gone.
    Cluster(Box<SharedBook<Vec<SocketId>>>),
}

impl Control {
    /// Reads what an earlier life of the process has left, or what all nodes have agreed on. Call it before clients can connect.
    pub async fn load(&self) -> Result<(), LoadError> {
        match &self.keeper {
            RestrictionKeeper::Embedded(records) => {
                let all = records.all().await?;
                self.gate.change(|known| {
                    for (user, restriction) in all {
                        known.set(user, restriction);
                    }
                });
                Ok(())
            }
            RestrictionKeeper::Cluster(book) => Ok(book.load(|news| self.take(news)).await?),
        }
    }

    /// Changes what is held against a user, where it is kept, then in memory. With other nodes, the user's sockets are seen to
    /// everywhere.
    pub(super) async fn change(
        self: &Arc<Self>,
        user: &UserId,
        change: impl Fn(Restriction) -> Restriction + Send + Sync + 'static,
    ) -> Result<Changed, ControlError> {
        let (control, user) = (Arc::clone(self), user.clone());
        match &self.keeper {
            RestrictionKeeper::Embedded(_) => {
                let changing = self.tasks.run_to_end("control.change", async move {
                    control.change_on_disk(&user, change).await
                });
                let changed = timeout(STORE_WAIT, changing.result()).await;
                let old = changed.unwrap_or(Ok(Err(ControlError::Waiting)))??;
                Ok(Changed { old, sockets: None })
            }
            RestrictionKeeper::Cluster(book) => {
                let changing = self.tasks.run_to_end("control.change", async move {
                    control.change_where_all_agree(&user, change).await
                });
                let changed = timeout(book.write_max(), changing.result()).await;
                let (old, done) = changed.unwrap_or(Ok(Err(ControlError::Away)))??;
                let sockets = match done {
                    Some((here, asked)) => kicked(here, asked.answers().await),
                    None => OnNodes::here(Vec::new()),
                };
                Ok(Changed { old, sockets: Some(sockets) })
            }
        }
    }

    async fn change_on_disk(
        &self,
        user: &UserId,
        change: impl Fn(Restriction) -> Restriction,
    ) -> Result<Restriction, ControlError> {
        let RestrictionKeeper::Embedded(records) = &self.keeper else {
            return Err(Closed.into());
        };
        let _turn = self.turn.acquire().await.map_err(|_| Closed)?;
        let old = self.restriction(user);
        let new = change(old.clone());
        let is_full = || self.gate.see(|known, _| !known.has_room_for(user, self.max));
        if !new.is_empty() && is_full() {
            return Err(ControlError::Full { max: self.max });
        }
        records.put(user, new.clone()).await?;
        self.gate.change(|known| known.set(user.clone(), new));
        Ok(old)
    }

    /// Returns what it was, and what was done, if anything.
    async fn change_where_all_agree(
        &self,
        user: &UserId,
        change: impl Fn(Restriction) -> Restriction,
    ) -> Result<(Restriction, Option<(Vec<SocketId>, AskedToFollow)>), ControlError> {
        let RestrictionKeeper::Cluster(book) = &self.keeper else { return Err(Closed.into()) };
        let name: Arc<str> = entropy::token("c").into();
        let mut old = Restriction::default();
        let plan = || {
            let recorded = self.gate.see(|known, _| known.record(user));
            old = self.restriction(user);
            let new = change(old.clone());
            let write = (new != recorded).then(|| BookWrite {
                user: user.clone(),
                name: Arc::clone(&name),
                note: "",
                records: vec![(user.as_str().to_owned(), record::write(&new))],
                records_max: self.max,
            });
            Ok::<_, Infallible>(write)
        };
        let done = book.write(plan, |news| self.take(news)).await;
        let done = done.map_err(|error| match error {
            BookError::Full => ControlError::Full { max: self.max },
            BookError::Away(_) => ControlError::Away,
            BookError::Refused(never) => match never {},
        })?;
        Ok((old, done))
    }

    /// Nothing is held against a user any more where all nodes agree; each follows by itself. With one node nothing is done.
    pub async fn erase(&self, user: &UserId) -> Result<(), ControlError> {
        if let RestrictionKeeper::Cluster(_) = &self.keeper {
            self.change_where_all_agree(user, |_| Restriction::default()).await?;
        }
        Ok(())
    }

    /// Takes a change into the copy that another node has made. Returns the sockets that are gone because of it.
    pub async fn follow(&self, change: u64) -> Result<Vec<SocketId>, ControlError> {
        let RestrictionKeeper::Cluster(book) = &self.keeper else { return Ok(Vec::new()) };
        book.follow(|news| self.take(news)).await.map_err(|_| ControlError::Away)?;
        Ok(book.done(change))
    }

    /// How long ago the copy of what is held was known to be that of all nodes; nothing, with one node.
    pub fn copy_age(&self) -> Duration {
        match &self.keeper {
            RestrictionKeeper::Embedded(_) => Duration::ZERO,
            RestrictionKeeper::Cluster(book) => book.age(),
        }
    }

    fn take(&self, news: BookNews) -> Vec<SocketId> {
        match news {
            BookNews::Loaded(records) => {
                let gone =
                    self.gate.see(|known, _| known.users().cloned().collect::<BTreeSet<_>>());
                let gone: Vec<UserId> =
                    gone.into_iter().filter(|it| !records.contains_key(it.as_str())).collect();
                for user in gone {
                    self.gate.change(|known| known.set(user, Restriction::default()));
                }
                for (user, record) in records {
                    self.recorded(&user, Some(record), false);
                }
                Vec::new()
            }
            BookNews::Changed(change) => {
                let records = change.records.into_iter();
                records.flat_map(|(user, record)| self.recorded(&user, record, true)).collect()
            }
        }
    }

    /// `is_news` says that it has just been recorded: then a user without a socket is not waited for any longer either.
    fn recorded(&self, user: &str, record: Option<Bytes>, is_news: bool) -> Vec<SocketId> {
        let new = match record {
            None => Some(Restriction::default()),
            Some(record) => record::read(&record),
        };
        let (Ok(user), Some(new)) = (UserId::parse(user), new) else {
            metrics::counter!("userline_cluster_unread_total", "cause" => "garbage").increment(1);
            return Vec::new();
        };
        let old = self.gate.change(|known| known.set(user.clone(), new.clone()));
        let block = new
            .block
            .clone()
            .filter(|it| new.block != old.block && it.is_in_force(self.clock.wall()));
        match (block, new.not_before) {
            (Some(block), _) => {
                let farewell = Farewell {
                    reason: block.reason.as_deref(),
                    code: Some(KickCode::Blocked),
                    until: block.until,
                };
                if is_news {
                    self.people.kick(&user, farewell, Grace::Skip)
                } else {
                    self.people.kick_some(&user, farewell, |_| true)
                }
            }
            (None, Some(first)) if old.not_before != Some(first) => {
                let is_older = |issued_at: Option<_>| issued_at.is_none_or(|it| it < first);
                self.people.close(&user, Reason::Revoked, is_older)
            }
            (None, _) => Vec::new(),
        }
    }

    /// Looks whether something has changed that nobody told this node, as long as it runs.
    pub async fn run_following(self: Arc<Self>) {
        let RestrictionKeeper::Cluster(book) = &self.keeper else { return };
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            // What cannot be known now is known later; how old the copy is, a metric says.
            let _later = book.follow(|news| self.take(news)).await;
        }
    }
}

/// The sockets that are gone here, and those of other nodes.
pub(in crate::realtime) fn kicked(
    mut here: Vec<SocketId>,
    answers: Answers,
) -> OnNodes<Vec<SocketId>> {
    let Answers { answers, missing } = answers;
    for answer in answers {
        if let NodeAnswer::Kicked(sockets) = answer {
            here.extend(sockets);
        }
    }
    OnNodes { done: here, missing }
}
