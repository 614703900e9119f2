//! What a node answers, as it is written.

use super::parts::StatusParts;
use crate::core::cluster::bus::attaching::SocketPatched;
use crate::core::cluster::bus::reports::NodeReport;
use crate::core::cluster::bus::totals::NodeTotals;
use crate::core::cluster::bus::words::{
    AckNews, AckWords, AskedSocket, EmitCounts, ListedUser, MovedSockets, NodeAnswer, NodeReply,
    RoomEntry, SocketFacts, SocketPage, UserEmitted,
};
use crate::core::control::seats::Standing;
use crate::core::emit::acks::WhyNoAck;
use crate::core::page::Page;
use crate::core::presence::session::UserSession;
use crate::types::{Namespace, Room, Seq, SocketId, UserId, WallMs};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ReplyParts<'a> {
    question: u64,
    #[serde(borrow)]
    answer: AnswerParts<'a>,
}

#[derive(Debug, Serialize, Deserialize)]
enum AnswerParts<'a> {
    Emitted {
        matched: usize,
        sent: usize,
        users: Vec<(StatusParts, usize, usize)>,
        #[serde(borrow)]
        asked: Vec<AskedParts<'a>>,
    },
    Acked(#[serde(borrow)] Vec<NewsParts<'a>>),
    Counted(usize),
    Moved {
        matched: usize,
        changed: usize,
        full: usize,
        denied: usize,
    },
    Disconnected(usize),
    Kicked(Vec<[u8; SocketId::BYTES]>),
    KickedSocket(Option<&'a str>),
    Sockets {
        total: usize,
        sockets: Vec<SocketFacts>,
        has_more: bool,
    },
    Counts(Vec<usize>),
    Users(#[serde(borrow)] Vec<ListedParts<'a>>, bool),
    Rooms(#[serde(borrow)] Vec<RoomParts<'a>>, bool),
    Failed,
    Report(Box<NodeReport>),
    Seats(#[serde(borrow)] Vec<(&'a str, StandingParts)>),
    Stats(NodeTotals),
    Attached(SocketPatched),
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
enum StandingParts {
    Here,
    OwesPong,
    Leaving,
}

impl From<Standing> for StandingParts {
    fn from(standing: Standing) -> Self {
        match standing {
            Standing::Here => Self::Here,
            Standing::OwesPong => Self::OwesPong,
            Standing::Leaving => Self::Leaving,
        }
    }
}

impl From<StandingParts> for Standing {
    fn from(standing: StandingParts) -> Self {
        match standing {
            StandingParts::Here => Self::Here,
            StandingParts::OwesPong => Self::OwesPong,
            StandingParts::Leaving => Self::Leaving,
        }
    }
}

/// Who, the session, since when, and sockets.
type ListedParts<'a> = (&'a str, u64, u64, usize);
/// Namespace, name and sockets.
type RoomParts<'a> = (&'a str, &'a str, usize);

fn listed_parts(listed: &ListedUser) -> ListedParts<'_> {
    let ListedUser { user, session, sockets } = listed;
    (user.as_str(), session.id.0, session.since.0, *sockets)
}

fn listed((user, id, since, sockets): ListedParts<'_>) -> Option<ListedUser> {
    let session = UserSession { id: Seq(id), since: WallMs(since) };
    Some(ListedUser { user: UserId::parse(user).ok()?, session, sockets })
}

fn room_parts(entry: &RoomEntry) -> RoomParts<'_> {
    (entry.namespace.as_str(), entry.room.as_str(), entry.sockets)
}

fn room((namespace, room, sockets): RoomParts<'_>) -> Option<RoomEntry> {
    let (namespace, room) = (Namespace::parse(namespace).ok()?, Room::parse(room).ok()?);
    Some(RoomEntry { namespace, room, sockets })
}

#[derive(Debug, Serialize, Deserialize)]
struct AskedParts<'a> {
    socket: [u8; SocketId::BYTES],
    user: &'a str,
    refused: Option<RefusedParts>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
enum RefusedParts {
    NotSent,
    TooMany,
}

#[derive(Debug, Serialize, Deserialize)]
struct NewsParts<'a> {
    socket: [u8; SocketId::BYTES],
    #[serde(borrow)]
    said: Option<(&'a str, Vec<&'a [u8]>)>,
}

impl<'a> AskedParts<'a> {
    fn of(asked: &'a AskedSocket) -> Self {
        let AskedSocket { socket, user, refused } = asked;
        let refused = refused.map(|why| match why {
            WhyNoAck::TooMany => RefusedParts::TooMany,
            WhyNoAck::NotSent
            | WhyNoAck::Timeout
            | WhyNoAck::Disconnected
            | WhyNoAck::Cancelled => RefusedParts::NotSent,
        });
        Self { socket: socket.bytes(), user: user.as_str(), refused }
    }

    fn words(&self) -> Option<AskedSocket> {
        let refused = self.refused.map(|why| match why {
            RefusedParts::TooMany => WhyNoAck::TooMany,
            RefusedParts::NotSent => WhyNoAck::NotSent,
        });
        let user = UserId::parse(self.user).ok()?;
        Some(AskedSocket { socket: SocketId::from_bytes(self.socket), user, refused })
    }
}

impl<'a> NewsParts<'a> {
    fn of(news: &'a AckNews) -> Self {
        let AckNews { socket, said } = news;
        let parts = |it: &'a AckWords| {
            (it.args.get(), it.buffers.iter().map(|it| &**it).collect::<Vec<&[u8]>>())
        };
        Self { socket: socket.bytes(), said: said.as_ref().map(parts) }
    }

    fn words(self) -> Option<AckNews> {
        let said = match self.said {
            None => None,
            Some((args, buffers)) => Some(AckWords {
                args: RawValue::from_string(args.to_owned()).ok()?,
                buffers: buffers.into_iter().map(Bytes::copy_from_slice).collect(),
            }),
        };
        Some(AckNews { socket: SocketId::from_bytes(self.socket), said })
    }
}

