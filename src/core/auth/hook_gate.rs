//! How many clients the backend is asked about at once, and what becomes of the others.
//!
//! ```text
//!   a client ──▶ may start? ──yes─▶ asks ──────────▶ ended: the first that waits may start
//!                    │ no
//!                    ├─ the circuit is closed or warming, and there is room ─▶ waits its turn
//!                    └─ else ─▶ turned away
//! ```
//!
//! When the circuit opens, all who wait are turned away. While it is open, one client at a time is asked about, to find out
//! whether the backend is back, and few are let in to begin with: see [`HookGate::admits_handshake`].

#[cfg(test)]
mod tests;

use crate::core::backend::circuit::{Circuit, Failure, MayStart, Pauses, Purpose};
use crate::types::Timestamp;
use std::collections::VecDeque;
use std::time::Duration;

/// Probes come soon, because clients wait for them.
const PAUSES: Pauses = Pauses { first: Duration::from_secs(1), max: Duration::from_secs(5) };
/// While the circuit is open, one handshake is admitted in this time: somebody has to come for a probe, and not more, because one
/// that is admitted and cut off comes again soon.
const HANDSHAKE_INTERVAL: Duration = Duration::from_secs(1);
/// Clients that may be on trial at once: they say that they have a token of this server's own. One that is let in by it gives its
/// place back at once.
const TRIALS: usize = 8;
/// How long one keeps its place that was not let in.
const TRIAL: Duration = Duration::from_secs(1);
/// The same of one that says nothing more.
const SILENT_TRIAL: Duration = Duration::from_secs(5);

/// Decides who may be asked about now.
#[derive(Debug, Clone)]
pub struct HookGate {
    circuit: Circuit<ClientKey>,
    in_flight: usize,
    waiting: VecDeque<Ticket>,
    waiting_max: usize,
    next: u64,
    /// When the next handshake is admitted while the circuit is open.
    handshake_at: Timestamp,
    /// When each place is free for a client on trial.
    trials: [Timestamp; TRIALS],
}

/// Whether a client may open a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandshakeVerdict {
    /// It may.
    Free,
    /// It may; whether it is let in is told by [`HookGate::trial_ended`].
    OnTrial(TrialPlace),
    /// It has to come again later.
    Refused,
}

/// The place of a client on trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrialPlace {
    index: usize,
    since: Timestamp,
}

/// Tells clients apart: what the backend would be told of one, as a hash. A client that the backend cannot digest strikes
/// once, however often it comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientKey(pub u64);

/// A place in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(u64);

/// What a client may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entrance {
    /// The backend may be asked about it now.
    Ask(Purpose),
    /// It has to wait its turn.
    Wait(Ticket),
    /// It has to come again later.
    TurnedAway,
}

/// What became of a question to the backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answered {
    /// The backend said who the client is, or that it may not come in.
    Well,
    /// It did not.
    Failed(Failure),
    /// It was given up: the client is gone.
    GivenUp,
}

/// What the end of a question brings to those who wait.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Turns {
    /// The backend may be asked about these now.
    pub ask: Vec<(Ticket, Purpose)>,
    /// These have to come again later.
    pub turned_away: Vec<Ticket>,
}

impl HookGate {
    /// Asks about `concurrency` clients at once while `waiting_max` wait.
    pub fn new(concurrency: usize, waiting_max: usize) -> Self {
        Self {
            circuit: Circuit::new(concurrency, PAUSES),
            in_flight: 0,
            waiting: VecDeque::new(),
            waiting_max,
            next: 0,
            handshake_at: Timestamp(0),
            trials: [Timestamp(0); TRIALS],
        }
    }

    /// A client comes.
    pub fn enter(&mut self, now: Timestamp) -> Entrance {
        if self.waiting.is_empty()
            && let Some(purpose) = self.start(now)
        {
            return Entrance::Ask(purpose);
        }
        if self.circuit.is_open() || self.waiting_max <= self.waiting.len() {
            return Entrance::TurnedAway;
        }
        self.next += 1;
        self.waiting.push_back(Ticket(self.next));
        Entrance::Wait(Ticket(self.next))
    }

    /// A client that waited is gone.
    pub fn leave(&mut self, ticket: Ticket) {
        self.waiting.retain(|it| *it != ticket);
    }

    /// A question about `client` has ended.
    pub fn ended(
        &mut self,
        client: ClientKey,
        purpose: Purpose,
        answered: Answered,
        now: Timestamp,
    ) -> Turns {
        self.in_flight -= 1;
        match answered {
            Answered::Well => {
                self.circuit.accepted(purpose);
            }
            Answered::Failed(failure) => self.circuit.failed(&client, failure, purpose, now),
            Answered::GivenUp => self.circuit.cancelled(purpose),
        }
        let mut turns = Turns::default();
        if self.circuit.is_open() {
            turns.turned_away.extend(self.waiting.drain(..));
            return turns;
        }
        while !self.waiting.is_empty()
            && let Some(purpose) = self.start(now)
        {
            turns.ask.extend(self.waiting.pop_front().map(|ticket| (ticket, purpose)));
        }
        turns
    }

    /// Whether a client may open a connection. While the circuit is open, one a second may, so that the others meet a refusal that
    /// makes them come ever more rarely; and a few on trial that say they have a token of this server's own (`says_token`). A
    /// handshake cannot prove that, so who says it and has none keeps its place for a while, and who has one does not.
    pub fn admits_handshake(&mut self, says_token: bool, now: Timestamp) -> HandshakeVerdict {
        if !self.circuit.is_open() {
            return HandshakeVerdict::Free;
        }
        if says_token {
            let place = self.trials.iter_mut().enumerate().find(|(_, until)| **until <= now);
            return place.map_or(HandshakeVerdict::Refused, |(index, until)| {
                *until = now + SILENT_TRIAL;
                HandshakeVerdict::OnTrial(TrialPlace { index, since: now })
            });
        }
        if now < self.handshake_at {
            return HandshakeVerdict::Refused;
        }
        self.handshake_at = now + HANDSHAKE_INTERVAL;
        HandshakeVerdict::Free
    }

    /// A client on trial was let in, or it was not, or is gone. Repeats change nothing, nor does who has lost the place meanwhile.
    pub fn trial_ended(&mut self, place: TrialPlace, is_let_in: bool, now: Timestamp) {
        let TrialPlace { index, since } = place;
        let Some(until) = self.trials.get_mut(index).filter(|it| **it == since + SILENT_TRIAL)
        else {
            return;
        };
        *until = if is_let_in { now } else { since + TRIAL };
    }

    /// Whether the backend is believed to be down.
    pub fn is_open(&self) -> bool {
        self.circuit.is_open()
    }

    fn start(&mut self, now: Timestamp) -> Option<Purpose> {
        let purpose = match self.circuit.admit(self.in_flight, now) {
            MayStart::Send => Purpose::Deliver,
            MayStart::Probe => Purpose::Probe,
            MayStart::Wait => return None,
        };
        self.circuit.started(purpose);
        self.in_flight += 1;
        Some(purpose)
    }
}
