//! The dispatcher against a naive model: a list of rows stands for the store, and every request is checked against it.

use super::{Dispatch, DispatchSettings, Offer, Request};
use crate::core::delivery::decision::{
    AttemptOutcome, DeliveryDecision, DeliveryId, DeliveryVerdict, PendingHook,
};
use crate::types::{Moment, Seq, Timestamp, UserId, WallMs};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Virtual time begins here by the wall clock.
const EPOCH_MS: u64 = 1_785_577_260_000;

/// A store, a receiver and the machine between them.
pub(super) struct World {
    pub(super) dispatch: Dispatch,
    pub(super) now: u64,
    /// The rows by id.
    pub(super) rows: BTreeMap<u64, Row>,
    /// Ids of the pending rows of each user: the naive truth about order.
    pending: BTreeMap<u32, BTreeSet<u64>>,
    pub(super) in_flight: Vec<Request>,
    /// Whose hooks are in flight.
    busy: BTreeSet<u32>,
    /// Ends that are recorded, and heads that were read then, but not handed over yet.
    replies: Vec<(UserId, Option<PendingHook>)>,
    decided: Vec<DeliveryDecision>,
    /// Highest id that was scanned.
    cursor: u64,
    concurrency: usize,
    random: u32,
}

#[derive(Debug, Clone)]
pub(super) struct Row {
    user: u32,
    attempts: u32,
    created: u64,
    pub(super) state: RowState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RowState {
    Pending,
    Delivered,
    Dead,
    Replaced,
}

impl World {
    pub(super) fn new(settings: DispatchSettings) -> Self {
        Self {
            dispatch: Dispatch::new(settings),
            now: 0,
            rows: BTreeMap::new(),
            pending: BTreeMap::new(),
            in_flight: Vec::new(),
            busy: BTreeSet::new(),
            replies: Vec::new(),
            decided: Vec::new(),
            cursor: 0,
            concurrency: settings.concurrency,
            random: 1,
        }
    }

    /// A new event of a user is committed.
    pub(super) fn emit(&mut self, user: u32) {
        let id = self.rows.last_key_value().map_or(1, |(id, _)| id + 1);
        let row = Row { user, attempts: 0, created: self.now, state: RowState::Pending };
        self.rows.insert(id, row);
        self.pending.entry(user).or_default().insert(id);
    }

    /// The newest pending event of a user replaces its older ones.
    fn coalesce(&mut self, user: u32) {
        let Some(ids) = self.pending.get_mut(&user) else { return };
        let newest = ids.pop_last();
        for id in std::mem::replace(ids, newest.into_iter().collect()) {
            self.rows.get_mut(&id).unwrap().state = RowState::Replaced;
        }
    }

    /// A dead letter is sent again.
    fn replay(&mut self, pick: usize) {
        let dead: Vec<u64> = self.ids(RowState::Dead);
        if let Some(id) = dead.get(pick % dead.len().max(1)) {
            let row = self.rows.get_mut(id).unwrap();
            (row.state, row.attempts, row.created) = (RowState::Pending, 0, self.now);
            self.pending.entry(row.user).or_default().insert(*id);
            self.cursor = self.cursor.min(id - 1);
        }
    }

    /// Offers what was not offered yet.
    pub(super) fn scan(&mut self) {
        let at = self.moment();
        while let Some((id, row)) = self.rows.range(self.cursor + 1..).next() {
            let head = head(*id, row);
            if row.state == RowState::Pending && self.dispatch.offer(head, at) == Offer::NoRoom {
                break;
            }
            self.cursor = *id;
        }
    }

    /// Starts one request and checks that it is a right one.
    pub(super) fn send(&mut self) -> bool {
        let Some(request) = self.dispatch.next_request(Timestamp(self.now)) else { return false };
        assert!(!request.deliveries.is_empty());
        assert!(self.in_flight.len() < self.concurrency, "more at once than allowed");
        let mut gone = Vec::new();
        let mut users = BTreeSet::new();
        for id in &request.deliveries {
            let row = &self.rows[&id.0];
            assert!(users.insert(row.user), "two hooks of one user in one request");
            assert!(!self.busy.contains(&row.user), "two at once for user {}", row.user);
            match row.state {
                RowState::Pending => self.check_order(*id, row),
                RowState::Replaced => gone.push(*id),
                RowState::Delivered | RowState::Dead => panic!("{id} is sent after its end"),
            }
        }
        let left: Vec<_> =
            request.deliveries.iter().copied().filter(|id| !gone.contains(id)).collect();
        self.decided.extend(self.dispatch.vanished(request.id, &gone));
        self.busy.extend(left.iter().map(|id| self.rows[&id.0].user));
        if !left.is_empty() {
            self.in_flight.push(Request { deliveries: left, ..request });
        }
        true
    }

    /// Answers the oldest request but `pick`.
    pub(super) fn answer(&mut self, pick: usize, outcome: AttemptOutcome) {
        if self.in_flight.is_empty() {
            return;
        }
        let request = self.in_flight.remove(pick % self.in_flight.len());
        for id in &request.deliveries {
            self.busy.remove(&self.rows[&id.0].user);
        }
        let random = &mut self.random;
        let mut draw = || {
            *random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *random
        };
        let decided = self.dispatch.answer(request.id, outcome, Timestamp(self.now), &mut draw);
        for decision in &decided {
            assert!(request.deliveries.contains(&decision.id));
            if let DeliveryVerdict::Retry { at } = decision.verdict {
                assert!(Timestamp(self.now) <= at);
            }
        }
        self.decided.extend(decided);
    }

