//! The answers of clients to one emit that asked for them: who is awaited, and whether that was enough.

use crate::types::{SocketId, Timestamp, UserId};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// Which answers the sender needs; with these, nobody else is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AckNeed {
    /// Every socket it was for.
    #[default]
    All,
    /// One socket, whichever.
    Any,
    /// One socket of each user: of those that were named, and of those whose sockets it was for.
    OnePerUser,
}

/// Why a socket's answer is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum WhyNoAck {
    /// It did not answer in time.
    Timeout,
    /// It was gone before it answered; it may or may not have had the event.
    Disconnected,
    /// Its connection did not take the event: it was closing, or busy and the event was volatile.
    NotSent,
    /// Too many emits await an answer of this connection; it was not sent this one.
    TooMany,
    /// It was not waited for any more, because what was needed had come.
    Cancelled,
}

/// Why what a socket answered was not kept. That it answered counts all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum NotKept {
    /// With it, all answers of the request would be too large.
    RequestFull,
    /// With it, those of all requests under way would be.
    ServerFull,
}

/// The answers to one emit. `A` is what an answer says.
#[derive(Debug)]
pub struct Acks<A> {
    need: AckNeed,
    sockets: IndexMap<SocketId, AskedSocket<A>>,
    /// Users who were named and are not here.
    absent: Vec<UserId>,
    users: BTreeMap<UserId, AckCounts>,
    all: AckCounts,
    /// Users who have not answered and still can.
    awaited_users: usize,
    /// Users who have answered.
    answered_users: usize,
    /// Whether there may be sockets that are not known here.
    lacks_some: bool,
}

#[derive(Debug)]
struct AskedSocket<A> {
    user: UserId,
    state: AckState<A>,
}

#[derive(Debug)]
enum AckState<A> {
    Waiting(Timestamp),
    Acked(Duration, Result<A, NotKept>),
    Missing(WhyNoAck),
}

#[derive(Debug, Clone, Copy, Default)]
struct AckCounts {
    waiting: usize,
    acked: usize,
}

/// What came of the answers, each list in the order in which the sockets were asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AckSummary<A> {
    /// Whether what was needed came.
    pub is_met: bool,
    /// Who answered.
    pub acks: Vec<SocketAck<A>>,
    /// Who did not.
    pub missing: Vec<MissingAck>,
    /// Users who were named and not here.
    pub absent: Vec<UserId>,
}

impl<A> AckSummary<A> {
    /// The same with what was said in another form; `None` if something cannot be said in it.
    pub fn try_map<B>(&self, form: impl Fn(&A) -> Option<B>) -> Option<AckSummary<B>> {
        let with_form = |it: &SocketAck<A>| {
            let answer = match &it.answer {
                Ok(said) => Ok(form(said)?),
                Err(why) => Err(*why),
            };
            Some(SocketAck { user: it.user.clone(), socket: it.socket, took: it.took, answer })
        };
        Some(AckSummary {
            is_met: self.is_met,
            acks: self.acks.iter().map(with_form).collect::<Option<_>>()?,
            missing: self.missing.clone(),
            absent: self.absent.clone(),
        })
    }
}

/// A socket that answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SocketAck<A> {
    /// Whose it is.
    pub user: UserId,
    /// The socket.
    pub socket: SocketId,
    /// From the emit to the answer.
    pub took: Duration,
    /// What it said, or why that is not there.
    pub answer: Result<A, NotKept>,
}

/// A socket that did not answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissingAck {
    /// Whose it is.
    pub user: UserId,
    /// The socket.
    pub socket: SocketId,
    /// What kept it.
    pub why: WhyNoAck,
}

impl<A> Acks<A> {
    /// Nobody has been asked yet. `named` are users who are needed for [`AckNeed::OnePerUser`] even if they are not here.
    pub fn new(need: AckNeed, named: impl IntoIterator<Item = UserId>) -> Self {
        Self {
            need,
            sockets: IndexMap::new(),
            absent: Vec::new(),
            users: named.into_iter().map(|user| (user, AckCounts::default())).collect(),
            all: AckCounts::default(),
            awaited_users: 0,
            answered_users: 0,
            lacks_some: false,
        }
    }

    /// A user who was named has no socket that could be asked.
    pub fn absent(&mut self, user: UserId) {
        self.absent.push(user);
    }

