//! Who watches whom, and what each watcher was told last: so that it hears of every change of what it may see, and of
//! nothing else.
//!
//! What a watcher sees is one rule, [`look`]: a user is there for it while presence says so **and** the user is in its reach.
//! It is asked anew whenever one of the two may have changed, so a grant that has gone ends what it has shown. Where the backend
//! says who is in reach, that is so for a while ([`permit`]).

mod permit;
#[cfg(test)]
mod tests;

pub use permit::{PermitDue, PermitTerm};

use super::contacts::Reach;
use crate::types::{Room, SocketId, Timestamp, UserId};
use permit::SightPermit;
use std::collections::{BTreeMap, BTreeSet};
use thiserror::Error;

/// What a watcher sees of a user.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Sight {
    /// Nothing: the user is offline, or out of reach. Nobody can tell which.
    #[default]
    Nothing,
    /// The user is online.
    Online {
        /// The room that both are in, unless the user is in reach without one.
        room: Option<Room>,
    },
}

/// Where a user is, as far as a watcher's rules ask.
#[derive(Debug, Clone, Copy)]
pub struct Whereabouts<F> {
    /// Whether presence says that the user is online; who lingers is.
    pub is_online: bool,
    /// Whether a socket of the user in the watcher's namespace is in a room; `None` if the user has no socket there.
    pub is_in: Option<F>,
    /// Whether the backend lets the watcher see the user, wherever it is.
    pub is_permitted: bool,
}

/// What a watcher with this reach sees of `user`, of whom it saw `before`.
///
/// A user without a socket is in no room. While presence waits for it to come back, it stays in the room in which it was
/// seen last, as long as the watcher is still in it: a page that is loaded again is no news.
pub fn look(
    reach: &Reach<'_>,
    user: &UserId,
    at: &Whereabouts<impl Fn(&Room) -> bool>,
    before: &Sight,
) -> Sight {
    if !at.is_online {
        return Sight::Nothing;
    }
    if at.is_permitted || reach.has_always(user) {
        return Sight::Online { room: None };
    }
    let room = match (&at.is_in, before) {
        (Some(is_in), _) => reach.shared_room(is_in),
        (None, Sight::Online { room: Some(before) }) => reach.shared_room(|it| it == before),
        (None, Sight::Nothing | Sight::Online { room: None }) => None,
    };
    room.map_or(Sight::Nothing, |room| Sight::Online { room: Some(room.clone()) })
}

/// How much may be watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WatchBounds {
    /// Users that one socket watches.
    pub per_socket: usize,
    /// The same, of all sockets together.
    pub total: usize,
}

/// Why nothing more can be watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum WatchError {
    /// The socket watches as many users as it may.
    #[error(
        "a client may watch {0} users at once, with those it watches already (`presence.watches_per_socket`)"
    )]
    TooMany(usize),
    /// All together do.
    #[error("too many users are watched at the moment")]
    Full,
}

/// Who watches whom. `S` is what is wanted back for each socket that watches.
#[derive(Debug)]
pub struct WatchBook<S> {
    bounds: WatchBounds,
    by_socket: BTreeMap<SocketId, Watcher<S>>,
    by_user: BTreeMap<UserId, BTreeSet<SocketId>>,
    /// When something becomes due of the permit of which socket.
    due: BTreeSet<(Timestamp, SocketId)>,
    len: usize,
}

/// A socket that watches, with what it was told last of each user.
#[derive(Debug)]
struct Watcher<S> {
    socket: S,
    told: BTreeMap<UserId, Sight>,
    /// Whom it may see because the backend said so, where that is asked.
    permit: Option<Box<SightPermit>>,
}

impl<S: Clone> WatchBook<S> {
    /// Nobody watches.
    pub fn new(bounds: WatchBounds) -> Self {
        let (by_socket, by_user, due) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
        Self { bounds, by_socket, by_user, due, len: 0 }
    }

