//! The socket that stays while all others are cut off, and what it sees of that.
//!
//! It pings at a fixed pace, be the last one answered or not: a pace that waited for the answers would take down one long
//! stall as one sample. And it does so on a thread of its own, so that what the generator does for the others delays
//! nothing that is measured.

use crate::bench::error::BenchError;
use crate::bench::fleet::{Fleet, FleetObserver};
use crate::bench::kinds::echo::ack_id;
use crate::bench::load::LoadPlan;
use crate::bench::measure::{Latency, Quantiles};
use crate::clock::Clock;
use crate::core::protocol::frame;
use bytes::BytesMut;
use serde_json::Value;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Time from one ping to the next.
const PING_EVERY: Duration = Duration::from_millis(5);

/// The socket that stays.
#[derive(Debug)]
pub(super) struct Bystander {
    fleet: Fleet,
    /// Its number among the sockets of the plan.
    socket: usize,
    pings: Pings,
}

impl Bystander {
    /// Connects the socket with this number of the plan; it will ping with `event`.
    pub(super) fn connect(
        plan: Arc<LoadPlan>,
        clock: Clock,
        socket: usize,
        event: &str,
    ) -> Result<Self, BenchError> {
        let pings = Pings::try_new(socket, &plan.prefix, event)?;
        let mut bystander = Self { fleet: Fleet::try_new(plan, clock)?, socket, pings };
        let Self { fleet, pings, .. } = &mut bystander;
        let deadline = fleet.clock.elapsed() + fleet.plan.patience;
        fleet.open(socket);
        while fleet.arrivals.settled() == 0 && fleet.clock.elapsed() < deadline {
            fleet.turn(pings, PING_EVERY)?;
        }
        fleet.arrivals.has_any()?;
        Ok(bystander)
    }

    /// Pings until `is_over`.
    pub(super) fn ping_until(mut self, is_over: &AtomicBool) -> Result<Self, BenchError> {
        let Self { fleet, socket, pings } = &mut self;
        let mut next = fleet.clock.elapsed();
        while !is_over.load(Ordering::Relaxed) {
            let now = fleet.clock.elapsed();
            if next <= now {
                fleet.send(*socket, pings.next(now));
                next = now.max(next + PING_EVERY);
            }
            fleet.turn(pings, next.saturating_sub(now))?;
        }
        Ok(self)
    }

    /// Whether it is still connected.
    pub(super) fn is_connected(&self) -> bool {
        self.fleet.is_ready(self.socket)
    }

    /// How long its pings took; `None` if the server acks none.
    pub(super) fn quantiles(self) -> Option<Quantiles> {
        let now = self.fleet.clock.elapsed();
        self.pings.quantiles(now)
    }
}

/// The pings of one socket.
#[derive(Debug)]
pub(crate) struct Pings {
    socket: usize,
    /// Empty for the root namespace, else `/namespace,`.
    prefix: String,
    /// JSON text.
    event: String,
    frame: BytesMut,
    /// Number of the last ping, and its ack id.
    id: u32,
    /// Those that are not acked: number, and when it was sent.
    sent: VecDeque<(u32, Duration)>,
    latency: Latency,
}

impl Pings {
    /// Of this socket, with `event`.
    pub(crate) fn try_new(socket: usize, prefix: &str, event: &str) -> Result<Self, BenchError> {
        Ok(Self {
            socket,
            prefix: prefix.to_owned(),
            event: Value::from(event).to_string(),
            frame: BytesMut::new(),
            id: 0,
            sent: VecDeque::new(),
            latency: Latency::try_new()?,
        })
    }

    /// The frame of the next ping, which is sent now.
    pub(crate) fn next(&mut self, now: Duration) -> &[u8] {
        self.id = self.id.wrapping_add(1);
        self.sent.push_back((self.id, now));
        let packet = format!("42{}{}[{}]", self.prefix, self.id, self.event);
        self.frame.clear();
        frame::put_client_text(&mut self.frame, packet.as_bytes());
        &self.frame
    }

    /// How long they took, if any was acked; those that are not acked took the time until `now`, or more.
    pub(crate) fn quantiles(mut self, now: Duration) -> Option<Quantiles> {
        self.latency.quantiles()?;
        for (_, sent_at) in self.sent {
            self.latency.record(now.saturating_sub(sent_at));
        }
        self.latency.quantiles()
    }
}

impl FleetObserver for Pings {
    fn packet(&mut self, socket: usize, packet: &[u8], at: Duration) {
        if socket != self.socket {
            return;
        }
        let acked = ack_id(packet, &self.prefix);
        let place = self.sent.iter().position(|(id, _)| Some(*id) == acked);
        if let Some((_, sent_at)) = place.and_then(|it| self.sent.remove(it)) {
            self.latency.record(at.saturating_sub(sent_at));
        }
    }

    fn answered(&mut self, _: usize, _: u16) {}
}
