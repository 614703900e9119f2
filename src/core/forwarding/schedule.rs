//! Which event of a client the backend is called for next.
//!
//! ```text
//!   offer ─► the user's queue ─┬─► next: users take turns ─► a call under way ─► ended
//!                              ├─► expire: it has waited too long
//!                              └─► take_all: the backend is down, nothing waits for it
//! ```
//!
//! The events of one user keep their order up to the call. Those that are ordered are also called for one at a time: the
//! next ordered one waits for the answer to the one before, the others may overtake it. One user cannot keep all calls
//! to itself.

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;

use crate::core::backend::circuit::{Circuit, Failure, MayStart, Pauses, Purpose};
use crate::types::{Timestamp, UserId};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// How much may wait and be under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScheduleBounds {
    /// Calls under way at once.
    pub calls: usize,
    /// Calls under way at once for one user.
    pub calls_per_user: usize,
    /// Events that wait, in all.
    pub waiting: usize,
    /// Events of one user that wait before its clients are held back.
    pub waiting_per_user: usize,
    /// Bytes of all events that wait.
    pub bytes: usize,
    /// How long an event may wait.
    pub wait: Duration,
}

/// An event that is to be called for.
#[derive(Debug)]
pub struct OfferedEvent<T> {
    /// Whose it is.
    pub user: UserId,
    /// Whether it keeps its place among the user's ordered events until it is answered.
    pub is_ordered: bool,
    /// Bytes it holds while it waits.
    pub bytes: usize,
    /// What is needed for the call.
    pub call: T,
}

/// Why an event is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotTaken {
    /// The backend is down: its circuit is open.
    Down,
    /// Too much is waiting already.
    Full,
}

/// A call that begins.
#[derive(Debug)]
pub struct StartedCall<T> {
    /// To be handed back when the call ends.
    pub place: CallPlace,
    /// What is needed for the call.
    pub call: T,
}

/// The place of a call under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallPlace {
    /// Whose event it is.
    pub user: UserId,
    is_ordered: bool,
    purpose: Purpose,
}

/// The events of all users that wait for the backend, and the calls under way.
#[derive(Debug)]
pub struct Schedule<T> {
    bounds: ScheduleBounds,
    circuit: Circuit<UserId>,
    /// Users with an event that waits or is under way.
    by_user: BTreeMap<UserId, UserEvents<T>>,
    /// Users with an event that may begin as far as they are concerned, each once.
    turns: VecDeque<UserId>,
    waiting: usize,
    bytes: usize,
    calls: usize,
}

#[derive(Debug)]
struct UserEvents<T> {
    waiting: VecDeque<WaitingEvent<T>>,
    calls: usize,
    /// One of the calls is for an ordered event.
    is_ordered_under_way: bool,
    has_turn: bool,
}

#[derive(Debug)]
struct WaitingEvent<T> {
    is_ordered: bool,
    bytes: usize,
    since: Timestamp,
    call: T,
}

impl<T> Schedule<T> {
    /// Nothing waits.
    pub fn new(bounds: ScheduleBounds) -> Self {
        Self {
            bounds,
            circuit: Circuit::new(bounds.calls, Pauses::PATIENT),
            by_user: BTreeMap::new(),
            turns: VecDeque::new(),
            waiting: 0,
            bytes: 0,
            calls: 0,
        }
    }

    /// Takes an event, which [`Schedule::next`] may then give. Else it is handed back.
    pub fn offer(&mut self, offered: OfferedEvent<T>, now: Timestamp) -> Result<(), (NotTaken, T)> {
        let OfferedEvent { user, is_ordered, bytes, call } = offered;
        if self.is_down() && self.circuit.admit(self.calls, now) != MayStart::Probe {
            return Err((NotTaken::Down, call));
        }
        // Twice, because each of a user's clients has sent one more before it is held back.
        let user_waiting = self.by_user.get(&user).map_or(0, |it| it.waiting.len());
        let is_full = self.bounds.waiting <= self.waiting
            || self.bounds.bytes < self.bytes.saturating_add(bytes)
            || self.bounds.waiting_per_user.saturating_mul(2) <= user_waiting;
        if is_full {
            return Err((NotTaken::Full, call));
        }
        self.waiting += 1;
        self.bytes += bytes;
        let events = self.by_user.entry(user.clone()).or_default();
        events.waiting.push_back(WaitingEvent { is_ordered, bytes, since: now, call });
        self.give_turn(&user);
        Ok(())
    }

    /// Whether the clients of `user` are to be held back, because of what they have sent.
    pub fn is_full_for(&self, user: &UserId) -> bool {
        self.by_user.get(user).is_some_and(|it| self.bounds.waiting_per_user <= it.waiting.len())
    }