    /// Whether a socket may watch `users` as well: all of them. Returns those whom it does not watch yet.
    pub fn check(&self, id: SocketId, users: &[UserId]) -> Result<BTreeSet<UserId>, WatchError> {
        let WatchBounds { per_socket, total } = self.bounds;
        let known = self.by_socket.get(&id).map(|it| &it.told);
        let is_new = |user: &&UserId| known.is_none_or(|known| !known.contains_key(*user));
        let fresh: BTreeSet<UserId> = users.iter().filter(is_new).cloned().collect();
        if per_socket < known.map_or(0, BTreeMap::len) + fresh.len() {
            return Err(WatchError::TooMany(per_socket));
        }
        if total < self.len + fresh.len() {
            return Err(WatchError::Full);
        }
        Ok(fresh)
    }

    /// A socket watches `users` as well: all of them, or if that is too much, none. It was told nothing of them yet.
    pub fn watch(
        &mut self,
        (id, socket): (SocketId, S),
        users: &[UserId],
    ) -> Result<(), WatchError> {
        let fresh = self.check(id, users)?;
        if fresh.is_empty() {
            return Ok(());
        }
        self.len += fresh.len();
        let new = || Watcher { socket, told: BTreeMap::new(), permit: None };
        let watcher = self.by_socket.entry(id).or_insert_with(new);
        for user in fresh {
            self.by_user.entry(user.clone()).or_default().insert(id);
            watcher.told.insert(user, Sight::Nothing);
        }
        Ok(())
    }

    /// A socket does not watch `users` any more.
    pub fn unwatch(&mut self, id: SocketId, users: &[UserId]) {
        self.with_permit(id, |permit, _| {
            for user in users {
                permit.forget(user);
            }
        });
        let Some(watcher) = self.by_socket.get_mut(&id) else { return };
        let gone: Vec<&UserId> =
            users.iter().filter(|it| watcher.told.remove(*it).is_some()).collect();
        if watcher.told.is_empty() {
            self.remove(id);
        }
        for user in gone {
            self.strike(user, id);
        }
    }

    /// A socket watches nobody any more.
    pub fn leave(&mut self, id: SocketId) {
        let Some(watcher) = self.remove(id) else { return };
        for user in watcher.told.keys() {
            self.strike(user, id);
        }
    }

    /// Nobody watches a user any more.
    pub fn erase(&mut self, user: &UserId) {
        for id in self.by_user.get(user).cloned().unwrap_or_default() {
            self.unwatch(id, std::slice::from_ref(user));
        }
    }

    /// Whether somebody watches a user.
    pub fn is_watched(&self, user: &UserId) -> bool {
        self.by_user.contains_key(user)
    }

    /// Whether a socket watches somebody.
    pub fn watches(&self, id: SocketId) -> bool {
        self.by_socket.contains_key(&id)
    }

    /// The sockets that watch a user.
    pub fn watchers(&self, user: &UserId) -> Vec<S> {
        let ids = self.by_user.get(user).into_iter().flatten();
        ids.filter_map(|id| self.by_socket.get(id)).map(|it| it.socket.clone()).collect()
    }

    /// The users whom a socket watches.
    pub fn watched_by(&self, id: SocketId) -> Vec<UserId> {
        let watcher = self.by_socket.get(&id);
        watcher.map(|it| it.told.keys().cloned().collect()).unwrap_or_default()
    }

    /// What a socket was told last of a user; `None` if it does not watch the user.
    pub fn told(&self, id: SocketId, user: &UserId) -> Option<&Sight> {
        self.by_socket.get(&id)?.told.get(user)
    }

    /// A socket that watches `user` sees this of it. Returns whether that is to be told: it is another state than before.
    pub fn tell(&mut self, id: SocketId, user: &UserId, sight: Sight) -> bool {
        let told = self.by_socket.get_mut(&id).and_then(|it| it.told.get_mut(user));
        let Some(told) = told else { return false };
        let is_news = told.is_online() != sight.is_online();
        *told = sight;
        is_news
    }

