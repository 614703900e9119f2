//! The lanes of one endpoint: one per user with something to deliver, each with its head, in the order of their turns.

use crate::core::backend::backoff;
use crate::core::delivery::decision::{Decision, DeliveryId, Head, Verdict};
use crate::types::{Moment, Timestamp, UserId};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Users with a lane at once. Beyond it new users wait in the store, in order, until a lane ends.
pub const LANES_MAX: usize = 65_536;
/// Lanes whose head was not tried yet, beyond which no more are wanted: enough to keep every request slot busy.
pub const FRESH_MAX: usize = 1024;

/// All lanes; the waiting ones are also in exactly one of two queues, by turn.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    by_user: BTreeMap<UserId, Lane>,
    /// Heads that were never tried.
    fresh: BTreeSet<Turn>,
    /// Heads that failed.
    retries: BTreeSet<Turn>,
}

/// One user's hooks to this endpoint.
#[derive(Debug)]
struct Lane {
    head: Head,
    step: Step,
    /// Attempts in a row that failed, over all heads since the last one that ended: the back-off grows with it.
    failures: u32,
    /// Rejections of this head.
    rejections: u32,
    /// When a failure of this head is final.
    expires: Timestamp,
    /// Another hook was offered since the lane was opened, so there may be a next head.
    has_more: bool,
    /// A hook was offered while the lane was settling: the store may have looked for the next head before that.
    look_again: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// In `fresh` or `retries`.
    Waiting(Wait),
    /// In a request.
    Sending,
    /// The store is recording the end of the head.
    Settling,
}

/// What a waiting head waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// Its turn.
    Turn,
    /// The end of its back-off, which is cut short when the endpoint is back.
    Backoff,
    /// The time that the receiver named: never cut short.
    Asked,
}

/// The place of a waiting lane in its queue.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Turn {
    pub(super) due: Timestamp,
    pub(super) id: DeliveryId,
    pub(super) user: UserId,
}

impl Lanes {
    pub(super) fn has_room(&self) -> bool {
        self.by_user.len() < LANES_MAX && self.fresh.len() < FRESH_MAX
    }

    /// Whether there is so much room that reading many at once is worth it.
    pub(super) fn wants_more(&self) -> bool {
        let room = FRESH_MAX / 2;
        self.by_user.len() + room <= LANES_MAX && self.fresh.len() + room <= FRESH_MAX
    }

    /// Whether the user has a lane, to which one more hook then belongs.
    pub(super) fn adopt(&mut self, user: &UserId) -> bool {
        let Some(lane) = self.by_user.get_mut(user) else { return false };
        lane.has_more = true;
        lane.look_again = lane.step == Step::Settling;
        true
    }

    /// Opens a lane, or puts the next head into it; `failures` in a row came before.
    pub(super) fn place(&mut self, head: Head, failures: u32, at: Moment, retry_for: Duration) {
        let (due, wait) = first_turn(&head, at);
        let turn = Turn { due, id: head.id, user: head.user.clone() };
        let queue = if head.attempts == 0 { &mut self.fresh } else { &mut self.retries };
        queue.insert(turn);
        let age = Duration::from_millis(at.wall.0.saturating_sub(head.created.0));
        let expires = at.now + retry_for.saturating_sub(age);
        let (user, step) = (head.user.clone(), Step::Waiting(wait));
        let (rejections, has_more, look_again) = (0, false, false);
        let lane = Lane { head, step, failures, rejections, expires, has_more, look_again };
        self.by_user.insert(user, lane);
    }

    /// Whether nothing is to be delivered.
    pub(super) fn is_empty(&self) -> bool {
        self.by_user.is_empty()
    }

    /// Whose turn is next.
    pub(super) fn first(&self) -> Option<&Turn> {
        self.fresh.first().into_iter().chain(self.retries.first()).min()
    }

    /// Whether the receiver has named the time of this turn.
    pub(super) fn is_asked(&self, turn: &Turn) -> bool {
        self.by_user.get(&turn.user).is_some_and(|lane| lane.step == Step::Waiting(Wait::Asked))
    }

    /// Whether some heads have failed and wait.
    pub(super) fn is_retrying(&self) -> bool {
        !self.retries.is_empty()
    }

    /// Starts sending the first lane and, if it was never tried, up to `batch_max` in all that were not either.
    ///
    /// Only first attempts are batched: a retry goes alone, so that one bad hook fails only itself.
    pub(super) fn start(&mut self, batch_max: usize, now: Timestamp) -> Vec<Turn> {
        let Some(first) = self.first().cloned() else { return Vec::new() };
        self.retries.remove(&first);
        let is_fresh = self.fresh.remove(&first);
        let mut turns = vec![first];
        while is_fresh
            && turns.len() < batch_max
            && self.fresh.first().is_some_and(|turn| turn.due <= now)
        {
            turns.extend(self.fresh.pop_first());
        }
        for turn in &turns {
            if let Some(lane) = self.by_user.get_mut(&turn.user) {
                lane.step = Step::Sending;
            }
        }
        turns
    }

