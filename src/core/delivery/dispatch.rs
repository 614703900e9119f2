//! Which hook goes to an endpoint next, and what an answer means for it.
//!
//! ```text
//!   store ──offer──▶ queue of user a: [head] ─┐                     ┌─▶ request 1 ──answer──▶ decisions ──▶ store
//!                    queue of user b: [head] ─┼─▶ by turn ─circuit──┼─▶ request 2                            │
//!                    queue of user c: [head] ─┘                     └─▶ …                                    │
//!                            ▲──────────────────────── advance: the next head of that user ──────────────────┘
//! ```
//!
//! Every user with something to deliver has a *queue* here, and of that queue only the *head*: the user's oldest
//! undelivered hook. The younger ones stay in the store, so a backlog of a million takes no memory here.
//!
//! One user's hooks go out in order, because a queue gets its next head only after the store has recorded the end of
//! the last one. One user does not hold up another, because the queues know nothing of each other; only the [`Circuit`]
//! looks at all of them.

#[cfg(test)]
mod model;
#[cfg(test)]
mod outage;
#[cfg(test)]
mod tests;
mod user_queues;

pub use user_queues::{UNTRIED_MAX, USER_QUEUES_MAX};

use crate::core::backend::backoff;
use crate::core::backend::circuit::{Circuit, Failure, MayStart, Pauses, Purpose};
use crate::core::delivery::decision::{
    AttemptOutcome, Death, DeliveryDecision, DeliveryId, DeliveryVerdict, PendingHook,
};
use crate::types::{Moment, Timestamp, UserId};
use std::collections::BTreeMap;
use std::time::Duration;
use user_queues::{UserQueues, Wait};

/// Pause after a request that could not even be sent.
const NOT_SENT_PAUSE: Duration = Duration::from_secs(1);

/// How hard to try; see `HooksConfig`.
#[derive(Debug, Clone, Copy)]
pub struct DispatchSettings {
    /// Requests at once.
    pub concurrency: usize,
    /// Hooks in one request.
    pub batch_max: usize,
    /// Rejections after which a hook is a dead letter.
    pub reject_after: u32,
    /// Age at which a failing hook is a dead letter.
    pub retry_for: Duration,
}

/// What waits for one endpoint, and what is under way to it.
#[derive(Debug)]
pub struct Dispatch {
    settings: DispatchSettings,
    circuit: Circuit<UserId>,
    /// Cleared when the endpoint has answered 410.
    enabled: bool,
    queues: UserQueues,
    requests: BTreeMap<RequestId, Sending>,
    last_request: u64,
}

#[derive(Debug)]
struct Sending {
    /// Not empty; each has a queue that is sending.
    users: Vec<UserId>,
    purpose: Purpose,
}

/// Names one request until its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(u64);

/// Send these hooks in one request: at most one per user, so their order does not matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// To be given back with the answer.
    pub id: RequestId,
    /// What to send; not empty.
    pub deliveries: Vec<DeliveryId>,
}

/// What became of an offered hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offer {
    /// Its user has a queue, which comes to it in its turn.
    Taken,
    /// Offer it again, and all after it, when [`Dispatch::wants_more`].
    NoRoom,
}

/// How the endpoint is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// Nothing is failing, or nothing is left that could.
    Ok,
    /// Some deliveries are being retried.
    Failing,
    /// All sending has stopped but for probes.
    Open,
    /// It answered 410: nothing is sent until [`Dispatch::enable`].
    Disabled,
}

impl Health {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Ok, Self::Failing, Self::Open, Self::Disabled];

    /// The name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failing => "failing",
            Self::Open => "open",
            Self::Disabled => "disabled",
        }
    }
}

impl Dispatch {
    /// Nothing to deliver yet.
    pub fn new(settings: DispatchSettings) -> Self {
        Self {
            settings,
            circuit: Circuit::new(settings.concurrency, Pauses::PATIENT),
            enabled: true,
            queues: UserQueues::default(),
            requests: BTreeMap::new(),
            last_request: 0,
        }
    }

