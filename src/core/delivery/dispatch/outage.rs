//! An hour of outage, of each kind, in virtual time: ten thousand users come and go before it, through it and through
//! the recovery. Their presence machines decide what is to be told; here is what the receiver sees of it.

use super::model::{RowState, World};
use super::{DispatchSettings, RequestId, UNTRIED_MAX};
use crate::core::delivery::decision::AttemptOutcome;
use crate::core::presence::session::{PresenceStatus, SessionMachine};
use crate::types::{Change, ChangeKind, Moment, Reason, Seq, Timestamp, UserId, WallMs};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const USERS: usize = 10_000;
const GRACE: Duration = Duration::from_secs(10);
const CONCURRENCY: usize = 64;
const MINUTE_MS: u64 = 60_000;
/// The outage.
const FROM_MS: u64 = 10 * MINUTE_MS;
const TO_MS: u64 = FROM_MS + 60 * MINUTE_MS;
/// Until then users come and go: long after everything should be told.
const END_MS: u64 = TO_MS + 5 * MINUTE_MS;
/// How long the store takes to record what was decided.
const COMMIT_MS: u64 = 3;
/// `hooks.timeout`.
const TIMEOUT_MS: u64 = 15_000;
/// The longest `Retry-After` of the receiver.
const ASKED_MAX_MS: u64 = 90_000;

/// How the receiver is out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OutageKind {
    /// Nobody listens.
    Refuses,
    /// It answers 500, or 429 with `Retry-After`.
    Fails,
    /// It takes the request and never answers.
    Hangs,
}

#[derive(Debug, Clone, Copy)]
enum Happening {
    /// A user comes, or goes.
    Flap(usize),
    /// A user's grace may have run out.
    Expire(usize),
    Answer(RequestId, AttemptOutcome),
    /// The store has recorded what was decided.
    Commit,
    /// The dispatcher hears of it.
    Reply,
}

struct Simulation {
    kind: OutageKind,
    world: World,
    users: Vec<SessionMachine>,
    /// The news of each row: the row with id n at n - 1.
    news: Vec<(usize, Change)>,
    /// What happens when; the second number keeps the order of what happens at one instant.
    steps: BTreeMap<(u64, u64), Happening>,
    last: u64,
    random: u64,
    receiver: ModelReceiver,
    /// When requests were sent.
    sent: Vec<u64>,
    /// When a row may be sent again at the earliest, because the receiver said so.
    asked: BTreeMap<u64, u64>,
    /// Rows that were accepted before the outage ended, and since.
    accepted_before: usize,
    accepted_since: usize,
    first_accepted: Option<u64>,
    told_all: Option<u64>,
}

/// The receiver: what it was sent, and what it believes.
#[derive(Default)]
struct ModelReceiver {
    /// The newest row that has arrived of each user.
    arrived: BTreeMap<usize, u64>,
    /// Rows whose last attempt is known to have failed: only they may come again.
    failed: BTreeSet<u64>,
    accepted: BTreeSet<u64>,
    /// The open session of each user who is believed to be online.
    open: BTreeMap<usize, Seq>,
}

#[test]
fn after_an_hour_of_refused_connections_all_is_told_in_order_once_and_without_a_herd() {
    let it = Simulation::run(OutageKind::Refuses);

    // A probe every 30 s, and what was under way at the beginning.
    let during = it.sent_between(FROM_MS, TO_MS);
    assert!(during < CONCURRENCY + 150, "{during} attempts");
    it.is_over_within(30_000);
}

#[test]
fn after_an_hour_of_failures_all_is_told_in_order_once_and_without_a_herd() {
    let it = Simulation::run(OutageKind::Fails);

    let during = it.sent_between(FROM_MS, TO_MS);
    assert!(during < CONCURRENCY + 150, "{during} attempts");
    it.is_over_within(ASKED_MAX_MS);
}

#[test]
fn after_an_hour_of_silence_all_is_told_in_order_once_and_without_a_herd() {
    let it = Simulation::run(OutageKind::Hangs);

    let during = it.sent_between(FROM_MS, TO_MS);
    assert!(during < CONCURRENCY + 100, "{during} attempts");
    it.is_over_within(30_000 + TIMEOUT_MS);
}

