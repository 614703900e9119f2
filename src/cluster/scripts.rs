//! The scripts, as they are shipped.

/// One script. All of them begin with the same two parts: where the time comes from, and what they share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Script {
    /// First on every connection.
    Attach,
    /// One batch: facts and events.
    Apply,
    /// Lets the users of an incarnation go.
    Reap,
    /// What is due.
    Tend,
    /// Who is there.
    Observe,
    /// What is in the log, for a node that starts.
    Missed,
    /// A client comes back to its session.
    Claim,
    /// Who is online.
    Presence,
    /// Who lingers.
    Lingering,
    /// Who delivers for an endpoint.
    Own,
    /// What waits to be delivered.
    Waiting,
    /// What became of deliveries.
    Settle,
    /// How much waits, and who delivers.
    Look,
    /// What has changed in a book, and a change of it.
    Book,
    /// Records of a book.
    Records,
    /// Requests that have a name, and what they were answered.
    Answers,
    /// Hooks that are no presence changes.
    Tell,
    /// An event for the inboxes of users.
    InboxPut,
    /// What becomes of what is in inboxes.
    InboxChange,
    /// What is in inboxes.
    InboxPage,
    /// What a node has that was alone.
    Import,
    /// What was told of users.
    Feed,
    /// How many connections users have.
    Seats,
    /// How many users there are.
    Count,
    /// What endpoints were not told.
    Letters,
    /// What was given up is told again.
    Replay,
    /// What is attached to sessions.
    Attached,
    /// Which users have changed, for nodes that listen.
    Moved,
    /// Where users are.
    Places,
    /// What names a user goes.
    Erase,
    /// Resume tokens are exchanged.
    Resume,
}

const CLOCK: &str = include_str!("scripts/clock.lua");
const COMMON: &str = include_str!("scripts/common.lua");

impl Script {
    /// All of them.
    pub const ALL: [Self; 31] = [
        Self::Attach,
        Self::Apply,
        Self::Reap,
        Self::Tend,
        Self::Observe,
        Self::Missed,
        Self::Claim,
        Self::Presence,
        Self::Lingering,
        Self::Own,
        Self::Waiting,
        Self::Settle,
        Self::Look,
        Self::Book,
        Self::Records,
        Self::Answers,
        Self::Tell,
        Self::InboxPut,
        Self::InboxChange,
        Self::InboxPage,
        Self::Import,
        Self::Feed,
        Self::Seats,
        Self::Count,
        Self::Letters,
        Self::Replay,
        Self::Attached,
        Self::Moved,
        Self::Places,
        Self::Erase,
        Self::Resume,
    ];

    /// What Redis is given. One that `takes_flags` is told which scripts have to work though its memory is full.
    pub fn text_for(self, takes_flags: bool) -> String {
        let flags = if takes_flags && self.is_bounded() { "#!lua flags=allow-oom\n" } else { "" };
        [flags, &self.text_with_clock(CLOCK)].concat()
    }

    /// Whether what it writes has a bound: the users who are there, and `cluster.log_bytes_max`; or it only takes away. Without it nobody would know
    /// any more who is online.
    fn is_bounded(self) -> bool {
        match self {
            Self::Attach
            | Self::Apply
            | Self::Claim
            | Self::Reap
            | Self::Tend
            | Self::Own
            | Self::Settle
            | Self::InboxChange
            | Self::Seats
            | Self::Replay
            | Self::Moved
            | Self::Erase
            | Self::Resume => true,
            Self::Observe
            | Self::Missed
            | Self::Presence
            | Self::Lingering
            | Self::Count
            | Self::Waiting
            | Self::Look
            | Self::Book
            | Self::Records
            | Self::Answers
            | Self::Tell
            | Self::InboxPut
            | Self::InboxPage
            | Self::Import
            | Self::Feed
            | Self::Letters
            | Self::Attached
            | Self::Places => false,
        }
    }

    pub(super) fn text_with_clock(self, clock: &str) -> String {
        [clock, COMMON, self.body()].join("\n")
    }

    fn body(self) -> &'static str {
        match self {
            Self::Attach => include_str!("scripts/attach.lua"),
            Self::Apply => {
                concat!(include_str!("scripts/sockets.lua"), include_str!("scripts/apply.lua"))
            }
            Self::Reap => {
                concat!(include_str!("scripts/sockets.lua"), include_str!("scripts/reap.lua"))
            }
            Self::Tend => include_str!("scripts/tend.lua"),
            Self::Observe => include_str!("scripts/observe.lua"),
            Self::Missed => include_str!("scripts/missed.lua"),
            Self::Claim => include_str!("scripts/claim.lua"),
            Self::Presence => include_str!("scripts/presence.lua"),
            Self::Lingering => include_str!("scripts/lingering.lua"),
            Self::Own => include_str!("scripts/own.lua"),
            Self::Waiting => include_str!("scripts/waiting.lua"),
            Self::Settle => include_str!("scripts/settle.lua"),
            Self::Look => include_str!("scripts/look.lua"),
            Self::Book => include_str!("scripts/book.lua"),
            Self::Records => include_str!("scripts/records.lua"),
            Self::Answers => include_str!("scripts/answers.lua"),
            Self::Tell => include_str!("scripts/tell.lua"),
            Self::InboxPut => concat!(
                include_str!("scripts/inbox/common.lua"),
                include_str!("scripts/inbox/put.lua")
            ),
            Self::InboxChange => concat!(
                include_str!("scripts/inbox/common.lua"),
                include_str!("scripts/inbox/change.lua")
            ),
            Self::InboxPage => include_str!("scripts/inbox/page.lua"),
            Self::Import => concat!(
                include_str!("scripts/inbox/common.lua"),
                include_str!("scripts/import.lua")
            ),
            Self::Feed => include_str!("scripts/feed.lua"),
            Self::Seats => include_str!("scripts/seats.lua"),
            Self::Count => include_str!("scripts/count.lua"),
            Self::Letters => include_str!("scripts/letters.lua"),
            Self::Replay => include_str!("scripts/replay.lua"),
            Self::Attached => include_str!("scripts/attached.lua"),
            Self::Moved => include_str!("scripts/moved.lua"),
            Self::Places => include_str!("scripts/places.lua"),
            Self::Erase => {
                concat!(include_str!("scripts/inbox/common.lua"), include_str!("scripts/erase.lua"))
            }
            Self::Resume => include_str!("scripts/resume.lua"),
        }
    }
}
