//! Connection state recovery: what a client missed while its connection was down.
//!
//! The stock client (4.6 and later) does its part without any code of the app: it keeps the `pid` of its session and,
//! of every event, the last argument if that is a string: the *offset*. When it comes back it sends both, and if it
//! is answered with the same `pid`, `socket.recovered` is true.
//!
//! ```text
//!   append: number ─► log ─► live sockets      one lock around each of the two makes it exactly once:
//!   attach: log from the offset ─► become live  what is at or below the head is replayed, all above comes by itself
//! ```
//!
//! One [`Recovery`] serves one namespace. Sessions end when their window has passed, when the client says goodbye, or
//! when it is kicked. A `pid` is a bearer secret: it counts only for the user it was given to, after authentication,
//! and a session has one connection at a time: who claims it last has it, and the connection before is closed.

mod absent;
mod log;
mod sessions;

pub use log::{Entry, Offset};
pub use sessions::{Detached, Pid};

use crate::core::emit::audience::{Addressee, Audience};
use crate::types::{DeviceId, Namespace, Room, SocketId, Target, Timestamp, UserId};
use bytes::Bytes;
use log::Log;
use sessions::{Session, Sessions};
use std::sync::Arc;
use std::time::Duration;

/// The recent events and the sessions of one namespace. `S` is whatever the shell needs to end a live session's old
/// connection.
#[derive(Debug)]
pub struct Recovery<S> {
    log: Log,
    sessions: Sessions<S>,
    limits: RecoveryLimits,
}

/// What the shell keeps of a live session: its connection.
pub trait Live {
    /// The number of the last logged event that was for this connection, whether it could take it or not; 0 if none
    /// was.
    fn addressed(&self) -> u64;
}

/// The bounds of recovery in one namespace.
#[derive(Debug, Clone, Copy)]
pub struct RecoveryLimits {
    /// How long a client may be away.
    pub window: Duration,
    /// Events that are kept.
    pub events_max: usize,
    /// Bytes of events that are kept.
    pub bytes_max: usize,
    /// Sessions that are kept of clients that are away.
    pub sessions_max: usize,
    /// Bytes that one client may have missed; more is not replayed, because it would overflow its connection.
    pub replay_bytes_max: usize,
}

/// As whom a socket is addressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its user.
    pub user: UserId,
    /// The rooms it is in, besides its user's and its own.
    pub rooms: Vec<Room>,
    /// Its public ids: its own, and those of the connections it recovered, the latest first.
    pub ids: Vec<SocketId>,
    /// What its client calls the tab or device it runs in.
    pub device: Option<DeviceId>,
}

/// A socket that comes with the name of an earlier session.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    /// The session it says it had.
    pub pid: &'a Pid,
    /// The last offset it says it saw; a client that has seen no event has none.
    pub offset: Option<&'a str>,
}

/// A socket that becomes live.
#[derive(Debug)]
pub struct Newcomer<S> {
    /// Who it is now.
    pub member: Member,
    /// Names its session if none is recovered.
    pub fresh: Pid,
    /// What ends its connection.
    pub socket: S,
}

/// What a socket gets when it becomes live.
#[derive(Debug)]
pub struct Attached<S> {
    /// The name of its session: the claimed one if it was recovered.
    pub pid: Pid,
    /// Whether the earlier session goes on.
    pub outcome: Outcome,
    /// The ids of the connections that had the session before, the latest first; events for these are for it.
    pub earlier: Vec<SocketId>,
    /// What it missed, in order, each with its offset.
    pub missed: Vec<Bytes>,
    /// The number of the last of these; 0 if it missed nothing. It counts as addressed.
    pub last_missed: u64,
    /// Where the log stands: the offset of whatever the socket is sent now.
    pub head: Offset,
    /// The connection that had the session, if it is still there: it must be closed.
    pub replaced: Option<S>,
}

/// What became of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// There was none.
    New,
    /// The session goes on.
    Recovered,
    /// It does not; a new one has begun.
    Lost(Lost),
}

