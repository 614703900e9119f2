//! The users that have hooks waiting for one endpoint, each with a queue of its own, and whose turn is next.
//!
//! A queue holds only its head, the user's oldest undelivered hook; the store has the rest.

use crate::core::backend::backoff;
use crate::core::delivery::decision::{DeliveryDecision, DeliveryId, DeliveryVerdict, PendingHook};
use crate::types::{Moment, Timestamp, UserId};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Users that have a queue at the same time. More users wait in the store, in order, until a queue ends.
pub const USER_QUEUES_MAX: usize = 65_536;
/// Heads that were never tried, beyond which no more are read from the store: enough to keep every request slot busy.
pub const UNTRIED_MAX: usize = 1024;

/// The queues of all users. A queue whose head waits also has its turn in exactly one of `untried` and `retries`.
#[derive(Debug, Default)]
pub(super) struct UserQueues {
    by_user: BTreeMap<UserId, UserQueue>,
    /// Turns of heads that were never tried.
    untried: BTreeSet<QueueTurn>,
    /// Turns of heads that have failed.
    retries: BTreeSet<QueueTurn>,
}

/// The hooks of one user to this endpoint.
#[derive(Debug)]
struct UserQueue {
    head: PendingHook,
    step: QueueStep,
    /// Attempts that failed since a head of this queue was last delivered: the back-off grows with them.
    failures: u32,
    /// How often the receiver has rejected the head.
    rejections: u32,
    /// From when on a failure of the head is final.
    expires: Timestamp,
    /// The store has offered another hook of the user since the queue was opened, so there may be a next head.
    has_more: bool,
    /// The store has offered a hook while it recorded the end of the head: it may have looked for the next head before
    /// that hook was there.
    look_again: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum QueueStep {
    /// In `untried` or `retries`.
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

/// When it is the turn of a waiting head: the order of `untried` and of `retries`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct QueueTurn {
    pub(super) due: Timestamp,
    pub(super) id: DeliveryId,
    pub(super) user: UserId,
}

impl UserQueues {
    /// Whether a user without a queue may get one.
    pub(super) fn has_room(&self) -> bool {
        self.by_user.len() < USER_QUEUES_MAX && self.untried.len() < UNTRIED_MAX
    }

    /// Whether there is so much room that reading many at once is worth it.
    pub(super) fn wants_more(&self) -> bool {
        let room = UNTRIED_MAX / 2;
        self.by_user.len() + room <= USER_QUEUES_MAX && self.untried.len() + room <= UNTRIED_MAX
    }

    /// Whether the user has a queue, to which one more hook then belongs.
    pub(super) fn adopt(&mut self, user: &UserId) -> bool {
        let Some(queue) = self.by_user.get_mut(user) else { return false };
        queue.has_more = true;
        queue.look_again = queue.step == QueueStep::Settling;
        true
    }

    /// Opens the queue of a user, or gives it its next head, after so many failures in a row.
    pub(super) fn place(
        &mut self,
        head: PendingHook,
        failures: u32,
        at: Moment,
        retry_for: Duration,
    ) {
        let (due, wait) = first_turn(&head, at);
        let turn = QueueTurn { due, id: head.id, user: head.user.clone() };
        let queue = if head.attempts == 0 { &mut self.untried } else { &mut self.retries };
        queue.insert(turn);
        let age = Duration::from_millis(at.wall.0.saturating_sub(head.created.0));
        let expires = at.now + retry_for.saturating_sub(age);
        let (user, step) = (head.user.clone(), QueueStep::Waiting(wait));
        let (rejections, has_more, look_again) = (0, false, false);
        let queue = UserQueue { head, step, failures, rejections, expires, has_more, look_again };
        self.by_user.insert(user, queue);
    }

    /// Whether nothing is to be delivered.
    pub(super) fn is_empty(&self) -> bool {
        self.by_user.is_empty()
    }

    /// Whose turn is next.
    pub(super) fn first(&self) -> Option<&QueueTurn> {
        self.untried.first().into_iter().chain(self.retries.first()).min()
    }

    /// Whether the receiver has named the time of this turn.
    pub(super) fn is_asked(&self, turn: &QueueTurn) -> bool {
        self.by_user
            .get(&turn.user)
            .is_some_and(|queue| queue.step == QueueStep::Waiting(Wait::Asked))
    }

    /// Whether some heads have failed and wait.
    pub(super) fn is_retrying(&self) -> bool {
        !self.retries.is_empty()
    }

    /// Starts sending the first queue and, if it was never tried, up to `batch_max` in all that were not either.
    ///
    /// Only first attempts are batched: a retry goes alone, so that one bad hook fails only itself.
    pub(super) fn start(&mut self, batch_max: usize, now: Timestamp) -> Vec<QueueTurn> {
        let Some(first) = self.first().cloned() else { return Vec::new() };
        self.retries.remove(&first);
        let is_fresh = self.untried.remove(&first);
        let mut turns = vec![first];
        while is_fresh
            && turns.len() < batch_max
            && self.untried.first().is_some_and(|turn| turn.due <= now)
        {
            turns.extend(self.untried.pop_first());
        }
        for turn in &turns {
            if let Some(queue) = self.by_user.get_mut(&turn.user) {
                queue.step = QueueStep::Sending;
            }
        }
        turns
    }

