//! Where memberships are kept: on this node's disk, or where all nodes agree.

use super::{Effect, MembershipControl, MembershipError};
use crate::cluster::{Answers, BookError, OnNodes};
use crate::core::cluster::book::{BookNews, BookWrite};
use crate::core::cluster::bus::words::NodeAnswer;
use crate::core::rooms::memberships::{MembershipChange, MembershipFlaw, Memberships};
use crate::core::rooms::{SocketRooms, record};
use crate::entropy;
use crate::realtime::shared_book::{AskedToFollow, LOOK_EVERY, LoadError, SharedBook};
use crate::store::{Closed, MembershipRecords};
use crate::types::{Namespace, Room, UserId};
use bytes::Bytes;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// How long somebody may wait for the disk.
const STORE_WAIT: Duration = Duration::from_secs(10);

/// Records of a user that go at once.
const ERASED_AT_ONCE: usize = 500;

/// Where memberships are kept.
#[derive(Debug)]
pub enum MembershipKeeper {
    /// In this node's store.
    Embedded(MembershipRecords),
    /// Where all nodes agree. What a change does on a node: how many sockets have come into the room or gone out of it.
    Cluster(Box<SharedBook<usize>>),
}

impl MembershipControl {
    /// Reads what an earlier life of the process has left, or what all nodes have agreed on. Call it before clients can connect.
    pub async fn load(&self) -> Result<(), LoadError> {
        match &self.keeper {
            MembershipKeeper::Embedded(records) => {
                let all = records.all().await?;
                self.attendance.sockets().rooms_of_users.change(|known| {
                    for it in all {
                        known.apply(it);
                    }
                });
                Ok(())
            }
            MembershipKeeper::Cluster(book) => Ok(book.load(|news| self.take(news)).await?),
        }
    }

    /// Changes what is recorded where it is kept, then in memory, then for every live socket, of all nodes. Returns how many of
    /// these have come in or gone out.
    pub(super) async fn change(
        self: &Arc<Self>,
        change: MembershipChange,
        effect: Effect,
    ) -> Result<OnNodes<usize>, MembershipError> {
        let control = Arc::clone(self);
        match &self.keeper {
            MembershipKeeper::Embedded(_) => {
                let changing = self.tasks.run_to_end("memberships.change", async move {
                    control.change_on_disk(change, effect).await
                });
                let changed = timeout(STORE_WAIT, changing.result()).await;
                Ok(OnNodes::here(changed.unwrap_or(Ok(Err(MembershipError::Waiting)))??))
            }
            MembershipKeeper::Cluster(book) => {
                let changing = self.tasks.run_to_end("memberships.change", async move {
                    control.change_where_all_agree(&change, effect).await
                });
                let changed = timeout(book.write_max(), changing.result()).await;
                let Some((here, asked)) = changed.unwrap_or(Ok(Err(MembershipError::Away)))??
                else {
                    return Ok(OnNodes::here(0));
                };
                // What has ended, each node ends by itself.
                if effect == Effect::End {
                    Ok(OnNodes::here(here))
                } else {
                    Ok(moved(here, asked.answers().await))
                }
            }
        }
    }

    async fn change_on_disk(
        &self,
        change: MembershipChange,
        effect: Effect,
    ) -> Result<usize, MembershipError> {
        let MembershipKeeper::Embedded(records) = &self.keeper else { return Err(Closed.into()) };
        let _turn = self.turn.acquire().await.map_err(|_| Closed)?;
        let book = &self.attendance.sockets().rooms_of_users;
        if !self.is_to_be_made(&change, effect)? {
            return Ok(0);
        }
        records.put(change.clone()).await?;
        book.change(|known| known.apply(change.clone()));
        Ok(self.show(&change, effect))
    }

    async fn change_where_all_agree(
        &self,
        change: &MembershipChange,
        effect: Effect,
    ) -> Result<Option<(usize, AskedToFollow)>, MembershipError> {
        let MembershipKeeper::Cluster(book) = &self.keeper else { return Err(Closed.into()) };
        let name: Arc<str> = entropy::token("c").into();
        let plan = || {
            let write = || BookWrite {
                user: change.user.clone(),
                name: Arc::clone(&name),
                note: effect.as_str(),
                records: self.records(change),
                records_max: self.limits.total,
            };
            Ok(self.is_to_be_made(change, effect)?.then(write))
        };
        book.write(plan, |news| self.take(news)).await.map_err(|error| match error {
            BookError::Refused(flaw) => MembershipError::Flaw(flaw),
            BookError::Full => MembershipFlaw::Full { max: self.limits.total }.into(),
            BookError::Away(_) => MembershipError::Away,
        })
    }

