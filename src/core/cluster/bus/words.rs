//! What one node asks of all others, and what each answers.

pub use super::facts::{SocketFacts, UserEmitted};

use crate::core::cluster::book::BookName;
use crate::core::cluster::bus::attaching::{SocketPatch, SocketPatched};
use crate::core::cluster::bus::reports::{NodeReport, ReportQuery};
use crate::core::cluster::bus::totals::NodeTotals;
use crate::core::cluster::seats::SeatName;
use crate::core::control::seats::Standing;
use crate::core::emit::acks::WhyNoAck;
use crate::core::emit::audience::Audience;
use crate::core::emit::message::Emit;
use crate::core::inbox::InboxState;
use crate::core::page::Page;
use crate::core::presence::session::{Grace, UserSession};
use crate::types::{FamilyId, Namespace, Room, SocketId, UserId};
use bytes::Bytes;
use serde_json::value::RawValue;
use std::time::Duration;

/// What a node says to all others, by the log.
#[derive(Debug)]
pub struct NodeMessage {
    /// Names the question to whoever asked; `None`: nobody waits for an answer.
    pub question: Option<u64>,
    /// What is asked.
    pub request: BusRequest,
}

/// What a node asks all others to do.
#[derive(Debug)]
pub enum BusRequest {
    /// Send an event to your sockets.
    Emit {
        /// Names the emit.
        id: String,
        /// The event, and who it is for.
        emit: Emit,
        /// How long acks are waited for, if clients are asked for them.
        acks: Option<Duration>,
    },
    /// Say how many of your sockets an audience is.
    Count(Audience),
    /// Have your sockets join rooms.
    Join {
        /// Which sockets.
        audience: Audience,
        /// The rooms.
        rooms: Vec<Room>,
    },
    /// Have them leave rooms.
    Leave {
        /// Which sockets.
        audience: Audience,
        /// The rooms.
        rooms: Vec<Room>,
    },
    /// Disconnect sockets for good.
    Disconnect(Dismissal),
    /// Disconnect all sockets of a user for good.
    KickUser {
        /// Who.
        user: UserId,
        /// What its clients are told.
        reason: Option<String>,
        /// What becomes of its grace.
        grace: Grace,
    },
    /// Disconnect one socket for good.
    KickSocket(SocketId),
    /// Say what there is.
    Look(NodeQuery),
    /// Take this change of a book into your copy, and what came before it.
    Follow {
        /// Which book.
        book: BookName,
        /// The number of the change.
        change: u64,
    },
    /// Disconnect all sockets of a user for good, because it is logged out.
    LogOut {
        /// Who.
        user: UserId,
        /// What its clients are told.
        reason: Option<String>,
    },
    /// The client of a socket has come back to its session elsewhere: close its connection, if it is there still.
    Replace(SocketId),
    /// Say how you are.
    Report(ReportQuery),
    /// The inboxes of these users are so by now: tell their sockets.
    Inboxes(Vec<(UserId, InboxState)>),
    /// Say how the connections are that have the seats of a user.
    SeatsOf(UserId),
    /// These seats of a user are others' by now: close the connections that had them.
    EndSeats {
        /// Whose they are.
        user: UserId,
        /// Their clients have come back elsewhere.
        replaced: Vec<SeatName>,
        /// They have to go for other clients.
        evicted: Vec<SeatName>,
    },
    /// Try now what waits for the endpoint of this name, if you deliver for it.
    WakeHooks(String),
    /// Attach data to a socket, if it is there.
    Attach(SocketPatch),
    /// Disconnect all sockets of a user for good who is being erased.
    Erase {
        /// Who.
        user: UserId,
        /// Forget the user, too.
        forget: bool,
    },
    /// Disconnect those sockets of a user for good that have resume tokens of this family, because it is logged out.
    LogOutFamily {
        /// Who.
        user: UserId,
        /// Which.
        family: FamilyId,
        /// What its clients are told.
        reason: Option<String>,
    },
}

/// What a node asks all others of what there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeQuery {
    /// The sockets of a user.
    UserSockets(UserId),
    /// How many sockets each of these users has.
    SocketCounts(Vec<UserId>),
    /// The sockets in a room, in order of their ids.
    RoomSockets {
        /// Its namespace.
        namespace: Namespace,
        /// Its name.
        room: Room,
        /// Those behind this one.
        after: Option<SocketId>,
        /// How many, at most.
        limit: usize,
    },
    /// The socket with this id.
    Socket(SocketId),
    /// Users with sockets, in order of their ids.
    Users {
        /// Those behind this one.
        after: Option<UserId>,
        /// How many, at most.
        limit: usize,
    },
    /// Rooms that were granted, in order of namespace and name.
    Rooms {
        /// What their names begin with.
        prefix: String,
        /// Those behind this one.
        after: Option<(Namespace, Room)>,
        /// How many, at most.
        limit: usize,
    },
    /// How many sockets each of these users has in a namespace.
    Reachable {
        /// The namespace.
        namespace: Namespace,
        /// Who.
        users: Vec<UserId>,
    },
    /// How much there is.
    Stats,
}

/// Some of many sockets.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SocketPage {
    /// How many there are.
    pub total: usize,
    /// Some of them.
    pub sockets: Vec<SocketFacts>,
    /// Whether there are more behind these.
    pub has_more: bool,
}

