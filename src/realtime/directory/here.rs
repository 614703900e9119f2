//! What this node alone knows, for itself and for others that ask.

use super::{Directory, NodeStats, SocketFacts, SocketPage, USER_SOCKETS_MAX};
use crate::core::cluster::bus::totals::NodeTotals;
use crate::core::cluster::bus::wire::BYTES_MAX;
use crate::core::cluster::bus::words::{ListedUser, NodeAnswer, NodeQuery, RoomEntry};
use crate::core::emit::audience::Addressee as _;
use crate::core::page::{Page, Smallest};
use crate::core::presence::session::PresenceStatus;
use crate::presence::{StateFilter, UserEntry};
use crate::registry::Socket;
use crate::types::{Namespace, Room, SocketId, UserId};
use std::collections::BTreeMap;

/// Bytes of sockets that are told another node at once. What is said to it may be twice as much; it would not be heard at all.
const PAGE_BYTES: usize = BYTES_MAX / 2;

impl Directory {
    /// What another node asks.
    pub fn answer(&self, query: NodeQuery) -> NodeAnswer {
        match query {
            NodeQuery::UserSockets(user) => {
                NodeAnswer::Sockets(self.user_here(&user).cut_to(PAGE_BYTES))
            }
            NodeQuery::SocketCounts(users) => {
                let count = |user: &UserId| self.sockets.user(user).1.len();
                NodeAnswer::Counts(users.iter().map(count).collect())
            }
            NodeQuery::Reachable { namespace, users } => {
                let count = |user: &UserId| self.sockets.reachable(user, &namespace).len();
                NodeAnswer::Counts(users.iter().map(count).collect())
            }
            NodeQuery::RoomSockets { namespace, room, after, limit } => {
                let page = self.room_here(&namespace, &room, after, limit);
                NodeAnswer::Sockets(page.cut_to(PAGE_BYTES))
            }
            NodeQuery::Socket(id) => {
                let sockets = Vec::from_iter(self.socket_here(id));
                NodeAnswer::Sockets(SocketPage { total: sockets.len(), sockets, has_more: false })
            }
            NodeQuery::Users { after, limit } => {
                let page = self.sockets.presence.users(after.as_ref(), limit, StateFilter::Online);
                let listed = |it: UserEntry| ListedUser {
                    user: it.user,
                    session: it.session,
                    sockets: it.sockets,
                };
                let items = page.items.into_iter().map(listed).collect();
                NodeAnswer::Users(Page { items, has_more: page.has_more })
            }
            NodeQuery::Rooms { prefix, after, limit } => {
                NodeAnswer::Rooms(self.sockets.rooms(&prefix, after.as_ref(), limit))
            }
            NodeQuery::Stats => NodeAnswer::Stats(totals(&self.stats())),
        }
    }

    pub(super) fn user_here(&self, user: &UserId) -> SocketPage {
        let (_, sockets) = self.sockets.user(user);
        let told = sockets.iter().take(USER_SOCKETS_MAX).map(|it| facts(it)).collect();
        let has_more = USER_SOCKETS_MAX < sockets.len();
        SocketPage { total: sockets.len(), sockets: told, has_more }
    }

    pub(super) fn room_here(
        &self,
        namespace: &Namespace,
        room: &Room,
        after: Option<SocketId>,
        limit: usize,
    ) -> SocketPage {
        let mut sockets = self.sockets.room(namespace, room).to_vec();
        let total = sockets.len();
        sockets.retain(|it| after.is_none_or(|after| after < it.id));
        sockets.sort_unstable_by_key(|it| it.id);
        let has_more = limit < sockets.len();
        let told = sockets.iter().take(limit).map(|it| facts(it)).collect();
        SocketPage { total, sockets: told, has_more }
    }

    pub(super) fn socket_here(&self, id: SocketId) -> Option<SocketFacts> {
        self.sockets.registry.socket(id, &self.namespaces).map(|it| facts(&it))
    }
}

/// What is told of a node with others.
pub(super) fn totals(stats: &NodeStats) -> NodeTotals {
    NodeTotals {
        sockets: stats.counts.sockets,
        rooms: stats.counts.granted_rooms,
        connections: stats.connections,
        polling: stats.transports.polling,
        websocket: stats.transports.websocket,
        deadlines: stats.counts.deadlines,
    }
}

