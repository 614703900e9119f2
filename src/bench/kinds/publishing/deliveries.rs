//! What comes in of what was published: counted, timed, and checked for loss, repeats and order.

use super::sequence::{Arrival, Sequence};
use crate::bench::error::BenchError;
use crate::bench::fleet::FleetObserver;
use crate::bench::load::Marker;
use crate::bench::measure::{EventCounts, Latency};
use std::time::Duration;

/// Who an event is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Receivers {
    /// Every socket; each publisher numbers its own events.
    Everybody,
    /// The sockets of one user; the events of each user are numbered.
    OneUser,
}

/// What has come in.
#[derive(Debug)]
pub(crate) struct DeliveryCheck {
    receivers: Receivers,
    users: usize,
    /// Streams whose events one socket gets.
    streams: usize,
    /// Those of the first socket, then those of the second …
    sequences: Vec<Sequence>,
    pub(crate) counts: EventCounts,
    /// Delivered since the beginning, warm-up included.
    pub(crate) delivered: u64,
    pub(crate) latency: Latency,
    /// When something came last.
    pub(crate) last: Duration,
    /// Publishers that have nothing to wait for.
    pub(crate) idle: Vec<usize>,
    /// The status of the last answer that was not 2xx; 0 if the connection broke.
    pub(crate) bad_status: Option<u16>,
}

impl DeliveryCheck {
    /// Nothing has come yet.
    pub(crate) fn try_new(
        receivers: Receivers,
        sockets: usize,
        users: usize,
        publishers: usize,
    ) -> Result<Self, BenchError> {
        let streams = match receivers {
            Receivers::Everybody => publishers,
            Receivers::OneUser => 1,
        };
        let sequences = std::iter::repeat_with(Sequence::default);
        Ok(Self {
            receivers,
            users,
            streams,
            sequences: sequences.take(sockets.saturating_mul(streams)).collect(),
            counts: EventCounts::default(),
            delivered: 0,
            latency: Latency::try_new()?,
            last: Duration::ZERO,
            idle: (0..publishers).rev().collect(),
            bad_status: None,
        })
    }

    /// What counts for the rates begins anew; what went wrong stays counted.
    pub(crate) fn restart(&mut self) {
        (self.counts.sent, self.counts.delivered) = (0, 0);
        self.latency.clear();
    }

    /// How much of what was sent has not come to this socket. `sent` is by stream.
    pub(crate) fn lost(&self, socket: usize, sent: &[u32]) -> u64 {
        let begin = socket.saturating_mul(self.streams);
        let own = self.sequences.iter().skip(begin).take(self.streams);
        let sent = match self.receivers {
            Receivers::Everybody => sent,
            Receivers::OneUser => sent.get(self.user_of(socket)..).unwrap_or_default(),
        };
        own.zip(sent).map(|(sequence, sent)| sequence.lost(*sent)).sum()
    }

    fn user_of(&self, socket: usize) -> usize {
        socket.checked_rem(self.users).unwrap_or_default()
    }

    /// The numbering that an event belongs to at this socket; `None` if it is not for it.
    fn sequence(&mut self, socket: usize, stream: u32) -> Option<&mut Sequence> {
        let stream = usize::try_from(stream).ok()?;
        let index = match self.receivers {
            Receivers::Everybody if stream < self.streams => stream,
            Receivers::OneUser if stream == self.user_of(socket) => 0,
            Receivers::Everybody | Receivers::OneUser => return None,
        };
        self.sequences.get_mut(socket.checked_mul(self.streams)?.checked_add(index)?)
    }
}

impl FleetObserver for DeliveryCheck {
    fn packet(&mut self, socket: usize, packet: &[u8], at: Duration) {
        let Some(marker) = Marker::find(packet) else { return };
        self.last = at;
        let Some(sequence) = self.sequence(socket, marker.stream) else {
            self.counts.misdirected += 1;
            return;
        };
        match sequence.take(marker.seq) {
            Arrival::InOrder => {}
            Arrival::Late => self.counts.reordered += 1,
            Arrival::Duplicate => {
                self.counts.duplicates += 1;
                return;
            }
        }
        self.delivered += 1;
        self.counts.delivered += 1;
        self.latency.record(at.saturating_sub(marker.at));
    }

    fn answered(&mut self, publisher: usize, status: u16) {
        self.idle.push(publisher);
        if !(200..300).contains(&status) {
            self.counts.failed += 1;
            self.bad_status = Some(status);
        }
    }
}
