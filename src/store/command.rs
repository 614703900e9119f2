//! What the writer is asked for, and what it answers.

use super::error::ReplayError;
use super::inbox::command::{InboxAnswer, InboxCommand};
use super::resume::write::ResumeWrite;
use crate::core::auth::resume_families::FamilyNews;
use crate::core::control::restrictions::Restriction;
use crate::core::delivery::decision::DeliveryId;
use crate::core::delivery::outbox::{DeadRange, EndpointId, NextHook, Replayed, Settlement};
use crate::core::rooms::memberships::MembershipChange;
use crate::types::{Change, Seq, Timestamp, Undelivered, UserId, UserNews, WallMs};
use std::sync::Arc;
use tokio::sync::oneshot;

/// What is attached to a session of a user from now on.
#[derive(Debug)]
pub struct Attaching {
    /// The user.
    pub user: UserId,
    /// The session: the sequence number of the user's `online`.
    pub session: Seq,
    /// A JSON object.
    pub attached: Arc<str>,
}

/// What the writer is asked for.
#[derive(Debug)]
pub(super) enum WriteCommand {
    Record(Change),
    RecordAll(Vec<UserNews>),
    EndLostSockets {
        at: WallMs,
        ended: Option<WallMs>,
        /// Says whether there may be more.
        reply: oneshot::Sender<bool>,
    },
    Attach {
        to: Attaching,
        reply: oneshot::Sender<()>,
    },
    Undelivered {
        news: Vec<Undelivered>,
        reply: oneshot::Sender<()>,
    },
    Settle {
        endpoint: EndpointId,
        settlements: Vec<Settlement>,
        reply: oneshot::Sender<Vec<NextHook>>,
    },
    Replay {
        id: DeliveryId,
        at: WallMs,
        reply: oneshot::Sender<Result<(), ReplayError>>,
    },
    ReplayDead {
        range: DeadRange,
        at: WallMs,
        reply: oneshot::Sender<Replayed>,
    },
    Inbox(InboxCommand),
    Erase {
        user: UserId,
        kept: Option<FamilyNews>,
        reply: oneshot::Sender<u64>,
    },
    EraseIfTold {
        user: UserId,
        kept: Option<FamilyNews>,
        reply: oneshot::Sender<Result<(), u64>>,
    },
    Restrict {
        user: UserId,
        restriction: Restriction,
        reply: oneshot::Sender<()>,
    },
    Membership {
        change: MembershipChange,
        reply: oneshot::Sender<()>,
    },
    Resume {
        what: ResumeWrite,
        reply: oneshot::Sender<()>,
    },
    Alive(WallMs, Timestamp),
    Flush(oneshot::Sender<()>),
    Close,
}

/// What a command is answered with, once it is committed.
#[derive(Debug)]
pub(super) enum WriteAnswer {
    None,
    LostSockets(bool),
    Next(Vec<NextHook>),
    Replay(Result<(), ReplayError>),
    ReplayDead(Replayed),
    Inbox(InboxAnswer),
    Erase(u64),
    EraseIfTold(Result<(), u64>),
}

impl WriteCommand {
    /// How many presence changes are lost if it is.
    pub(super) fn changes(&self) -> usize {
        if let Self::RecordAll(news) = self {
            news.iter().filter(|it| matches!(it, UserNews::User(_))).count()
        } else {
            usize::from(matches!(self, Self::Record(_)))
        }
    }

    /// What it is called in logs and metrics.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Record(_) | Self::RecordAll(_) => "record",
            Self::EndLostSockets { .. } => "end_lost_sockets",
            Self::Attach { .. } => "attach",
            Self::Undelivered { .. } => "undelivered",
            Self::Settle { .. } => "settle",
            Self::Replay { .. } => "replay",
            Self::ReplayDead { .. } => "replay_dead",
            Self::Inbox(_) => "inbox",
            Self::Erase { .. } | Self::EraseIfTold { .. } => "erase",
            Self::Restrict { .. } => "restrict",
            Self::Membership { .. } => "membership",
            Self::Resume { .. } => "resume",
            Self::Alive(..) => "alive",
            Self::Flush(_) => "flush",
            Self::Close => "close",
        }
    }

    /// Answers. The caller may have stopped waiting: what was asked for is done all the same.
    pub(super) fn reply(self, answer: WriteAnswer) {
        match (self, answer) {
            (Self::Settle { reply, .. }, WriteAnswer::Next(next)) => drop(reply.send(next)),
            (Self::Replay { reply, .. }, WriteAnswer::Replay(done)) => drop(reply.send(done)),
            (Self::ReplayDead { reply, .. }, WriteAnswer::ReplayDead(done)) => {
                let _gone = reply.send(done);
            }
            (
                Self::Flush(reply)
                | Self::Attach { reply, .. }
                | Self::Undelivered { reply, .. }
                | Self::Restrict { reply, .. }
                | Self::Membership { reply, .. }
                | Self::Resume { reply, .. },
                WriteAnswer::None,
            ) => {
                let _gone = reply.send(());
            }
            (Self::EndLostSockets { reply, .. }, WriteAnswer::LostSockets(is_more)) => {
                let _gone = reply.send(is_more);
            }
            (Self::Inbox(command), WriteAnswer::Inbox(answer)) => command.reply(answer),
            (Self::Erase { reply, .. }, WriteAnswer::Erase(hooks)) => {
                let _gone = reply.send(hooks);
            }
            (Self::EraseIfTold { reply, .. }, WriteAnswer::EraseIfTold(done)) => {
                let _gone = reply.send(done);
            }
            (
                _,
                WriteAnswer::None
                | WriteAnswer::LostSockets(_)
                | WriteAnswer::Next(_)
                | WriteAnswer::Replay(_)
                | WriteAnswer::ReplayDead(_)
                | WriteAnswer::Inbox(_)
                | WriteAnswer::Erase(_)
                | WriteAnswer::EraseIfTold(_),
            ) => {}
        }
    }
}
