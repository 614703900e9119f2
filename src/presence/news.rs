//! What is told of a user: who it is, and, where that is news, that its sockets come and go.
//!
//! A socket that comes has a place in the store's queue. One that goes has none, for nobody can keep it from going: its end is
//! kept in the entry of its user until there is a place, and whatever is news of the user later is told after it. In a cluster
//! nothing waits for a place: the member of the cluster takes it at once.

use super::entry::PresenceEntry;
use super::{Place, Presence};
use crate::core::cluster::sockets::SocketTold;
use crate::core::delivery::hook_body;
use crate::core::presence::session::UserSession;
use crate::store::{Closed, Permit};
use crate::types::{
    Change, Moment, Reason, SocketChange, SocketId, SocketPortrait, UserId, UserNews, WallMs,
};
use std::sync::Arc;

impl<S: Clone> Presence<S> {
    /// The same, and hooks say who a user is: what `portray` makes of the socket with which it came, and of the last that
    /// went.
    #[must_use]
    pub fn portraying(self, portray: fn(&S) -> Arc<str>) -> Self {
        Self { portray: Some(portray), ..self }
    }

    /// The same, and it is news that sockets come and go: what `portray` makes of them is told.
    #[must_use]
    pub fn telling_of_sockets(self, portray: fn(&S) -> SocketPortrait) -> Self {
        Self { portray_socket: Some(portray), ..self }
    }

    /// The same, and nobody is told that guests come and go: that is kept in memory alone.
    #[must_use]
    pub fn silent_about_guests(self) -> Self {
        Self { tells_of_guests: false, ..self }
    }

    /// Whether it is news that sockets come and go.
    pub fn tells_of_sockets(&self) -> bool {
        self.portray_socket.is_some()
    }

    /// Whether any socket is here.
    pub fn has_sockets(&self) -> bool {
        self.users.iter().any(|it| it.roster().sockets().next().is_some())
    }

    /// Tells of all users what waits for a place: for the end, when nobody looks at reminders any more.
    pub async fn tell_all(&self) -> Result<(), Closed> {
        let waiting = self.users.iter().filter(|it| it.has_untold()).map(|it| it.key().clone());
        let waiting: Vec<UserId> = waiting.collect();
        for user in waiting {
            let place = self.reserve().await?;
            if let (Some(mut entry), Some(permit)) = (self.users.get_mut(&user), place.0) {
                tell(&mut entry, None, permit);
            }
        }
        Ok(())
    }

    /// What is told of a socket, if that is news; of one of this user.
    pub(super) fn socket_portrait(&self, user: &UserId, socket: &S) -> Option<SocketPortrait> {
        let portray = self.portray_socket.filter(|_| self.is_told_of(user))?;
        let granted = self.portray.map(|it| it(socket));
        Some(SocketPortrait { granted, ..portray(socket) })
    }

    /// A socket has come, and perhaps the user with it, which is news then. `socket` is what is told of it.
    pub(super) fn tell_come(
        &self,
        user: &UserId,
        entry: &mut PresenceEntry<S>,
        (session, change): (UserSession, Option<Change>),
        (socket, place): (Option<SocketPortrait>, Place),
    ) {
        let Some(permit) = place.0.filter(|_| self.is_told_of(user)) else { return };
        let change = change.map(|mut change| {
            change.portrait.granted = self.portray.and_then(|it| entry.only_socket().map(it));
            change
        });
        match (socket, change) {
            (None, None) => {}
            (None, Some(change)) => permit.record(change),
            (Some(socket), change) => {
                if let Some(change) = change {
                    entry.keep_untold(UserNews::User(change));
                }
                let came = socket_news(user, session, socket, (self.clock.moment(), None));
                tell(entry, Some(came), permit);
            }
        }
    }

    /// What waits for a place is told, and `change` after it.
    pub(super) fn tell_change(entry: &mut PresenceEntry<S>, change: Option<Change>, place: Place) {
        match (place.0, change) {
            (Some(permit), Some(change)) if !entry.has_untold() => permit.record(change),
            (Some(permit), change) => tell(entry, change.map(UserNews::User), permit),
            (None, _) => {}
        }
    }

    /// A socket is about to go: if it is here and that is news, the news waits for a place from now on. Returns whether somebody
    /// has to see to it that there is one.
    fn keep_end(
        &self,
        (user, id): (&UserId, SocketId),
        entry: &mut PresenceEntry<S>,
        (at, reason): (Moment, Reason),
    ) -> bool {
        let is_told = self.tells_of_sockets();
        let Some(socket) = entry.roster().get(id).filter(|_| is_told) else { return false };
        let told = self.socket_portrait(user, socket).zip(entry.session());
        let Some((socket, session)) = told else { return false };
        let is_first = !entry.has_untold();
        entry.keep_untold(socket_news(user, session, socket, (at, Some(reason))));
        is_first
    }

    /// The same, if it is kept here; else the cluster hears of it at once.
    pub(super) fn tell_end(
        &self,
        (user, id): (&UserId, SocketId),
        entry: &mut PresenceEntry<S>,
        (at, reason): (Moment, Reason),
    ) -> bool {
        if self.shared().is_none() {
            return self.keep_end((user, id), entry, (at, reason));
        }
        let socket = entry.roster().get(id).and_then(|it| self.socket_portrait(user, it));
        self.tell_shared(user, socket, Some((at.wall, reason)));
        false
    }

    /// The cluster hears that a socket of a user who is here has come, or that it is about to go; if that is news, and if there is
    /// a cluster.
    pub(super) fn tell_shared(
        &self,
        user: &UserId,
        socket: Option<SocketPortrait>,
        end: Option<(WallMs, Reason)>,
    ) {
        let (Some(cluster), Some(it)) = (self.shared(), socket) else { return };
        let (socket, since) = (it.id, it.connected_at);
        match end {
            None => {
                let (at, words) = (self.clock.wall(), hook_body::socket_words(&it));
                cluster.socket_came(user, SocketTold { socket, at, since, words });
            }
            Some((at, reason)) => {
                let words = hook_body::ended_socket_words(&it, reason, at);
                cluster.socket_went(user, SocketTold { socket, at, since, words });
            }
        }
    }

    pub(super) fn is_told_of(&self, user: &UserId) -> bool {
        self.tells_of_guests || !user.is_guest()
    }
}

fn tell<S>(entry: &mut PresenceEntry<S>, last: Option<UserNews>, permit: Permit) {
    let mut news = entry.take_untold();
    news.extend(last);
    if !news.is_empty() {
        permit.record_all(news);
    }
}

fn socket_news(
    user: &UserId,
    session: UserSession,
    socket: SocketPortrait,
    (at, end): (Moment, Option<Reason>),
) -> UserNews {
    let (user, session, seq, at) = (user.clone(), session.id, at.seq, at.wall);
    UserNews::Socket(SocketChange { user, seq, session, at, socket, end })
}
