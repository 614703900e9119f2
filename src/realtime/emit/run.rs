//! One emit under way: who is left out, who has had it, how many it reached.

use super::UserEmitted;
use crate::connection::{Batch, Sent};
use crate::core::emit::audience::LeftOut;
use crate::core::emit::message::Emit;
use crate::core::presence::session::PresenceStatus;
use crate::registry::Socket;
use crate::types::{SocketId, saturating_u64};
use bytes::Bytes;
use metrics::Counter;
use std::collections::HashSet;

/// How an event is given to a connection.
#[derive(Debug)]
pub(super) enum Handing<'a, 'pump> {
    /// Written at once.
    Write,
    /// Queued with those of many others.
    Queue(&'a mut Batch<'pump>),
    /// The same; it is the logged event of this number, unless it is volatile.
    Logged(&'a mut Batch<'pump>, u64),
}

/// One emit under way.
pub(super) struct Run<'a> {
    is_volatile: bool,
    left_out: LeftOut<'a>,
    /// Sockets that have had their turn, if several names may mean the same.
    seen: Option<HashSet<SocketId>>,
    tally: Tally,
}

/// How many sockets an emit was for, and what became of it there.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tally {
    pub(super) matched: usize,
    pub(super) sent: usize,
    dropped: Dropped,
}

/// How many did not get it, by cause.
#[derive(Debug, Clone, Copy, Default)]
struct Dropped {
    /// It was volatile, and the connection busy.
    volatile: usize,
    /// The connection was closed, or closed now because too much was waiting.
    closed: usize,
    /// Too many acks are awaited there already.
    too_many_acks: usize,
}

impl<'a> Run<'a> {
    pub(super) fn new(emit: &'a Emit) -> Self {
        Self {
            is_volatile: emit.volatile,
            left_out: emit.audience.left_out(),
            seen: (1 < emit.audience.target.names()).then(HashSet::new),
            tally: Tally::default(),
        }
    }

    /// Gives the event to a socket, unless it is left out or has had it.
    pub(super) fn hand_to(&mut self, socket: &Socket, event: &Bytes, handing: Handing<'_, '_>) {
        if self.matches(socket) {
            self.give(socket, event, handing);
        }
    }

    /// Whether the event is for a socket, which is counted then: it is not left out, and has not had its turn.
    pub(super) fn matches(&mut self, socket: &Socket) -> bool {
        let is_new = !self.left_out.includes(socket)
            && self.seen.as_mut().is_none_or(|seen| seen.insert(socket.id));
        self.tally.matched += usize::from(is_new);
        is_new
    }

    /// Gives the event to a socket that it is for. Returns whether it was taken.
    pub(super) fn give(
        &mut self,
        socket: &Socket,
        event: &Bytes,
        handing: Handing<'_, '_>,
    ) -> bool {
        let sent = match handing {
            Handing::Write if self.is_volatile => socket.connection.send_volatile(event),
            Handing::Write => socket.connection.send(event),
            Handing::Queue(batch) => batch.send(&socket.connection, event, self.is_volatile),
            Handing::Logged(batch, number) => {
                if !self.is_volatile {
                    socket.address(number);
                }
                batch.send(&socket.connection, event, self.is_volatile)
            }
        };
        match sent {
            Sent::Yes => self.tally.sent += 1,
            Sent::Dropped => self.tally.dropped.volatile += 1,
            Sent::Closed => self.tally.dropped.closed += 1,
        }
        sent == Sent::Yes
    }

    /// A socket that the event is for does not get it: it is to ack too many already.
    pub(super) fn refuse(&mut self) {
        self.tally.dropped.too_many_acks += 1;
    }

    pub(super) fn tally(&self) -> Tally {
        self.tally
    }
}

/// What the metrics know of all emits.
#[derive(Debug, Clone)]
pub(in crate::realtime) struct Counters {
    emits: Counter,
    matched: Counter,
    sent: Counter,
}

impl Counters {
    /// Looked up once: by name each costs as much as it takes to send.
    pub(in crate::realtime) fn new() -> Self {
        Self {
            emits: metrics::counter!("userline_emits_total"),
            matched: metrics::counter!("userline_events_matched_total"),
            sent: metrics::counter!("userline_events_sent_total"),
        }
    }
}

impl Tally {
    /// What has come since `before`, for a user of this status.
    pub(super) fn since(&self, before: &Self, status: PresenceStatus) -> UserEmitted {
        let (matched, sent) = (self.matched - before.matched, self.sent - before.sent);
        UserEmitted { status, matched, sent }
    }

    /// Tells the metrics.
    pub(super) fn count(&self, counters: &Counters) {
        counters.emits.increment(1);
        counters.matched.increment(saturating_u64(self.matched));
        counters.sent.increment(saturating_u64(self.sent));
        let Dropped { volatile, closed, too_many_acks } = self.dropped;
        let causes = [("volatile", volatile), ("closed", closed), ("too_many_acks", too_many_acks)];
        for (cause, n) in causes.into_iter().filter(|(_, n)| 0 < *n) {
            metrics::counter!("userline_events_dropped_total", "cause" => cause)
                .increment(saturating_u64(n));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Counters, Dropped, Tally};
    use metrics_exporter_prometheus::PrometheusBuilder;

    #[test]
    fn what_was_not_sent_is_counted_by_cause() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let dropped = Dropped { volatile: 2, closed: 3, too_many_acks: 4 };
        let tally = Tally { matched: 10, sent: 1, dropped };
        metrics::with_local_recorder(&recorder, || {
            let counters = Counters::new();
            tally.count(&counters);
            Tally::default().count(&counters);
        });

        let text = recorder.handle().render();
        for line in [
            "userline_emits_total 2",
            "userline_events_matched_total 10",
            "userline_events_sent_total 1",
            "userline_events_dropped_total{cause=\"volatile\"} 2",
            "userline_events_dropped_total{cause=\"closed\"} 3",
            "userline_events_dropped_total{cause=\"too_many_acks\"} 4",
        ] {
            assert!(text.lines().any(|it| it == line), "{line} is not in\n{text}");
        }
    }
}