    /// Whether more hooks are wanted from the store: only when there is room for many, because looking for them costs
    /// the same for few.
    pub fn wants_more(&self) -> bool {
        self.queues.wants_more()
    }

    /// Takes an undelivered hook from the store, which offers them by ascending id: the first one of a user becomes
    /// the head of the user's queue.
    pub fn offer(&mut self, head: PendingHook, at: Moment) -> Offer {
        if self.queues.adopt(&head.user) {
            return Offer::Taken;
        }
        if !self.queues.has_room() {
            return Offer::NoRoom;
        }
        let failures = head.attempts;
        self.queues.place(head, failures, at, self.settings.retry_for);
        Offer::Taken
    }

    /// The next request to send at `now`, which counts as under way until its answer.
    pub fn next_request(&mut self, now: Timestamp) -> Option<Request> {
        let purpose = self.next_purpose(now)?;
        let batch_max = match purpose {
            Purpose::Deliver => self.settings.batch_max,
            Purpose::Probe => 1,
        };
        let turns = self.queues.start(batch_max, now);
        self.circuit.started(purpose);
        self.last_request += 1;
        let id = RequestId(self.last_request);
        let deliveries = turns.iter().map(|turn| turn.id).collect();
        let users = turns.into_iter().map(|turn| turn.user).collect();
        self.requests.insert(id, Sending { users, purpose });
        Some(Request { id, deliveries })
    }

    /// Takes hooks out of a request that turned out to be no longer waiting in the store. Comes before the answer.
    pub fn vanished(&mut self, request: RequestId, gone: &[DeliveryId]) -> Vec<DeliveryDecision> {
        let Some(sending) = self.requests.get_mut(&request) else { return Vec::new() };
        let is_gone = |user: &UserId| self.queues.head(user).is_none_or(|id| gone.contains(&id));
        let (skipped, left) = sending.users.drain(..).partition::<Vec<_>, _>(is_gone);
        let purpose = sending.purpose;
        sending.users = left;
        if sending.users.is_empty() {
            self.requests.remove(&request);
            self.circuit.cancelled(purpose);
        }
        skipped.iter().filter_map(|user| self.queues.skip(user)).collect()
    }

    /// Takes the end of a request; `random` is asked once for every hook that may be retried.
    pub fn answer(
        &mut self,
        request: RequestId,
        outcome: AttemptOutcome,
        now: Timestamp,
        random: &mut dyn FnMut() -> u32,
    ) -> Vec<DeliveryDecision> {
        let Some(sending) = self.requests.remove(&request) else { return Vec::new() };
        self.tell_circuit(&sending, outcome, now);
        // A batch, or an endpoint that rejects everybody, says nothing about one hook.
        let is_telling = sending.users.len() == 1 && !self.circuit.is_open();
        let mut decisions = Vec::new();
        for user in &sending.users {
            let decision = match outcome {
                AttemptOutcome::Accepted => self.queues.end(user, DeliveryVerdict::Delivered),
                AttemptOutcome::Rejected if is_telling => self.reject(user, now, random()),
                AttemptOutcome::Rejected | AttemptOutcome::Unreachable => {
                    self.fail(user, None, now, random())
                }
                AttemptOutcome::Failed { retry_after } => {
                    self.fail(user, retry_after, now, random())
                }
                AttemptOutcome::Gone => self.queues.retry(user, now, Wait::Backoff),
                AttemptOutcome::NotSent => {
                    self.queues.put_back(user, now + NOT_SENT_PAUSE, Wait::Backoff);
                    None
                }
            };
            decisions.extend(decision);
        }
        decisions
    }

    /// Takes the user's next head from the store, or that there is none known, once a decision other than
    /// [`DeliveryVerdict::Retry`] is recorded; may ask for it once more.
    pub fn advance(
        &mut self,
        user: &UserId,
        next: Option<PendingHook>,
        at: Moment,
    ) -> Option<DeliveryDecision> {
        self.queues.advance(user, next, at, self.settings.retry_for)
    }

