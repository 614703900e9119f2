//! The words between a node and the place where all nodes keep what endpoints are still to be told.
//!
//! One node delivers for an endpoint, and so one node does other things that are done once. It has a token; whoever delivered before has a lower one, and is not heard.

use super::incarnation::Incarnation;
use crate::core::delivery::hook_body;
use crate::types::{Change, Portrait, Seq, UserId, WallMs};
use std::sync::Arc;

/// What says that a node delivers for an endpoint. A later owner has a higher one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct OwnerToken(pub u64);

/// What is asked about one endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerQuestion {
    /// The endpoint's name in the configuration.
    pub endpoint: Arc<str>,
    /// What is asked.
    pub what: LedgerAsk,
}

/// What is asked, or said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LedgerAsk {
    /// To deliver for it.
    Take(Incarnation),
    /// The same for something that is no endpoint, with a note for whoever has the turn next.
    TakeTurn {
        /// Who.
        incarnation: Incarnation,
        /// What is noted, if anything is.
        note: Option<WallMs>,
    },
    /// To deliver for it no more.
    Give(Incarnation),
    /// What it was not told yet.
    Waiting {
        /// The asker's.
        token: OwnerToken,
        /// The number of the last change that the asker knows.
        after: u64,
        /// Changes at most.
        changes_max: usize,
    },
    /// What became of deliveries.
    Settle {
        /// The asker's.
        token: OwnerToken,
        /// Each once.
        settled: Vec<SettledChange>,
        /// How many that have ended are kept at most.
        kept_max: usize,
    },
    /// How much waits, and who delivers: for whoever looks.
    Look,
    /// A page of what it was not told, or need not be told any more.
    Letters {
        /// Of which.
        which: Letters,
        /// The number of the last change of the page before.
        after: u64,
        /// Changes at most.
        changes_max: usize,
    },
    /// What was given up is to be told again; if it is one, also what was delivered.
    Replay {
        /// The number of the first change.
        first: u64,
        /// The number of the last.
        last: u64,
        /// Changes at most.
        changes_max: usize,
    },
}

/// Which deliveries to an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Letters {
    /// It is still to be told.
    Waiting,
    /// It will not be.
    Dead,
    /// It was told, or something newer took the place of that.
    Ended,
}

impl Letters {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Waiting, Self::Dead, Self::Ended];
}

/// What became of one delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettledChange {
    /// The number of the change.
    pub number: u64,
    /// What became of it.
    pub end: ChangeEnd,
    /// What the last attempt met, if it failed.
    pub error: Option<String>,
}

/// What became of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeEnd {
    /// It was delivered, after so many attempts.
    Delivered(u32),
    /// It was none of what the endpoint wants, or is not known: nothing is kept of it.
    Left,
    /// It was given up, after so many attempts.
    Dead(u32),
    /// A newer one says all that it would have said.
    Replaced {
        /// The number of that.
        by: u64,
        /// Attempts so far.
        attempts: u32,
    },
    /// It is tried again.
    Again {
        /// When, by the wall clock.
        at: WallMs,
        /// Attempts so far.
        attempts: u32,
    },
}

/// The answers. None of them says anything if the asker does not deliver for the endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LedgerReply {
    /// To [`LedgerAsk::Take`]; `None`: another does, or the asker is not known.
    Owned(Option<OwnerToken>),
    /// To [`LedgerAsk::TakeTurn`], with what was noted before; `None` as above.
    Turn(Option<(OwnerToken, Option<WallMs>)>),
    /// To [`LedgerAsk::Give`].
    Given,
    /// To [`LedgerAsk::Waiting`]; `None`: another delivers.
    Waiting(Option<WaitingPage>),
    /// To [`LedgerAsk::Settle`]: how many still wait; `None`: another delivers.
    Settled(Option<u64>),
    /// To [`LedgerAsk::Look`].
    Seen(EndpointLook),
    /// To [`LedgerAsk::Letters`], whoever delivers.
    Letters(Vec<WaitingChange>),
    /// To [`LedgerAsk::Replay`], whoever delivers.
    Replayed(ReplayedChanges),
}