impl<'a> ReplyParts<'a> {
    pub(super) fn of(reply: &'a NodeReply) -> Self {
        let NodeReply { question, answer } = reply;
        Self { question: *question, answer: AnswerParts::of(answer) }
    }

    pub(super) fn words(self) -> Option<NodeReply> {
        Some(NodeReply { question: self.question, answer: self.answer.words()? })
    }
}

impl<'a> AnswerParts<'a> {
    fn of(answer: &'a NodeAnswer) -> Self {
        match answer {
            NodeAnswer::Emitted(EmitCounts { matched, sent, users, asked }) => {
                let parts = |it: &UserEmitted| (it.status.into(), it.matched, it.sent);
                let users = users.iter().map(parts).collect();
                let asked = asked.iter().map(AskedParts::of).collect();
                Self::Emitted { matched: *matched, sent: *sent, users, asked }
            }
            NodeAnswer::Acked(news) => Self::Acked(news.iter().map(NewsParts::of).collect()),
            NodeAnswer::Counted(count) => Self::Counted(*count),
            NodeAnswer::Moved(MovedSockets { matched, changed, full, denied }) => {
                Self::Moved { matched: *matched, changed: *changed, full: *full, denied: *denied }
            }
            NodeAnswer::Disconnected(count) => Self::Disconnected(*count),
            NodeAnswer::Kicked(ids) => Self::Kicked(ids.iter().map(|it| it.bytes()).collect()),
            NodeAnswer::KickedSocket(user) => Self::KickedSocket(user.as_ref().map(UserId::as_str)),
            NodeAnswer::Sockets(SocketPage { total, sockets, has_more }) => {
                Self::Sockets { total: *total, sockets: sockets.clone(), has_more: *has_more }
            }
            NodeAnswer::Counts(counts) => Self::Counts(counts.clone()),
            NodeAnswer::Users(page) => {
                Self::Users(page.items.iter().map(listed_parts).collect(), page.has_more)
            }
            NodeAnswer::Rooms(page) => {
                Self::Rooms(page.items.iter().map(room_parts).collect(), page.has_more)
            }
            NodeAnswer::Failed => Self::Failed,
            NodeAnswer::Report(report) => Self::Report(report.clone()),
            NodeAnswer::Stats(totals) => Self::Stats(*totals),
            NodeAnswer::Attached(patched) => Self::Attached(patched.clone()),
            NodeAnswer::Seats(seats) => {
                Self::Seats(seats.iter().map(|(seat, it)| (&**seat, (*it).into())).collect())
            }
        }
    }

    fn words(self) -> Option<NodeAnswer> {
        Some(match self {
            Self::Emitted { matched, sent, users, asked } => {
                let word = |(status, matched, sent): (StatusParts, _, _)| UserEmitted {
                    status: status.into(),
                    matched,
                    sent,
                };
                let users = users.into_iter().map(word).collect();
                let asked = asked.iter().map(AskedParts::words).collect::<Option<_>>()?;
                NodeAnswer::Emitted(EmitCounts { matched, sent, users, asked })
            }
            Self::Acked(news) => {
                NodeAnswer::Acked(news.into_iter().map(NewsParts::words).collect::<Option<_>>()?)
            }
            Self::Counted(count) => NodeAnswer::Counted(count),
            Self::Moved { matched, changed, full, denied } => {
                NodeAnswer::Moved(MovedSockets { matched, changed, full, denied })
            }
            Self::Disconnected(count) => NodeAnswer::Disconnected(count),
            Self::Kicked(ids) => {
                NodeAnswer::Kicked(ids.into_iter().map(SocketId::from_bytes).collect())
            }
            Self::KickedSocket(None) => NodeAnswer::KickedSocket(None),
            Self::KickedSocket(Some(user)) => {
                NodeAnswer::KickedSocket(Some(UserId::parse(user).ok()?))
            }
            Self::Sockets { total, sockets, has_more } => {
                NodeAnswer::Sockets(SocketPage { total, sockets, has_more })
            }
            Self::Counts(counts) => NodeAnswer::Counts(counts),
            Self::Users(users, has_more) => {
                let items = users.into_iter().map(listed).collect::<Option<_>>()?;
                NodeAnswer::Users(Page { items, has_more })
            }
            Self::Rooms(rooms, has_more) => {
                let items = rooms.into_iter().map(room).collect::<Option<_>>()?;
                NodeAnswer::Rooms(Page { items, has_more })
            }
            Self::Failed => NodeAnswer::Failed,
            Self::Report(report) => NodeAnswer::Report(report),
            Self::Stats(totals) => NodeAnswer::Stats(totals),
            Self::Attached(patched) => NodeAnswer::Attached(patched),
            Self::Seats(seats) => NodeAnswer::Seats(
                seats.into_iter().map(|(seat, it)| (seat.into(), it.into())).collect(),
            ),
        })
    }
}
