//! How fast one socket may send: beyond that its connection is not read, and if that goes on, closed.

use crate::clock::Clock;
use crate::core::protocol::inbound::ClientEvent;
use crate::core::throttle::{SendPace, SocketRates, Throttle};
use crate::types::{EventName, Timestamp};
use parking_lot::Mutex;
use std::sync::Arc;
use std::task::Waker;

/// The pace of one socket.
#[derive(Debug)]
pub(super) struct Pacer {
    rates: Arc<SocketRates>,
    state: Mutex<PacerState>,
    clock: Clock,
}

#[derive(Debug)]
struct PacerState {
    throttle: Throttle,
    /// The reader of the connection, while it is held back.
    reader: Option<Waker>,
    /// Somebody will wake it.
    is_timed: bool,
}

/// Whether a socket may send more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Paced {
    /// Now.
    Go,
    /// Not now. Whoever gets a time sees to it that [`Pacer::wake`] is called then.
    Hold(Option<Timestamp>),
    /// It has been held back for too long.
    TooFast,
}

impl Pacer {
    /// A socket that has sent nothing; `None` if it may send as fast as it likes.
    pub(super) fn new(rates: &Arc<SocketRates>, clock: &Clock) -> Option<Arc<Self>> {
        if rates.is_unlimited() {
            return None;
        }
        let throttle = Throttle::new(rates);
        let state = Mutex::new(PacerState { throttle, reader: None, is_timed: false });
        Some(Arc::new(Self { rates: Arc::clone(rates), state, clock: clock.clone() }))
    }

    /// The socket has sent an event.
    pub(super) fn take(&self, event: &ClientEvent<'_>) {
        let now = self.clock.now();
        self.state.lock().throttle.take(&self.rates, &event.name, event.bytes(), now);
    }

    /// That event is one for other clients, of this name.
    pub(super) fn take_sent(&self, event: &ClientEvent<'_>, sent: &EventName) {
        let now = self.clock.now();
        let names = (&*event.name, sent.as_str());
        self.state.lock().throttle.take_sent(&self.rates, names, now);
    }

    /// Whether it may send more; if not, `reader` is woken when it may.
    pub(super) fn pace(&self, reader: &Waker) -> Paced {
        let mut state = self.state.lock();
        match state.throttle.pace(&self.rates, self.clock.now()) {
            SendPace::Go => {
                state.reader = None;
                Paced::Go
            }
            SendPace::HoldUntil(until) => {
                if state.reader.is_none() {
                    metrics::counter!("userline_sockets_throttled_total").increment(1);
                }
                state.reader = Some(reader.clone());
                let is_timed = std::mem::replace(&mut state.is_timed, true);
                Paced::Hold((!is_timed).then_some(until))
            }
            SendPace::TooFast => Paced::TooFast,
        }
    }

    /// The time has come: the reader looks again.
    pub(super) fn wake(&self) {
        let mut state = self.state.lock();
        state.is_timed = false;
        let reader = state.reader.clone();
        drop(state);
        if let Some(reader) = reader {
            reader.wake();
        }
    }
}
