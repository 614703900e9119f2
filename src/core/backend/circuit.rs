//! Whether an endpoint as a whole is well. Sending stops when it is not, and begins again with few requests.
//!
//! ```text
//!             5 strikes in a row                probe accepted
//!   Closed ───────────────────────▶ Open ─────────────────────▶ Warming (1, 2, 4, … requests at once)
//!      ▲                            │  ▲ probe failed: 5, 10,         │        │
//!      │                            └──┘ 20, 30 s between probes      │        │
//!      └───────────────────────────────────────────────────────────────┘        │
//!                      as many at once as configured                            │
//!                                      ▲ 5 strikes, or nobody answers           │
//!                                      └────────────────────────────────────────┘
//! ```
//!
//! A strike is a failed request. After the first strike by an answer, further answers to requests about the same subject
//! are no strikes until a request is accepted (silence always is): a receiver of hooks that cannot digest the events of one
//! user still gets those of the others. What a subject is, is the caller's choice.

#[cfg(test)]
mod tests;

use super::backoff;
use crate::types::Timestamp;
use std::time::Duration;

/// Strikes in a row that open the circuit.
const STRIKES: usize = 5;

/// The circuit of one endpoint. `S` is what its requests are about: the user of a hook, for example.
#[derive(Debug, Clone)]
pub struct Circuit<S> {
    state: CircuitState,
    /// A probe is under way. It may outlive the outage it was sent in, and be under way when the next one begins.
    is_probing: bool,
    /// The subjects of the requests that struck since the last accepted one, at most [`STRIKES`]. A subject is in it
    /// several times if several requests met silence.
    strikes: Vec<S>,
    /// Requests at once when all is well.
    concurrency: usize,
    pauses: Pauses,
}

/// Pauses before probes of an open circuit: the first, and its bound as it doubles.
#[derive(Debug, Clone, Copy)]
pub struct Pauses {
    /// Before the first probe.
    pub first: Duration,
    /// Before later ones, at most.
    pub max: Duration,
}

impl Pauses {
    /// For what can wait: nobody looks at the answer.
    pub const PATIENT: Self = Self { first: Duration::from_secs(5), max: Duration::from_secs(30) };
}

#[derive(Debug, Clone, Copy)]
enum CircuitState {
    Closed,
    Open { probe_at: Timestamp, pause: Duration },
    Warming { at_once: usize, accepted: usize },
}

/// Whether one more request may start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MayStart {
    /// One more request may start.
    Send,
    /// One request may start, alone, to find out whether the endpoint is back.
    Probe,
    /// No request may start now.
    Wait,
}

/// What a request was sent for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To deliver events.
    Deliver,
    /// To find out whether the endpoint is back.
    Probe,
}

/// How a request failed, as far as it tells about the endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// No answer came.
    Silence,
    /// The answer was not 2xx; it may have asked for patience.
    Answer {
        /// `Retry-After`, if there was one.
        retry_after: Option<Duration>,
    },
}

impl<S: Clone + PartialEq> Circuit<S> {
    /// A closed circuit for an endpoint that takes `concurrency` requests at once (at least 1).
    pub fn new(concurrency: usize, pauses: Pauses) -> Self {
        let concurrency = concurrency.max(1);
        Self {
            state: CircuitState::Closed,
            is_probing: false,
            strikes: Vec::new(),
            concurrency,
            pauses,
        }
    }

    /// Whether one more request may start while `in_flight` are under way.
    pub fn admit(&self, in_flight: usize, now: Timestamp) -> MayStart {
        match self.state {
            CircuitState::Open { probe_at, .. } if !self.is_probing && probe_at <= now => {
                MayStart::Probe
            }
            CircuitState::Closed if in_flight < self.concurrency => MayStart::Send,
            CircuitState::Warming { at_once, .. } if in_flight < at_once => MayStart::Send,
            CircuitState::Open { .. } | CircuitState::Closed | CircuitState::Warming { .. } => {
                MayStart::Wait
            }
        }
    }

    /// When [`Circuit::admit`] may say yes without any news; `None` if only an answer can change its mind.
    pub fn admits_at(&self, in_flight: usize, now: Timestamp) -> Option<Timestamp> {
        match self.state {
            CircuitState::Open { probe_at, .. } => (!self.is_probing).then_some(probe_at),
            CircuitState::Closed | CircuitState::Warming { .. } => {
                (self.admit(in_flight, now) == MayStart::Send).then_some(now)
            }
        }
    }

    /// A request has started.
    pub fn started(&mut self, purpose: Purpose) {
        self.is_probing |= purpose == Purpose::Probe;
    }

    /// A request was given up before it was sent.
    pub fn cancelled(&mut self, purpose: Purpose) {
        self.ended(purpose);
    }

    /// A request was accepted; `true` if that ends an outage.
    pub fn accepted(&mut self, purpose: Purpose) -> bool {
        self.ended(purpose);
        self.strikes.clear();
        match self.state {
            CircuitState::Closed => false,
            CircuitState::Open { .. } => {
                self.state = CircuitState::Warming { at_once: 1, accepted: 0 };
                true
            }
            CircuitState::Warming { at_once, accepted } => {
                self.state = self.warmer(at_once, accepted + 1);
                false
            }
        }
    }

    /// A request about `subject` failed.
    pub fn failed(&mut self, subject: &S, failure: Failure, purpose: Purpose, now: Timestamp) {
        self.ended(purpose);
        let asked = match failure {
            Failure::Answer { retry_after: Some(asked) } => backoff::honoured(asked),
            Failure::Answer { retry_after: None } | Failure::Silence => Duration::ZERO,
        };
        match (self.state, purpose) {
            (CircuitState::Open { pause, .. }, Purpose::Probe) => {
                self.open((pause * 2).min(self.pauses.max), asked, now);
            }
            // Sent before the circuit opened: tells nothing new.
            (CircuitState::Open { .. }, Purpose::Deliver) => {}
            (CircuitState::Closed | CircuitState::Warming { .. }, _) => {
                let silence = failure == Failure::Silence;
                if silence || !self.strikes.contains(subject) {
                    self.strikes.push(subject.clone());
                }
                let relapse = silence && matches!(self.state, CircuitState::Warming { .. });
                if relapse || STRIKES <= self.strikes.len() {
                    self.open(self.pauses.first, asked, now);
                }
            }
        }
    }

    /// Lets a probe go out now, whatever the pause.
    pub fn hurry(&mut self, now: Timestamp) {
        if let CircuitState::Open { probe_at, .. } = &mut self.state {
            *probe_at = now.min(*probe_at);
        }
    }

    /// Whether all sending has stopped.
    pub fn is_open(&self) -> bool {
        matches!(self.state, CircuitState::Open { .. })
    }

    /// Whether the last request was accepted, or none was made.
    pub fn is_well(&self) -> bool {
        self.strikes.is_empty() && !self.is_open()
    }

    fn open(&mut self, pause: Duration, asked: Duration, now: Timestamp) {
        self.strikes.truncate(STRIKES);
        self.state = CircuitState::Open { probe_at: now + pause.max(asked), pause };
    }

    fn warmer(&self, at_once: usize, accepted: usize) -> CircuitState {
        if accepted < at_once {
            return CircuitState::Warming { at_once, accepted };
        }
        let doubled = at_once.saturating_mul(2);
        if self.concurrency <= doubled {
            CircuitState::Closed
        } else {
            CircuitState::Warming { at_once: doubled, accepted: 0 }
        }
    }

    fn ended(&mut self, purpose: Purpose) {
        self.is_probing &= purpose != Purpose::Probe;
    }
}
