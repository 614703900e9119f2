//! Clients see who is online: asked once, or told of every change, as far as `presence.shown_to` lets them. Where that says so
//! the backend is asked whom they may see, and asked again from time to time ([`asking`]).
//!
//! ```text
//!   watch:      turn of the socket ─► on the list ─► what it sees now ─► its ack
//!   a change:   noted ─► for each watcher: turn of the socket ─► what it sees now ─► told, if that is news
//! ```
//!
//! What a watcher sees is looked up in its turn, never carried along: so whatever it was told last is the newest, and it is
//! told nothing that it could not see at that moment.
//!
//! Among many nodes what there is to see is known where all agree, and looked up there ([`afar`]): also of sockets that are here, so that
//! there is one truth.

mod afar;
mod asking;

pub use afar::KnownUsers;
pub use asking::Permitted;

use super::client_messages::viewer;
use super::notices::Notices;
use super::permissions::{NotAnswered, Permissions};
use super::sockets::Sockets;
use super::watched::WatchNews;
use crate::clock::Clock;
use crate::cluster::{ClusterMember, Unattached};
use crate::config::WatchingConfig;
use crate::core::cluster::outlook::SeenUser;
use crate::core::contacts::{self, Reach};
use crate::core::emit::audience::Addressee as _;
use crate::core::presence::session::PresenceStatus;
use crate::core::watching::{Sight, WatchError, Whereabouts, look};
use crate::registry::Socket;
use crate::types::{Room, ServerEvent, UserId};
use afar::Afar;
use parking_lot::Mutex;
use serde::Serialize;
use std::borrow::Borrow;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use thiserror::Error;

/// Sockets that can be told something at the same time.
const TURNS: usize = 64;
/// Looks before others get a turn on the processor.
const LOOKS_AT_ONCE: usize = 256;

/// Shows clients who is online.
#[derive(Debug)]
pub struct Watching {
    config: WatchingConfig,
    sockets: Sockets,
    notices: Notices,
    /// Asked whom a client may see, where the configuration says so.
    permissions: Option<Permissions>,
    /// The users of all nodes, if there are others.
    afar: Option<Box<Afar>>,
    clock: Clock,
    /// Who holds the one of a socket may look for it, and tell it.
    turns: [Mutex<()>; TURNS],
    by: RandomState,
}

/// Why a client is shown nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum MayNotSee {
    /// Nobody sees anything.
    #[error("clients cannot see who is online here (`presence.shown_to`)")]
    Off,
    /// Too much is watched.
    #[error(transparent)]
    Bounds(#[from] WatchError),
    /// The backend does not say whom it may see.
    #[error(transparent)]
    NotAnswered(#[from] NotAnswered),
    /// Who is online is not known on this node at the moment.
    #[error(transparent)]
    CutOff(#[from] Unattached),
}

/// Where the users of one request are; nothing, where that is known without asking.
#[derive(Debug, Default)]
pub struct FoundUsers(Option<Vec<SeenUser>>);

impl MayNotSee {
    /// The stable name of the error.
    pub fn code(self) -> &'static str {
        match self {
            Self::Off => "not_allowed",
            Self::Bounds(WatchError::TooMany(_)) => "too_many_watches",
            Self::Bounds(WatchError::Full) => "overloaded",
            Self::NotAnswered(why) => why.code(),
            Self::CutOff(_) => "unavailable",
        }
    }
}

/// The argument of `userline:presence`.
#[derive(Serialize)]
struct PresenceNews<'a> {
    user: &'a str,
    online: bool,
}

impl Watching {
    /// Whom clients see, `config` says.
    pub fn new(
        config: WatchingConfig,
        (sockets, notices): (Sockets, Notices),
        clock: Clock,
    ) -> Self {
        let turns = std::array::from_fn(|_| Mutex::default());
        let by = RandomState::new();
        Self { config, sockets, notices, permissions: None, afar: None, clock, turns, by }
    }

    /// Users of all nodes are seen, as the cluster of `member` knows them.
    #[must_use]
    pub fn in_cluster(self, member: ClusterMember) -> Self {
        let afar = Some(Box::new(Afar::new(member, self.clock.clone())));
        Self { afar, ..self }
    }

    /// The backend is asked, if the configuration has a rule that says so.
    #[must_use]
    pub fn asking(self, permissions: Option<Permissions>) -> Self {
        let permissions = permissions.filter(|_| contacts::asks(&self.config.shown_to));
        Self { permissions, ..self }
    }

