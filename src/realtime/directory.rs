//! Who is here, and on other nodes: answered from memory, without side effects.

mod here;

pub use crate::core::cluster::bus::words::{SocketFacts, SocketPage};

use super::sockets::{NodeCounts, Sockets};
use crate::cluster::{Bus, BusError, OnNodes, Unattached};
use crate::connection::{Connections, LoanCounts, Transports};
use crate::core::cluster::bus::totals::NodeTotals;
use crate::core::cluster::bus::words::{NodeAnswer, NodeQuery, RoomEntry};
use crate::core::cluster::command::{LingeringUsers, UserCounts};
use crate::core::page::Page;
use crate::core::presence::session::PresenceStatus;
use crate::presence::{StateFilter, UserEntry, UserStatus};
use crate::types::{Namespace, Room, SocketId, UserId};
use here::LingeringPage;
use std::sync::Arc;
use thiserror::Error;

/// Users who linger that can be put in order at once.
const LINGERING_MAX: usize = 50_000;
/// Sockets of one user that are shown.
const USER_SOCKETS_MAX: usize = 1000;

/// How many are here, with connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeStats {
    /// Users, sockets, rooms.
    pub counts: NodeCounts,
    /// Connections, also those without a socket.
    pub connections: usize,
    /// Of these, those whose clients have joined no namespace.
    pub homeless: usize,
    /// Of these, those of guests.
    pub guests: usize,
    /// CONNECTs that are not answered.
    pub loans: LoanCounts,
    /// Bytes that wait for clients.
    pub waiting_bytes: usize,
    /// How these reach their clients.
    pub transports: Transports,
}

/// What is known of who is here.
#[derive(Debug)]
pub struct Directory {
    sockets: Sockets,
    connections: Connections,
    namespaces: Arc<[Namespace]>,
    /// The other nodes, if there are any.
    bus: Option<Bus>,
}

/// Nothing can be said of the other nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DirectoryError {
    /// The cluster cannot be reached.
    #[error(transparent)]
    Unattached(#[from] Unattached),
    /// They cannot be asked.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// More linger than can be put in order.
    #[error("{0} users linger, more than can be listed: ask for those who are online")]
    TooManyLinger(usize),
}

impl Directory {
    /// Users in order of their ids, after `after`.
    pub async fn users(
        &self,
        after: Option<&UserId>,
        limit: usize,
        filter: StateFilter,
    ) -> Result<OnNodes<Page<UserEntry>>, DirectoryError> {
        let mut lingering = match (&self.bus, filter) {
            (Some(bus), StateFilter::All | StateFilter::Lingering) => lingering(bus).await?,
            (Some(_), StateFilter::Online) | (None, _) => Vec::new(),
        };
        if let (Some(bus), StateFilter::Lingering) = (&self.bus, filter) {
            let mut page = lingering_page(bus, &lingering, (after, limit)).await?;
            page.users.retain(|(_, status)| matches!(status, PresenceStatus::Lingering(_)));
            let found = here::with_lingering(Page::default(), &page, limit);
            return self.add_attached(OnNodes::here(found)).await;
        }
        let here = || self.sockets.presence.users(after, limit, filter);
        let ask = || NodeQuery::Users { after: after.cloned(), limit };
        let OnNodes { done: (mut done, answers), missing } = self.look(ask, here).await?;
        for answer in answers {
            if let NodeAnswer::Users(page) = answer {
                done = here::merged_users(done, page, limit);
            }
        }
        if let (Some(bus), StateFilter::All) = (&self.bus, filter) {
            // Asked before and after: so nobody is overlooked who has gone, or come back, while the nodes looked.
            lingering.extend(self::lingering(bus).await?);
            let page = lingering_page(bus, &lingering, (after, limit)).await?;
            done = here::with_lingering(done, &page, limit);
        }
        self.add_attached(OnNodes { done, missing }).await
    }

    /// What is known of the presence of these users, in the same order.
    pub async fn status(
        &self,
        users: &[UserId],
    ) -> Result<OnNodes<Vec<UserStatus>>, DirectoryError> {
        let mut done = self.sockets.presence.status(users).await?;
        let ask = || NodeQuery::SocketCounts(users.to_vec());
        let OnNodes { done: ((), answers), missing } = self.look(ask, || ()).await?;
        for answer in answers {
            let NodeAnswer::Counts(counts) = answer else { continue };
            for (status, count) in done.iter_mut().zip(counts) {
                status.sockets += count;
            }
        }
        Ok(OnNodes { done, missing })
    }