    /// The hook that the user's queue is about.
    pub(super) fn head(&self, user: &UserId) -> Option<DeliveryId> {
        self.by_user.get(user).map(|queue| queue.head.id)
    }

    /// Failures in a row of the user's queue.
    pub(super) fn failures(&self, user: &UserId) -> u32 {
        self.by_user.get(user).map_or(0, |queue| queue.failures)
    }

    /// Whether one more failure of the user's head is final.
    pub(super) fn is_expired(&self, user: &UserId, now: Timestamp) -> bool {
        self.by_user.get(user).is_some_and(|queue| queue.expires <= now)
    }

    /// Counts a rejection of the user's head and says how many there were.
    pub(super) fn count_rejection(&mut self, user: &UserId) -> u32 {
        self.by_user.get_mut(user).map_or(0, |queue| {
            queue.rejections = queue.rejections.saturating_add(1);
            queue.rejections
        })
    }

    /// Lets the head of a queue that was being sent wait until `due`, after a failed attempt.
    pub(super) fn retry(
        &mut self,
        user: &UserId,
        due: Timestamp,
        wait: Wait,
    ) -> Option<DeliveryDecision> {
        let queue = self.by_user.get_mut(user)?;
        queue.failures = queue.failures.saturating_add(1);
        queue.head.attempts = queue.head.attempts.saturating_add(1);
        let decision = queue.decision(DeliveryVerdict::Retry { at: due });
        self.put_back(user, due, wait);
        Some(decision)
    }

    /// The same after no attempt.
    pub(super) fn put_back(&mut self, user: &UserId, due: Timestamp, wait: Wait) {
        if let Some(queue) = self.by_user.get_mut(user) {
            debug_assert_eq!(
                queue.step,
                QueueStep::Sending,
                "only a head that was sent waits again"
            );
            queue.step = QueueStep::Waiting(wait);
            self.retries.insert(QueueTurn { due, id: queue.head.id, user: user.clone() });
        }
    }

    /// Ends the head of a queue that was being sent, after one more attempt.
    pub(super) fn end(
        &mut self,
        user: &UserId,
        verdict: DeliveryVerdict,
    ) -> Option<DeliveryDecision> {
        let queue = self.by_user.get_mut(user)?;
        queue.head.attempts = queue.head.attempts.saturating_add(1);
        queue.failures = 0;
        self.skip(user).map(|decision| DeliveryDecision { verdict, ..decision })
    }

    /// Ends the head of a queue without an attempt.
    pub(super) fn skip(&mut self, user: &UserId) -> Option<DeliveryDecision> {
        let queue = self.by_user.get_mut(user)?;
        debug_assert_eq!(queue.step, QueueStep::Sending, "only a head that was sent ends");
        queue.step = QueueStep::Settling;
        Some(queue.decision(DeliveryVerdict::Skipped))
    }

    /// Gives a settling queue its next head, or closes it if there is none; asks the store again if the answer may be
    /// too old.
    pub(super) fn advance(
        &mut self,
        user: &UserId,
        next: Option<PendingHook>,
        at: Moment,
        retry_for: Duration,
    ) -> Option<DeliveryDecision> {
        let queue = self.by_user.get_mut(user)?;
        debug_assert_eq!(
            queue.step,
            QueueStep::Settling,
            "a queue advances only when its head has ended"
        );
        if let Some(head) = next {
            let failures = queue.failures;
            self.place(head, failures, at, retry_for);
            self.adopt(user);
        } else if std::mem::take(&mut queue.look_again) {
            return Some(queue.decision(DeliveryVerdict::Skipped));
        } else {
            self.by_user.remove(user);
        }
        None
    }

    /// Cuts all back-offs short.
    pub(super) fn end_backoffs(&mut self, now: Timestamp) {
        let turns = std::mem::take(&mut self.retries);
        let early = |turn: QueueTurn| {
            let due = if self.is_asked(&turn) { turn.due } else { turn.due.min(now) };
            QueueTurn { due, ..turn }
        };
        let turns: BTreeSet<QueueTurn> = turns.into_iter().map(early).collect();
        self.retries = turns;
    }
}

impl UserQueue {
    /// What is to be recorded about the head.
    fn decision(&self, verdict: DeliveryVerdict) -> DeliveryDecision {
        let PendingHook { id, ref user, attempts, .. } = self.head;
        DeliveryDecision { id, user: user.clone(), attempts, verdict, has_more: self.has_more }
    }
}

/// When a head that comes from the store is due: at once, unless an earlier life of the process has set a time that is
/// still to come. The wall clock may have been set since, so no such time is believed beyond the longest wait.
fn first_turn(head: &PendingHook, at: Moment) -> (Timestamp, Wait) {
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
