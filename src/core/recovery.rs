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
mod by_name;
mod claim;
mod log;
mod member;
mod offset;
mod sessions;
mod shared;
mod verdicts;

pub use claim::{Attached, Lost, Newcomer, RecoveryOutcome, SessionClaim};
pub use log::LogEntry;
pub use member::{Live, Member};
pub use offset::Offset;
pub use sessions::{DetachedSession, Pid};
pub use verdicts::Verdict;

use crate::core::emit::audience::Audience;
use crate::core::rooms::RoomMoves;
use crate::types::{Room, SocketId, Target, Timestamp, UserId};
use bytes::Bytes;
use log::{Missed, RecoveryLog};
use sessions::{RecoverySession, Sessions};
use std::sync::Arc;
use std::time::Duration;
use verdicts::Verdicts;

/// The recent events and the sessions of one namespace. `S` is the socket of a live session.
#[derive(Debug)]
pub struct Recovery<S> {
    log: RecoveryLog,
    sessions: Sessions<S>,
    /// In a cluster: what was decided about sessions, wherever they are.
    verdicts: Verdicts,
}

/// The bounds of recovery in one namespace.
#[derive(Debug, Clone, Copy)]
pub struct RecoveryLimits {
    /// How long a client may be away.
    pub window: Duration,
    /// Events that are kept.
    pub events_max: usize,
    /// Bytes of events that are kept: of their frames, and of all names they were for and not for.
    pub bytes_max: usize,
    /// Sessions that are kept of clients that are away.
    pub sessions_max: usize,
    /// Of these, of one user.
    pub sessions_per_user: usize,
    /// Bytes that one client may have missed; more is not replayed, because it would overflow its connection.
    pub replay_bytes_max: usize,
}

impl<S: Live> Recovery<S> {
    /// Nothing has happened. `life` tells this log from those of other lives of the process.
    pub fn new(limits: RecoveryLimits, life: u64) -> Self {
        let (log, sessions) = (RecoveryLog::new(limits, life), Sessions::new(limits));
        Self { log, sessions, verdicts: Verdicts::default() }
    }

    /// Whether a client that is away may have to get an event for `target` later. One that is for no socket that is here
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
    ///
    /// From now on the socket must answer for its session: it has the ids in [`Attached::earlier`], too, and takes over
    /// [`Attached::moves`].
    pub fn attach(
        &mut self,
        newcomer: Newcomer<S>,
        claim: Option<SessionClaim<'_>>,
        now: Timestamp,
    ) -> Attached<S> {
        let Some(claim) = claim else { return self.begin(newcomer, RecoveryOutcome::New, None) };
        let from = match self.resume_after(claim, newcomer.socket.user(), now) {
            Ok(from) => from,
            Err(lost) => return self.begin(newcomer, RecoveryOutcome::Lost(lost), None),
        };
        let Some(earlier) = self.sessions.remove(claim.pid) else {
            return self.begin(newcomer, RecoveryOutcome::Lost(Lost::Unknown), None);
        };
        let began_at = earlier.began_at();
        let (had, replaced) = match earlier {
            RecoverySession::Live(socket, _) => (socket.member(), Some(socket)),
            RecoverySession::Away(session, _) => (session.member, None),
        };
        let is = newcomer.socket.member();
        let kept = newcomer.socket.rooms_with(&had.moves);
        let rooms = had.rooms.iter().filter(|it| kept.contains(it)).cloned().collect();
        let device = is.device.or(had.device);
        let entitled = Member { rooms, device, ..had };
        let Missed { frames, last } = match self.log.since(from, &entitled) {
            Ok(missed) => missed,
            Err(lost) => return self.begin(newcomer, RecoveryOutcome::Lost(lost), replaced),
        };
        let Member { ids: mut earlier, moves, .. } = entitled;
        earlier.truncate(IDS_MAX - 1);
        self.sessions.insert(claim.pid.clone(), newcomer.socket, began_at);
        Attached {
            pid: claim.pid.clone(),
            outcome: RecoveryOutcome::Recovered,
            earlier,
            moves,
            missed: frames,
            last_missed: last,
            head: self.log.head(),
            replaced,
        }
    }

    /// A session of its own for a socket that has recovered none.
    fn begin(
        &mut self,
        newcomer: Newcomer<S>,
        outcome: RecoveryOutcome,
        replaced: Option<S>,
    ) -> Attached<S> {
        let Newcomer { socket, fresh: pid } = newcomer;
        self.sessions.insert(pid.clone(), socket, self.log.position());
        let (earlier, missed, head) = (Vec::new(), Vec::new(), self.log.head());
        let moves = RoomMoves::default();
        Attached { pid, outcome, earlier, moves, missed, last_missed: 0, head, replaced }
    }

    /// The number of the last event that the client has, or that was not for it.
    fn resume_after(
        &mut self,
        claim: SessionClaim<'_>,
        user: &UserId,
        now: Timestamp,
    ) -> Result<u64, Lost> {
        let claimed = claim.offset.map(|offset| self.log.locate(offset));
        let Some(session) = self.sessions.find(claim.pid, user, now) else {
            let is_of_this_log = matches!(claimed, Some(Some(_)));
            return Err(if is_of_this_log { Lost::Over } else { Lost::Unknown });
        };
        let claimed = match claimed {
            None => return Ok(session.began_at()),
            Some(None) => return Err(Lost::BadOffset),
            Some(Some(number)) => number.max(session.began_at()),
        };
        // Who has the last event that was for it has missed nothing until it was cut off, however far the log has moved
        // on since with events for others.
        let (addressed, cut_off_at) = session.addressed(self.log.position());
        Ok(if addressed <= claimed { claimed.max(cut_off_at) } else { claimed })
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

    /// Forgets a user without live sockets: the sessions of clients that are away, and what names the user in the log.
    /// The sessions of live sockets go on.
    pub fn erase(&mut self, user: &UserId) {
        let ids = self.sessions.erase(user);
        self.log.erase(user, &ids);
    }

    /// The sessions of a user whose clients are away are not in `room` any more: they get nothing that was for it, and come
    /// back to it only if they are granted it then.
    pub fn take_out(&mut self, user: &UserId, room: &Room) {
        self.sessions.take_out(user, room);
    }

    /// The sessions of a user whose clients are away are in `room` from now on, because the user was put into it, also if they had
    /// left it: they get what is for it from here on.
    pub fn put_in(&mut self, user: &UserId, room: &Room) {
        self.sessions.put_in(user, room, self.log.position());
    }

    /// The sessions of an audience whose clients are away are in none of `rooms` any more: they get nothing that was for these,
    /// and do not come back to those that they were granted, whatever they are granted then, as a live socket that has left does
    /// not.
    pub fn leave(&mut self, audience: &Audience, rooms: &[Room]) {
        self.sessions.leave(audience, rooms);
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
    pub entries: Vec<LogEntry>,
    /// All sessions.
    pub sessions: Vec<(Pid, DetachedSession)>,
}

/// Public ids of one session that events may still be addressed to.
const IDS_MAX: usize = 8;

#[cfg(test)]
mod tests;