    /// How many more events may come before all clients are to be held back: what has come then fills half of the bound.
    pub fn room(&self) -> usize {
        let is_heavy = self.bounds.bytes <= self.bytes.saturating_mul(2);
        if is_heavy { 0 } else { (self.bounds.waiting / 2).saturating_sub(self.waiting) }
    }

    /// The next call that may begin now.
    pub fn next(&mut self, now: Timestamp) -> Option<StartedCall<T>> {
        let purpose = match self.circuit.admit(self.calls, now) {
            MayStart::Send => Purpose::Deliver,
            MayStart::Probe => Purpose::Probe,
            MayStart::Wait => return None,
        };
        loop {
            let user = self.turns.pop_front()?;
            let Some(events) = self.by_user.get_mut(&user) else { continue };
            events.has_turn = false;
            let started = events.first_startable(self.bounds.calls_per_user);
            let Some(event) = started.and_then(|index| events.waiting.remove(index)) else {
                continue;
            };
            let WaitingEvent { is_ordered, bytes, since: _, call } = event;
            events.calls += 1;
            events.is_ordered_under_way |= is_ordered;
            self.waiting -= 1;
            self.bytes -= bytes;
            self.calls += 1;
            self.circuit.started(purpose);
            self.give_turn(&user);
            return Some(StartedCall { place: CallPlace { user, is_ordered, purpose }, call });
        }
    }

    /// The backend has answered a call, which goes on until [`Schedule::ended`].
    pub fn answered(&mut self, place: &CallPlace) {
        self.circuit.accepted(place.purpose);
    }

    /// An attempt of a call has failed. Whether another one may be made in its place: not if the backend is down.
    pub fn failed(&mut self, place: &CallPlace, failure: Failure, now: Timestamp) -> bool {
        self.circuit.failed(&place.user, failure, place.purpose, now);
        !self.is_down()
    }

    /// A call has ended, however.
    pub fn ended(&mut self, place: &CallPlace) {
        let Some(events) = self.by_user.get_mut(&place.user) else { return };
        self.calls -= 1;
        events.calls -= 1;
        events.is_ordered_under_way &= !place.is_ordered;
        if events.is_idle() {
            self.by_user.remove(&place.user);
        } else {
            self.give_turn(&place.user);
        }
    }

    /// A call has ended before it was made: it tells nothing of the backend.
    pub fn given_up(&mut self, place: &CallPlace) {
        self.circuit.cancelled(place.purpose);
        self.ended(place);
    }

    /// Whether the backend is down.
    pub fn is_down(&self) -> bool {
        self.circuit.is_open()
    }

    /// Events that have waited too long.
    pub fn expire(&mut self, now: Timestamp) -> Vec<T> {
        let wait = self.bounds.wait;
        self.take_out(|event| event.since + wait <= now)
    }

    /// All events that wait.
    pub fn take_all(&mut self) -> Vec<T> {
        self.take_out(|_| true)
    }

    /// Events that wait.
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// Calls under way.
    pub fn calls(&self) -> usize {
        self.calls
    }

    fn take_out(&mut self, is_over: impl Fn(&WaitingEvent<T>) -> bool) -> Vec<T> {
        let mut out = Vec::new();
        for events in self.by_user.values_mut() {
            // Each queue is in the order in which its events came.
            while events.waiting.front().is_some_and(&is_over) {
                let Some(event) = events.waiting.pop_front() else { break };
                self.waiting -= 1;
                self.bytes -= event.bytes;
                out.push(event.call);
            }
        }
        let (by_user, calls_max) = (&mut self.by_user, self.bounds.calls_per_user);
        self.turns.retain(|user| {
            let Some(events) = by_user.get_mut(user) else { return false };
            events.has_turn = events.first_startable(calls_max).is_some();
            events.has_turn
        });
        by_user.retain(|_, events| !events.is_idle());
        out
    }

    /// The user has a turn if one of its events may begin.
    fn give_turn(&mut self, user: &UserId) {
        let Some(events) = self.by_user.get_mut(user) else { return };
        if !events.has_turn && events.first_startable(self.bounds.calls_per_user).is_some() {
            events.has_turn = true;
            self.turns.push_back(user.clone());
        }
    }
}

impl<T> UserEvents<T> {
    /// The first event that may begin as far as this user is concerned.
    fn first_startable(&self, calls_max: usize) -> Option<usize> {
        if calls_max <= self.calls {
            return None;
        }
        self.waiting.iter().position(|it| !(it.is_ordered && self.is_ordered_under_way))
    }

    fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.calls == 0
    }
}

impl<T> Default for UserEvents<T> {
    fn default() -> Self {
        Self { waiting: VecDeque::new(), calls: 0, is_ordered_under_way: false, has_turn: false }
    }
}
