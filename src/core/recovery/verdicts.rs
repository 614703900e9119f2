//! What was decided about sessions of a cluster by a number of its log: it holds for those that nobody could tell, because their
//! clients were away, or their node died with what it was told.

use super::DetachedSession;
use crate::core::emit::audience::{Addressee as _, Audience};
use crate::types::{Room, SocketId, Timestamp, UserId};
use std::collections::VecDeque;
use std::time::Duration;

/// Decisions that are remembered, at most.
const LEN_MAX: usize = 10_000;

/// What was decided about sessions.
#[derive(Debug, Clone)]
pub enum Verdict {
    /// Those of the audience are in none of the rooms any more, and stay out.
    Leave(Audience, Vec<Room>),
    /// Those of the user are in the room no more, because the user was taken out of it.
    TakeOut(UserId, Room),
    /// Those of the user are in the room from then on.
    PutIn(UserId, Room),
    /// Those of the audience are over, if their clients were there.
    End(Audience),
    /// Those of the user are over, if their clients were there.
    EndUser(UserId),
    /// That of the socket is over, if its client was there.
    EndSocket(SocketId),
}

/// Decisions with their numbers, in that order.
#[derive(Debug, Default)]
pub(super) struct Verdicts {
    all: VecDeque<(u64, Timestamp, Verdict)>,
    /// Up to this number some are forgotten.
    forgotten_to: u64,
}

impl Verdicts {
    pub(super) fn add(&mut self, number: u64, verdict: Verdict, now: Timestamp) {
        self.all.push_back((number, now, verdict));
        if LEN_MAX < self.all.len() {
            self.forget_first();
        }
    }

    pub(super) fn expire(&mut self, window: Duration, now: Timestamp) {
        while self.all.front().is_some_and(|(_, at, _)| window < now.since(*at)) {
            self.forget_first();
        }
    }

    fn forget_first(&mut self) {
        if let Some((number, ..)) = self.all.pop_front() {
            self.forgotten_to = self.forgotten_to.max(number);
        }
    }

    /// The session with all that was decided since it was written down; `None` if it is over. `is_away` says that its client was
    /// away by then.
    pub(super) fn applied_to(
        &self,
        mut session: DetachedSession,
        is_away: bool,
    ) -> Option<DetachedSession> {
        if session.cut_off_at < self.forgotten_to {
            return None;
        }
        let since = self.all.partition_point(|(number, ..)| *number <= session.cut_off_at);
        for (number, _, verdict) in self.all.range(since..) {
            let member = &mut session.member;
            let is_over = match verdict {
                Verdict::Leave(audience, rooms) => {
                    if audience.includes(member) {
                        member.leave(rooms);
                    }
                    false
                }
                Verdict::TakeOut(user, room) => {
                    if *user == member.user {
                        member.take_out(room);
                    }
                    false
                }
                Verdict::PutIn(user, room) => {
                    if *user == member.user {
                        member.put_in(room, *number);
                    }
                    false
                }
                Verdict::End(audience) => audience.includes(member),
                Verdict::EndUser(user) => *user == member.user,
                Verdict::EndSocket(id) => member.ids().any(|it| it == *id),
            };
            // Whoever was away already was not told to go, as on a single node.
            if is_over && !is_away {
                return None;
            }
        }
        Some(session)
    }
}
