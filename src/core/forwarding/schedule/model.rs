//! The schedule against a naive model: one list of all events in the order in which they came.

use super::{CallPlace, NotTaken, OfferedEvent, Schedule, ScheduleBounds};
use crate::core::backend::circuit::{Failure, MayStart};
use crate::types::{Timestamp, UserId};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const USERS: u8 = 4;

const BOUNDS: ScheduleBounds = ScheduleBounds {
    calls: 3,
    calls_per_user: 2,
    waiting: 12,
    waiting_per_user: 3,
    bytes: 60,
    wait: Duration::from_millis(50),
};

/// What happens, one after the other.
#[derive(Debug, Clone)]
enum ScheduleStep {
    Offer {
        user: u8,
        is_ordered: bool,
        bytes: usize,
    },
    /// Everything that may begin does.
    Begin,
    /// One of the calls ends so.
    End {
        which: usize,
        is_answered: bool,
    },
    Pass(u64),
    TakeAll,
}

fn steps() -> impl Strategy<Value = Vec<ScheduleStep>> {
    let step = prop_oneof![
        6 => (0..USERS, any::<bool>(), 1..12_usize)
            .prop_map(|(user, is_ordered, bytes)| ScheduleStep::Offer { user, is_ordered, bytes }),
        4 => Just(ScheduleStep::Begin),
        5 => (any::<usize>(), prop::bool::weighted(0.8))
            .prop_map(|(which, is_answered)| ScheduleStep::End { which, is_answered }),
        2 => (0..40_u64).prop_map(ScheduleStep::Pass),
        1 => Just(ScheduleStep::TakeAll),
        1 => Just(ScheduleStep::Pass(40_000)),
    ];
    prop::collection::vec(step, 1..200)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting,
    Called,
    Over,
}

#[derive(Debug)]
struct Event {
    user: UserId,
    is_ordered: bool,
    bytes: usize,
    since: u64,
    state: State,
}

#[derive(Default)]
struct Model {
    events: Vec<Event>,
    now: u64,
    /// Events of others that have begun since the user's last one, while one of the user's could have.
    overtaken: BTreeMap<UserId, u8>,
}

impl Model {
    fn count(&self, is_counted: impl Fn(&Event) -> bool) -> usize {
        self.events.iter().filter(|it| is_counted(it)).count()
    }

    fn waiting_of(&self, user: &UserId) -> usize {
        self.count(|it| it.user == *user && it.state == State::Waiting)
    }

    fn bytes(&self) -> usize {
        let waiting = self.events.iter().filter(|it| it.state == State::Waiting);
        waiting.map(|it| it.bytes).sum()
    }

    /// Users one of whose events may begin.
    fn who_may_begin(&self) -> BTreeSet<UserId> {
        let may_begin = |index: &usize| self.may_begin(*index);
        (0..self.events.len()).filter(may_begin).map(|it| self.events[it].user.clone()).collect()
    }

    /// Whether the user's own rules let it begin: no older one of the user could begin in its place.
    fn may_begin(&self, index: usize) -> bool {
        let event = &self.events[index];
        let of_user = |it: &&Event| it.user == event.user;
        let called: Vec<_> =
            self.events.iter().filter(of_user).filter(|it| it.state == State::Called).collect();
        let is_held = |it: &Event| it.is_ordered && called.iter().any(|it| it.is_ordered);
        let mut older = self.events[..index].iter().filter(of_user);
        event.state == State::Waiting
            && called.len() < BOUNDS.calls_per_user
            && !is_held(event)
            && older.all(|it| it.state != State::Waiting || is_held(it))
    }
}