impl Simulation {
    fn run(kind: OutageKind) -> Self {
        let mut it = Self::new(kind);
        for user in 0..USERS {
            let at = it.between(0, FROM_MS / 2);
            it.plan(at, Happening::Flap(user));
        }
        loop {
            it.send();
            let step = it.steps.first_key_value().map(|((at, _), _)| *at);
            let wake = it.world.dispatch.wake_at(Timestamp(it.world.now)).map(|at| at.0);
            let Some(next) = step.into_iter().chain(wake).min() else { break };
            it.world.now = it.world.now.max(next);
            while let Some(first) = it.steps.first_entry().filter(|it| it.key().0 <= next) {
                let step = first.remove();
                it.take(step);
            }
        }
        it.is_truly_told();
        it
    }

    fn new(kind: OutageKind) -> Self {
        let settings = DispatchSettings {
            concurrency: CONCURRENCY,
            batch_max: 1,
            reject_after: 5,
            retry_for: Duration::from_hours(72),
        };
        let user = |n: usize| SessionMachine::new(UserId::parse(&n.to_string()).unwrap());
        Self {
            kind,
            world: World::new(settings),
            users: (0..USERS).map(user).collect(),
            news: Vec::new(),
            steps: BTreeMap::new(),
            last: 0,
            random: 20_260_801,
            receiver: ModelReceiver::default(),
            sent: Vec::new(),
            asked: BTreeMap::new(),
            accepted_before: 0,
            accepted_since: 0,
            first_accepted: None,
            told_all: None,
        }
    }

    fn plan(&mut self, at: u64, step: Happening) {
        self.last += 1;
        self.steps.insert((at, self.last), step);
    }

    fn between(&mut self, from: u64, to: u64) -> u64 {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        from + (self.random >> 33) % (to - from)
    }

    fn take(&mut self, step: Happening) {
        let now = self.world.now;
        match step {
            Happening::Flap(user) => self.flap(user),
            Happening::Expire(user) => {
                let moment = self.moment();
                let change = self.users[user].expire(moment);
                self.tell(user, change);
            }
            Happening::Answer(request, outcome) => self.answer(request, outcome),
            Happening::Commit => {
                self.world.commit();
                self.plan(now + 1, Happening::Reply);
            }
            Happening::Reply => {
                self.world.reply();
                if self.world.has_decided() {
                    self.plan(now + COMMIT_MS, Happening::Commit);
                }
            }
        }
    }

    /// A user without a socket gets one, a user with one loses it: one time in five for less than the grace.
    fn flap(&mut self, user: usize) {
        let moment = self.moment();
        let stays_for = if let PresenceStatus::Online(_) = self.users[user].status() {
            let due = self.users[user].down(Reason::TransportClose, GRACE, moment);
            let deadline = due.expect("it was online");
            self.plan(deadline.0, Happening::Expire(user));
            if self.between(0, 5) == 0 {
                self.between(100, 9_900)
            } else {
                self.between(11_000, 10 * MINUTE_MS)
            }
        } else {
            let up = self.users[user].up(moment);
            self.tell(user, up.news);
            self.between(MINUTE_MS, 19 * MINUTE_MS)
        };
        let next = self.world.now + stays_for;
        if next < END_MS {
            self.plan(next, Happening::Flap(user));
        }
    }

    fn tell(&mut self, user: usize, change: Option<Change>) {
        if let Some(change) = change {
            self.world.emit(u32::try_from(user).unwrap());
            self.news.push((user, change));
        }
    }

    /// Sends what may be sent, and decides how each request ends: at an instant of its own.
    fn send(&mut self) {
        self.world.scan();
        while self.world.send() {
            let now = self.world.now;
            let request = self.world.in_flight.last().unwrap().clone();
            let id = request.deliveries[0].0;
            assert!(self.asked.remove(&id).is_none_or(|at| at <= now), "{id} before its time");
            let is_out = (FROM_MS..TO_MS).contains(&now);
            if !is_out || self.kind != OutageKind::Refuses {
                self.receiver.arrive(self.news[usize::try_from(id).unwrap() - 1].0, id);
            }
            self.sent.push(now);
            if TO_MS <= now {
                // One, until one is accepted; then as many as that, up to the bound.
                let at_once = self.world.in_flight.len();
                let most = self.accepted_since.max(1);
                assert!(self.first_accepted.is_none() || at_once <= most, "{at_once} at once");
            }
            let (after, outcome) = if is_out { self.failure() } else { self.success() };
            self.plan(now + after, Happening::Answer(request.id, outcome));
        }
        let is_told = self.told_all.is_none() && TO_MS <= self.world.now;
        if is_told && self.receiver.accepted.len() + 100 > self.news.len() {
            self.told_all = Some(self.world.now);
        }
    }