    /// The hook that the user's lane is about.
    pub(super) fn head(&self, user: &UserId) -> Option<DeliveryId> {
        self.by_user.get(user).map(|lane| lane.head.id)
    }

    /// Failures in a row of the user's lane.
    pub(super) fn failures(&self, user: &UserId) -> u32 {
        self.by_user.get(user).map_or(0, |lane| lane.failures)
    }

    /// Whether one more failure of the user's head is final.
    pub(super) fn is_expired(&self, user: &UserId, now: Timestamp) -> bool {
        self.by_user.get(user).is_some_and(|lane| lane.expires <= now)
    }

    /// Counts a rejection of the user's head and says how many there were.
    pub(super) fn count_rejection(&mut self, user: &UserId) -> u32 {
        self.by_user.get_mut(user).map_or(0, |lane| {
            lane.rejections = lane.rejections.saturating_add(1);
            lane.rejections
        })
    }

    /// Lets the head of a lane that was being sent wait until `due`, after a failed attempt.
    pub(super) fn retry(&mut self, user: &UserId, due: Timestamp, wait: Wait) -> Option<Decision> {
        let lane = self.by_user.get_mut(user)?;
        lane.failures = lane.failures.saturating_add(1);
        lane.head.attempts = lane.head.attempts.saturating_add(1);
        let decision = lane.decision(Verdict::Retry { at: due });
        self.put_back(user, due, wait);
        Some(decision)
    }

    /// The same after no attempt.
    pub(super) fn put_back(&mut self, user: &UserId, due: Timestamp, wait: Wait) {
        if let Some(lane) = self.by_user.get_mut(user) {
            debug_assert_eq!(lane.step, Step::Sending, "only a head that was sent waits again");
            lane.step = Step::Waiting(wait);
            self.retries.insert(Turn { due, id: lane.head.id, user: user.clone() });
        }
    }

    /// Ends the head of a lane that was being sent, after one more attempt.
    pub(super) fn end(&mut self, user: &UserId, verdict: Verdict) -> Option<Decision> {
        let lane = self.by_user.get_mut(user)?;
        lane.head.attempts = lane.head.attempts.saturating_add(1);
        lane.failures = 0;
        self.skip(user).map(|decision| Decision { verdict, ..decision })
    }

    /// Ends the head of a lane without an attempt.
    pub(super) fn skip(&mut self, user: &UserId) -> Option<Decision> {
        let lane = self.by_user.get_mut(user)?;
        debug_assert_eq!(lane.step, Step::Sending, "only a head that was sent ends");
        lane.step = Step::Settling;
        Some(lane.decision(Verdict::Skipped))
    }

    /// Gives a settling lane its next head, or closes it if there is none; asks the store again if the answer may be
    /// too old.
    pub(super) fn advance(
        &mut self,
        user: &UserId,
        next: Option<Head>,
        at: Moment,
        retry_for: Duration,
    ) -> Option<Decision> {
        let lane = self.by_user.get_mut(user)?;
        debug_assert_eq!(lane.step, Step::Settling, "a lane advances only when its head has ended");
        if let Some(head) = next {
            let failures = lane.failures;
            self.place(head, failures, at, retry_for);
            self.adopt(user);
        } else if std::mem::take(&mut lane.look_again) {
            return Some(lane.decision(Verdict::Skipped));
        } else {
            self.by_user.remove(user);
        }
        None
    }

    /// Cuts all back-offs short.
    pub(super) fn end_backoffs(&mut self, now: Timestamp) {
        let turns = std::mem::take(&mut self.retries);
        let early = |turn: Turn| {
            let due = if self.is_asked(&turn) { turn.due } else { turn.due.min(now) };
            Turn { due, ..turn }
        };
        let turns: BTreeSet<Turn> = turns.into_iter().map(early).collect();
        self.retries = turns;
    }
}

impl Lane {
    /// What is to be recorded about the head.
    fn decision(&self, verdict: Verdict) -> Decision {
        let Head { id, ref user, attempts, .. } = self.head;
        Decision { id, user: user.clone(), attempts, verdict, has_more: self.has_more }
    }
}

/// When a head that comes from the store is due: at once, unless an earlier life of the process has set a time that is
/// still to come. The wall clock may have been set since, so no such time is believed beyond the longest wait.
fn first_turn(head: &Head, at: Moment) -> (Timestamp, Wait) {
    let wait_ms = head.next_attempt.map_or(0, |next| next.0.saturating_sub(at.wall.0));
    let wait = Duration::from_millis(wait_ms).min(backoff::RETRY_AFTER_MAX);
    let due = at.now + wait;
    if wait.is_zero() {
        (due, Wait::Turn)
    } else if wait <= backoff::DELAY_MAX {
        (due, Wait::Backoff)
    } else {
        // No back-off is that long: the receiver has named the time.
        (due, Wait::Asked)
    }
}
