//! One emit on its way to the sockets it is for: each has its turn once, and what became of it there is counted.

use super::UserEmitted;
use super::groups::{GroupSockets, TargetGroup};
use crate::core::emit::audience::{Audience, LeftOut};
use crate::registry::Socket;
use crate::types::{SocketId, UserId};
use std::collections::HashSet;
use std::sync::Arc;
use std::vec;

/// One emit on its way.
pub(super) struct Fanout<'a> {
    /// The groups that have not had their turn.
    groups: vec::IntoIter<TargetGroup>,
    /// The group whose turn it is, and how many of its sockets have had theirs.
    current: Option<(TargetGroup, usize)>,
    /// Who of the groups it is not for; `None` if these were taken out before.
    filter: Option<AudienceFilter<'a>>,
    counts: SentCounts,
    /// `matched` and `sent` when the turn of the current group began.
    before: (usize, usize),
}

/// Finds those whom an emit is not for, or who have had it.
pub(super) struct AudienceFilter<'a> {
    left_out: LeftOut<'a>,
    /// Sockets that have had their turn, if several names may mean the same.
    seen: Option<HashSet<SocketId>>,
}

/// For how many sockets an emit was, and what became of it there.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct SentCounts {
    /// Sockets it was for.
    pub(super) matched: usize,
    /// Sockets whose connection took it.
    pub(super) sent: usize,
    /// The same for each user that was named, in the order they were named.
    pub(super) users: Vec<(UserId, UserEmitted)>,
    pub(super) dropped: DroppedCounts,
}

/// How many sockets did not get it, by cause.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct DroppedCounts {
    pub(super) volatile: usize,
    pub(super) closed: usize,
    pub(super) too_many_acks: usize,
}

/// Why a socket that an event is for does not get it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotSent {
    /// It is volatile, and the connection is busy.
    Volatile,
    /// The connection is closed, or was closed now because too much was waiting.
    Closed,
    /// Too many acks are awaited there already.
    TooManyAcks,
}

impl<'a> AudienceFilter<'a> {
    pub(super) fn new(audience: &'a Audience) -> Self {
        let seen = (1 < audience.target.names()).then(HashSet::new);
        Self { left_out: audience.left_out(), seen }
    }

    /// Whether the event is for this socket; a second time it is not.
    pub(super) fn includes(&mut self, socket: &Socket) -> bool {
        !self.left_out.includes(socket)
            && self.seen.as_mut().is_none_or(|seen| seen.insert(socket.id))
    }
}

impl<'a> Fanout<'a> {
    /// To the sockets of these groups that `audience` does not leave out.
    pub(super) fn new(groups: Vec<TargetGroup>, audience: &'a Audience) -> Self {
        Self::with(groups, Some(AudienceFilter::new(audience)))
    }

    /// To all sockets of these groups, none of which is in two of them.
    pub(super) fn to_all(groups: Vec<TargetGroup>) -> Self {
        Self::with(groups, None)
    }

    fn with(groups: Vec<TargetGroup>, filter: Option<AudienceFilter<'a>>) -> Self {
        let named = groups.iter().filter(|it| it.user.is_some()).count();
        let counts = SentCounts { users: Vec::with_capacity(named), ..SentCounts::default() };
        Self { groups: groups.into_iter(), current: None, filter, counts, before: (0, 0) }
    }

    /// Sockets in the groups that have not had their turn; one that is in several counts for each.
    pub(super) fn sockets(&self) -> usize {
        self.groups.as_slice().iter().map(|group| group.sockets.len()).sum()
    }

    /// Calls `give` with the next sockets that the event is for; at most `max` sockets have their turn, those that are
    /// left out included. Returns whether there are more.
    pub(super) fn advance(
        &mut self,
        max: usize,
        mut give: impl FnMut(&Arc<Socket>) -> Result<(), NotSent>,
    ) -> bool {
        let mut left = max;
        loop {
            let next = || self.groups.next().map(|group| (group, 0));
            let Some((group, done)) = self.current.take().or_else(next) else { return false };
            let turn = group.sockets.get(done..).unwrap_or_default();
            let turn = turn.get(..left).unwrap_or(turn);
            for socket in turn {
                if self.filter.as_mut().is_none_or(|filter| filter.includes(socket)) {
                    self.counts.add(give(socket));
                }
            }
            left -= turn.len();
            let done = done + turn.len();
            if done < group.sockets.len() {
                self.current = Some((group, done));
                return true;
            }
            self.end_group(group);
        }
    }

    /// Calls `give` with all sockets that are left.
    pub(super) fn finish(&mut self, give: impl FnMut(&Arc<Socket>) -> Result<(), NotSent>) {
        self.advance(usize::MAX, give);
    }

    /// What became of it.
    pub(super) fn end(self) -> SentCounts {
        self.counts
    }

    fn end_group(&mut self, group: TargetGroup) {
        let SentCounts { matched, sent, users, .. } = &mut self.counts;
        let (matched_before, sent_before) = std::mem::replace(&mut self.before, (*matched, *sent));
        if let Some((user, status)) = group.user {
            let (matched, sent) = (*matched - matched_before, *sent - sent_before);
            users.push((user, UserEmitted { status, matched, sent }));
        }
    }
}

impl SentCounts {
    fn add(&mut self, given: Result<(), NotSent>) {
        self.matched += 1;
        match given {
            Ok(()) => self.sent += 1,
            Err(NotSent::Volatile) => self.dropped.volatile += 1,
            Err(NotSent::Closed) => self.dropped.closed += 1,
            Err(NotSent::TooManyAcks) => self.dropped.too_many_acks += 1,
        }
    }
}

impl TargetGroup {
    /// The same without those whom `filter` takes out.
    pub(super) fn filtered(self, filter: &mut AudienceFilter<'_>) -> Self {
        let sockets = self.sockets.iter().filter(|it| filter.includes(it)).cloned();
        Self { sockets: GroupSockets::Many(sockets.collect()), user: self.user }
    }
}