    fn success(&mut self) -> (u64, AttemptOutcome) {
        (self.between(5, 60), AttemptOutcome::Accepted)
    }

    fn failure(&mut self) -> (u64, AttemptOutcome) {
        match self.kind {
            OutageKind::Refuses => (self.between(1, 250), AttemptOutcome::Unreachable),
            OutageKind::Hangs => (TIMEOUT_MS, AttemptOutcome::Unreachable),
            OutageKind::Fails => {
                let asked = self.between(1000, ASKED_MAX_MS);
                let asks = self.between(0, 2) == 0;
                let retry_after = asks.then(|| Duration::from_millis(asked));
                (self.between(5, 500), AttemptOutcome::Failed { retry_after })
            }
        }
    }

    fn answer(&mut self, request: RequestId, outcome: AttemptOutcome) {
        let now = self.world.now;
        let place = self.world.in_flight.iter().position(|it| it.id == request).unwrap();
        let id = self.world.in_flight[place].deliveries[0].0;
        if outcome == AttemptOutcome::Accepted {
            let (user, change) = &self.news[usize::try_from(id).unwrap() - 1];
            self.receiver.accept(id, *user, change);
            if TO_MS <= now {
                self.accepted_since += 1;
                self.first_accepted.get_or_insert(now);
            } else {
                self.accepted_before += 1;
            }
        } else {
            self.receiver.failed.insert(id);
        }
        if let AttemptOutcome::Failed { retry_after: Some(asked) } = outcome {
            self.asked.insert(id, (Timestamp(now) + asked).0);
        }
        self.world.answer(place, outcome);
        self.plan(now + COMMIT_MS, Happening::Commit);
    }

    /// Nothing is left, and the receiver believes what is true.
    fn is_truly_told(&self) {
        assert!(50_000 < self.news.len() && UNTRIED_MAX < self.news.len(), "{}", self.news.len());
        assert_eq!(self.world.ids(RowState::Delivered).len(), self.news.len(), "every hook, once");
        let online =
            (0..USERS).filter(|user| self.users[*user].status() != PresenceStatus::Offline);
        assert_eq!(
            self.receiver.open.keys().copied().collect::<Vec<_>>(),
            online.collect::<Vec<_>>()
        );
        let waited = self.news.len() - self.accepted_before;
        let after = self.sent_between(TO_MS, u64::MAX);
        assert_eq!(after, waited, "none is sent twice when all is well again");
    }

    /// The outage was noticed to be over so many milliseconds after its end, and all was told soon after that, though
    /// users went on to come and go.
    fn is_over_within(&self, ms: u64) {
        let first = self.first_accepted.unwrap();
        assert!(first <= TO_MS + ms + 1000, "first accepted {} ms after", first - TO_MS);
        let told = self.told_all.unwrap();
        assert!(told < first + 90_000 && told < END_MS, "the backlog took {} ms", told - first);
    }

    fn sent_between(&self, from: u64, to: u64) -> usize {
        self.sent.iter().filter(|at| (from..to).contains(*at)).count()
    }

    fn moment(&mut self) -> Moment {
        self.last += 1;
        let (now, wall) = (Timestamp(self.world.now), WallMs(self.world.now));
        Moment { now, wall, seq: Seq(self.last) }
    }
}

impl ModelReceiver {
    /// A request is there: newer than all before of its user, or one that came before and failed.
    fn arrive(&mut self, user: usize, id: u64) {
        let last = self.arrived.insert(user, id).unwrap_or(0);
        let is_retry = last == id && self.failed.contains(&id);
        assert!(last < id || is_retry, "{id} after {last} of user {user}");
        assert!(last == id || last == 0 || self.accepted.contains(&last), "{id} overtakes {last}");
    }

    fn accept(&mut self, id: u64, user: usize, change: &Change) {
        assert!(self.accepted.insert(id), "{id} is accepted twice");
        self.failed.remove(&id);
        let was = if change.kind == ChangeKind::Online {
            self.open.insert(user, change.session).is_none()
        } else {
            self.open.remove(&user) == Some(change.session)
        };
        assert!(was, "{change:?} does not fit what was told before");
    }
}