    /// There may be more sockets than are known: then not all have answered.
    pub fn may_lack_some(&mut self) {
        self.lacks_some = true;
    }

    /// A socket was sent the event; one that was asked before is not asked again.
    pub fn ask(&mut self, socket: SocketId, user: UserId, now: Timestamp) {
        if self.sockets.contains_key(&socket) {
            return;
        }
        let of_user = self.users.entry(user.clone()).or_default();
        self.awaited_users += usize::from(of_user.acked == 0 && of_user.waiting == 0);
        of_user.waiting += 1;
        self.all.waiting += 1;
        self.sockets.insert(socket, AskedSocket { user, state: AckState::Waiting(now) });
    }

    /// A socket it was for was not sent the event.
    pub fn refuse(&mut self, socket: SocketId, user: UserId, why: WhyNoAck) {
        self.users.entry(user.clone()).or_default();
        self.sockets.entry(socket).or_insert(AskedSocket { user, state: AckState::Missing(why) });
    }

    /// A socket answered; that counts, whether what it said was kept or not. The second answer of a socket, and that of
    /// one that was not asked, change nothing.
    pub fn hear(&mut self, socket: SocketId, answer: Result<A, NotKept>, now: Timestamp) {
        let Some(asked) = self.sockets.get_mut(&socket) else { return };
        let AckState::Waiting(since) = asked.state else { return };
        asked.state = AckState::Acked(now.since(since), answer);
        let of_user = self.users.entry(asked.user.clone()).or_default();
        if of_user.acked == 0 {
            self.answered_users += 1;
            self.awaited_users -= 1;
        }
        for count in [of_user, &mut self.all] {
            count.acked += 1;
            count.waiting -= 1;
        }
    }

    /// A socket is gone; if it has answered, that changes nothing.
    pub fn lose(&mut self, socket: SocketId) {
        let Some(asked) = self.sockets.get_mut(&socket) else { return };
        let AckState::Waiting(_) = asked.state else { return };
        asked.state = AckState::Missing(WhyNoAck::Disconnected);
        let of_user = self.users.entry(asked.user.clone()).or_default();
        of_user.waiting -= 1;
        self.awaited_users -= usize::from(of_user.acked == 0 && of_user.waiting == 0);
        self.all.waiting -= 1;
    }

    /// Whether what is needed has come. Where nobody was there, it has not.
    pub fn is_met(&self) -> bool {
        match self.need {
            AckNeed::All => {
                0 < self.all.acked && self.all.acked == self.sockets.len() && !self.lacks_some
            }
            AckNeed::Any => 0 < self.all.acked,
            AckNeed::OnePerUser => {
                !self.users.is_empty()
                    && self.answered_users == self.users.len()
                    && !self.lacks_some
            }
        }
    }

    /// Whether there is nothing to wait for: what is needed has come, or nobody is left who could bring it.
    pub fn is_over(&self) -> bool {
        let is_anybody_awaited = match self.need {
            AckNeed::All | AckNeed::Any => 0 < self.all.waiting,
            AckNeed::OnePerUser => 0 < self.awaited_users,
        };
        self.is_met() || !is_anybody_awaited
    }

    /// Nobody is waited for any more: either it is over, or the time is.
    pub fn end(self) -> AckSummary<A> {
        let is_met = self.is_met();
        let late = if self.is_over() { WhyNoAck::Cancelled } else { WhyNoAck::Timeout };
        let (mut acks, mut missing) = (Vec::with_capacity(self.all.acked), Vec::new());
        for (socket, AskedSocket { user, state }) in self.sockets {
            match state {
                AckState::Acked(took, answer) => {
                    acks.push(SocketAck { user, socket, took, answer });
                }
                AckState::Missing(why) => missing.push(MissingAck { user, socket, why }),
                AckState::Waiting(_) => missing.push(MissingAck { user, socket, why: late }),
            }
        }
        // One that is not on this node may be on another.
        let is_known = |user: &UserId| {
            acks.iter().any(|it| it.user == *user) || missing.iter().any(|it| it.user == *user)
        };
        let mut absent = self.absent;
        absent.retain(|user| !is_known(user));
        AckSummary { is_met, acks, missing, absent }
    }
}

#[cfg(test)]
mod tests;