fn facts(socket: &Socket) -> SocketFacts {
    let (facts, grants) = (socket.connection.facts(), socket.grants());
    SocketFacts {
        id: socket.id.bytes(),
        user: socket.user().as_str().to_owned(),
        device: socket.device.as_ref().map(|it| it.as_str().to_owned()),
        earlier: socket.ids().skip(1).map(SocketId::bytes).collect(),
        namespace: socket.namespace.as_str().to_owned(),
        address: facts.address.to_string(),
        user_agent: facts.user_agent.as_deref().map(str::to_owned),
        transport: socket.connection.transport().as_str().to_owned(),
        rooms: socket.rooms().iter().map(|it| it.as_str().to_owned()).collect(),
        connected_at: socket.connected_at.0,
        family: grants.resume.as_ref().map(|it| it.family.to_string()),
        expires_at: grants.expires_at.map(|it| it.0),
        data: grants.data.as_ref().map(|it| it.get().to_owned()),
        attached: socket.attached().as_deref().map(str::to_owned),
    }
}

/// Users who linger in a cluster, in order.
#[derive(Debug)]
pub(super) struct LingeringPage {
    /// Each with what is known by now.
    pub(super) users: Vec<(UserId, PresenceStatus)>,
    /// The last of them, if there are more.
    pub(super) last: Option<UserId>,
}

/// A list with those who linger. Behind the last of these nobody is listed yet, if more of them follow.
pub(super) fn with_lingering(
    online: Page<UserEntry>,
    lingering: &LingeringPage,
    limit: usize,
) -> Page<UserEntry> {
    let mut found: BTreeMap<UserId, UserEntry> =
        online.items.into_iter().map(|it| (it.user.clone(), it)).collect();
    for (user, status) in &lingering.users {
        // Whoever has come back since the nodes looked is listed without the sockets that they did not see.
        if let PresenceStatus::Lingering(session) | PresenceStatus::Online(session) = *status {
            let (user, status) = (user.clone(), *status);
            let (sockets, attached) = (0, None);
            let entry = UserEntry { user: user.clone(), status, session, sockets, attached };
            found.entry(user).or_insert(entry);
        }
    }
    found.retain(|user, _| lingering.last.as_ref().is_none_or(|last| user <= last));
    page(found, limit, online.has_more || lingering.last.is_some())
}

/// The first of two lists in order. Each has as many as fit, or all there are: so what comes first in both is what does.
pub(super) fn merged_users(
    here: Page<UserEntry>,
    other: Page<ListedUser>,
    limit: usize,
) -> Page<UserEntry> {
    let mut found: BTreeMap<UserId, UserEntry> =
        here.items.into_iter().map(|it| (it.user.clone(), it)).collect();
    for ListedUser { user, session, sockets } in other.items {
        let status = PresenceStatus::Online(session);
        let entry = found.entry(user.clone()).or_insert_with(|| UserEntry {
            user,
            status,
            session,
            sockets: 0,
            attached: None,
        });
        entry.status = status;
        entry.sockets += sockets;
    }
    page(found, limit, here.has_more || other.has_more)
}

/// Sockets in order of their ids. A node that has more behind those that it tells says nothing of these: so nobody's are listed
/// behind its last one.
pub(super) fn merged_sockets(pages: &[SocketPage], limit: usize) -> SocketPage {
    let told =
        |page: &SocketPage| page.sockets.last().filter(|_| page.has_more).map(SocketFacts::id);
    let last = pages.iter().filter_map(told).min();
    let sockets = pages.iter().flat_map(|it| &it.sockets);
    let mut sockets: Vec<SocketFacts> =
        sockets.filter(|it| last.is_none_or(|last| it.id() <= last)).cloned().collect();
    sockets.sort_unstable_by_key(SocketFacts::id);
    let has_more = pages.iter().any(|it| it.has_more) || limit < sockets.len();
    sockets.truncate(limit);
    SocketPage { total: pages.iter().map(|it| it.total).sum(), sockets, has_more }
}

pub(super) fn merged_rooms(
    here: Page<RoomEntry>,
    other: Page<RoomEntry>,
    limit: usize,
) -> Page<RoomEntry> {
    let mut found: BTreeMap<(Namespace, Room), RoomEntry> = BTreeMap::new();
    for entry in here.items.into_iter().chain(other.items) {
        let key = (entry.namespace.clone(), entry.room.clone());
        let all = found.entry(key).or_insert(RoomEntry { sockets: 0, ..entry.clone() });
        all.sockets += entry.sockets;
    }
    page(found, limit, here.has_more || other.has_more)
}

fn page<K: Ord, T>(found: BTreeMap<K, T>, limit: usize, has_more: bool) -> Page<T> {
    let mut smallest = Smallest::new(limit);
    for (key, item) in found {
        smallest.offer(key, item);
    }
    let page = smallest.into_page(|(_, item)| item);
    Page { has_more: page.has_more || has_more, ..page }
}

#[cfg(test)]
mod tests;