    /// A user's status and sockets, in the order these came: all are counted, and at most 1000 told of.
    pub async fn user(
        &self,
        user: &UserId,
    ) -> Result<OnNodes<(PresenceStatus, SocketPage)>, DirectoryError> {
        let [status] = self.sockets.presence.status(std::slice::from_ref(user)).await?[..] else {
            return Err(Unattached.into());
        };
        let OnNodes { done: page, missing } = self.sockets_of(user).await?;
        Ok(OnNodes { done: (status.status, page), missing })
    }

    /// A user's sockets, in the order these came: all are counted, and at most 1000 told of.
    pub async fn sockets_of(&self, user: &UserId) -> Result<OnNodes<SocketPage>, BusError> {
        let ask = || NodeQuery::UserSockets(user.clone());
        let asked = self.look(ask, || self.user_here(user)).await?;
        let OnNodes { done: mut page, missing } = pages(asked);
        page.sockets.sort_by_key(|it| it.connected_at);
        page.sockets.truncate(USER_SOCKETS_MAX);
        Ok(OnNodes { done: page, missing })
    }

    /// What the backend has attached to a user's session.
    pub async fn attached(&self, user: &UserId) -> Result<Option<Arc<str>>, Unattached> {
        let presence = &self.sockets.presence;
        let Some(cluster) = presence.shared() else { return Ok(presence.attached(user)) };
        let mut known = cluster.attached(std::slice::from_ref(user)).await?;
        Ok(known.pop().flatten().and_then(|it| it.attached))
    }

    /// Adds what is attached to the sessions of users, where the cluster knows that.
    async fn add_attached(
        &self,
        mut found: OnNodes<Page<UserEntry>>,
    ) -> Result<OnNodes<Page<UserEntry>>, DirectoryError> {
        let Some(cluster) = self.sockets.presence.shared() else { return Ok(found) };
        let users: Vec<UserId> = found.done.items.iter().map(|it| it.user.clone()).collect();
        match cluster.attached(&users).await {
            Ok(known) => {
                for (user, known) in found.done.items.iter_mut().zip(known) {
                    let known = known.filter(|it| it.session == user.session.id);
                    user.attached = known.and_then(|it| it.attached);
                }
            }
            // The list says so itself.
            Err(Unattached) if found.missing.is_degraded => {}
            Err(error) => return Err(error.into()),
        }
        Ok(found)
    }

    /// Granted rooms that begin with `prefix`, after `after`.
    pub async fn rooms(
        &self,
        prefix: &str,
        after: Option<&(Namespace, Room)>,
        limit: usize,
    ) -> Result<OnNodes<Page<RoomEntry>>, DirectoryError> {
        let here = || self.sockets.rooms(prefix, after, limit);
        let ask = || {
            let (prefix, after) = (prefix.to_owned(), after.cloned());
            NodeQuery::Rooms { prefix, after, limit }
        };
        let OnNodes { done: (here, answers), missing } = self.look(ask, here).await?;
        let pages = answers
            .into_iter()
            .filter_map(|it| if let NodeAnswer::Rooms(page) = it { Some(page) } else { None });
        let mut done = here;
        for page in pages {
            done = here::merged_rooms(done, page, limit);
        }
        Ok(OnNodes { done, missing })
    }

    /// The sockets in a room, in order of their ids, after `after`.
    pub async fn room(
        &self,
        namespace: &Namespace,
        room: &Room,
        after: Option<SocketId>,
        limit: usize,
    ) -> Result<OnNodes<SocketPage>, DirectoryError> {
        let ask = || {
            let (namespace, room) = (namespace.clone(), room.clone());
            NodeQuery::RoomSockets { namespace, room, after, limit }
        };
        let asked = self.look(ask, || self.room_here(namespace, room, after, limit)).await?;
        let OnNodes { done: (here, answers), missing } = asked;
        let others = answers.into_iter().filter_map(socket_page);
        let pages: Vec<SocketPage> = std::iter::once(here).chain(others).collect();
        Ok(OnNodes { done: here::merged_sockets(&pages, limit), missing })
    }