    /// Whether clients may ask at all.
    pub fn is_on(&self) -> bool {
        self.config.is_on()
    }

    /// Whether users may be on other nodes, so that it takes a while to see them.
    pub fn is_of_many_nodes(&self) -> bool {
        self.afar.is_some()
    }

    /// Finds out where `users` are, for [`Watching::online`].
    pub async fn find(&self, users: &[UserId]) -> Result<FoundUsers, MayNotSee> {
        self.check()?;
        Ok(FoundUsers(match &self.afar {
            Some(afar) => Some(afar.look(users).await?),
            None => None,
        }))
    }

    /// Waits until it is known where `users` are, for [`Watching::watch`], and has it known from then on.
    pub async fn know<'a>(
        &'a self,
        users: &'a [UserId],
    ) -> Result<Option<KnownUsers<'a>>, MayNotSee> {
        Ok(match &self.afar {
            Some(afar) => Some(afar.know(users).await?),
            None => None,
        })
    }

    /// Who of `users` is online, where they were found, as far as the client of `socket` may see it; of them the backend permits
    /// these, where that was asked.
    pub fn online<'a>(
        &self,
        socket: &Socket,
        (users, found): (&'a [UserId], &FoundUsers),
        permitted: &Permitted,
    ) -> Result<Vec<&'a str>, MayNotSee> {
        self.check()?;
        let (rooms, grants) = (socket.granted_rooms(), socket.grants());
        let reach = Reach::new(&self.config.shown_to, viewer(socket, &rooms, &grants));
        let is_online = |(at, user): &(usize, &UserId)| {
            let seen = found.0.as_ref().map(|it| it.get(*at).cloned().unwrap_or_default());
            let before = (&Sight::Nothing, permitted.has(user));
            self.sight(socket, &reach, (user, seen), before).is_online()
        };
        Ok(users.iter().enumerate().filter(is_online).map(|(_, it)| it.as_str()).collect())
    }

    /// The same, and from now on the client is told of changes. `tell` is told who is online before any change is.
    pub fn watch<'a, T>(
        &self,
        socket: &Arc<Socket>,
        users: &'a [UserId],
        permitted: Permitted,
        tell: impl FnOnce(Vec<&'a str>) -> T,
    ) -> Result<T, MayNotSee> {
        self.check()?;
        let watched = &self.sockets.watched;
        let _turn = self.turn(socket).lock();
        watched.book(|book| book.watch((socket.id, Arc::clone(socket)), users))?;
        self.permit(socket, permitted, false);
        // One that ends after this look is taken off the list by whoever ends it.
        if !socket.is_joined() {
            watched.book(|book| book.leave(socket.id));
        }
        let (rooms, grants) = (socket.granted_rooms(), socket.grants());
        let reach = Reach::new(&self.config.shown_to, viewer(socket, &rooms, &grants));
        let mut online = Vec::new();
        for user in users {
            let sight =
                self.sight(socket, &reach, (user, self.seen(user)), self.told(socket, user));
            if sight.is_online() {
                online.push(user.as_str());
            }
            watched.book(|book| book.tell(socket.id, user, sight));
        }
        Ok(tell(online))
    }

    /// The client is told of `users` no more; without users, of nobody.
    pub fn unwatch(&self, socket: &Socket, users: Option<&[UserId]>) -> Result<(), MayNotSee> {
        self.check()?;
        let _turn = self.turn(socket).lock();
        self.sockets.watched.book(|book| match users {
            Some(users) => book.unwatch(socket.id, users),
            None => book.leave(socket.id),
        });
        Ok(())
    }

    /// Tells clients what has happened to those whom they watch, and asks the backend again whom they may see, as long as it
    /// runs.
    pub async fn run(self: Arc<Self>) {
        tokio::join!(self.run_news(), self.run_asking(), self.run_afar());
    }

    async fn run_afar(&self) {
        if let Some(afar) = &self.afar {
            afar.run(&self.sockets.watched).await;
        }
    }

    async fn run_news(&self) {
        loop {
            let watched = &self.sockets.watched;
            let pairs: Vec<(Arc<Socket>, UserId)> = match watched.next().await {
                WatchNews::Of(user) => {
                    let watchers = watched.book(|book| book.watchers(&user)).into_iter();
                    watchers.map(|socket| (socket, user.clone())).collect()
                }
                WatchNews::For(socket) => {
                    let users = watched.book(|book| book.watched_by(socket.id)).into_iter();
                    users.map(|user| (Arc::clone(&socket), user)).collect()
                }
            };
            self.look_at_all(&pairs).await;
        }
    }

    async fn look_at_all(&self, pairs: &[(Arc<Socket>, UserId)]) {
        for some in pairs.chunks(LOOKS_AT_ONCE) {
            for (socket, user) in some {
                self.look_again(socket, user);
            }
            tokio::task::yield_now().await;
        }
    }

    /// Whoever watches a user who was erased is told that it is offline, and watches it no more.
    pub(super) fn erase(&self, user: &UserId) {
        let watched = &self.sockets.watched;
        for socket in watched.book(|book| book.watchers(user)) {
            let _turn = self.turn(&socket).lock();
            self.tell(&socket, user, Sight::Nothing);
            watched.book(|book| book.unwatch(socket.id, std::slice::from_ref(user)));
        }
        watched.erase(user);
        if let Some(afar) = &self.afar {
            afar.erase(user);
        }
    }

    fn check(&self) -> Result<(), MayNotSee> {
        if self.is_on() { Ok(()) } else { Err(MayNotSee::Off) }
    }

    /// Tells a watcher what it sees of `user`, if that is news.
    fn look_again(&self, socket: &Socket, user: &UserId) {
        let _turn = self.turn(socket).lock();
        let (rooms, grants) = (socket.granted_rooms(), socket.grants());
        let reach = Reach::new(&self.config.shown_to, viewer(socket, &rooms, &grants));
        let sight = self.sight(socket, &reach, (user, self.seen(user)), self.told(socket, user));
        self.tell(socket, user, sight);
    }

    /// Tells a watcher that it sees this of `user`, if that is news.
    fn tell(&self, socket: &Socket, user: &UserId, sight: Sight) {
        let online = sight.is_online();
        if self.sockets.watched.book(|book| book.tell(socket.id, user, sight)) {
            metrics::counter!("userline_watch_news_total").increment(1);
            let news = PresenceNews { user: user.as_str(), online };
            self.notices.send(socket, ServerEvent::Presence, &news);
        }
    }

    /// What a watcher was told of `user` last, and whether the backend lets it see the user now.
    fn told(&self, socket: &Socket, user: &UserId) -> (Sight, bool) {
        let now = self.clock.now();
        self.sockets.watched.book(|book| {
            let told = book.told(socket.id, user).cloned();
            let viewer = (socket.id, socket.user());
            (told.unwrap_or_default(), book.is_permitted(viewer, user, now))
        })
    }

    /// Where a user is, as far as this node knows what is so on all of them; `None`: there are no others.
    fn seen(&self, user: &UserId) -> Option<SeenUser> {
        self.afar.as_ref().map(|it| it.user(user))
    }

    fn sight(
        &self,
        socket: &Socket,
        reach: &Reach<'_>,
        (user, seen): (&UserId, Option<SeenUser>),
        (before, is_permitted): (impl Borrow<Sight>, bool),
    ) -> Sight {
        if let Some(SeenUser { is_online, rooms }) = seen {
            let namespace = &socket.namespace;
            let rooms = rooms.filter(|it| it.is_there(namespace));
            let is_in = rooms.map(|rooms| move |room: &Room| rooms.has(namespace, room));
            // It may not have been heard yet of whoever looks.
            let is_online = is_online || user == socket.user();
            let at = Whereabouts { is_online, is_in, is_permitted };
            return look(reach, user, &at, before.borrow());
        }
        let (status, mut theirs) = self.sockets.user(user);
        theirs.retain(|it| it.namespace == socket.namespace);
        let is_in = |room: &Room| theirs.iter().any(|it| it.is_granted(room));
        let is_in = (!theirs.is_empty()).then_some(is_in);
        let is_online = status != PresenceStatus::Offline;
        let at = Whereabouts { is_online, is_in, is_permitted };
        look(reach, user, &at, before.borrow())
    }

    fn turn(&self, socket: &Socket) -> &Mutex<()> {
        let hash = usize::try_from(self.by.hash_one(socket.id) >> 32).unwrap_or_default();
        self.turns.get(hash % TURNS).unwrap_or(&self.turns[0])
    }
}

#[cfg(test)]
mod tests;
