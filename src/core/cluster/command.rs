//! What a node asks of the place where all nodes agree, and what it is answered.

use super::answers::{AnswerQuestion, AnswerReply};
use super::attached::{AttachedQuestion, AttachedReply};
use super::book::{BookQuestion, BookReply};
use super::erasing::{EraseAsk, ErasePage};
use super::facts::FactOp;
use super::feed::{FeedQuestion, FeedReply};
use super::inboxes::{InboxesAsk, InboxesReply};
use super::incarnation::{Epoch, Incarnation};
use super::ledger::{HooksToTell, LedgerQuestion, LedgerReply};
use super::log::LogEntry;
use super::places::{MovedQuestion, MovedUsers, Places};
use super::resuming::{ResumeQuestion, ResumeReply};
use super::seats::{SeatQuestion, SeatReply};
use super::sessions::{Claimed, KeptClaim, SessionName, SessionOp};
use crate::core::presence::session::PresenceStatus;
use crate::types::UserId;
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;

/// A command, to be run as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Is this still the state that the node knows?
    Attach(Attach),
    /// Facts and events, in one step.
    Apply(Apply),
    /// Let the users of an incarnation go.
    Reap(Reap),
    /// What is in the log behind `after`, and what this incarnation was told; at most `entries_max` entries of each.
    Read {
        /// A number; entries up to it are known.
        after: u64,
        /// Who reads, and what it was told last.
        told: (Incarnation, ToldId),
        /// Entries at most.
        entries_max: usize,
    },
    /// What is in the log behind `after`, for a node that starts: at most `entries_max` entries, and one more if there are more.
    Missed {
        /// A number; entries up to it are known.
        after: u64,
        /// Entries at most.
        entries_max: usize,
    },
    /// A client comes back to its session.
    Claim(KeptClaim),
    /// Who of these users is online; at most a thousand.
    Presence(Vec<UserId>),
    /// Who lingers; at most so many users.
    Lingering(usize),
    /// How many users there are.
    CountUsers,
    /// Something about an endpoint.
    Ledger(LedgerQuestion),
    /// Something about the records of which all nodes have copies.
    Book(BookQuestion),
    /// Something about a request that has a name.
    Answers(AnswerQuestion),
    /// Hooks that are no presence changes.
    Tell(HooksToTell),
    /// Something about inboxes.
    Inboxes(InboxesAsk),
    /// What was told of users.
    Feed(FeedQuestion),
    /// Something about the seats of users.
    Seats(SeatQuestion),
    /// Something about what is attached to sessions.
    Attached(AttachedQuestion),
    /// Which users have changed.
    Moved(MovedQuestion),
    /// Where these users are; at most a thousand.
    Places(Vec<UserId>),
    /// A part of what names a user goes.
    Erase(EraseAsk),
    /// Something about resume tokens.
    Resume(ResumeQuestion),
    /// Which incarnations there are.
    Observe,
    /// Do what is due.
    Tend,
}

/// The first command on every connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attach {
    /// Which server it is, and which run of it.
    pub run: Arc<str>,
    /// The one that the node attached to before.
    pub known_run: Option<Arc<str>>,
    /// The incarnation so far, and its batches that were answered.
    pub own: Option<(Incarnation, u64)>,
    /// The largest number that the node has seen.
    pub seen: u64,
    /// The copy of the state that it knows.
    pub known_copy: Arc<str>,
    /// The next incarnation, if one is needed.
    pub next: Incarnation,
    /// What witnessed for a whole lease that nobody moved of those who agreed on something else.
    pub unmoved: Option<Arc<str>>,
}

/// What an [`Attach`] is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attached {
    /// How the node goes on.
    pub standing: Standing,
    /// The epoch from now on.
    pub epoch: Epoch,
    /// The copy of the state.
    pub copy: Arc<str>,
    /// The largest number that was given.
    pub head: u64,
    /// Up to here nothing is missing.
    pub common: u64,
    /// What should be the same on all nodes and was not so far: keys, and what it was.
    pub differs: Vec<(String, String)>,
}

/// What an [`Attach`] is answered if nodes are registered that agreed on something else. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dissent {
    /// Another text as soon as one of these nodes has said anything.
    pub witness: Arc<str>,
    /// The lease that they agreed on.
    pub lease: Duration,
    /// In what they differ: keys, and what they mean.
    pub differs: Vec<(String, String)>,
}

/// How a node goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// As before.
    Same,
    /// As a new incarnation; nothing is missing in the state.
    New,
    /// As a new incarnation; something is missing that the node was answered for, or has seen.
    Lost,
}