proptest! {
    #[test]
    fn it_begins_what_may_begin_and_nothing_else(steps in steps()) {
        let mut schedule = Schedule::new(BOUNDS);
        let mut model = Model::default();
        let mut calls: Vec<(usize, CallPlace)> = Vec::new();
        for step in steps {
            let now = Timestamp(model.now);
            match step {
                ScheduleStep::Offer { user, is_ordered, bytes } => {
                    let user = UserId::parse(&user.to_string()).unwrap();
                    let is_full = BOUNDS.waiting <= model.count(|it| it.state == State::Waiting)
                        || BOUNDS.bytes < model.bytes() + bytes
                        || BOUNDS.waiting_per_user * 2 <= model.waiting_of(&user);
                    let was_down = schedule.is_down();
                    let (index, since) = (model.events.len(), model.now);
                    let offered = OfferedEvent { user: user.clone(), is_ordered, bytes, call: index };
                    match schedule.offer(offered, now) {
                        Ok(()) => {
                            prop_assert!(!is_full);
                            let state = State::Waiting;
                            model.events.push(Event { user, is_ordered, bytes, since, state });
                        }
                        Err((NotTaken::Down, given_back)) => prop_assert!(was_down && given_back == index),
                        Err((NotTaken::Full, given_back)) => prop_assert!(is_full && given_back == index),
                    }
                }
                ScheduleStep::Begin => {
                    while let Some(started) = schedule.next(now) {
                        let index = started.call;
                        prop_assert!(model.may_begin(index), "{index} of {:?}", model.events);
                        for user in model.who_may_begin() {
                            *model.overtaken.entry(user).or_default() += 1;
                        }
                        model.overtaken.remove(&model.events[index].user.clone());
                        prop_assert!(model.overtaken.values().all(|it| *it < USERS), "nobody starves");
                        model.events[index].state = State::Called;
                        calls.push((index, started.place));
                        prop_assert!(calls.len() <= BOUNDS.calls);
                    }
                    let may_any = (0..model.events.len()).any(|it| model.may_begin(it));
                    let is_held = schedule.circuit.admit(calls.len(), now) == MayStart::Wait;
                    prop_assert!(!may_any || is_held, "what may begin does");
                }
                ScheduleStep::End { which, is_answered } if !calls.is_empty() => {
                    let (index, place) = calls.swap_remove(which % calls.len());
                    model.events[index].state = State::Over;
                    if is_answered {
                        schedule.answered(&place);
                    } else {
                        let may_retry = schedule.failed(&place, Failure::Silence, now);
                        prop_assert_eq!(may_retry, !schedule.is_down());
                    }
                    schedule.ended(&place);
                }
                ScheduleStep::End { .. } => {}
                ScheduleStep::Pass(ms) => {
                    model.now += ms;
                    let over = schedule.expire(Timestamp(model.now));
                    for index in &over {
                        model.events[*index].state = State::Over;
                    }
                    let wait = BOUNDS.wait.as_millis();
                    let late = |it: &Event| it.state == State::Waiting && wait <= u128::from(model.now - it.since);
                    prop_assert_eq!(model.count(late), 0);
                    prop_assert!(over.iter().all(|it| wait <= u128::from(model.now - model.events[*it].since)));
                }
                ScheduleStep::TakeAll => {
                    for index in schedule.take_all() {
                        prop_assert_eq!(model.events[index].state, State::Waiting);
                        model.events[index].state = State::Over;
                    }
                    prop_assert_eq!(model.count(|it| it.state == State::Waiting), 0);
                }
            }
            let may_begin = model.who_may_begin();
            model.overtaken.retain(|user, _| may_begin.contains(user));
            prop_assert_eq!(schedule.waiting(), model.count(|it| it.state == State::Waiting));
            prop_assert_eq!(schedule.bytes, model.bytes());
            prop_assert_eq!(schedule.calls(), calls.len());
            for user in 0..USERS {
                let user = UserId::parse(&user.to_string()).unwrap();
                let is_full = BOUNDS.waiting_per_user <= model.waiting_of(&user);
                prop_assert_eq!(schedule.is_full_for(&user), is_full);
            }
            let is_heavy = BOUNDS.bytes <= 2 * model.bytes();
            let room = if is_heavy { 0 } else { (BOUNDS.waiting / 2).saturating_sub(schedule.waiting()) };
            prop_assert_eq!(schedule.room(), room);
            prop_assert!(schedule.turns.len() <= schedule.by_user.len());
        }
    }
}