    /// The backend was asked whether the socket, as `viewer`, may see those `asked`, and allows these of them; `is_again` says
    /// that it was asked because that was due.
    pub fn permit(
        &mut self,
        (id, viewer): (SocketId, &UserId),
        (asked, allowed): (&[UserId], BTreeSet<UserId>),
        term: PermitTerm,
        is_again: bool,
    ) {
        let Some(watcher) = self.by_socket.get_mut(&id) else { return };
        // Meanwhile it may have been taken off the list, or be erased.
        let is_watched = |it: &UserId| watcher.told.contains_key(it);
        let allowed: BTreeSet<UserId> = allowed.into_iter().filter(is_watched).collect();
        let Some(permit) = &mut watcher.permit else {
            let permit = SightPermit::new(viewer.clone(), allowed, term);
            self.due.extend(permit.due_at().map(|at| (at, id)));
            watcher.permit = Some(Box::new(permit));
            return;
        };
        let before = permit.due_at();
        permit.answer(viewer.clone(), (asked, allowed), term, is_again);
        let after = permit.due_at();
        self.move_due(id, before, after);
    }

    /// The backend did not answer whom the socket may see: it is asked again at this time.
    pub fn ask_at(&mut self, id: SocketId, at: Timestamp) {
        self.with_permit(id, |permit, _| permit.ask_at(at));
    }

    /// The backend is asked soon whom the socket may see, if it was asked before: there is a reason why it may say something else.
    pub fn ask_soon(&mut self, id: SocketId) {
        self.with_permit(id, |permit, _| permit.ask_soon());
    }

    /// Whether the backend lets the socket, as `viewer`, see `user`.
    pub fn is_permitted(
        &self,
        (id, viewer): (SocketId, &UserId),
        user: &UserId,
        now: Timestamp,
    ) -> bool {
        let permit = self.by_socket.get(&id).and_then(|it| it.permit.as_ref());
        permit.is_some_and(|it| it.allows(viewer, user, now))
    }

    /// When something becomes due, if anything does.
    pub fn due_at(&self) -> Option<Timestamp> {
        self.due.first().map(|(at, _)| *at)
    }

    /// The next that is due.
    pub fn due(&mut self, now: Timestamp) -> Option<(S, PermitDue)> {
        while let Some((_, id)) = self.due.first().copied().filter(|(at, _)| *at <= now) {
            let due =
                self.with_permit(id, |permit, socket| Some((socket.clone(), permit.due(now)?)));
            if let Some(due) = due.flatten() {
                return Some(due);
            }
        }
        None
    }

    /// Users watched, once for each socket that watches them.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nobody watches.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Changes a permit, and when it is due.
    fn with_permit<T>(
        &mut self,
        id: SocketId,
        change: impl FnOnce(&mut SightPermit, &S) -> T,
    ) -> Option<T> {
        let Watcher { socket, permit, .. } = self.by_socket.get_mut(&id)?;
        let permit = permit.as_mut()?;
        let before = permit.due_at();
        let changed = change(permit, socket);
        let after = permit.due_at();
        self.move_due(id, before, after);
        Some(changed)
    }

    fn move_due(&mut self, id: SocketId, before: Option<Timestamp>, after: Option<Timestamp>) {
        if before != after {
            before.map(|at| self.due.remove(&(at, id)));
            self.due.extend(after.map(|at| (at, id)));
        }
    }

    fn remove(&mut self, id: SocketId) -> Option<Watcher<S>> {
        let watcher = self.by_socket.remove(&id)?;
        let due_at = watcher.permit.as_ref().and_then(|it| it.due_at());
        due_at.map(|at| self.due.remove(&(at, id)));
        Some(watcher)
    }

    fn strike(&mut self, user: &UserId, id: SocketId) {
        let Some(watchers) = self.by_user.get_mut(user) else { return };
        if watchers.remove(&id) {
            self.len -= 1;
        }
        if watchers.is_empty() {
            self.by_user.remove(user);
        }
    }
}

impl Sight {
    /// Whether the user is there for the watcher.
    pub fn is_online(&self) -> bool {
        matches!(self, Self::Online { .. })
    }
}