/// One batch. Sent again with the same number it is applied once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Apply {
    /// Whose it is.
    pub incarnation: Incarnation,
    /// Counts up from 1 for each incarnation.
    pub number: u64,
    /// The epoch that the node knows.
    pub epoch: Epoch,
    /// Up to where it has read the log.
    pub read: u64,
    /// Facts about its users.
    pub facts: Vec<FactOp>,
    /// What is to be kept of sessions.
    pub sessions: Vec<(SessionName, SessionOp)>,
    /// Whether events were delivered here without a number since the last marker.
    pub marker: bool,
    /// Events for the log, in this order, after the marker.
    pub events: Vec<Bytes>,
    /// The last of what this incarnation was told, as far as it has read: it is needed no more.
    pub told: ToldId,
    /// What others are told, each alone. One that is gone is not.
    pub tells: Vec<(Incarnation, Bytes)>,
    /// Earlier incarnations of this run of the node that are not let go yet: sockets may be theirs.
    pub earlier: Vec<Incarnation>,
}

/// Names one thing that an incarnation was told, as the place where all agree does; nothing yet by default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToldId(pub Arc<str>);

impl Default for ToldId {
    fn default() -> Self {
        Self("0-0".into())
    }
}

/// What one incarnation tells another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Its name.
    pub id: ToldId,
    /// Who tells it.
    pub from: Incarnation,
    /// What.
    pub message: Bytes,
}

/// What an [`Apply`] is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Applied {
    /// It was applied, now or the first time it came.
    Done {
        /// The number of its first event, or of its marker.
        first: u64,
        /// The largest number that was given.
        head: u64,
        /// The session of each user that is here, in the order of the facts.
        sessions: Vec<u64>,
        /// With events: every incarnation that there was when they came into the log. Whoever came later does not hear them.
        nodes: Vec<Incarnation>,
    },
    /// It was not applied, and will not be: the node has to attach.
    Refused,
}

/// Lets the users of an incarnation go, a few at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reap {
    /// Whose users.
    pub incarnation: Incarnation,
    /// Why it may be let go.
    pub why: ReapReason,
    /// Stands for the new epoch, if one begins with that.
    pub name: Incarnation,
}

/// Why an incarnation may be let go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReapReason {
    /// It was silent for the lease: its last batch was this one all the time.
    Silent(u64),
    /// Another node has found that, and did not come to its end.
    Begun,
    /// It is an earlier life of the node that asks.
    Own,
}

/// The answers, each to its command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// To [`Command::Attach`].
    Attached(Attached),
    /// To the same.
    Apart(Dissent),
    /// To [`Command::Apply`].
    Applied(Applied),
    /// To [`Command::Reap`]: users that are left.
    Reaped {
        /// Users that still have to be let go.
        left: u64,
    },
    /// To [`Command::Read`].
    Entries(Vec<LogEntry>, Vec<Told>),
    /// To [`Command::Missed`].
    Missed(Vec<LogEntry>),
    /// To [`Command::Claim`].
    Claimed(Claimed),
    /// To [`Command::Presence`]: each user's status, in the order of the question.
    Presence(Vec<PresenceStatus>),
    /// To [`Command::Lingering`].
    Lingering(LingeringUsers),
    /// To [`Command::CountUsers`].
    UserCounts(UserCounts),
    /// To [`Command::Ledger`].
    Ledger(LedgerReply),
    /// To [`Command::Book`].
    Book(BookReply),
    /// To [`Command::Answers`].
    Answers(AnswerReply),
    /// To [`Command::Tell`].
    Heard,
    /// To [`Command::Inboxes`].
    Inboxes(InboxesReply),
    /// To a question: it needs memory that is not there. Nothing was done.
    NoMemory,
    /// To [`Command::Feed`].
    Feed(FeedReply),
    /// To [`Command::Seats`].
    Seats(SeatReply),
    /// To [`Command::Attached`].
    Attachments(AttachedReply),
    /// To [`Command::Moved`].
    Moved(MovedUsers),
    /// To [`Command::Places`], in the order of the question.
    Places(Places),
    /// To [`Command::Erase`].
    Erased(ErasePage),
    /// To [`Command::Resume`].
    Resume(ResumeReply),
    /// To [`Command::Observe`].
    Observed(Observation),
    /// To [`Command::Tend`].
    Tended {
        /// The largest number that was given: some were, for those who went offline.
        head: u64,
    },
}

/// How many users there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UserCounts {
    /// Online, lingering ones included.
    pub users: usize,
    /// Of these, lingering.
    pub lingering: usize,
}

/// Users who linger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LingeringUsers {
    /// How many they are.
    pub total: usize,
    /// Who.
    pub users: Vec<UserId>,
}

/// Who is there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Observation {
    /// Incarnations with their last batch.
    pub nodes: Vec<(Incarnation, u64)>,
    /// Incarnations whose users are being let go.
    pub dead: Vec<Incarnation>,
}

/// When a node says what.
#[derive(Debug, Clone, Copy)]
pub struct NodeTimes {
    /// How often it says that it is there.
    pub heartbeat: Duration,
    /// How long another may be silent.
    pub lease: Duration,
    /// How often it looks at the others: several times in a lease.
    pub observe: Duration,
    /// How often it does what is due.
    pub tend: Duration,
    /// How often it looks into the log though nothing rang.
    pub read: Duration,
    /// How long users that have gone are remembered: three times their grace.
    pub remember: Duration,
}
