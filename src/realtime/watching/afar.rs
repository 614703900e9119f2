//! Users on other nodes, as far as clients here watch them: see [`Outlook`].

use crate::clock::Clock;
use crate::cluster::{ClusterMember, MemberStatus, Unattached};
use crate::core::cluster::outlook::{Outlook, OutlookAsk, SeenUser};
use crate::realtime::watched::Watched;
use crate::types::UserId;
use parking_lot::Mutex;
use std::pin::pin;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::timeout;

/// How long a client waits until it is known whom it sees.
const PATIENCE: Duration = Duration::from_secs(2);
/// How soon is asked again what was not answered.
const ASK_AGAIN: Duration = Duration::from_millis(250);

/// What this node knows of the users of all nodes.
#[derive(Debug)]
pub(super) struct Afar {
    member: ClusterMember,
    /// Locked before the book of who watches whom, never behind it.
    outlook: Mutex<Outlook>,
    /// Somebody is to be known who was not.
    wake: Notify,
    /// More is known.
    news: Notify,
    clock: Clock,
}

/// Users who stay known until this is dropped.
#[derive(Debug)]
pub struct KnownUsers<'a> {
    afar: &'a Afar,
    users: &'a [UserId],
}

impl Drop for KnownUsers<'_> {
    fn drop(&mut self) {
        self.afar.outlook.lock().release(self.users);
    }
}

impl Afar {
    /// As the cluster of `member` says.
    pub(super) fn new(member: ClusterMember, clock: Clock) -> Self {
        let (outlook, wake, news) = Default::default();
        Self { member, outlook, wake, news, clock }
    }

    /// Waits until it is known where `users` are, and from then on has it known what becomes of them.
    pub(super) async fn know<'a>(
        &'a self,
        users: &'a [UserId],
    ) -> Result<KnownUsers<'a>, Unattached> {
        if *self.member.status().borrow() != MemberStatus::Attached {
            return Err(Unattached);
        }
        self.outlook.lock().want(users);
        let known = KnownUsers { afar: self, users };
        self.wake.notify_one();
        let is_known = async {
            loop {
                let mut news = pin!(self.news.notified());
                // Before the look, so that nothing comes between.
                news.as_mut().enable();
                if self.outlook.lock().knows(users) {
                    return;
                }
                news.await;
            }
        };
        timeout(PATIENCE, is_known).await.map_err(|_| Unattached)?;
        Ok(known)
    }

    /// Asks where `users` are, once.
    pub(super) async fn look(&self, users: &[UserId]) -> Result<Vec<SeenUser>, Unattached> {
        let places = timeout(PATIENCE, self.member.places(users)).await;
        let places = places.map_err(|_| Unattached)??;
        Ok(places.users.into_iter().map(SeenUser::from).collect())
    }

    /// What is known of a user.
    pub(super) fn user(&self, user: &UserId) -> SeenUser {
        self.outlook.lock().user(user).cloned().unwrap_or_default()
    }

    /// Forgets a user.
    pub(super) fn erase(&self, user: &UserId) {
        self.outlook.lock().erase(user);
    }

    /// Hears what becomes of those who are watched, as long as it runs.
    pub(super) async fn run(&self, watched: &Watched) {
        let mut epoch = self.member.epoch();
        loop {
            // Of a state that was lost nobody knows what of it is so.
            let is_another = std::mem::replace(&mut epoch, self.member.epoch()) != epoch;
            let (ask, next_at) = {
                let mut outlook = self.outlook.lock();
                if is_another {
                    outlook.renew();
                }
                if !watched.is_used() {
                    outlook.rest();
                }
                let is_watched = |user: &UserId| watched.book(|book| book.is_watched(user));
                (outlook.next(self.clock.now(), is_watched), outlook.next_at())
            };
            match (ask, next_at) {
                (Some(ask), _) => self.ask(ask, watched).await,
                (None, None) => self.wake.notified().await,
                (None, Some(at)) => tokio::select! {
                    () = self.clock.sleep_until(at) => {}
                    () = self.wake.notified() => {}
                },
            }
        }
    }

    async fn ask(&self, ask: OutlookAsk, watched: &Watched) {
        let is_answered = match &ask {
            OutlookAsk::Moved(question) => match self.member.moved(*question).await {
                Ok(moved) => {
                    self.outlook.lock().heard(moved);
                    true
                }
                Err(Unattached) => false,
            },
            OutlookAsk::Places(users) => match self.member.places(users).await {
                Ok(places) => {
                    let changed = self.outlook.lock().looked(users.clone(), places);
                    for user in &changed {
                        watched.note_seen(user);
                    }
                    self.news.notify_waiters();
                    true
                }
                Err(Unattached) => false,
            },
        };
        if !is_answered {
            self.outlook.lock().failed(ask);
            self.clock.sleep_until(self.clock.now() + ASK_AGAIN).await;
        }
    }
}