/// Why a session does not go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    /// No such session, nor a place in this log: it is of an earlier life of the process, or of another user.
    Unknown,
    /// No such session any more: away for longer than the window, forgotten as the longest absent of too many, or
    /// ended by a goodbye or a kick.
    Over,
    /// The place is none of this log.
    BadOffset,
    /// What came after the place is not kept any more.
    Truncated,
    /// It missed more bytes than its connection would bear.
    TooMuch,
}

impl Outcome {
    /// Whether the earlier session goes on.
    pub fn is_recovered(self) -> bool {
        self == Self::Recovered
    }
}

impl Lost {
    /// The stable name, for metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Over => "over",
            Self::BadOffset => "bad_offset",
            Self::Truncated => "truncated",
            Self::TooMuch => "too_much",
        }
    }
}

impl Addressee for Member {
    /// One recovery serves one namespace, and knows no others.
    fn is_in_namespace(&self, _: &Namespace) -> bool {
        true
    }

    fn user(&self) -> &UserId {
        &self.user
    }

    fn device(&self) -> Option<&DeviceId> {
        self.device.as_ref()
    }

    fn ids(&self) -> impl Iterator<Item = SocketId> {
        self.ids.iter().copied()
    }

    fn is_granted(&self, room: &Room) -> bool {
        self.rooms.contains(room)
    }
}

impl<S: Live> Recovery<S> {
    /// Nothing has happened. `life` tells this log from those of other lives of the process.
    pub fn new(limits: RecoveryLimits, life: u64) -> Self {
        Self { log: Log::new(limits, life), sessions: Sessions::new(limits), limits }
    }

    /// Whether somebody who is away may have to get an event for `target` later. One that is for nobody who is here
    /// either need not be appended: nobody will ever ask for it, and it would push out what others need.
    pub fn is_any_away_in(&self, target: &Target) -> bool {
        self.sessions.is_any_away_in(target)
    }

    /// An event that can be recovered. `encode` makes its frame, offset included.
    pub fn append(
        &mut self,
        audience: Arc<Audience>,
        now: Timestamp,
        encode: impl FnOnce(&Offset) -> Bytes,
    ) -> Bytes {
        self.log.append(audience, now, encode)
    }

    /// Where the log stands: the offset of events that are sent now and cannot be recovered.
    pub fn head(&self) -> Offset {
        self.log.head()
    }

    /// A socket becomes live. Of what was missed it gets what its session was entitled to then and is still entitled
    /// to. A claim that does not know its place leaves the session to whoever has it.
    pub fn attach(
        &mut self,
        newcomer: Newcomer<S>,
        claim: Option<Claim<'_>>,
        now: Timestamp,
    ) -> Attached<S> {
        let Some(claim) = claim else { return self.begin(newcomer, Outcome::New, None) };
        let from = match self.resume_after(claim, &newcomer.member.user, now) {
            Ok(from) => from,
            Err(lost) => return self.begin(newcomer, Outcome::Lost(lost), None),
        };
        let Some(earlier) = self.sessions.remove(claim.pid) else {
            return self.begin(newcomer, Outcome::Lost(Lost::Unknown), None);
        };
        let Session { member: had, socket: replaced, began_at, .. } = earlier;
        let mut member = newcomer.member.clone();
        let rooms = had.rooms.into_iter().filter(|it| member.rooms.contains(it)).collect();
        let device = member.device.clone().or(had.device);
        let entitled = Member { user: had.user, rooms, ids: had.ids, device };
        let (missed, last_missed) = match self.missed(from, &entitled) {
            Ok(missed) => missed,
            Err(lost) => return self.begin(newcomer, Outcome::Lost(lost), replaced),
        };
        let mut earlier = entitled.ids;
        earlier.truncate(IDS_MAX - 1);
        member.ids.extend(&earlier);
        let (pid, head) = (claim.pid.clone(), self.log.head());
        self.sessions.insert(pid.clone(), member, newcomer.socket, began_at);
        let outcome = Outcome::Recovered;
        Attached { pid, outcome, earlier, missed, last_missed, head, replaced }
    }

