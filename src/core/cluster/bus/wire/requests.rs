//! What is asked of all nodes, as it is written.

use super::parts::{AudienceParts, EmitParts, GraceParts, room_parts, rooms};
use crate::core::cluster::book::BookName;
use crate::core::cluster::bus::attaching::SocketPatch;
use crate::core::cluster::bus::reports::ReportQuery;
use crate::core::cluster::bus::words::{BusRequest, Dismissal, NodeMessage, NodeQuery};
use crate::core::emit::message::Emit;
use crate::core::inbox::InboxState;
use crate::types::{FamilyId, ItemSeq, Namespace, Room, SocketId, UserId};
use serde::{Deserialize, Serialize};
use std::time::Duration;

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct MessageParts<'a> {
    question: Option<u64>,
    #[serde(borrow)]
    request: BusRequestParts<'a>,
}

#[derive(Debug, Serialize, Deserialize)]
enum BusRequestParts<'a> {
    Emit {
        id: &'a str,
        #[serde(borrow)]
        emit: Box<EmitParts<'a>>,
        acks: Option<Duration>,
    },
    Count(#[serde(borrow)] AudienceParts<'a>),
    Join {
        #[serde(borrow)]
        audience: AudienceParts<'a>,
        rooms: Vec<&'a str>,
    },
    Leave {
        #[serde(borrow)]
        audience: AudienceParts<'a>,
        rooms: Vec<&'a str>,
    },
    Disconnect {
        #[serde(borrow)]
        audience: AudienceParts<'a>,
        reason: Option<&'a str>,
        grace: GraceParts,
    },
    KickUser {
        user: &'a str,
        reason: Option<&'a str>,
        grace: GraceParts,
    },
    KickSocket([u8; SocketId::BYTES]),
    Look(#[serde(borrow)] QueryParts<'a>),
    Follow(BookParts, u64),
    LogOut {
        user: &'a str,
        reason: Option<&'a str>,
    },
    Replace([u8; SocketId::BYTES]),
    Report(ReportQuery),
    Inboxes(#[serde(borrow)] Vec<(&'a str, InboxParts)>),
    SeatsOf(&'a str),
    EndSeats {
        user: &'a str,
        replaced: Vec<&'a str>,
        evicted: Vec<&'a str>,
    },
    WakeHooks(&'a str),
    Attach(SocketPatch),
    Erase {
        user: &'a str,
        forget: bool,
    },
    LogOutFamily {
        user: &'a str,
        family: [u8; 16],
        reason: Option<&'a str>,
    },
}

/// Revision, head, unread, `read_upto` and `min_seq`.
type InboxParts = (u64, u64, u64, u64, u64);

fn inbox_parts(state: InboxState) -> InboxParts {
    let InboxState { revision, head, unread, read_upto, min_seq } = state;
    (revision, head.0, unread, read_upto.0, min_seq.0)
}

fn inbox((revision, head, unread, read_upto, min_seq): InboxParts) -> InboxState {
    let [head, read_upto, min_seq] = [head, read_upto, min_seq].map(ItemSeq);
    InboxState { revision, head, unread, read_upto, min_seq }
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
enum BookParts {
    Restrictions,
    Memberships,
}

impl From<BookName> for BookParts {
    fn from(book: BookName) -> Self {
        match book {
            BookName::Restrictions => Self::Restrictions,
            BookName::Memberships => Self::Memberships,
        }
    }
}

impl From<BookParts> for BookName {
    fn from(book: BookParts) -> Self {
        match book {
            BookParts::Restrictions => Self::Restrictions,
            BookParts::Memberships => Self::Memberships,
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
enum QueryParts<'a> {
    UserSockets(&'a str),
    SocketCounts(#[serde(borrow)] Vec<&'a str>),
    RoomSockets {
        namespace: &'a str,
        room: &'a str,
        after: Option<[u8; SocketId::BYTES]>,
        limit: usize,
    },
    Socket([u8; SocketId::BYTES]),
    Users {
        after: Option<&'a str>,
        limit: usize,
    },
    Rooms {
        prefix: &'a str,
        #[serde(borrow)]
        after: Option<(&'a str, &'a str)>,
        limit: usize,
    },
    Reachable {
        namespace: &'a str,
        #[serde(borrow)]
        users: Vec<&'a str>,
    },
    Stats,
}

impl<'a> QueryParts<'a> {
    fn of(query: &'a NodeQuery) -> Self {
        match query {
            NodeQuery::UserSockets(user) => Self::UserSockets(user.as_str()),
            NodeQuery::SocketCounts(users) => {
                Self::SocketCounts(users.iter().map(UserId::as_str).collect())
            }
            NodeQuery::RoomSockets { namespace, room, after, limit } => Self::RoomSockets {
                namespace: namespace.as_str(),
                room: room.as_str(),
                after: after.map(SocketId::bytes),
                limit: *limit,
            },
            NodeQuery::Socket(id) => Self::Socket(id.bytes()),
            NodeQuery::Users { after, limit } => {
                Self::Users { after: after.as_ref().map(UserId::as_str), limit: *limit }
            }
            NodeQuery::Rooms { prefix, after, limit } => {
                let after = after.as_ref().map(|(it, room)| (it.as_str(), room.as_str()));
                Self::Rooms { prefix, after, limit: *limit }
            }
            NodeQuery::Reachable { namespace, users } => Self::Reachable {
                namespace: namespace.as_str(),
                users: users.iter().map(UserId::as_str).collect(),
            },
            NodeQuery::Stats => Self::Stats,
        }
    }

    fn words(self) -> Option<NodeQuery> {
        let user = |text: &str| UserId::parse(text).ok();
        Some(match self {
            Self::UserSockets(text) => NodeQuery::UserSockets(user(text)?),
            Self::SocketCounts(users) => {
                NodeQuery::SocketCounts(users.into_iter().map(user).collect::<Option<_>>()?)
            }
            Self::RoomSockets { namespace, room, after, limit } => NodeQuery::RoomSockets {
                namespace: Namespace::parse(namespace).ok()?,
                room: Room::parse(room).ok()?,
                after: after.map(SocketId::from_bytes),
                limit,
            },
            Self::Socket(id) => NodeQuery::Socket(SocketId::from_bytes(id)),
            Self::Users { after: None, limit } => NodeQuery::Users { after: None, limit },
            Self::Users { after: Some(after), limit } => {
                NodeQuery::Users { after: Some(user(after)?), limit }
            }
            Self::Rooms { prefix, after, limit } => {
                let after = match after {
                    None => None,
                    Some((it, room)) => Some((Namespace::parse(it).ok()?, Room::parse(room).ok()?)),
                };
                NodeQuery::Rooms { prefix: prefix.to_owned(), after, limit }
            }
            Self::Reachable { namespace, users } => NodeQuery::Reachable {
                namespace: Namespace::parse(namespace).ok()?,
                users: users.into_iter().map(user).collect::<Option<_>>()?,
            },
            Self::Stats => NodeQuery::Stats,
        })
    }
}

impl<'a> MessageParts<'a> {
    pub(super) fn of(message: &'a NodeMessage) -> Self {
        let NodeMessage { question, request } = message;
        Self { question: *question, request: BusRequestParts::of(request) }
    }

    pub(super) fn emit(
        question: Option<u64>,
        id: &'a str,
        emit: &'a Emit,
        acks: Option<Duration>,
    ) -> Self {
        Self { question, request: BusRequestParts::emit(id, emit, acks) }
    }

    pub(super) fn words(self) -> Option<NodeMessage> {
        Some(NodeMessage { question: self.question, request: self.request.words()? })
    }
}

impl<'a> BusRequestParts<'a> {
    fn of(request: &'a BusRequest) -> Self {
        match request {
            BusRequest::Emit { id, emit, acks } => Self::emit(id, emit, *acks),
            BusRequest::Count(audience) => Self::Count(AudienceParts::of(audience)),
            BusRequest::Join { audience, rooms } => {
                Self::Join { audience: AudienceParts::of(audience), rooms: room_parts(rooms) }
            }
            BusRequest::Leave { audience, rooms } => {
                Self::Leave { audience: AudienceParts::of(audience), rooms: room_parts(rooms) }
            }
            BusRequest::Disconnect(Dismissal { audience, reason, grace }) => Self::Disconnect {
                audience: AudienceParts::of(audience),
                reason: reason.as_deref(),
                grace: (*grace).into(),
            },
            BusRequest::KickUser { user, reason, grace } => Self::KickUser {
                user: user.as_str(),
                reason: reason.as_deref(),
                grace: (*grace).into(),
            },
            BusRequest::KickSocket(id) => Self::KickSocket(id.bytes()),
            BusRequest::Look(query) => Self::Look(QueryParts::of(query)),
            BusRequest::Follow { book, change } => Self::Follow((*book).into(), *change),
            BusRequest::LogOut { user, reason } => {
                Self::LogOut { user: user.as_str(), reason: reason.as_deref() }
            }
            BusRequest::Replace(id) => Self::Replace(id.bytes()),
            BusRequest::Report(query) => Self::Report(query.clone()),
            BusRequest::Inboxes(states) => {
                let parts =
                    |(user, state): &'a (UserId, InboxState)| (user.as_str(), inbox_parts(*state));
                Self::Inboxes(states.iter().map(parts).collect())
            }
            BusRequest::SeatsOf(user) => Self::SeatsOf(user.as_str()),
            BusRequest::EndSeats { user, replaced, evicted } => Self::EndSeats {
                user: user.as_str(),
                replaced: replaced.iter().map(|it| &**it).collect(),
                evicted: evicted.iter().map(|it| &**it).collect(),
            },
            BusRequest::WakeHooks(endpoint) => Self::WakeHooks(endpoint),
            BusRequest::Attach(patch) => Self::Attach(patch.clone()),
            BusRequest::Erase { user, forget } => {
                Self::Erase { user: user.as_str(), forget: *forget }
            }
            BusRequest::LogOutFamily { user, family, reason } => Self::LogOutFamily {
                user: user.as_str(),
                family: family.bytes(),
                reason: reason.as_deref(),
            },
        }
    }

    fn emit(id: &'a str, emit: &'a Emit, acks: Option<Duration>) -> Self {
        Self::Emit { id, emit: Box::new(EmitParts::of(emit)), acks }
    }

    fn words(self) -> Option<BusRequest> {
        Some(match self {
            Self::Emit { id, emit, acks } => {
                BusRequest::Emit { id: id.to_owned(), emit: emit.words()?, acks }
            }
            Self::Count(audience) => BusRequest::Count(audience.words()?),
            Self::Join { audience, rooms: parts } => {
                BusRequest::Join { audience: audience.words()?, rooms: rooms(&parts)? }
            }
            Self::Leave { audience, rooms: parts } => {
                BusRequest::Leave { audience: audience.words()?, rooms: rooms(&parts)? }
            }
            Self::Disconnect { audience, reason, grace } => BusRequest::Disconnect(Dismissal {
                audience: audience.words()?,
                reason: reason.map(str::to_owned),
                grace: grace.into(),
            }),
            Self::KickUser { user, reason, grace } => BusRequest::KickUser {
                user: UserId::parse(user).ok()?,
                reason: reason.map(str::to_owned),
                grace: grace.into(),
            },
            Self::KickSocket(id) => BusRequest::KickSocket(SocketId::from_bytes(id)),
            Self::Look(query) => BusRequest::Look(query.words()?),
            Self::Follow(book, change) => BusRequest::Follow { book: book.into(), change },
            Self::LogOut { user, reason } => BusRequest::LogOut {
                user: UserId::parse(user).ok()?,
                reason: reason.map(str::to_owned),
            },
            Self::Replace(id) => BusRequest::Replace(SocketId::from_bytes(id)),
            Self::Report(query) => BusRequest::Report(query),
            Self::Inboxes(states) => {
                let words = |(user, parts)| Some((UserId::parse(user).ok()?, inbox(parts)));
                BusRequest::Inboxes(states.into_iter().map(words).collect::<Option<_>>()?)
            }
            Self::SeatsOf(user) => BusRequest::SeatsOf(UserId::parse(user).ok()?),
            Self::EndSeats { user, replaced, evicted } => BusRequest::EndSeats {
                user: UserId::parse(user).ok()?,
                replaced: replaced.into_iter().map(Into::into).collect(),
                evicted: evicted.into_iter().map(Into::into).collect(),
            },
            Self::WakeHooks(endpoint) => BusRequest::WakeHooks(endpoint.to_owned()),
            Self::Attach(patch) => BusRequest::Attach(patch),
            Self::Erase { user, forget } => {
                BusRequest::Erase { user: UserId::parse(user).ok()?, forget }
            }
            Self::LogOutFamily { user, family, reason } => BusRequest::LogOutFamily {
                user: UserId::parse(user).ok()?,
                family: FamilyId::from_bytes(family),
                reason: reason.map(str::to_owned),
            },
        })
    }
}