    /// The socket with this id.
    pub async fn socket(
        &self,
        id: SocketId,
    ) -> Result<OnNodes<Option<SocketFacts>>, DirectoryError> {
        if let Some(socket) = self.socket_here(id) {
            return Ok(OnNodes::here(Some(socket)));
        }
        let asked = self.look(|| NodeQuery::Socket(id), SocketPage::default).await?;
        let OnNodes { done: page, missing } = pages(asked);
        Ok(match page.sockets.into_iter().next() {
            // A socket is on one node: when that is found, nobody is missing.
            Some(socket) => OnNodes::here(Some(socket)),
            None => OnNodes { done: None, missing },
        })
    }

    /// How many there are on all nodes: of users each counts once, of rooms each once for every node on which a socket is in it.
    pub async fn totals(&self) -> Result<OnNodes<(UserCounts, NodeTotals)>, DirectoryError> {
        let stats = self.stats();
        let users = match &self.bus {
            Some(bus) => bus.count_users().await?,
            None => UserCounts { users: stats.counts.users, lingering: stats.counts.lingering },
        };
        let asked = self.look(|| NodeQuery::Stats, || here::totals(&stats)).await?;
        let OnNodes { done: (mut totals, answers), missing } = asked;
        for answer in answers {
            if let NodeAnswer::Stats(other) = answer {
                totals.add(other);
            }
        }
        Ok(OnNodes { done: (users, totals), missing })
    }

    /// Looks here and asks the others.
    async fn look<T>(
        &self,
        query: impl FnOnce() -> NodeQuery,
        here: impl FnOnce() -> T,
    ) -> Result<OnNodes<(T, Vec<NodeAnswer>)>, BusError> {
        let Some(bus) = &self.bus else { return Ok(OnNodes::here((here(), Vec::new()))) };
        let asked = bus.look(query())?;
        let here = here();
        let answers = asked.answers().await;
        Ok(OnNodes { done: (here, answers.answers), missing: answers.missing })
    }
}

impl Directory {
    /// Those of this node, in these namespaces, and of the nodes of `bus`.
    pub fn new(
        sockets: Sockets,
        connections: Connections,
        namespaces: Arc<[Namespace]>,
        bus: Option<Bus>,
    ) -> Self {
        Self { sockets, connections, namespaces, bus }
    }

    /// The namespaces that exist.
    pub fn namespaces(&self) -> &[Namespace] {
        &self.namespaces
    }

    /// How many are on this node.
    pub fn stats(&self) -> NodeStats {
        let (connections, transports) = (self.connections.len(), self.connections.transports());
        let homeless = self.connections.homeless();
        let (counts, guests) = (self.sockets.counts(), self.connections.guests());
        let loans = self.connections.loans();
        let waiting_bytes = self.connections.waiting_bytes();
        NodeStats { counts, connections, homeless, guests, loans, waiting_bytes, transports }
    }

    /// Whether the server is stopping.
    pub fn is_draining(&self) -> bool {
        self.connections.is_draining()
    }
}

/// All who linger.
async fn lingering(bus: &Bus) -> Result<Vec<UserId>, DirectoryError> {
    let LingeringUsers { total, users } = bus.lingering(LINGERING_MAX).await?;
    if users.len() < total {
        return Err(DirectoryError::TooManyLinger(total));
    }
    Ok(users)
}

/// The first of those who lingered a moment ago, after `after`.
async fn lingering_page(
    bus: &Bus,
    users: &[UserId],
    (after, limit): (Option<&UserId>, usize),
) -> Result<LingeringPage, DirectoryError> {
    let behind = users.iter().filter(|it| after.is_none_or(|after| after < *it));
    let mut users: Vec<UserId> = behind.cloned().collect();
    users.sort_unstable();
    users.dedup();
    let has_more = limit < users.len();
    users.truncate(limit);
    let statuses = bus.presence(&users).await?;
    let last = users.last().filter(|_| has_more).cloned();
    Ok(LingeringPage { users: users.into_iter().zip(statuses).collect(), last })
}

/// All sockets that were found.
fn pages(asked: OnNodes<(SocketPage, Vec<NodeAnswer>)>) -> OnNodes<SocketPage> {
    let OnNodes { done: (mut page, answers), missing } = asked;
    for other in answers.into_iter().filter_map(socket_page) {
        page.total += other.total;
        page.sockets.extend(other.sockets);
        page.has_more |= other.has_more;
    }
    OnNodes { done: page, missing }
}

fn socket_page(answer: NodeAnswer) -> Option<SocketPage> {
    if let NodeAnswer::Sockets(page) = answer { Some(page) } else { None }
}

#[cfg(test)]
mod tests;
