//! The places in the writer's queue: how many there are, for whom, and how many of them one user may have.
//!
//! Presence changes and everything else have places of their own, so that clients who connect do not keep the backend's
//! emits waiting, nor the other way round. Of either kind one user may have a few only: whoever takes places and gives
//! none back keeps nobody waiting but sockets of the same user.

use super::error::Closed;
use crate::types::UserId;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Places of each kind. When all are taken the writer is that much behind, and whoever brings more waits.
pub(super) const PLACES: usize = 10_000;
/// Places that one user may have: many more than the tabs and devices that come back at the same moment.
pub(super) const PLACES_OF_USER: usize = 64;

/// What a place is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PlaceFor {
    /// A presence change.
    Change,
    /// Anything else, whose caller waits for the answer.
    Request,
}

#[derive(Debug)]
pub(super) struct Shares {
    changes: Arc<Semaphore>,
    requests: Arc<Semaphore>,
    /// The places of the users who have some.
    users: Mutex<BTreeMap<UserId, Arc<Semaphore>>>,
}

/// One place, given back when it is dropped.
#[derive(Debug)]
pub(super) struct WriterPlace {
    _place: OwnedSemaphorePermit,
    _of_user: Option<PlaceOfUser>,
}

/// A place as one of those that a user may have.
#[derive(Debug)]
struct PlaceOfUser {
    /// `None` while it is waited for.
    place: Option<OwnedSemaphorePermit>,
    user: UserId,
    shares: Arc<Shares>,
}

impl Shares {
    pub(super) fn new() -> Self {
        let places = || Arc::new(Semaphore::new(PLACES));
        Self { changes: places(), requests: places(), users: Mutex::default() }
    }

    /// Waits for a place. With a user it is also one of the user's.
    pub(super) async fn take(
        self: &Arc<Self>,
        what: PlaceFor,
        user: Option<&UserId>,
    ) -> Result<WriterPlace, Closed> {
        let of_user = match user {
            Some(user) => Some(self.take_of_user(user).await?),
            None => None,
        };
        let place = Arc::clone(self.of(what)).acquire_owned().await.map_err(|_| Closed)?;
        Ok(WriterPlace { _place: place, _of_user: of_user })
    }

    /// A place, if there is one now.
    pub(super) fn try_take(&self, what: PlaceFor) -> Option<WriterPlace> {
        let place = Arc::clone(self.of(what)).try_acquire_owned().ok()?;
        Some(WriterPlace { _place: place, _of_user: None })
    }

    /// From now on nobody gets a place, nor waits for one.
    pub(super) fn close(&self) {
        self.changes.close();
        self.requests.close();
        for places in self.users.lock().values() {
            places.close();
        }
    }

    fn of(&self, what: PlaceFor) -> &Arc<Semaphore> {
        match what {
            PlaceFor::Change => &self.changes,
            PlaceFor::Request => &self.requests,
        }
    }

    async fn take_of_user(self: &Arc<Self>, user: &UserId) -> Result<PlaceOfUser, Closed> {
        // Made first: whoever stops waiting leaves nothing behind either.
        let mut it = PlaceOfUser { place: None, user: user.clone(), shares: Arc::clone(self) };
        let new = || Arc::new(Semaphore::new(PLACES_OF_USER));
        let places = Arc::clone(self.users.lock().entry(user.clone()).or_insert_with(new));
        it.place = Some(places.acquire_owned().await.map_err(|_| Closed)?);
        Ok(it)
    }
}

impl Drop for PlaceOfUser {
    fn drop(&mut self) {
        // First, so that only the others count.
        drop(self.place.take());
        let mut users = self.shares.users.lock();
        if users.get(&self.user).is_some_and(|it| Arc::strong_count(it) == 1) {
            users.remove(&self.user);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{PLACES, PLACES_OF_USER, PlaceFor, Shares, WriterPlace};
    use crate::store::Closed;
    use crate::types::UserId;
    use futures_util::FutureExt as _;
    use std::sync::Arc;

    fn user(name: &str) -> UserId {
        UserId::parse(name).unwrap()
    }

    /// All that can be had at once.
    fn take_all(shares: &Arc<Shares>, what: PlaceFor, name: Option<&str>) -> Vec<WriterPlace> {
        let user = name.map(user);
        let take = || {
            let take = tokio::task::coop::unconstrained(shares.take(what, user.as_ref()));
            take.now_or_never().map(Result::unwrap)
        };
        std::iter::from_fn(take).collect()
    }

    #[tokio::test]
    async fn one_user_takes_no_place_that_others_need() {
        let shares = Arc::new(Shares::new());

        let held = take_all(&shares, PlaceFor::Change, Some("ann"));

        assert_eq!(held.len(), PLACES_OF_USER);
        assert_eq!(take_all(&shares, PlaceFor::Request, Some("ann")).len(), 0, "all in all");
        let bob = take_all(&shares, PlaceFor::Change, Some("bob"));
        assert_eq!(bob.len(), PLACES_OF_USER);
        drop(bob);
        let rest = take_all(&shares, PlaceFor::Change, None);
        assert_eq!(rest.len(), PLACES - PLACES_OF_USER, "who waits for a place holds none");
    }

    #[tokio::test]
    async fn presence_and_the_rest_do_not_keep_each_other_waiting() {
        let shares = Arc::new(Shares::new());

        let changes = take_all(&shares, PlaceFor::Change, None);
        let requests = take_all(&shares, PlaceFor::Request, None);

        assert_eq!((changes.len(), requests.len()), (PLACES, PLACES));
        assert!(shares.try_take(PlaceFor::Request).is_none());
        drop(requests);
        assert!(shares.try_take(PlaceFor::Request).is_some());
    }

    #[tokio::test]
    async fn a_place_that_is_given_back_is_the_next_ones() {
        let shares = Arc::new(Shares::new());
        let mut held = take_all(&shares, PlaceFor::Change, Some("ann"));
        let ann = user("ann");

        let next = shares.take(PlaceFor::Change, Some(&ann));
        tokio::pin!(next);
        assert!(next.as_mut().now_or_never().is_none());
        held.pop();

        assert!(next.await.is_ok());
    }

    #[tokio::test]
    async fn nothing_is_remembered_of_users_without_a_place() {
        let shares = Arc::new(Shares::new());
        let held = take_all(&shares, PlaceFor::Change, Some("ann"));
        let ann = user("ann");
        let mut waiting = Box::pin(shares.take(PlaceFor::Change, Some(&ann)));
        assert!(waiting.as_mut().now_or_never().is_none());

        drop(held);
        drop(waiting);
        drop(shares.take(PlaceFor::Change, Some(&user("bob"))).await);

        assert!(shares.users.lock().is_empty());
    }

    #[tokio::test]
    async fn whoever_waits_hears_of_the_end() {
        let shares = Arc::new(Shares::new());
        let held = take_all(&shares, PlaceFor::Change, Some("ann"));
        let ann = user("ann");
        let waiting = shares.take(PlaceFor::Change, Some(&ann));
        tokio::pin!(waiting);
        assert!(waiting.as_mut().now_or_never().is_none());

        shares.close();

        assert_eq!(waiting.await.err(), Some(Closed));
        assert_eq!(shares.take(PlaceFor::Request, Some(&user("bob"))).await.err(), Some(Closed));
        drop(held);
    }
}