impl SocketPage {
    /// The first of them, as many as take so many bytes, and one in any case: the others come with the next page.
    #[must_use]
    pub fn cut_to(mut self, bytes_max: usize) -> Self {
        let mut left = bytes_max;
        let fits = |it: &&SocketFacts| {
            let rest = left.checked_sub(it.bytes());
            left = rest.unwrap_or_default();
            rest.is_some()
        };
        let fitting = self.sockets.iter().take_while(fits).count().max(1);
        self.has_more |= fitting < self.sockets.len();
        self.sockets.truncate(fitting);
        self
    }
}

/// A user with sockets on a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedUser {
    /// Who.
    pub user: UserId,
    /// The user's session.
    pub session: UserSession,
    /// The user's sockets there.
    pub sockets: usize,
}

/// A room in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomEntry {
    /// Its namespace.
    pub namespace: Namespace,
    /// Its name.
    pub room: Room,
    /// How many sockets are in it.
    pub sockets: usize,
}

/// Sockets that are disconnected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dismissal {
    /// Who has to go.
    pub audience: Audience,
    /// What the clients are told.
    pub reason: Option<String>,
    /// What becomes of the grace of users who are left without a socket.
    pub grace: Grace,
}

/// What one node answers another, alone.
#[derive(Debug, Clone)]
pub struct NodeReply {
    /// The question, as whoever asked named it.
    pub question: u64,
    /// The answer.
    pub answer: NodeAnswer,
}

/// What became of a request on one node.
#[derive(Debug, Clone)]
pub enum NodeAnswer {
    /// To [`BusRequest::Emit`].
    Emitted(EmitCounts),
    /// To [`BusRequest::Emit`] with acks, after the first answer, as often as there is something.
    Acked(Vec<AckNews>),
    /// To [`BusRequest::Count`], [`BusRequest::EndSeats`], [`BusRequest::Erase`] and, of memberships, [`BusRequest::Follow`]: how many sockets have come in or gone out.
    Counted(usize),
    /// To [`BusRequest::Join`] and [`BusRequest::Leave`].
    Moved(MovedSockets),
    /// To [`BusRequest::Disconnect`]: how many.
    Disconnected(usize),
    /// To [`BusRequest::KickUser`], [`BusRequest::LogOut`], [`BusRequest::LogOutFamily`] and, of restrictions, [`BusRequest::Follow`]: which sockets.
    Kicked(Vec<SocketId>),
    /// To [`BusRequest::KickSocket`]: whose it was, if it was here.
    KickedSocket(Option<UserId>),
    /// To [`NodeQuery::UserSockets`], [`NodeQuery::RoomSockets`] and [`NodeQuery::Socket`].
    Sockets(SocketPage),
    /// To [`NodeQuery::SocketCounts`] and [`NodeQuery::Reachable`], in the same order.
    Counts(Vec<usize>),
    /// To [`NodeQuery::Users`].
    Users(Page<ListedUser>),
    /// To [`NodeQuery::Rooms`].
    Rooms(Page<RoomEntry>),
    /// What was asked could not be done here.
    Failed,
    /// To [`BusRequest::Report`].
    Report(Box<NodeReport>),
    /// To [`BusRequest::SeatsOf`].
    Seats(Vec<(SeatName, Standing)>),
    /// To [`NodeQuery::Stats`].
    Stats(NodeTotals),
    /// To [`BusRequest::Attach`].
    Attached(SocketPatched),
}

/// For how many sockets an emit was.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EmitCounts {
    /// Sockets it was for.
    pub matched: usize,
    /// Sockets whose connection took it.
    pub sent: usize,
    /// The same for each user that was named, in the order they were named.
    pub users: Vec<UserEmitted>,
    /// With acks: the sockets it was for.
    pub asked: Vec<AskedSocket>,
}

/// A socket that was asked for an ack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskedSocket {
    /// The socket.
    pub socket: SocketId,
    /// Whose it is.
    pub user: UserId,
    /// Why it was not asked after all.
    pub refused: Option<WhyNoAck>,
}

/// What became of a socket that was asked for an ack.
#[derive(Debug, Clone)]
pub struct AckNews {
    /// The socket.
    pub socket: SocketId,
    /// What it said; `None`: it is gone.
    pub said: Option<AckWords>,
}

/// What a client says in an ack.
#[derive(Debug, Clone)]
pub struct AckWords {
    /// Its arguments: a JSON array, as the client wrote it.
    pub args: Box<RawValue>,
    /// The buffers for which there are places in `args`.
    pub buffers: Vec<Bytes>,
}

impl AckWords {
    /// Bytes of it.
    pub fn len(&self) -> usize {
        self.args.get().len() + self.buffers.iter().map(Bytes::len).sum::<usize>()
    }

    /// Whether it is of no bytes, which no array is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl MovedSockets {
    /// With those of another node.
    pub fn add(&mut self, other: Self) {
        let Self { matched, changed, full, denied } = other;
        self.matched += matched;
        self.changed += changed;
        self.full += full;
        self.denied += denied;
    }
}

/// What became of sockets that were to join or leave rooms.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MovedSockets {
    /// Sockets that were meant.
    pub matched: usize,
    /// Of these, those that have joined or left at least one of the rooms.
    pub changed: usize,
    /// Of these, those that have not joined all, because they are in as many rooms as allowed.
    pub full: usize,
    /// Of these, those that have not joined all, because a room is denied to their user.
    pub denied: usize,
}