    /// A session of its own for a socket that has recovered none.
    fn begin(
        &mut self,
        newcomer: Newcomer<S>,
        outcome: Outcome,
        replaced: Option<S>,
    ) -> Attached<S> {
        let Newcomer { member, fresh: pid, socket } = newcomer;
        self.sessions.insert(pid.clone(), member, socket, self.log.position());
        let (earlier, missed, head) = (Vec::new(), Vec::new(), self.log.head());
        Attached { pid, outcome, earlier, missed, last_missed: 0, head, replaced }
    }

    /// The number of the last event that the client has, or that was not for it.
    fn resume_after(
        &mut self,
        claim: Claim<'_>,
        user: &UserId,
        now: Timestamp,
    ) -> Result<u64, Lost> {
        let claimed = claim.offset.map(|offset| self.log.locate(offset));
        let Some(session) = self.sessions.find(claim.pid, user, now) else {
            let is_of_this_log = matches!(claimed, Some(Some(_)));
            return Err(if is_of_this_log { Lost::Over } else { Lost::Unknown });
        };
        let claimed = match claimed {
            None => return Ok(session.began_at),
            Some(None) => return Err(Lost::BadOffset),
            Some(Some(number)) => number.max(session.began_at),
        };
        // Who has the last event that was for it has missed nothing until it was cut off, however far the log has moved
        // on since with events for others.
        let (addressed, cut_off_at) = session.addressed(self.log.position());
        Ok(if addressed <= claimed { claimed.max(cut_off_at) } else { claimed })
    }

    /// What came for `member` after this number, and the number of the last of it.
    fn missed(&self, from: u64, member: &Member) -> Result<(Vec<Bytes>, u64), Lost> {
        let missed = self.log.since(from, member).ok_or(Lost::Truncated)?;
        let bytes: usize = missed.0.iter().map(Bytes::len).sum();
        if self.limits.replay_bytes_max < bytes { Err(Lost::TooMuch) } else { Ok(missed) }
    }

    /// A socket is gone; its session is kept for the window. `id` is the socket's public id: news of a connection that
    /// was replaced changes nothing.
    ///
    /// Call it under the same lock under which the socket stops being addressed.
    pub fn detach(&mut self, pid: &Pid, id: SocketId, now: Timestamp) {
        self.sessions.detach(pid, id, self.log.position(), now);
    }

    /// A session is over for good.
    pub fn end(&mut self, pid: &Pid, id: SocketId) {
        self.sessions.end(pid, id);
    }

    /// Forgets what is older than the window.
    pub fn expire(&mut self, now: Timestamp) {
        self.log.expire(now);
        self.sessions.expire(now);
    }

    /// Events that were forgotten before the window had passed, because there were too many; since the last call.
    pub fn take_pushed_out(&mut self) -> u64 {
        self.log.take_pushed_out()
    }

    /// Live and detached sessions.
    pub fn sessions(&self) -> usize {
        self.sessions.len()
    }

    /// What has to be kept over a graceful restart: the log and all sessions; by then every client is away.
    pub fn dump(&self) -> Dump {
        Dump {
            life: self.log.life(),
            last: self.log.position(),
            entries: self.log.entries().cloned().collect(),
            sessions: self.sessions.all(self.log.position()),
        }
    }

    /// Takes up what [`Recovery::dump`] gave, as if it had just happened. A log with holes is not taken up.
    pub fn restore(&mut self, dump: Dump, now: Timestamp) {
        let Dump { life, last, entries, sessions } = dump;
        if self.log.restore(life, last, entries, now) {
            self.sessions.restore(sessions, now);
        }
    }
}

/// What survives a graceful restart.
#[derive(Debug, Clone)]
pub struct Dump {
    /// Which log it is.
    pub life: u64,
    /// The number of the last event, also if that is not kept any more.
    pub last: u64,
    /// The events that are kept, contiguous up to the last one.
    pub entries: Vec<Entry>,
    /// All sessions.
    pub sessions: Vec<(Pid, Detached)>,
}

/// Public ids of one session that events may still be addressed to.
const IDS_MAX: usize = 8;

#[cfg(test)]
mod tests;