    /// Sends again after a 410.
    pub fn enable(&mut self) {
        if !self.enabled {
            self.enabled = true;
            self.circuit = Circuit::new(self.settings.concurrency, Pauses::PATIENT);
        }
    }

    /// Tries now what waits for the end of a back-off or of the circuit's pause, though not what the receiver asked to
    /// wait for; also after a 410.
    pub fn hurry(&mut self, now: Timestamp) {
        self.enable();
        self.circuit.hurry(now);
        self.queues.end_backoffs(now);
    }

    /// When [`Dispatch::next_request`] will have something without any news; `None` if only news can help.
    pub fn wake_at(&self, now: Timestamp) -> Option<Timestamp> {
        let first = self.queues.first().filter(|_| self.enabled)?;
        let admitted = self.circuit.admits_at(self.requests.len(), now)?;
        let is_probe = self.circuit.is_open() && !self.queues.is_asked(first);
        Some(if is_probe { admitted } else { admitted.max(first.due) })
    }

    /// How the endpoint is doing.
    pub fn health(&self) -> Health {
        if !self.enabled {
            Health::Disabled
        } else if self.circuit.is_open() {
            Health::Open
        } else if self.queues.is_empty() || self.circuit.is_well() && !self.queues.is_retrying() {
            Health::Ok
        } else {
            Health::Failing
        }
    }

    /// Requests under way.
    pub fn in_flight(&self) -> usize {
        self.requests.len()
    }

    /// What the first queue would be sent for now. A probe does not wait for the back-off of its hook, only for a
    /// time that the receiver named.
    fn next_purpose(&self, now: Timestamp) -> Option<Purpose> {
        let first = self.queues.first().filter(|_| self.enabled)?;
        let is_due = first.due <= now;
        match self.circuit.admit(self.requests.len(), now) {
            MayStart::Send if is_due => Some(Purpose::Deliver),
            MayStart::Probe if is_due || !self.queues.is_asked(first) => Some(Purpose::Probe),
            MayStart::Send | MayStart::Probe | MayStart::Wait => None,
        }
    }

    fn tell_circuit(&mut self, sending: &Sending, outcome: AttemptOutcome, now: Timestamp) {
        let failure = match outcome {
            AttemptOutcome::Accepted if self.circuit.accepted(sending.purpose) => {
                return self.queues.end_backoffs(now);
            }
            AttemptOutcome::Accepted => return,
            AttemptOutcome::NotSent => return self.circuit.cancelled(sending.purpose),
            AttemptOutcome::Gone => return self.enabled = false,
            AttemptOutcome::Unreachable => Failure::Silence,
            AttemptOutcome::Failed { retry_after } => Failure::Answer { retry_after },
            AttemptOutcome::Rejected => Failure::Answer { retry_after: None },
        };
        if let Some(user) = sending.users.first() {
            self.circuit.failed(user, failure, sending.purpose, now);
        }
    }

    fn reject(&mut self, user: &UserId, now: Timestamp, random: u32) -> Option<DeliveryDecision> {
        if self.settings.reject_after <= self.queues.count_rejection(user) {
            self.queues.end(user, DeliveryVerdict::Dead(Death::Rejected))
        } else {
            self.fail(user, None, now, random)
        }
    }

    fn fail(
        &mut self,
        user: &UserId,
        retry_after: Option<Duration>,
        now: Timestamp,
        random: u32,
    ) -> Option<DeliveryDecision> {
        if self.queues.is_expired(user, now) {
            return self.queues.end(user, DeliveryVerdict::Dead(Death::Expired));
        }
        let failures = self.queues.failures(user).saturating_add(1);
        let wait = backoff::delay(failures, random);
        match retry_after.map(backoff::honoured) {
            Some(asked) if wait < asked => self.queues.retry(user, now + asked, Wait::Asked),
            Some(_) | None => self.queues.retry(user, now + wait, Wait::Backoff),
        }
    }
}