    /// Deletes all records of a user where all nodes agree; each follows by itself. With one node nothing is done.
    pub async fn erase(&self, user: &UserId) -> Result<(), MembershipError> {
        let MembershipKeeper::Cluster(book) = &self.keeper else { return Ok(()) };
        loop {
            let name: Arc<str> = entropy::token("c").into();
            let plan = || {
                let known = &self.attendance.sockets().rooms_of_users;
                let records = known.see(|known, _| known.records(user)).into_iter();
                let gone = |(room, namespace): (Room, Option<Namespace>)| {
                    (record::name(user, &room, namespace.as_ref()), None)
                };
                let records: Vec<_> = records.take(ERASED_AT_ONCE).map(gone).collect();
                let write = (!records.is_empty()).then(|| BookWrite {
                    user: user.clone(),
                    name: Arc::clone(&name),
                    note: Effect::End.as_str(),
                    records,
                    records_max: self.limits.total,
                });
                Ok::<_, Infallible>(write)
            };
            match book.write(plan, |news| self.take(news)).await {
                Ok(Some(_)) => {}
                Ok(None) => return Ok(()),
                Err(_) => return Err(MembershipError::Away),
            }
        }
    }

    /// Whether there is anything to change; on an error it may not be.
    fn is_to_be_made(
        &self,
        change: &MembershipChange,
        effect: Effect,
    ) -> Result<bool, MembershipFlaw> {
        let book = &self.attendance.sockets().rooms_of_users;
        if effect == Effect::End {
            return Ok(book.see(|known, now| known.has_ended(change, now)));
        }
        book.see(|known, now| known.check(change, self.limits, now)).map(|()| true)
    }

    /// What a change is, record by record: the one it is about comes first.
    fn records(&self, change: &MembershipChange) -> Vec<(String, Option<Bytes>)> {
        let MembershipChange { user, room, namespace, is_whole, standing } = change;
        let own = record::name(user, room, namespace.as_ref());
        let mut records = vec![(own, standing.and_then(record::write))];
        if *is_whole {
            let book = &self.attendance.sockets().rooms_of_users;
            let others = book.see(|known, _| known.namespaces(user, room));
            records.extend(others.iter().map(|it| (record::name(user, room, Some(it)), None)));
        }
        records
    }

    /// Takes a change into the copy that another node has made. Returns how many sockets have come in or gone out because of it.
    pub async fn follow(&self, change: u64) -> Result<usize, MembershipError> {
        let MembershipKeeper::Cluster(book) = &self.keeper else { return Ok(0) };
        book.follow(|news| self.take(news)).await.map_err(|_| MembershipError::Away)?;
        Ok(book.done(change))
    }

    /// How long ago the copy of what is recorded was known to be that of all nodes; nothing, with one node.
    pub fn copy_age(&self) -> Duration {
        match &self.keeper {
            MembershipKeeper::Embedded(_) => Duration::ZERO,
            MembershipKeeper::Cluster(book) => book.age(),
        }
    }

    fn take(&self, news: BookNews) -> usize {
        let book = &self.attendance.sockets().rooms_of_users;
        let changes = |records: &mut dyn Iterator<Item = (String, Option<Bytes>)>| {
            let mut changes = Vec::new();
            for (name, value) in records {
                match record::read(&name, value.as_deref()) {
                    Some(change) => changes.push(change),
                    None => {
                        metrics::counter!("userline_cluster_unread_total", "cause" => "garbage")
                            .increment(1);
                    }
                }
            }
            changes
        };
        match news {
            BookNews::Changed(change) => {
                let effect = Effect::parse(&change.note);
                let changes = changes(&mut change.records.into_iter());
                book.change(|known| changes.iter().for_each(|it| known.apply(it.clone())));
                self.sooner.notify_one();
                changes.first().map_or(0, |it| self.show(it, effect))
            }
            BookNews::Loaded(records) => {
                let mut new = Memberships::by_room();
                let records = &mut records.into_iter().map(|(name, value)| (name, Some(value)));
                for change in changes(records) {
                    new.apply(change);
                }
                let changed = book.change(|known| {
                    let changed = known.differing(&new);
                    *known = new;
                    changed
                });
                self.sooner.notify_one();
                // What a change had taken out besides is not known any more: the sockets follow the records.
                let follow = |user: &UserId| self.change_sockets(user, None, SocketRooms::record);
                changed.iter().map(follow).sum()
            }
        }
    }

    /// Looks whether something has changed that nobody told this node, as long as it runs.
    pub async fn run_following(self: Arc<Self>) {
        let MembershipKeeper::Cluster(book) = &self.keeper else { return };
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            // What cannot be known now is known later; how old the copy is, a metric says.
            let _later = book.follow(|news| self.take(news)).await;
        }
    }
}

fn moved(here: usize, answers: Answers) -> OnNodes<usize> {
    let Answers { answers, missing } = answers;
    let elsewhere = answers.iter().map(|it| if let NodeAnswer::Counted(it) = it { *it } else { 0 });
    OnNodes { done: here + elsewhere.sum::<usize>(), missing }
}