/// A page of what waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingPage {
    /// How many wait in all.
    pub count: u64,
    /// Counts up whenever some were put back that had been given up.
    pub replays: u64,
    /// The next of them.
    pub changes: Vec<WaitingChange>,
}

/// What a replay did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplayedChanges {
    /// How many are told again.
    pub count: usize,
    /// Whether there are more.
    pub has_more: bool,
    /// Whether the first one waits already.
    pub is_waiting: bool,
    /// Whether something newer has taken the place of the first one.
    pub is_replaced: bool,
}

/// A change that an endpoint was not told yet, or that was kept of what has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingChange {
    /// Its number.
    pub number: u64,
    /// Attempts so far.
    pub attempts: u32,
    /// When it is tried again, by the wall clock, if an attempt failed; of one that was given up or has ended, when that was.
    pub next_attempt: Option<WallMs>,
    /// When it was put back, if it had been given up before: the time for which it is tried counts from there.
    pub since: Option<WallMs>,
    /// What the last failed attempt met.
    pub error: Option<String>,
    /// What is told; `None` if that was kept for too long.
    pub news: Option<HookNews>,
    /// How many older events of the user it stands for.
    pub coalesced: u64,
    /// Of one that has ended: whether something newer took its place; else it was delivered.
    pub is_replaced: bool,
}

/// What a hook tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HookNews {
    /// A presence change.
    Change(Change),
    /// Something else.
    Told(ToldHook),
}

/// What a hook tells that is no presence change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToldHook {
    /// Of whom.
    pub user: UserId,
    /// Its place among the user's events.
    pub seq: Seq,
    /// When it was told.
    pub at: WallMs,
    /// Its type.
    pub hook_type: String,
    /// Its body, a JSON object.
    pub body: String,
}

impl HookNews {
    /// Of whom it tells.
    pub fn user(&self) -> &UserId {
        match self {
            Self::Change(change) => &change.user,
            Self::Told(told) => &told.user,
        }
    }

    /// Its place among the user's events: its number.
    pub fn seq(&self) -> Seq {
        match self {
            Self::Change(change) => change.seq,
            Self::Told(told) => told.seq,
        }
    }

    /// When it was news.
    pub fn at(&self) -> WallMs {
        match self {
            Self::Change(change) => change.at,
            Self::Told(told) => told.at,
        }
    }

    /// The type of the hook.
    pub fn hook_type(&self) -> &str {
        match self {
            Self::Change(change) => change.hook_type(),
            Self::Told(told) => &told.hook_type,
        }
    }

    /// The `webhook-id`.
    pub fn webhook_id(&self) -> String {
        match self {
            Self::Change(change) => hook_body::webhook_id(&change.user, change.seq),
            Self::Told(told) => hook_body::id_of(&told.hook_type, &told.user, told.seq),
        }
    }

    /// The body.
    pub fn body(&self) -> String {
        match self {
            Self::Change(change) => hook_body::render(change),
            Self::Told(told) => told.body.clone(),
        }
    }

    /// Whether it says all that an older one of the user would have said, so that nobody needs to be told that one.
    pub fn replaces(&self, older: &Self) -> bool {
        match (self, older) {
            (Self::Change(_), Self::Change(_)) => true,
            (Self::Change(_) | Self::Told(_), Self::Told(_)) | (Self::Told(_), Self::Change(_)) => {
                false
            }
        }
    }

    /// Bytes that it takes beside what every hook does.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Change(change) => {
                let Portrait { granted, attached } = &change.portrait;
                [granted, attached].into_iter().flatten().map(|it| it.len()).sum()
            }
            Self::Told(told) => told.body.len(),
        }
    }
}

/// Hooks to be told that are no presence changes. To tell them again under the same name changes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HooksToTell {
    /// Names them.
    pub name: Arc<str>,
    /// The endpoints that are told.
    pub endpoints: Arc<[Arc<str>]>,
    /// User, type and body of each.
    pub hooks: Vec<(UserId, &'static str, String)>,
}

/// How an endpoint is doing, as all nodes see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointLook {
    /// Changes that it was not told yet.
    pub waiting: u64,
    /// Changes that were given up.
    pub dead: u64,
    /// The number of the oldest that waits.
    pub oldest: Option<u64>,
    /// Who delivers.
    pub owner: Option<Incarnation>,
}