    /// Records what was decided, and reads the next heads.
    pub(super) fn commit(&mut self) {
        for decision in std::mem::take(&mut self.decided) {
            let row = self.rows.get_mut(&decision.id.0).unwrap();
            row.attempts = decision.attempts;
            let end = match decision.verdict {
                DeliveryVerdict::Retry { .. } => continue,
                DeliveryVerdict::Delivered => Some(RowState::Delivered),
                DeliveryVerdict::Dead(_) => Some(RowState::Dead),
                DeliveryVerdict::Skipped => None,
            };
            let ids = self.pending.entry(row.user).or_default();
            if let Some(end) = end {
                row.state = end;
                ids.remove(&decision.id.0);
            }
            // The store looks for the next one only if it is told that there may be one.
            let next = ids.first().copied().filter(|_| decision.has_more);
            let next = next.map(|id| head(id, &self.rows[&id]));
            self.replies.push((decision.user, next));
        }
    }

    /// Whether something waits to be recorded.
    pub(super) fn has_decided(&self) -> bool {
        !self.decided.is_empty()
    }

    /// Hands over the heads that were read.
    pub(super) fn reply(&mut self) {
        let at = self.moment();
        for (user, next) in std::mem::take(&mut self.replies) {
            self.decided.extend(self.dispatch.advance(&user, next, at));
        }
    }

    pub(super) fn ids(&self, state: RowState) -> Vec<u64> {
        self.rows.iter().filter(|(_, row)| row.state == state).map(|(id, _)| *id).collect()
    }

    /// The receiver accepts everything from now on: how long until nothing waits.
    fn heal(&mut self) -> Duration {
        let healed = self.now;
        self.dispatch.enable();
        loop {
            self.scan();
            while self.send() {}
            while !self.in_flight.is_empty() {
                self.answer(0, AttemptOutcome::Accepted);
            }
            while !self.decided.is_empty() || !self.replies.is_empty() {
                self.commit();
                self.reply();
            }
            self.scan();
            match self.dispatch.wake_at(Timestamp(self.now)) {
                Some(at) => self.now = self.now.max(at.0),
                None => return Duration::from_millis(self.now - healed),
            }
        }
    }

    fn check_order(&self, id: DeliveryId, row: &Row) {
        let first = self.pending[&row.user].first().copied().unwrap();
        // A replay may put an older one before the head that is on its way.
        let overtaken = first < id.0 && self.rows[&first].created >= row.created;
        assert!(first == id.0 || overtaken, "{id} is sent before {first} of the same user");
    }

    fn moment(&self) -> Moment {
        Moment { now: Timestamp(self.now), wall: WallMs(EPOCH_MS + self.now), seq: Seq(0) }
    }
}

fn head(id: u64, row: &Row) -> PendingHook {
    PendingHook {
        id: DeliveryId(id),
        user: UserId::parse(&row.user.to_string()).unwrap(),
        attempts: row.attempts,
        created: WallMs(EPOCH_MS + row.created),
        next_attempt: None,
    }
}

#[derive(Debug, Clone)]
enum Op {
    Emit(u32),
    Coalesce(u32),
    Replay(usize),
    Scan,
    Send,
    Answer(usize, AttemptOutcome),
    Commit,
    Reply,
    Pass(u64),
}

fn outcome() -> impl Strategy<Value = AttemptOutcome> {
    let asked = prop::option::of((0_u64..5000).prop_map(Duration::from_secs));
    prop_oneof![
        6 => Just(AttemptOutcome::Accepted),
        3 => Just(AttemptOutcome::Rejected),
        3 => asked.prop_map(|retry_after| AttemptOutcome::Failed { retry_after }),
        3 => Just(AttemptOutcome::Unreachable),
        1 => Just(AttemptOutcome::NotSent),
        1 => Just(AttemptOutcome::Gone),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (0_u32..8).prop_map(Op::Emit),
        1 => (0_u32..8).prop_map(Op::Coalesce),
        1 => any::<usize>().prop_map(Op::Replay),
        4 => Just(Op::Scan),
        6 => Just(Op::Send),
        6 => (any::<usize>(), outcome()).prop_map(|(pick, outcome)| Op::Answer(pick, outcome)),
        4 => Just(Op::Commit),
        4 => Just(Op::Reply),
        3 => (0_u64..90_000).prop_map(Op::Pass),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn whatever_happens_each_users_hooks_go_one_at_a_time_in_order_and_none_is_forgotten(
        ops in prop::collection::vec(op(), 0..200),
        concurrency in 1_usize..5,
        batch_max in 1_usize..4,
    ) {
        let settings = DispatchSettings { concurrency, batch_max, reject_after: 3, retry_for: Duration::from_mins(10) };
        let mut world = World::new(settings);
        for op in ops {
            match op {
                Op::Emit(user) => world.emit(user),
                Op::Coalesce(user) => world.coalesce(user),
                Op::Replay(pick) => world.replay(pick),
                Op::Scan => world.scan(),
                Op::Send => { world.send(); }
                Op::Answer(pick, outcome) => world.answer(pick, outcome),
                Op::Commit => world.commit(),
                Op::Reply => world.reply(),
                Op::Pass(ms) => world.now += ms,
            }
        }
        let took = world.heal();

        prop_assert_eq!(world.ids(RowState::Pending), Vec::<u64>::new());
        prop_assert_eq!(world.dispatch.in_flight(), 0);
        prop_assert!(took <= Duration::from_hours(1), "a Retry-After is the longest wait, took {:?}", took);
    }
}
